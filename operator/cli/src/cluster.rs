//! Clusters: kubeconfigs, contexts, and what is read and written through them. It never watches.
//!
//! # Errors
//!
//! A context that cannot be used has an error of its own, and stops no other. Errors are sentences of this room. They hold
//! names of files, commands and hosts, and never what a file, a plugin or a server has said, because a plugin may print a
//! token and a kubeconfig holds keys.

mod client;
mod config;
mod contexts;
mod failure;
#[cfg(test)]
pub(crate) mod fake;
mod leftovers;
mod lists;
mod metadata;
mod path;
mod plugin;
mod refusal;
mod request;
mod secrets;
mod write;

pub use client::{Connected, Identity, connect};
pub use config::{Config, ConfigError};
pub use contexts::choose;
pub use failure::Failure;
pub use lists::{Progress, Scope};
pub use metadata::{FIELD_MANAGER, Metadata};
pub use path::{path_of, path_to};
pub use write::{Applied, Applying};

/// Most contexts that are read at a time.
pub const CONTEXTS_AT_ONCE: usize = 4;
