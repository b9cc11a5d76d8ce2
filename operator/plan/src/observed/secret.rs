//! The facts of a Secret.

use std::sync::Arc;

use crate::identity::{Uid, Version};
use crate::labels::Labels;
use crate::payload::Digest;

/// The most owners of our kind that a copy has. Further objects that want the copy do not become its owners.
pub const MAX_OWNERS: usize = 32;
/// The most owners that are kept of a Secret whose name no object has.
pub const MAX_PARTIAL_OWNERS: usize = 2;

/// A Secret that the operator follows.
///
/// An object wants its name, it carries our label, or it has one of the managed names.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Secret {
    /// The precondition of a write.
    pub version: Version,
    /// The digest of the value under `.dockerconfigjson`. Absent if there is none, or only
    /// [`crate::payload::NO_LOGIN`].
    pub digest: Option<Arc<Digest>>,
    /// Facts that all copies of one object have in common, shared between them.
    pub traits: Arc<SecretTraits>,
}

/// The facts of a Secret besides its version and data.
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash)]
#[expect(
    clippy::struct_excessive_bools,
    reason = "independent facts of the object, each read by itself"
)]
pub struct SecretTraits {
    /// Its type is `kubernetes.io/dockerconfigjson`.
    pub docker_config_type: bool,
    /// `immutable: true`. A kubelet does not see the rotation of such a Secret.
    pub immutable: bool,
    /// It has a deletionTimestamp: a finalizer holds it.
    pub deleting: bool,
    /// The first finalizer that holds it, while it is being deleted.
    pub finalizer: Option<Box<str>>,
    /// Our label and the labels that were last declared, each key and value as [`crate::observed::brief()`] gives it.
    /// Empty without our label, so that foreign Secrets share one value.
    pub labels: Labels,
    /// Our annotations and, with our label, those that were last declared, as [`crate::observed::brief()`] gives them.
    pub annotations: Labels,
    /// The first [`MAX_OWNERS`] ownerReferences to our kind, in the order of their uids.
    pub owners: Vec<Owner>,
    /// No object had its name when it was seen, so only our own marks and [`MAX_PARTIAL_OWNERS`] owners are kept. An
    /// object that has the name later sees drift, and the reply to its write brings the other facts.
    pub partial: bool,
    /// Its controller is an object of another kind.
    pub controlled: bool,
    /// managedFields show that our field manager applied the data. Only known of a Secret without our label.
    pub applied_by_us: bool,
    /// It carried our label when this process saw it before. Only known of a Secret without our marks.
    pub was_labelled: bool,
    /// One of [`SecretTraits::owners`] has another form than the operator writes: a controller, a block on the deletion of
    /// its owner, or another version of the API.
    pub bent_owners: bool,
}

impl SecretTraits {
    /// Returns whether an update can make it a correct copy. The type never changes, and immutable data neither.
    pub(crate) fn is_repairable(&self) -> bool {
        self.docker_config_type && !self.immutable
    }
}

/// An ownerReference to a `ClusterPullSecret`.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Owner {
    /// The uid of the object.
    pub uid: Uid,
    /// The name of the object.
    pub name: Arc<str>,
}
