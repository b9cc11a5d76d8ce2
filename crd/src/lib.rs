//! The API of pullsecrets: the types of `ClusterPullSecret`, the rules by which the API server refuses bad input,
//! the status with its one condition setter, and every name that others can see.
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
//! names         every name that others can see
//! ```
//!
//! # Not here
//!
//! No client, no runtime, no clock: time comes in as an argument. Canonical registry names and the kubelet's matching
//! rules belong to the plan. What only a cluster can tell (a missing source, a refused login) is not a schema rule: it
//! becomes a condition.
//!
//! # Invariants
//!
//! - Every string, list and map of the schema is bounded: the cost of validation rules is counted from the bounds, and
//!   adding a bound later would break stored objects.
//! - A field is in the schema only when its behaviour exists.
//! - The root rules (length of the name, immutable secret name) are never tightened: the API server checks them on every
//!   write, so an object that violates a later one could neither get a status nor lose its finalizer.
//! - An absent value is left out, never `null`: a null would stay in the store.

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
    ClusterPullSecretStatus, Condition, ConditionStatus, ConditionType, Counts, Failure, FailureReason, Reason,
    RegistryState, RegistryStatus, remove_condition, set_condition,
};
