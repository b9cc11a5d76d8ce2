//! Progress of a Go build, for people.

use std::io::IsTerminal;
use std::time::{Duration, Instant};

use indicatif::{ProgressBar, ProgressStyle};

/// Without a terminal, the build prints a line after this many packages, so that a CI log shows activity.
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
            // The clock moves while one large package is compiled, or while the linker works.
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

    /// Counts one more package.
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

    /// Completes the bar when the binary exists; packages in Go's cache do not count.
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
