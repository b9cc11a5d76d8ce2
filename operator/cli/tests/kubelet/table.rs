//! Counts what a run saw.

use std::collections::BTreeMap;
use std::fmt;
use std::iter::Sum;

/// What must occur in a whole run, and how often.
const LEAST: usize = 300;
const EXPECTED: [&str; 16] = [
    "Unreadable",
    "Ready",
    "LoginRefused",
    "Masked",
    "SecretMissing",
    "NoKey",
    "NoReference",
    "TooEarly, now",
    "TooEarly, on restart",
    "NodeOnly",
    "near: Scheme",
    "near: Case",
    "near: Port",
    "near: Path",
    "near: no user name",
    "near: none",
];

#[derive(Default)]
pub(crate) struct Table(BTreeMap<String, usize>);

impl Table {
    pub(crate) fn count(&mut self, what: impl Into<String>) {
        *self.0.entry(what.into()).or_default() += 1;
    }

    pub(crate) fn assert_that_everything_occurred(&self) {
        for what in EXPECTED {
            let seen = self.0.get(what).copied().unwrap_or_default();
            assert!(seen >= LEAST, "{what} occurred {seen} times only");
        }
    }
}

impl Sum for Table {
    fn sum<I: Iterator<Item = Self>>(tables: I) -> Self {
        let mut all = Self::default();
        for (what, count) in tables.flat_map(|table| table.0) {
            *all.0.entry(what).or_default() += count;
        }
        all
    }
}

impl fmt::Display for Table {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (what, count) in &self.0 {
            writeln!(f, "{count:>9} {what}")?;
        }
        Ok(())
    }
}
