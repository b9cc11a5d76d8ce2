//! The command-line tool on the real control plane, as a user runs it.

mod adopt;
mod connections;
mod contexts;
mod logins;
mod render;
mod rollout;
mod secrecy;
mod status;
mod story;
pub(crate) mod tool;
pub(crate) mod verdicts;
