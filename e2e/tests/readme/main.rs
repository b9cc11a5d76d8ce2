//! README, word for word: its commands are run against a real control plane, and what it names is there.
#![allow(clippy::unwrap_used, clippy::panic, reason = "also in what the tests share")]

mod blocks;
mod left;
mod names;
mod newcomer;
mod security;
mod uninstall;

use tokio::sync::Mutex;

/// Held by each test, since each has a cluster of its own.
static ONE_AT_A_TIME: Mutex<()> = Mutex::const_new(());
