//! Counts what a run saw.

use std::collections::BTreeMap;
use std::fmt;

use crate::exceptions::Exception;

#[derive(Default)]
pub(crate) struct Table {
    counts: BTreeMap<&'static str, usize>,
    exceptions: BTreeMap<Exception, usize>,
}

impl Table {
    pub(crate) fn count(&mut self, what: &'static str, times: usize) {
        *self.counts.entry(what).or_default() += times;
    }

    pub(crate) fn exception(&mut self, exception: Exception) {
        *self.exceptions.entry(exception).or_default() += 1;
    }

    /// Whether each exception has occurred.
    pub(crate) fn has_everything(&self) -> bool {
        Exception::ALL
            .iter()
            .all(|exception| self.exceptions.contains_key(exception))
    }

    /// Fails if an exception never occurred: it is no longer true, or not generated.
    pub(crate) fn assert_that_everything_occurred(&self) {
        for exception in Exception::ALL {
            assert!(self.exceptions.contains_key(&exception), "{exception:?} never occurred");
        }
    }
}

impl fmt::Display for Table {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (what, count) in &self.counts {
            writeln!(f, "{count:>9} {what}")?;
        }
        for (exception, count) in &self.exceptions {
            writeln!(f, "{count:>9} {exception:?}: {}", exception.reason())?;
        }
        Ok(())
    }
}
