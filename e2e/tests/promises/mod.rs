//! Promises of a running operator that the table of [`events`](crate::events) does not cover.
//!
//! All scenarios share one cluster and one operator, and use their own namespaces and names.
#![allow(clippy::unwrap_used, reason = "also in what the tests share")]

mod created;
mod events;
mod namespaces;
mod registries;
