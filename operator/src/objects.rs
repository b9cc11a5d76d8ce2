//! The controller of `ClusterPullSecret` objects: finalizer, credentials, status, Events.

mod attempts;
pub mod controller;
mod credentials;
pub mod events;
mod installation;
mod object;
mod sent_status;
pub mod sources;
mod spec;
