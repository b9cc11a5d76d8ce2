//! Tests that have the machine to themselves: what measures or keeps it busy, and the harness that everything stands on.
#![allow(clippy::unwrap_used, clippy::panic, reason = "also in what the tests share")]

mod costs;
mod harness;
mod scale;

use tokio::sync::RwLock;

/// Tests of the harness read it, beside each other; what measures writes it, alone.
static MACHINE: RwLock<()> = RwLock::const_new(());
