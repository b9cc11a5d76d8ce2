//! What a person sees while a Go module is being built.

use std::io::IsTerminal;
use std::time::{Duration, Instant};

use indicatif::{ProgressBar, ProgressStyle};

/// Without a terminal, one line after this many packages: enough to see in a CI log that it lives.
const LINE_EVERY: u64 = 250;

pub(super) struct Progress {
    name: &'static str,
    total: u64,
    bar: Option<ProgressBar>,
    done: std::cell::Cell<u64>,
    started: Instant,
}

impl Progress {
    pub(super) fn start(name: &'static str, total: u64) -> Self {
        let bar = std::io::stderr().is_terminal().then(|| {
            let bar = ProgressBar::new(total).with_style(style()).with_prefix(name);
            // The clock moves even while one big package is being compiled, or the linker works.
            bar.enable_steady_tick(Duration::from_millis(200));
            bar
        });
        if bar.is_none() {
            eprintln!("building {name}: {total} packages, once for these sources");
        }
        Self {
            name,
            total,
            bar,
            done: std::cell::Cell::new(0),
            started: Instant::now(),
        }
    }

    /// One package more is being compiled.
    pub(super) fn package(&self, package: &str) {
        let done = self.done.get() + 1;
        self.done.set(done);
        match &self.bar {
            Some(bar) => {
                bar.set_message(package.to_owned());
                bar.inc(1);
            }
            None if done.is_multiple_of(LINE_EVERY) => {
                eprintln!("building {}: {done} of {} packages", self.name, self.total);
            }
            None => {}
        }
    }

    /// The binary is there; packages that Go had cached are not waited for.
    pub(super) fn finish(self) {
        if let Some(bar) = self.bar {
            bar.finish_and_clear();
        }
        eprintln!("built {} in {} s", self.name, self.started.elapsed().as_secs());
    }
}

fn style() -> ProgressStyle {
    ProgressStyle::with_template("{prefix} [{bar:30}] {pos}/{len} packages, {elapsed} {wide_msg}")
        .unwrap_or_else(|_| ProgressStyle::default_bar())
        .progress_chars("=> ")
}
