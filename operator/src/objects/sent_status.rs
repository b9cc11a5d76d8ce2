//! The last status that was sent for an object, and what became of it.

use std::time::Duration;

use crd::ClusterPullSecretStatus;
use plan::contention::Contention;
use plan::status::{Writes, says_the_same};

use crate::objects::attempts::Attempts;

/// The last status that was sent. Times count from the start of the process.
#[derive(Default)]
pub(super) struct SentStatus {
    status: Option<Box<ClusterPullSecretStatus>>,
    /// When it was sent, and later when its answer arrived.
    at: Option<Duration>,
    /// How often another writer changed it.
    contention: Contention,
    contended_until: Option<Duration>,
    /// Attempts that failed.
    pub(super) attempts: Attempts,
    /// How many replaced Pods the status had when this process first reported.
    recovered_before: Option<i64>,
}

impl SentStatus {
    /// Returns how many replaced Pods the status had when this process first reported. It has this status now.
    pub(super) fn recovered_before(&mut self, present: &ClusterPullSecretStatus) -> i64 {
        let recovered = present.pods.map_or(0, |pods| pods.recovered);
        *self.recovered_before.get_or_insert(recovered)
    }

    /// Records that this status is sent now.
    pub(super) fn send(&mut self, status: &ClusterPullSecretStatus, now: Duration) {
        // The same again: another writer changed it in between.
        if self.status.as_ref().is_some_and(|sent| says_the_same(sent, status)) {
            self.contended_until = Some(now + self.contention.record_undo(now));
        }
        self.status = Some(Box::new(status.clone()));
        self.at = Some(now);
    }

    /// Records that the answer arrived now, or that none will.
    pub(super) fn answered(&mut self, now: Duration) {
        self.at = Some(now);
    }

    /// Returns what the next status waits for. `declared_at` is when the object was declared last.
    pub(super) fn writes(&self, declared_at: Option<Duration>) -> Writes {
        Writes {
            declared_at,
            written_at: self.at,
            retry_at: self.attempts.retry_at,
            contended_until: self.contended_until,
        }
    }
}
