//! Which write a `ClusterPullSecret`, or its state Secret, needs next. Times count from the start of the process.

mod deletion;
mod kind;
#[cfg(test)]
mod tests;

use std::sync::Arc;
use std::time::Duration;

use crd::{ClusterPullSecretStatus, Condition};
use k8s_openapi::apimachinery::pkg::apis::meta::v1::Time;

pub use deletion::Deletion;
pub use kind::StepKind;

use crate::installation::Assignment;
use crate::last_good::Content;
use crate::object::Lifecycle;
use crate::status::taken_over;
use crate::summary::Summary;

/// A write that an object needs, with all that the writer needs to make it.
pub enum Step {
    /// A call about the object itself.
    Object(ObjectStep),
    /// Save the last good credentials, before the first copy of new ones is made.
    SaveState(Content),
    /// Delete the state Secret if it still has this resourceVersion, because the object goes.
    DeleteState(String),
}

/// A call about an object itself.
pub enum ObjectStep {
    /// Record this installation in the status, before anything else is written for the object.
    ClaimObject {
        /// The installation, as `namespace/name`.
        installation: Arc<str>,
        /// The new conditions, if another installation wrote the present ones.
        conditions: Option<Vec<Condition>>,
    },
    /// Add the finalizer. Without it the operator writes nothing for an object, because it could not clean up.
    AddFinalizer,
    /// Remove the finalizer, because the cleanup is done.
    RemoveFinalizer,
    /// Write the status.
    PatchStatus {
        /// The whole status.
        status: Box<ClusterPullSecretStatus>,
        /// The fields of the present status that the new one does not have.
        gone: Vec<String>,
    },
    /// Read the object. While a deletion waits, an answer shows that the server is reachable.
    ReadObject,
}

impl Step {
    /// Returns which step it is.
    pub fn kind(&self) -> StepKind {
        match self {
            Self::Object(ObjectStep::ClaimObject { .. }) => StepKind::ClaimObject,
            Self::Object(ObjectStep::AddFinalizer) => StepKind::AddFinalizer,
            Self::Object(ObjectStep::RemoveFinalizer) => StepKind::RemoveFinalizer,
            Self::Object(ObjectStep::PatchStatus { .. }) => StepKind::PatchStatus,
            Self::Object(ObjectStep::ReadObject) => StepKind::ReadObject,
            Self::SaveState(_) => StepKind::SaveState,
            Self::DeleteState(_) => StepKind::DeleteState,
        }
    }
}

/// What decides about the next step of an object.
#[derive(Clone, Debug)]
#[expect(clippy::struct_excessive_bools, reason = "independent facts, each read by itself")]
pub struct Facts<'a> {
    /// This installation.
    pub installation: &'a Arc<str>,
    /// The installation that acts for the object.
    pub assignment: Assignment<'a>,
    /// Another installation, if it acted for the object before.
    pub predecessor: Option<&'a str>,
    /// This process has read the object, not only watched it.
    pub was_read: bool,
    /// The object is suspended, or its spec cannot be read.
    pub is_frozen: bool,
    /// The admission policies on the operator were in force, and no longer are.
    pub is_restraint_lost: bool,
    /// The object has the operator's finalizer.
    pub has_finalizer: bool,
    /// The object has a deletion timestamp.
    pub is_deleting: bool,
    /// How this process tries the deletion, as soon as it has begun.
    pub deletion: Option<Deletion>,
    /// The present status.
    pub status: &'a ClusterPullSecretStatus,
    /// `metadata.generation`.
    pub generation: i64,
    /// The credentials were looked up.
    pub has_credentials: bool,
    /// What the state Secret does not have yet.
    pub to_save: Option<Content>,
    /// The operator's own namespace was listed, so that the state Secret is known.
    pub is_state_known: bool,
    /// The resourceVersion of the state Secret, if there is one.
    pub state_version: Option<&'a str>,
    /// The summary of the present revision.
    pub summary: Option<&'a Summary>,
    /// When the object was last read because its deletion waits.
    pub read_at: Option<Duration>,
    /// Since when the attempts at a step fail.
    pub failing_since: Option<Duration>,
    /// When a step that failed may be tried again.
    pub retry_at: Option<Duration>,
}

