//! The operator after an absence, and in a cluster without changes; and what it never logs.
#![allow(clippy::unwrap_used, reason = "also in what the tests share")]

mod proxied;
mod records;
mod secrecy;
mod silence;
