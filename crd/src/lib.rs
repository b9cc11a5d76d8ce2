//! API of pullsecrets: the types of `ClusterPullSecret`, its validation rules, the one setter of conditions, and all
//! public names.
//!
//! # Rooms
//!
//! Each line uses only lines below it; `.ci/checks walls` reads this.
//!
//! ```text
//! manifest      the CustomResourceDefinition as it is installed
//! spec          what users write
//! schema        bounds and rules of single values
//! rules         rules of the whole object
//! status        what the operator reports
//! names         labels, annotations, field managers, types and keys
//! ```
//!
//! # Not here
//!
//! The crate has no client, no runtime and no clock: callers pass the time in. Canonical registry names and the
//! kubelet's matching rules belong to the plan. A fault that only a cluster can show, such as a missing source or a
//! refused login, becomes a condition.
//!
//! # Invariants
//!
//! - Every string, list and map of the schema must be bounded. The API server counts the cost of validation rules from
//!   the bounds, and adding a bound later would break stored objects.
//! - A field enters the schema only together with its behaviour.
//! - The root rules (length of the name, immutable secret name) must never be tightened. The API server checks them on
//!   every write. An object that violates a later rule could get no status and could not lose its finalizer.
//! - An absent value is left out and never written as `null`, because a null would stay in the store.

pub mod manifest;
pub mod names;
mod rules;
mod schema;
pub mod spec;
pub mod status;

pub use spec::{
    AttachMode, BasicAuthSource, ClusterPullSecret, ClusterPullSecretSpec, ConflictPolicy, Credentials, DeletionPolicy,
    DockerConfigSource, NamespaceSelection, Registry, SecretReference, SecretTemplate, ServiceAccountSelection,
};
pub use status::{
    ClusterPullSecretStatus, Condition, ConditionStatus, ConditionType, Counts, Failure, FailureReason, PodCounts,
    Reason, RegistryState, RegistryStatus, remove_condition, set_condition,
};
