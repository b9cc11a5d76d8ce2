//! CPU and memory of the process, under the names that common dashboards use.

use std::sync::atomic::{AtomicU64, Ordering};

use prometheus_client::metrics::counter::Counter;
use prometheus_client::metrics::gauge::Gauge;
use prometheus_client::registry::Unit;

use super::catalogue::Catalogue;

/// Ticks per second of the times in `/proc/self/stat`. Linux shows the same value to programs on every architecture.
const TICKS: f64 = 100.0;

#[derive(Debug)]
pub(super) struct Gauges {
    cpu: Counter<f64, AtomicU64>,
    memory: Gauge,
}

impl Gauges {
    pub(super) fn new(all: &mut Catalogue) -> Self {
        let help = "CPU time of the process";
        let cpu = all.add("process_cpu", Some(Unit::Seconds), &[], help, Counter::default());
        let help = "Resident memory of the process";
        let memory = all.add(
            "process_resident_memory",
            Some(Unit::Bytes),
            &[],
            help,
            Gauge::default(),
        );
        Self { cpu, memory }
    }

    /// Updates both from `/proc`. A value that cannot be read stays unchanged.
    pub(super) fn read(&self) {
        let file = |name| std::fs::read_to_string(name).unwrap_or_default();
        if let Some(seconds) = cpu_seconds(&file("/proc/self/stat")) {
            self.cpu.inner().store(seconds.to_bits(), Ordering::Relaxed);
        }
        if let Some(bytes) = resident_bytes(&file("/proc/self/status")) {
            self.memory.set(bytes);
        }
    }
}

/// Sums the 14th and 15th field. The second is the program's name in parentheses, which may hold any text.
fn cpu_seconds(stat: &str) -> Option<f64> {
    let mut fields = stat.rsplit_once(')')?.1.split_whitespace().skip(11);
    let mut ticks = || fields.next()?.parse::<f64>().ok();
    Some((ticks()? + ticks()?) / TICKS)
}

fn resident_bytes(status: &str) -> Option<i64> {
    let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:"))?;
    let kib: i64 = line.trim().strip_suffix("kB")?.trim().parse().ok()?;
    kib.checked_mul(1024)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn files_of_the_kernel_are_parsed() {
        let stat = "7 (a) b) S 1 7 7 0 -1 4194560 1 0 0 0 150 50 0 0 20 0 3 0 100 1 1";
        assert_eq!(cpu_seconds(stat), Some(2.0));
        assert_eq!(cpu_seconds(""), None);
        assert_eq!(resident_bytes("VmPeak:\t  9 kB\nVmRSS:\t   12 kB\n"), Some(12 * 1024));
        assert_eq!(resident_bytes("VmPeak:\t  9 kB\n"), None);
    }
}
