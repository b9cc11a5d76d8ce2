//! What the operator promises while it runs, one module for each promise.
//!
//! All scenarios share one cluster and one operator, and keep to namespaces and names of their own.
#![allow(clippy::unwrap_used, reason = "also in what the tests share")]

mod conflict;
mod copies;
mod created;
mod deleted;
mod events;
mod namespaces;
mod references;
mod registries;
mod rotated;
