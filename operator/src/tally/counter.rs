//! Counts of one object, and how long its keys are pending.

use std::collections::HashMap;
use std::time::Duration;

use plan::decision::State;
use plan::summary::{Count, Left};

use crate::shrink;
use crate::work::Key;

/// Capacity for this many keys of an object is kept when a map shrinks.
const KEPT: usize = 256;

/// Grace period: a newly selected namespace does not make its object unready for this long. Without it, an object would
/// never be ready where namespaces arrive all day.
const GRACE: Duration = Duration::from_secs(5);

/// Counts of namespaces by their copy, or of accounts by their reference.
#[derive(Debug, Default)]
pub(super) struct Counter {
    pub(super) count: Count,
    /// Keys that are pending since they appeared, or since another writer changed them.
    pending: HashMap<Key, Pending>,
    /// Number of keys that are pending because the object changed, or because the operator started. It may be every
    /// namespace, so they are counted and not listed.
    declared: usize,
    /// When `declared` last rose above zero.
    declared_at: Duration,
}

#[derive(Debug)]
struct Pending {
    since: Duration,
    /// When this key starts to make the object unready.
    late_at: Duration,
}

impl Counter {
    /// Moves a key from state `was` to `is`; `None` means that the object does not want it. Returns how long the key
    /// waited, if it became ready and its object had not changed.
    pub(super) fn update(
        &mut self,
        key: &Key,
        was: Option<&State>,
        is: Option<&State>,
        now: Duration,
        spec_changed: bool,
    ) -> Option<Duration> {
        if let Some(was) = was {
            self.count.add(was, -1);
        }
        if let Some(is) = is {
            self.count.add(is, 1);
        }
        match (was == Some(&State::Pending), is == Some(&State::Pending)) {
            (false, false) => None,
            (false, true) if spec_changed => {
                if self.declared == 0 {
                    self.declared_at = now;
                }
                self.declared += 1;
                None
            }
            (false, true) => {
                // A key that failed before gets no grace period.
                let failed = matches!(was, Some(State::Failed(_)));
                let late_at = if failed { now } else { now + GRACE };
                self.pending.insert(key.clone(), Pending { since: now, late_at });
                None
            }
            (true, true) => {
                if let Some(pending) = self.pending.get_mut(key).filter(|_| spec_changed) {
                    pending.late_at = now.min(pending.late_at);
                }
                None
            }
            (true, false) => {
                let Some(pending) = self.pending.remove(key) else {
                    self.declared = self.declared.saturating_sub(1);
                    return None;
                };
                shrink::shrink_if_sparse(&mut self.pending, KEPT);
                (is == Some(&State::Ready)).then(|| now.saturating_sub(pending.since))
            }
        }
    }

    pub(super) fn left(&self) -> Left {
        Left {
            due: self.count.selected,
            failed: self.count.failed,
            late_at: self.late_at(),
        }
    }

    /// When the first pending key makes the object unready.
    pub(super) fn late_at(&self) -> Option<Duration> {
        let declared = (self.declared > 0).then_some(self.declared_at);
        self.pending
            .values()
            .map(|pending| pending.late_at)
            .chain(declared)
            .min()
    }
}
