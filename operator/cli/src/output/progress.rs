//! One bar for each context, on standard error, while a person watches.

use std::cell::Cell;
use std::time::Duration;

use indicatif::{MultiProgress, ProgressBar, ProgressDrawTarget, ProgressStyle};

use crate::cluster::Progress;
use crate::world::Kind;

/// The bars of all contexts.
pub struct Bars {
    all: MultiProgress,
    width: usize,
}

/// The bar of one context.
pub struct Bar {
    bar: ProgressBar,
    objects: Cell<usize>,
}

impl Bars {
    /// Makes bars for these contexts. indicatif draws none where standard error is no terminal.
    pub fn new(shown: bool, contexts: &[String]) -> Self {
        let target = if shown {
            ProgressDrawTarget::stderr()
        } else {
            ProgressDrawTarget::hidden()
        };
        Self {
            all: MultiProgress::with_draw_target(target),
            width: contexts.iter().map(|name| name.chars().count()).max().unwrap_or(0),
        }
    }

    /// Adds the bar of a context.
    pub fn add(&self, context: &str) -> Bar {
        // Without a length the bar would look full.
        let bar = self.all.add(ProgressBar::new(1));
        bar.set_style(style(""));
        bar.set_prefix(format!("{context:width$}", width = self.width));
        bar.enable_steady_tick(Duration::from_millis(200));
        Bar {
            bar,
            objects: Cell::new(0),
        }
    }

    /// Takes all bars away.
    pub fn clear(&self) {
        let _ = self.all.clear();
    }
}

fn style(unit: &str) -> ProgressStyle {
    let template = format!("{{prefix}}  {{bar:20}}  {{pos}}/{{len}} {unit}  {{msg}}");
    let style = ProgressStyle::with_template(&template).unwrap_or_else(|_| ProgressStyle::default_bar());
    style.progress_chars("=> ")
}

impl Bar {
    /// Shows how many of the selected namespaces are served.
    pub fn served(&self, served: i64, selected: i64) {
        self.of(served.unsigned_abs(), selected.unsigned_abs(), "namespaces");
    }

    /// Shows how many copies are removed, of those that were there.
    pub fn removed(&self, removed: usize, of: usize) {
        self.of(removed as u64, of as u64, "copies removed");
    }

    /// Shows how many objects are installed.
    pub fn installed(&self, done: usize, of: usize) {
        self.of(done as u64, of as u64, "objects installed");
    }

    fn of(&self, done: u64, all: u64, unit: &str) {
        self.bar.set_style(style(unit));
        // A length of 0 would look full.
        self.bar.set_length(all.max(1));
        self.bar.set_position(done);
    }

    /// Takes the bar away, since questions may follow.
    pub fn hide(&self) {
        self.bar.finish_and_clear();
    }
}

impl Progress for Bar {
    fn lists(&self, count: usize) {
        self.bar.set_style(style("lists"));
        self.bar.set_length(count as u64);
    }

    fn page(&self, _: Kind, objects: usize) {
        self.objects.set(self.objects.get() + objects);
        self.bar.set_message(format!("{} objects", self.objects.get()));
    }

    fn list(&self) {
        self.bar.inc(1);
    }
}

impl Drop for Bar {
    fn drop(&mut self) {
        self.bar.finish_and_clear();
    }
}
