//! What the operator promises while it runs and the table of [`events`](crate::events) does not show.
//!
//! All scenarios share one cluster and one operator, and keep to namespaces and names of their own.
#![allow(clippy::unwrap_used, reason = "also in what the tests share")]

mod created;
mod events;
mod namespaces;
mod registries;
