//! Mistakes of users: refused objects, unusable sources, and objects from an older schema. The product reports each of
//! them, and keeps every good copy.
#![allow(clippy::unwrap_used, reason = "also in what the tests share")]

mod bounds;
mod cases;
mod docker_configs;
mod forbidden;
mod missing;
mod older_schema;
mod refused;
mod sources;
