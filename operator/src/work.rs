//! Words that the queue, the namespace controller and the writes share: what a write is about, and when it is due.

use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use plan::action::{AccountAction, SecretAction};

/// The Secret or `ServiceAccount` that a write is about.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Key {
    /// Its namespace.
    pub namespace: Arc<str>,
    /// Its kind and name.
    pub target: Target,
}

/// Kind and name of a [`Key`].
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Target {
    /// A Secret of this name.
    Secret(Arc<str>),
    /// A `ServiceAccount` of this name.
    Account(Arc<str>),
}

impl Key {
    /// The least key of a namespace, in the order of keys.
    pub fn least_of(namespace: &Arc<str>) -> Self {
        Self::secret(namespace, &"".into())
    }

    /// The key of a Secret.
    pub fn secret(namespace: &Arc<str>, name: &Arc<str>) -> Self {
        Self {
            namespace: Arc::clone(namespace),
            target: Target::Secret(Arc::clone(name)),
        }
    }

    /// The key of a `ServiceAccount`.
    pub fn account(namespace: &Arc<str>, name: &Arc<str>) -> Self {
        Self {
            namespace: Arc::clone(namespace),
            target: Target::Account(Arc::clone(name)),
        }
    }
}

/// Returns the names of a namespace's Secrets among ordered keys, which begin with those of the namespace.
pub fn secrets_of<'a>(keys: impl Iterator<Item = &'a Key>, namespace: &Arc<str>) -> impl Iterator<Item = &'a Arc<str>> {
    let of_it = keys.take_while(move |key| key.namespace == *namespace);
    of_it.filter_map(|key| match &key.target {
        Target::Secret(name) => Some(name),
        Target::Account(_) => None,
    })
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

/// The lane in which the queue hands out a key.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Lane {
    /// Adds what is missing, or removes what must go.
    Fresh,
    /// Changes what already exists.
    Bulk,
    /// Retries a refused write, at a limited rate.
    Retry,
}

/// A key that needs a write or another look.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Work {
    /// The key.
    pub key: Key,
    /// Its lane in the queue.
    pub lane: Lane,
    /// The earliest time at which it is due; `None` means at once.
    pub at: Option<Duration>,
}

impl Work {
    /// Work in the fresh lane that is due at once.
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
    /// A write to a Secret.
    Secret {
        /// Its name.
        name: Arc<str>,
        /// What to do with it.
        action: SecretAction,
    },
    /// A write to a `ServiceAccount`.
    Account {
        /// Its name.
        name: Arc<str>,
        /// What to do with it.
        action: AccountAction,
    },
}

impl Write {
    /// Whether `other` is the same write, regardless of the version that it starts from.
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

/// What a namespace was provisioned with.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Provisioned {
    /// The copy of the pull Secret.
    Secret,
    /// The reference in a `ServiceAccount`.
    Account,
}
