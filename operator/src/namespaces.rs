//! The namespace controller: what it has seen of the cluster, what follows from it, and the writes.

pub mod controller;
mod pending;
pub mod reconciler;
mod recovery;
mod squatters;
