//! Policies, rights and manifests under `config`. The tests check what the policies of `config/admission` allow and
//! refuse, and that the operator uses each rule of `config/rbac` and `config/named`. They also check that a server
//! accepts every manifest.
#![allow(clippy::unwrap_used, clippy::panic, reason = "also in what the tests share")]

mod accounts;
mod authors;
mod bare;
mod burst;
mod crowded;
mod manifests;
mod mutators;
mod named;
mod pods;
mod reach;
mod restraint;
mod rights;
pub(crate) mod stolen;
mod stolen_pods;
