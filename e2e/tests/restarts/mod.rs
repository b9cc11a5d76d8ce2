//! What holds when the operator is not there all the time, and when nothing happens at all; and what it never says.
#![allow(clippy::unwrap_used, reason = "also in what the tests share")]

mod proxied;
mod records;
mod secrecy;
mod silence;