/// What the facts decide, before the report is known.
pub enum Decision {
    /// This write.
    Write(Step),
    /// Neither a write nor a report, before this time or a change.
    Wait(Option<Duration>),
    /// A report, and another decision at this time. Without a time no other step is due.
    Report(Option<Duration>),
}

/// What the controller does for an object now.
pub enum Next {
    /// This write.
    Write(Step),
    /// Another look at this time.
    At(Duration),
    /// No write and no look before a fact changes.
    Idle,
}

impl Next {
    /// Returns the same, with another look at that time at the latest.
    #[must_use]
    pub fn or_at(self, at: Option<Duration>) -> Self {
        match (self, at) {
            (Self::At(one), Some(two)) => Self::At(one.min(two)),
            (Self::Idle, Some(at)) => Self::At(at),
            (next, _) => next,
        }
    }
}

impl Facts<'_> {
    /// Returns which writes into namespaces the operator makes for the object.
    pub fn lifecycle(&self) -> Lifecycle {
        // Only the recorded installation writes.
        if self.assignment != Assignment::Ours {
            Lifecycle::Frozen
        } else if self.is_deleting {
            Lifecycle::Deleting
        } else if self.is_frozen || !self.has_finalizer {
            Lifecycle::Frozen
        } else if !self.has_credentials || self.to_save.is_some() {
            // A removal needs no login.
            Lifecycle::Waiting
        } else if self.is_restraint_lost {
            Lifecycle::Restrained
        } else {
            Lifecycle::Active
        }
    }

    /// Decides the next step. A report follows each step, also a failed one: it says so until the step succeeds.
    ///
    /// `time` is the wall clock, for conditions.
    pub fn decide(&self, now: Duration, time: &Time) -> Decision {
        if self.assignment != Assignment::Ours {
            return self.claim(time).map_or(Decision::Wait(None), |step| {
                let wait = |at| Decision::Wait(Some(at));
                self.waits_until(now).map_or(Decision::Write(step), wait)
            });
        }
        if self.is_deleting {
            return self.clean_up(now);
        }
        self.prepare()
            .map_or(Decision::Report(None), |step| self.write_or_report(step, now))
    }

    /// Returns the step, or a report while the step must not be tried again yet.
    fn write_or_report(&self, step: Step, now: Duration) -> Decision {
        let report = |at| Decision::Report(Some(at));
        self.waits_until(now).map_or(Decision::Write(step), report)
    }

    /// Returns until when a step that failed must not be tried again.
    fn waits_until(&self, now: Duration) -> Option<Duration> {
        self.retry_at.filter(|&at| now < at)
    }

    /// Returns what must be written before this installation acts for the object, if it may act at all.
    fn claim(&self, time: &Time) -> Option<Step> {
        let is_gone = self.is_deleting && !self.has_finalizer;
        if is_gone || matches!(self.assignment, Assignment::Others(_)) {
            return None;
        }
        if self.predecessor.is_some() && !self.is_state_known {
            return None;
        }
        // The saved logins are older than those of the other installation: the copies may have newer ones.
        if let (Some(_), Some(version)) = (self.predecessor, self.state_version) {
            return Some(Step::DeleteState(version.to_owned()));
        }
        let visited = self
            .status
            .observed_generation
            .is_some_and(|generation| generation >= 0);
        let is_new = !self.has_finalizer && !visited;
        if self.predecessor.is_none() && !is_new && !self.was_read {
            return Some(Step::Object(ObjectStep::ReadObject));
        }
        let conditions = |before| taken_over(self.status, before, self.generation, time);
        Some(Step::Object(ObjectStep::ClaimObject {
            installation: Arc::clone(self.installation),
            conditions: self.predecessor.map(conditions),
        }))
    }

    /// Returns what must be written before the operator writes into namespaces.
    fn prepare(&self) -> Option<Step> {
        if self.is_frozen {
            return None;
        }
        if !self.has_finalizer {
            return Some(Step::Object(ObjectStep::AddFinalizer));
        }
        self.to_save.clone().map(Step::SaveState)
    }
}
