//! What is seen in the cluster, and decides: the operator's compact map is made of these.
//!
//! Nothing here is "empty because it could not be read": a fact that is not known is absent, and the caller does not
//! plan from an incomplete view.

use std::fmt;
use std::sync::Arc;

use litemap::LiteMap;

use crate::identity::{Uid, Version};
use crate::labels::Labels;
use crate::payload::Digest;

/// A namespace with what decides in it. Sorted lists rather than trees: most hold one Secret and three accounts.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Namespace {
    /// All labels, `kubernetes.io/metadata.name` included: any of them may be selected on.
    pub labels: Labels,
    /// Has a deletionTimestamp: nothing is added, and nothing counts as failed.
    pub terminating: bool,
    /// Secrets by name.
    pub secrets: LiteMap<Arc<str>, Secret>,
    /// `ServiceAccount`s by name.
    pub accounts: LiteMap<Arc<str>, Account>,
}

/// A Secret that has a name which an object asks for, or carries our label; or, where names are managed, has one of them.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Secret {
    /// The precondition of a write.
    pub version: Version,
    /// Of the value under `.dockerconfigjson`; absent when there is none.
    pub digest: Option<Digest>,
    /// All that copies of one object have in common, held once for all of them.
    pub shape: Arc<Shape>,
}

/// What decides of a Secret besides its data.
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash)]
#[expect(
    clippy::struct_excessive_bools,
    reason = "independent facts of the object, each read by itself"
)]
pub struct Shape {
    /// Type `kubernetes.io/dockerconfigjson`.
    pub docker_config_type: bool,
    /// `immutable: true`: a kubelet would not see a rotation.
    pub immutable: bool,
    /// Has a deletionTimestamp: someone's finalizer holds it.
    pub deleting: bool,
    /// All labels, if ours is one of them; else none, so that Secrets of others are held as one shape.
    pub labels: Labels,
    /// All annotations but those of kubectl's own bookkeeping, if our label is there; else those of ours.
    pub annotations: Labels,
    /// ownerReferences to objects of our kind, in the order of their uids.
    pub owners: Vec<Owner>,
    /// Another kind is its controller.
    pub controlled: bool,
    /// managedFields show an Apply by our field manager that owns the data. Told only of what lacks our label.
    pub applied_by_us: bool,
}

/// An ownerReference to a `ClusterPullSecret`.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Owner {
    /// Of the object.
    pub uid: Uid,
    /// Of the object.
    pub name: Arc<str>,
}

/// A `ServiceAccount`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Account {
    /// The precondition of a write.
    pub version: Version,
    /// All labels.
    pub labels: Labels,
    /// `imagePullSecrets`, in its order, whatever it holds.
    pub entries: Arc<[Entry]>,
    /// The names in the annotation that records what we added; empty when there is none.
    pub attached: Arc<[Arc<str>]>,
    /// Has a deletionTimestamp: it is let be.
    pub deleting: bool,
}

/// One element of `imagePullSecrets`, kept so that it is written back as it was read.
#[derive(Clone, PartialEq, Eq, Hash)]
pub struct Entry {
    name: Arc<str>,
    /// The element's JSON when it is anything but `{"name": …}`.
    raw: Option<Box<str>>,
}

impl Entry {
    /// `{"name": name}`.
    pub fn named(name: &str) -> Self {
        Self {
            name: name.into(),
            raw: None,
        }
    }

    /// An element of another shape: its name (empty when it has none) and its JSON text.
    pub fn raw(name: &str, json: &str) -> Self {
        Self {
            name: name.into(),
            raw: Some(json.into()),
        }
    }

    /// The Secret that it refers to; empty when it refers to none.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// The element's JSON when it is not simply a name.
    pub fn raw_json(&self) -> Option<&str> {
        self.raw.as_deref()
    }
}

impl fmt::Debug for Entry {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.raw.as_deref().unwrap_or(&self.name))
    }
}

/// The names in the text of the annotation `pullsecrets.dev/attached`: separated by commas, spaces around them and
/// empty ones dropped, each once.
pub fn parse_attached(annotation: &str) -> Vec<Arc<str>> {
    let mut names: Vec<Arc<str>> = Vec::new();
    for name in annotation.split(',').map(str::trim).filter(|name| !name.is_empty()) {
        if !names.iter().any(|held| held.as_ref() == name) {
            names.push(name.into());
        }
    }
    names
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_record_on_an_account_is_read_whatever_someone_made_of_it() {
        let parsed = |text: &str| parse_attached(text).join("|");
        assert_eq!(parsed(""), "");
        assert_eq!(parsed("a"), "a");
        assert_eq!(parsed(" b , a,,b,"), "b|a");
    }
}
