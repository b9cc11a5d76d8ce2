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
        let template = "{prefix}  {bar:20}  {pos}/{len} lists  {msg}";
        let style = ProgressStyle::with_template(template).unwrap_or_else(|_| ProgressStyle::default_bar());
        bar.set_style(style.progress_chars("=> "));
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

impl Bar {
    /// Takes the bar away, since questions may follow.
    pub fn hide(&self) {
        self.bar.finish_and_clear();
    }
}

impl Progress for Bar {
    fn lists(&self, count: usize) {
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
