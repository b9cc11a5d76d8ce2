//! The READMEs, word for word: their commands run against a real control plane, and all that they name exists.
#![allow(clippy::unwrap_used, clippy::panic, reason = "also in what the tests share")]

pub(crate) mod blocks;
pub(crate) mod left;
mod links;
mod names;
mod newcomer;
mod overlays;
mod security;
mod uninstall;
