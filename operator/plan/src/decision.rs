//! What the plan decides about one Secret or one account, and the state that objects report of it.

use std::sync::Arc;
use std::time::Duration;

use crd::FailureReason;

use crate::object::{Lifecycle, Object};

/// The state of one copy, or of one reference, of one object.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum State {
    /// It is as declared.
    Ready,
    /// It is not as declared yet, and no known problem prevents it.
    Pending,
    /// It is not as declared, and this is why.
    Failed(Failure),
}

impl State {
    /// The state of what is not as declared, with what prevents the write.
    pub(crate) fn outstanding(obstruction: Option<&Failure>) -> Self {
        obstruction.map_or(Self::Pending, |failure| Self::Failed(failure.clone()))
    }

    /// The state of what is as declared. `contention` says that another writer keeps undoing it.
    pub(crate) fn in_place(contention: Option<&Failure>) -> Self {
        contention.map_or(Self::Ready, |failure| Self::Failed(failure.clone()))
    }
}

/// Why a copy or a reference is not as declared.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Failure {
    /// One of the reasons that the API promises.
    pub reason: FailureReason,
    /// The text for a person. It names the object at fault, and never holds a value of a Secret.
    pub message: Arc<str>,
}

impl Failure {
    /// Makes a failure with its message.
    pub fn new(reason: FailureReason, message: impl Into<Arc<str>>) -> Self {
        Self {
            reason,
            message: message.into(),
        }
    }
}

/// Returns what keeps the operator from adding and rotating for this object, although it acts for it.
pub(crate) fn restrained(object: &Object) -> Option<Failure> {
    let message = "the admission policies on the operator are no longer in force, so it adds and rotates no login: its Event on \
                   Lease pullsecrets names the policy, apply that again";
    (object.lifecycle == Lifecycle::Restrained).then(|| Failure::new(FailureReason::NotRestrained, message))
}

/// What the plan decides about one Secret or one account.
#[derive(Clone, Debug)]
pub struct Decision<'a, A> {
    /// The write to make now.
    pub action: Option<A>,
    /// The cache holds the account in part only: the caller must read it before a write can be planned.
    pub read_first: bool,
    /// The caller must decide again after this time, even without an event.
    pub requeue_after: Option<Duration>,
    /// It must go, now or as soon as the references are gone.
    pub removal_pending: bool,
    /// The state for each object that wants it.
    pub states: Vec<(&'a Arc<Object>, State)>,
    /// The state of the removal, for each object that does not want it here and still has something here. It is never
    /// [`State::Ready`].
    pub removals: Vec<(&'a Arc<Object>, State)>,
    /// The objects being deleted that still wait for a write here.
    pub pending_cleanup: Vec<&'a Arc<Object>>,
    /// The names of Secrets that the caller must read before this can be decided.
    pub to_read: Vec<Arc<str>>,
}

impl<A> Default for Decision<'_, A> {
    fn default() -> Self {
        Self {
            action: None,
            read_first: false,
            requeue_after: None,
            removal_pending: false,
            states: Vec::new(),
            removals: Vec::new(),
            pending_cleanup: Vec::new(),
            to_read: Vec::new(),
        }
    }
}
