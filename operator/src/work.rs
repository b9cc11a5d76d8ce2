//! The words that the queue, the namespace loop and the writes share: what a write is about, and when it is due.

use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use plan::action::{AccountAction, SecretAction};

/// A Secret or an account: what one write is about.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Key {
    /// Where.
    pub namespace: Arc<str>,
    /// What.
    pub target: Target,
}

/// See [`Key`].
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Target {
    /// A Secret of this name.
    Secret(Arc<str>),
    /// A `ServiceAccount` of this name.
    Account(Arc<str>),
}

impl Key {
    /// Of a Secret.
    pub fn secret(namespace: &Arc<str>, name: &Arc<str>) -> Self {
        Self {
            namespace: Arc::clone(namespace),
            target: Target::Secret(Arc::clone(name)),
        }
    }

    /// Of an account.
    pub fn account(namespace: &Arc<str>, name: &Arc<str>) -> Self {
        Self {
            namespace: Arc::clone(namespace),
            target: Target::Account(Arc::clone(name)),
        }
    }
}

impl fmt::Display for Key {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (kind, name) = match &self.target {
            Target::Secret(name) => ("secret", name),
            Target::Account(name) => ("service account", name),
        };
        write!(f, "{kind} {}/{name}", self.namespace)
    }
}

/// Which work goes first.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Lane {
    /// Something is missing, or is to be taken away.
    Fresh,
    /// Something is there and is to be changed.
    Bulk,
    /// It was refused, and is tried again now and then.
    Retry,
}

/// A key that needs a write, or is to be looked at again.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Work {
    /// What about.
    pub key: Key,
    /// How urgent.
    pub lane: Lane,
    /// Not before this time; at once when none.
    pub at: Option<Duration>,
}

impl Work {
    /// At once, in the fresh lane.
    pub fn now(key: Key) -> Self {
        Self {
            key,
            lane: Lane::Fresh,
            at: None,
        }
    }
}

/// The write that a key needs now.
#[derive(Clone, Debug, PartialEq)]
pub enum Write {
    /// Of a Secret.
    Secret {
        /// Its name.
        name: Arc<str>,
        /// What to do.
        action: SecretAction,
    },
    /// Of a `ServiceAccount`.
    Account {
        /// Its name.
        name: Arc<str>,
        /// What to do.
        action: AccountAction,
    },
}

impl Write {
    /// Whether it is that write once more, from any version.
    pub fn repeats(&self, other: &Self) -> bool {
        match (self, other) {
            (
                Self::Secret { name, action },
                Self::Secret {
                    name: of,
                    action: other,
                },
            ) => name == of && action.repeats(other),
            (
                Self::Account { name, action },
                Self::Account {
                    name: of,
                    action: other,
                },
            ) => name == of && action.repeats(other),
            (Self::Secret { .. }, Self::Account { .. }) | (Self::Account { .. }, Self::Secret { .. }) => false,
        }
    }
}

/// What a namespace waits for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Served {
    /// Its copy.
    Secret,
    /// The reference of an account.
    Account,
}
