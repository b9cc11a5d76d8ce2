//! README, word for word: its commands are run against a real control plane, and what it names is there.
#![allow(clippy::unwrap_used, clippy::panic, reason = "also in what the tests share")]

mod blocks;
mod left;
mod names;
mod newcomer;
mod security;
mod uninstall;
