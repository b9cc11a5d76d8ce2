//! What people get wrong: objects that are refused as they are applied, sources that are of no use, and objects that an
//! older schema let through. Whatever it is, it is named, and nothing good goes away for it.
#![allow(clippy::unwrap_used, reason = "also in what the tests share")]

mod bounds;
mod cases;
mod docker_configs;
mod forbidden;
mod missing;
mod older_schema;
mod refused;
mod sources;
