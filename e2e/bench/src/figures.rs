//! Figures: samples and their median, CPU seconds and memory of a process.

use anyhow::Context;
use serde::Serialize;

/// Samples of one quantity.
#[derive(Clone, Debug, Default, Serialize)]
pub(crate) struct Samples(pub(crate) Vec<f64>);

impl Samples {
    fn sorted(&self) -> Vec<f64> {
        let mut sorted = self.0.clone();
        sorted.sort_by(f64::total_cmp);
        sorted
    }

    /// Returns the smallest value that `percent` of the samples do not exceed; 0 without samples.
    pub(crate) fn percentile(&self, percent: usize) -> f64 {
        let sorted = self.sorted();
        let rank = (sorted.len() * percent).div_ceil(100).max(1);
        sorted.get(rank - 1).copied().unwrap_or_default()
    }

    /// Returns the median.
    pub(crate) fn median(&self) -> f64 {
        let sorted = self.sorted();
        let (low, high) = (sorted.len().saturating_sub(1) / 2, sorted.len() / 2);
        let at = |index: usize| sorted.get(index).copied().unwrap_or_default();
        f64::midpoint(at(low), at(high))
    }

    pub(crate) fn range(&self) -> (f64, f64) {
        let sorted = self.sorted();
        let ends = (sorted.first(), sorted.last());
        (ends.0.copied().unwrap_or_default(), ends.1.copied().unwrap_or_default())
    }

    /// Divides sample by sample, because both of one round had the same machine load.
    pub(crate) fn over(&self, other: &Self) -> Self {
        let pairs = self.0.iter().zip(&other.0);
        Self(pairs.map(|(ours, theirs)| ours / theirs).collect())
    }
}

impl FromIterator<f64> for Samples {
    fn from_iter<T: IntoIterator<Item = f64>>(values: T) -> Self {
        Self(values.into_iter().collect())
    }
}

/// Returns the CPU seconds of a process since its start, for all threads.
pub(crate) fn cpu_seconds(pid: u32) -> anyhow::Result<f64> {
    let stat = std::fs::read_to_string(format!("/proc/{pid}/stat")).context("the process has ended")?;
    // The name is in parentheses and may contain any characters.
    let (_, rest) = stat.rsplit_once(") ").context("/proc/PID/stat")?;
    let mut fields = rest.split(' ').skip(11);
    let mut ticks = || fields.next().and_then(|field| field.parse::<u32>().ok());
    let (user, system) = (ticks().context("utime")?, ticks().context("stime")?);
    // Linux has reported a hundred ticks per second to user space on every architecture for decades.
    Ok(f64::from(user + system) / 100.0)
}

/// Memory of a process, in MiB.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Memory {
    /// `VmRSS`.
    pub(crate) resident: f64,
    /// `RssAnon`: excludes the pages of the binary, which all processes share and the kernel may drop.
    pub(crate) anonymous: f64,
    /// `VmHWM`.
    pub(crate) peak: f64,
}

impl Memory {
    pub(crate) fn of(pid: u32) -> anyhow::Result<Self> {
        let status = std::fs::read_to_string(format!("/proc/{pid}/status")).context("the process has ended")?;
        let mib = |field: &str| -> anyhow::Result<f64> {
            let found = status.lines().find_map(|line| line.strip_prefix(field));
            let kib = found.and_then(|rest| rest.trim().strip_suffix(" kB"));
            let kib: u32 = kib.with_context(|| format!("no {field}"))?.parse()?;
            Ok(f64::from(kib) / 1024.0)
        };
        Ok(Self {
            resident: mib("VmRSS:")?,
            anonymous: mib("RssAnon:")?,
            peak: mib("VmHWM:")?,
        })
    }
}

/// Counts are far below the exact range of a double.
#[expect(clippy::cast_precision_loss, reason = "said above")]
pub(crate) fn count(number: usize) -> f64 {
    number as f64
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The median of samples does not depend on their order.
    #[test]
    fn median_ignores_sample_order() {
        let odd: Samples = [3.0, 1.0, 2.0].into_iter().collect();
        let even: Samples = [4.0, 1.0, 2.0, 3.0].into_iter().collect();
        assert_eq!((odd.median(), even.median()), (2.0, 2.5));
        assert_eq!(even.range(), (1.0, 4.0));
    }

    #[test]
    fn a_percentile_is_one_of_the_samples() {
        let samples: Samples = (1..=300).map(f64::from).collect();
        assert_eq!((samples.percentile(50), samples.percentile(99)), (150.0, 297.0));
        let one = Samples(vec![7.0]);
        assert_eq!((one.percentile(1), one.percentile(99)), (7.0, 7.0));
    }

    #[test]
    fn this_process_uses_cpu_and_memory() {
        let memory = Memory::of(std::process::id()).unwrap();
        assert!(memory.peak >= memory.resident && memory.resident > memory.anonymous);
        cpu_seconds(std::process::id()).unwrap();
    }
}
