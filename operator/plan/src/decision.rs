//! What is to be said of a Secret or an account on behalf of an object.

use std::sync::Arc;
use std::time::Duration;

use crd::FailureReason;

use crate::object::Object;

/// How things stand with one copy, or one reference, of one object.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum State {
    /// As declared.
    Ready,
    /// Not yet; nothing stands against it.
    Pending,
    /// Something stands against it.
    Failed(Failure),
}

impl State {
    /// Of what is not as declared, given what stands against it.
    pub(crate) fn outstanding(against: Option<&Failure>) -> Self {
        against.map_or(Self::Pending, |failure| Self::Failed(failure.clone()))
    }

    /// Of what is as declared, while `contended` says that another writer keeps undoing it.
    pub(crate) fn in_place(contention: Option<&Failure>) -> Self {
        contention.map_or(Self::Ready, |failure| Self::Failed(failure.clone()))
    }
}

/// What stands against a copy or a reference.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Failure {
    /// One of the reasons that the API promises.
    pub reason: FailureReason,
    /// For a person: names the object at fault, never a value of a Secret.
    pub message: Arc<str>,
}

impl Failure {
    /// A failure with its message.
    pub fn new(reason: FailureReason, message: impl Into<Arc<str>>) -> Self {
        Self {
            reason,
            message: message.into(),
        }
    }
}

/// What the plan says of one Secret or one account.
#[derive(Clone, Debug)]
pub struct Decision<'a, A> {
    /// The write to make now, if any.
    pub action: Option<A>,
    /// The account is not held whole, and is to be read before a write of it can be planned.
    pub read_first: bool,
    /// Nothing now, but ask again after this time even if nothing is seen to happen.
    pub requeue_after: Option<Duration>,
    /// It is to be taken away, now or when the references are gone.
    pub removal_pending: bool,
    /// For each object that wants it, how it stands.
    pub states: Vec<(&'a Arc<Object>, State)>,
    /// For each object that does not want it here, while something of that object is still here: how the removal stands.
    /// Never [`State::Ready`].
    pub removals: Vec<(&'a Arc<Object>, State)>,
    /// Objects being deleted that still wait for a write here.
    pub pending_cleanup: Vec<&'a Arc<Object>>,
    /// Names of Secrets that must be read before this can be decided: see [`crate::service_account::Context::unread`].
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
