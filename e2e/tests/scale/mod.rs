//! Many namespaces, many accounts, and no more writes than they need.
#![allow(clippy::unwrap_used, clippy::panic, reason = "also in what the tests share")]

mod company;
mod counts;
mod fill;
mod late;
mod wire;
