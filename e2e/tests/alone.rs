//! Tests that need the machine to themselves: measurements, load, and the harness.
#![allow(clippy::unwrap_used, clippy::panic, reason = "also in what the tests share")]

mod costs;
mod harness;
mod scale;

use tokio::sync::RwLock;

/// Harness tests share it as readers; a measurement takes it alone, as a writer.
static MACHINE: RwLock<()> = RwLock::const_new(());
