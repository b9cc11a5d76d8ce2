//! Every write that the operator may make in a namespace. Each carries the version that it was planned from.

use std::collections::BTreeMap;
use std::sync::Arc;

use crate::identity::Version;
use crate::observed::{Entry, Owner};
use crate::payload::Payload;

/// A write of one Secret. `version` is always the version as seen.
#[derive(Clone, Debug, PartialEq)]
pub enum SecretAction {
    /// Creates the copy. A Secret of that name that exists stays untouched.
    Create(Content),
    /// Updates our copy to the content, in one write that keeps its uid.
    Update {
        /// As seen.
        version: Version,
        /// As it should be.
        content: Content,
    },
    /// Marks a retained copy, or one that lost our label, as ours again. Its content is compared afterwards.
    Reclaim {
        /// As seen.
        version: Version,
        /// The object that takes it back.
        object: Arc<str>,
    },
    /// Gives the copy to this object: label and ownerReferences change, the data does not.
    Assign {
        /// As seen.
        version: Version,
        /// The object that has it afterwards.
        object: Arc<str>,
        /// All ownerReferences to our kind.
        owners: Vec<Owner>,
    },
    /// Leaves the copy to its namespace: removes our label and ownerReferences, and marks whose it was.
    Release {
        /// As seen.
        version: Version,
        /// The object that it was a copy of.
        object: Arc<str>,
    },
    /// Deletes our copy.
    Delete {
        /// As seen.
        version: Version,
    },
    /// Removes the login from a copy that is being deleted and that a finalizer holds.
    Empty {
        /// As seen.
        version: Version,
    },
}

impl SecretAction {
    /// Returns whether both are the same write, from any version.
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

/// The fields of a copy that we declare. All other fields stay as they are.
#[derive(Clone, Debug, PartialEq)]
pub struct Content {
    /// Our labels and those of `spec.secret.labels`.
    pub labels: BTreeMap<String, String>,
    /// Those of `spec.secret.annotations`, and the record of what was declared.
    pub annotations: BTreeMap<String, String>,
    /// One for each object that wants the copy.
    pub owners: Vec<Owner>,
    /// The data.
    pub payload: Arc<Payload>,
}

/// The one write that gives a `ServiceAccount` what all objects together want of it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct AccountAction {
    /// As seen.
    pub version: Version,
    /// The whole list `imagePullSecrets`: what was seen, with our entries added or removed.
    pub entries: Vec<Entry>,
    /// The whole record of what we added. An empty one removes the annotation.
    pub attached: Vec<Arc<str>>,
    /// The list has recorded entries, and no other entry has the name of an object. Should another writer remove the
    /// record, then the field manager of the list proves it.
    pub proves: bool,
}

impl AccountAction {
    /// Returns whether both are the same write, from any version.
    pub fn repeats(&self, other: &Self) -> bool {
        self.entries == other.entries && self.attached == other.attached
    }
}
