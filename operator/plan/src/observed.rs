//! What the operator keeps of the cluster: the facts that decide.
//!
//! A fact that is unknown is absent, never empty. The caller does not plan from an incomplete view.

mod account;
mod brief;
mod entry;
mod pod;
mod secret;

use std::sync::Arc;

use litemap::LiteMap;

use crate::labels::Labels;

pub use account::{Account, COMPACT_ABOVE, HiddenNames};
pub use brief::brief;
pub(crate) use brief::hash;
pub use entry::{Entry, MAX_ENTRIES, MAX_ENTRIES_BYTES, MAX_NAME_BYTES, MAX_STALE_RECORDS, parse_attached};
pub use pod::{Controller, ControllerKind, JobFacts, MAX_IMAGES_BYTES, MAX_LIST_BYTES, Pod, Template};
pub use secret::{MAX_OWNERS, MAX_PARTIAL_OWNERS, Owner, Secret, SecretTraits};

/// A namespace with the facts that decide in it. Most hold one Secret and three accounts, so sorted lists replace trees.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Namespace {
    /// All labels, `kubernetes.io/metadata.name` included, because a selector may name any of them.
    pub labels: Labels,
    /// It has a deletionTimestamp: the operator adds to it no more, and no state in it is a failure.
    pub terminating: bool,
    /// Secrets by name.
    pub secrets: LiteMap<Arc<str>, Secret>,
    /// `ServiceAccount`s by name.
    pub accounts: LiteMap<Arc<str>, Account>,
}
