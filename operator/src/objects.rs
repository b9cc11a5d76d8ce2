//! The controller of `ClusterPullSecret` objects: finalizer, credentials, status, Events.

pub mod controller;
pub mod events;
mod object;
pub mod sources;
