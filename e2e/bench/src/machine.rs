//! Machine and build behind the figures.

use std::path::Path;

use anyhow::Context;
use serde::Serialize;

/// The header of the table.
#[derive(Clone, Debug, Serialize)]
pub(crate) struct Machine {
    processor: String,
    cores: usize,
    kernel: String,
    /// A value far above 0 means that other programs use the machine.
    load_at_start: String,
    /// The name of what is measured.
    what: &'static str,
    binary: String,
    binary_mib: f64,
    /// The size of the task, in words.
    task: String,
    seed: u64,
    rounds: usize,
}

impl Machine {
    pub(crate) fn of_this_run(what: &'static str, binary: &Path, seed: u64, rounds: usize) -> anyhow::Result<Self> {
        let read = |path: &str| std::fs::read_to_string(path).with_context(|| format!("cannot read {path}"));
        let processor = read("/proc/cpuinfo")?
            .lines()
            .find_map(|line| {
                line.strip_prefix("model name")?
                    .split_once(':')
                    .map(|(_, name)| name.trim().to_owned())
            })
            .unwrap_or_else(|| "unknown".to_owned());
        let load = read("/proc/loadavg")?;
        let bytes = std::fs::metadata(binary)
            .with_context(|| format!("the binary of the {what}"))?
            .len();
        // The last three parts are target, profile and name.
        let parts: Vec<_> = binary.iter().rev().take(3).map(|part| part.to_string_lossy()).collect();
        Ok(Self {
            processor,
            cores: std::thread::available_parallelism()?.get(),
            kernel: read("/proc/sys/kernel/osrelease")?.trim().to_owned(),
            load_at_start: load.split(' ').next().unwrap_or_default().to_owned(),
            what,
            task: String::new(),
            binary: parts.into_iter().rev().collect::<Vec<_>>().join("/"),
            binary_mib: f64::from(u32::try_from(bytes)?) / 1024.0 / 1024.0,
            seed,
            rounds,
        })
    }

    /// Adds the size of the task, in words.
    pub(crate) fn with(mut self, task: String) -> Self {
        self.task = task;
        self
    }

    /// Returns a text for people, one line per fact.
    pub(crate) fn lines(&self) -> Vec<String> {
        vec![
            format!(
                "{}, {} cores, Linux {}, load {} at the start",
                self.processor, self.cores, self.kernel, self.load_at_start
            ),
            format!("{} {} ({:.1} MiB)", self.what, self.binary, self.binary_mib),
            self.task.clone(),
            format!("{} rounds, seed {}", self.rounds, self.seed),
        ]
    }
}
