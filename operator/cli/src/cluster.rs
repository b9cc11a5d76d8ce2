//! Clusters: kubeconfigs, contexts, and what is read through them. This room never writes and never watches.
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
mod lists;
mod plugin;
mod request;
mod secrets;

pub use client::{Connected, Identity, connect};
pub use config::{Config, ConfigError};
pub use contexts::choose;
pub use failure::Failure;
pub use lists::{Progress, Scope};

/// Most contexts that are read at a time.
pub const CONTEXTS_AT_ONCE: usize = 4;
