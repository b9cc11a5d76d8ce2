//! What an object's report needs to know of its namespaces.

use std::sync::Arc;
use std::time::Duration;

use crd::{FailureReason, PodCounts};

use crate::decision::{Failure, State};

/// The number of Secrets or accounts that an object wants, by state.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Count {
    /// All of them.
    pub selected: i64,
    /// Those that are as declared.
    pub ready: i64,
    /// Those that a known problem keeps from being as declared.
    pub failed: i64,
}

impl Count {
    /// Adds one in this state, or takes it away: `sign` is 1 or -1.
    pub fn add(&mut self, state: &State, sign: i64) {
        self.selected += sign;
        match state {
            State::Ready => self.ready += sign,
            State::Failed(_) => self.failed += sign,
            State::Pending => {}
        }
    }
}

/// What an object's report needs to know of its namespaces. Times count from the start of the process.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Summary {
    /// The revision of the object, as its declaration gave it.
    pub revision: u64,
    /// Namespaces, by their copy.
    pub namespaces: Count,
    /// Service accounts, by their reference.
    pub accounts: Count,
    /// The first failures by namespace. One of an account names the account.
    pub failures: Vec<(Arc<str>, Failure)>,
    /// The first failure of a copy, by namespace.
    pub secret_failure: Option<(Arc<str>, Failure)>,
    /// The first failure of a reference, by namespace and account. A contended one comes before all others.
    pub account_failure: Option<(Arc<str>, Failure)>,
    /// Copies that the object no longer wants.
    pub copies_left: Left,
    /// References that the object no longer wants.
    pub references_left: Left,
    /// When the first namespace that is neither ready nor failed makes the object unready.
    pub namespaces_late_at: Option<Duration>,
    /// When the first account that is neither ready nor failed makes the object unready.
    pub accounts_late_at: Option<Duration>,
    /// Whether one of the failures stays until a person acts.
    pub needs_person: bool,
    /// The number of writes that the object's deletion still waits for.
    pub pending_cleanup: usize,
    /// Since when no namespace has made progress with these writes. None before each of them was tried.
    pub stuck_since: Option<Duration>,
    /// The first keys, by namespace, at which such a write failed.
    pub stuck: Vec<String>,
    /// Pods that came before the reference on their account.
    pub pods: Pods,
}

/// What is known of Pods that came before the reference on their account.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Pods {
    /// The operator does not replace such Pods, and sees none.
    #[default]
    Unwatched,
    /// They were not listed yet.
    Unlisted,
    /// Their numbers. `recovered` counts from the start of the process.
    Counted(PodCounts),
}

impl Pods {
    /// Returns what the status says. `present` is what it says now. `recovered_before` is what it said when this process
    /// first reported.
    pub fn reported(self, present: Option<PodCounts>, recovered_before: i64) -> Option<PodCounts> {
        match self {
            Self::Unwatched => None,
            Self::Unlisted => present,
            Self::Counted(counts) => Some(PodCounts {
                recovered: recovered_before.saturating_add(counts.recovered),
                ..counts
            }),
        }
    }
}

/// What an object no longer wants and still has.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Left {
    /// All of it.
    pub due: i64,
    /// What a known problem keeps from being removed.
    pub failed: i64,
    /// When the first of the others makes the object unready; since the process started.
    pub late_at: Option<Duration>,
}

/// Returns whether a failure of this reason stays until a person acts. A missing answer and another writer may pass.
pub fn needs_person(reason: FailureReason) -> bool {
    match reason {
        FailureReason::ServerError | FailureReason::Contended => false,
        FailureReason::SecretConflict
        | FailureReason::Forbidden
        | FailureReason::QuotaExceeded
        | FailureReason::AdmissionDenied
        | FailureReason::NameNotPermitted
        | FailureReason::SourceName
        | FailureReason::TooLarge
        | FailureReason::HeldByFinalizer
        | FailureReason::NotRestrained => true,
    }
}
