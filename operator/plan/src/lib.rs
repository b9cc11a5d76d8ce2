//! Every decision of pullsecrets, as pure functions: from what is declared and what is seen to the writes and the
//! reported state.
//!
//! # Rooms
//!
//! Each room imports only rooms on lower floors. `.ci/checks walls` enforces it.
//!
//! ```text
//! secret · service_account · recovery  decide about one Secret, about one ServiceAccount, and whether a waiting Pod
//!      is replaced
//! step  which write an object itself needs next
//! status  what an object reports
//! detach  when a recorded reference leaves a ServiceAccount
//! ownership  whose a Secret is, and which objects own it
//! summary  what an object's report needs to know of its namespaces
//! scope · decision · action  all objects, and those that select one namespace · the result of a decision, and the
//!      state that objects report · every write that may be made
//! object · observed · last_good  a ClusterPullSecret, parsed once · the facts of the cluster · the saved entries
//! payload · registries  the bytes of a copy and their digest · from registries and sources to one docker config
//! docker_config  reading and writing the content of a Secret
//! keyring  how a kubelet finds the credentials for an image
//! server · contention  a registry as declared · writers that undo each other
//! credential · image · glob · identity · labels  values with rules of their own
//! backoff · election · installation · restraint  delays · which replica may write · which installation acts for an
//!      object · whether the admission policies on the operator are in force
//! ```
//!
//! # Invariants
//!
//! - No function does I/O, reads a clock, the environment or a random number, or panics. All of that comes in as an
//!   argument, so every decision can be repeated.
//! - The caller never asks for a decision about an incomplete view.

pub mod action;
pub mod backoff;
pub mod contention;
pub mod credential;
pub mod decision;
mod detach;
pub mod docker_config;
pub mod election;
pub mod glob;
pub mod identity;
pub mod image;
pub mod installation;
pub mod keyring;
pub mod labels;
pub mod last_good;
pub mod object;
pub mod observed;
pub mod ownership;
pub mod payload;
pub mod recovery;
pub mod registries;
pub mod restraint;
pub mod scope;
pub mod secret;
pub mod server;
pub mod service_account;
pub mod status;
pub mod step;
pub mod summary;
