//! Changes of the definition, the operator, and the whole installation: upgrade, downgrade, restore from a backup.
#![allow(clippy::unwrap_used, clippy::panic, reason = "also in what the tests share")]

mod restore;
mod rolling;
mod schema;
pub(crate) mod version;
