//! Many namespaces, many accounts, and no more writes than they need.
#![allow(clippy::unwrap_used, clippy::panic, reason = "also in what the tests share")]

mod company;
mod counts;
mod fill;
mod late;
mod wire;

/// The scenarios keep the machine busy, and one of them tells how long it took: one after the other.
static ONE_AT_A_TIME: tokio::sync::Mutex<()> = tokio::sync::Mutex::const_new(());
