//! What the policies of `config/admission` allow and refuse, what the rules of `config/rbac` and of `config/named` are used
//! for, and that every manifest under `config` is one that a server takes.
#![allow(clippy::unwrap_used, clippy::panic, reason = "also in what the tests share")]

mod accounts;
mod authors;
mod bare;
mod burst;
mod manifests;
mod named;
mod pods;
mod reach;
mod rights;
mod stolen;
