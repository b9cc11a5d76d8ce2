//! The end-to-end suites, one module each, in one binary: they run side by side, because most of each test is waiting.
//!
//! Tests without special needs share one control plane ([`e2e::scenario::Scenario::shared`]); the others borrow one
//! from a pool ([`e2e::scenario::Scenario::own`]). Tests that need the machine to themselves are in `alone.rs`.
#![allow(clippy::unwrap_used, clippy::panic, reason = "also in what the tests share")]

mod absence;
mod admission;
mod bad_input;
mod cli;
mod events;
mod fights;
mod fleets;
mod gitops;
mod helm;
mod metrics;
mod promises;
mod pulls;
mod readme;
mod recovery;
mod replicas;
mod restarts;
mod telemetry;
mod upgrade;
