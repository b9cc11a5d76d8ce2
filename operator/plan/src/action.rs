//! Everything that may be written into a namespace. Each write carries the version that it was planned from.

use std::collections::BTreeMap;
use std::sync::Arc;

use crate::identity::Version;
use crate::observed::{Entry, Owner};
use crate::payload::Payload;

/// A write of one Secret.
#[derive(Clone, Debug, PartialEq)]
pub enum SecretAction {
    /// Make it where nothing of that name exists; whatever exists is not touched.
    Create(Content),
    /// Bring our copy, as seen, to the content: same uid, one write.
    Update {
        /// As seen.
        version: Version,
        /// As it shall be.
        content: Content,
    },
    /// Mark a retained copy as ours again; its content is compared afterwards.
    Reclaim {
        /// As seen.
        version: Version,
        /// The object that takes it back.
        object: Arc<str>,
    },
    /// Give the copy to another object as it is: the label and the ownerReferences change, the data does not.
    Assign {
        /// As seen.
        version: Version,
        /// The object that gets it.
        object: Arc<str>,
        /// All of them.
        owners: Vec<Owner>,
    },
    /// Leave the copy to its namespace: our label and ownerReferences go, a mark says whose it was.
    Release {
        /// As seen.
        version: Version,
        /// The object that it was a copy of.
        object: Arc<str>,
    },
    /// Take our copy away.
    Delete {
        /// As seen.
        version: Version,
    },
    /// Take the login out of a copy that is being deleted and that a finalizer of others holds.
    Empty {
        /// As seen.
        version: Version,
    },
}

impl SecretAction {
    /// Whether it is that write once more, whatever version it starts from.
    pub fn repeats(&self, other: &Self) -> bool {
        match (self, other) {
            (Self::Create(this), Self::Create(that))
            | (Self::Update { content: this, .. }, Self::Update { content: that, .. }) => this == that,
            (Self::Reclaim { object: this, .. }, Self::Reclaim { object: that, .. })
            | (Self::Release { object: this, .. }, Self::Release { object: that, .. }) => this == that,
            (
                Self::Assign {
                    object: this, owners, ..
                },
                Self::Assign {
                    object: that,
                    owners: theirs,
                    ..
                },
            ) => this == that && owners == theirs,
            (Self::Delete { .. }, Self::Delete { .. }) | (Self::Empty { .. }, Self::Empty { .. }) => true,
            _ => false,
        }
    }
}

/// What we declare of a copy. Whatever else it carries is let be.
#[derive(Clone, Debug, PartialEq)]
pub struct Content {
    /// Ours and those of `spec.secret.labels`.
    pub labels: BTreeMap<String, String>,
    /// Those of `spec.secret.annotations`, and the record of what was declared.
    pub annotations: BTreeMap<String, String>,
    /// One for each live object that wants the copy.
    pub owners: Vec<Owner>,
    /// The data.
    pub payload: Arc<Payload>,
}

/// The one write that brings a `ServiceAccount` to what all objects together want of it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct AccountAction {
    /// As seen.
    pub version: Version,
    /// The whole list `imagePullSecrets`: what was seen, with our entries added or taken out.
    pub entries: Vec<Entry>,
    /// The whole record of what we added; empty takes the annotation away.
    pub attached: Vec<Arc<str>>,
    /// Every entry that has the name of an object is recorded, and there is one: then the field manager of the list is
    /// proof of the record, should others take it away.
    pub proves: bool,
}

impl AccountAction {
    /// Whether it is that write once more, whatever version it starts from.
    pub fn repeats(&self, other: &Self) -> bool {
        self.entries == other.entries && self.attached == other.attached
    }
}
