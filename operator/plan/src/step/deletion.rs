//! The steps of a deletion, and when the operator gives up.

use std::time::Duration;

use k8s_openapi::apimachinery::pkg::apis::meta::v1::Time;

use super::{Decision, Facts, ObjectStep, Step};
use crate::status::age;

/// The operator gives up a deletion that has failed everywhere for this long. Garbage collection then deletes the copies.
const GIVE_UP_AFTER: Duration = Duration::from_secs(60);
/// A process that starts later waits for the rest of that time, and at least for this long.
const GIVE_UP_AT_LEAST: Duration = Duration::from_secs(10);
/// A deletion that takes longer reports what it waits for.
const REPORTS_AFTER: Duration = Duration::from_secs(2);
/// While a deletion waits, the operator reads the object this often. An answer tells a refusal from an outage.
const READ_EVERY: Duration = Duration::from_secs(10);

/// How this process tries a deletion.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Deletion {
    /// When this process began.
    since: Duration,
    /// How long the attempts may fail before it gives up.
    patience: Duration,
}

impl Deletion {
    /// Begins the deletion of an object with this deletion timestamp. `time` is the wall clock at `now`.
    pub fn begin(deleted: &Time, now: Duration, time: &Time) -> Self {
        let left = GIVE_UP_AFTER.saturating_sub(age(deleted, time));
        Self {
            since: now,
            patience: left.max(GIVE_UP_AT_LEAST),
        }
    }
}

impl Facts<'_> {
    /// Decides the next step of a deletion.
    pub(super) fn clean_up(&self, now: Duration) -> Decision {
        let Some(deletion) = self.deletion.filter(|_| self.has_finalizer) else {
            return Decision::Wait(None);
        };
        let is_pending = self.summary.is_none_or(|summary| summary.pending_cleanup > 0);
        let stuck_since = self.summary.and_then(|summary| summary.stuck_since);
        let gives_up_at = stuck_since.map(|since| since + deletion.patience);
        if !is_pending || gives_up_at.is_some_and(|at| at <= now) {
            return self.write_or_report(self.last_step(deletion, now), now);
        }
        let reports_at = deletion.since + REPORTS_AFTER;
        let has_failed = self.summary.is_some_and(|summary| !summary.failures.is_empty());
        if now < reports_at && !has_failed {
            return Decision::Wait(Some(reports_at));
        }
        let read_at = self.read_at.map_or(now, |at| at + READ_EVERY);
        if read_at <= now {
            return Decision::Write(Step::Object(ObjectStep::ReadObject));
        }
        Decision::Report(Some(gives_up_at.map_or(read_at, |at| at.min(read_at))))
    }

    /// Returns what is left to write when the namespaces are done or given up.
    ///
    /// A state Secret that could not be deleted for so long is left to garbage collection.
    fn last_step(&self, deletion: Deletion, now: Duration) -> Step {
        let gives_up = self.failing_since.is_some_and(|since| now >= since + deletion.patience);
        match self.state_version {
            Some(version) if !gives_up => Step::DeleteState(version.to_owned()),
            Some(_) | None => Step::Object(ObjectStep::RemoveFinalizer),
        }
    }
}
