//! The pure heart of pullsecrets: from what is declared and what is seen to what is to be written, and what is to be
//! said.
//!
//! Reading order: [`object`] (what is declared, parsed once), [`observed`] (what is seen), [`scope`] (all objects and
//! one namespace), [`secret`] and [`service_account`] (the two decisions), [`action`] and [`verdict`] (what comes out). Beside
//! them stands what a copy holds: [`server`], [`docker_config`], [`registries`], and [`keyring`], the kubelet's side
//! of the same matter; and [`election`], which of several replicas may write.
//!
//! # Invariants
//!
//! Nothing here does I/O, reads a clock, the environment or a random number, or panics: what is needed comes in as an
//! argument, so every decision can be repeated. No decision is asked of an incomplete view.

pub mod action;
pub mod backoff;
pub mod contention;
pub mod credential;
pub mod decision;
mod detach;
pub mod docker_config;
pub mod election;
pub mod glob;
pub mod identity;
pub mod image;
pub mod installation;
pub mod keyring;
pub mod labels;
pub mod last_good;
pub mod object;
pub mod observed;
pub mod ownership;
pub mod payload;
pub mod registries;
pub mod scope;
pub mod secret;
pub mod server;
pub mod service_account;
