//! What people get wrong: objects that are refused as they are applied, sources that are of no use, and objects that an
//! older schema let through. Whatever it is, it is named, and nothing good goes away for it.
#![allow(clippy::unwrap_used, reason = "also in what the tests share")]

mod bounds;
mod cases;
mod missing;
mod older_schema;
mod refused;
mod sources;

use tokio::sync::Mutex;

/// Held by tests that have a cluster of their own, so that not all of them are there at the same time.
static ONE_AT_A_TIME: Mutex<()> = Mutex::const_new(());
