//! The end-to-end suites, one module each, in one binary: they run side by side, since most of each test is waiting.
//!
//! Tests that need no control plane of their own share one ([`e2e::scenario::Scenario::shared`]); the others borrow one
//! from a pool ([`e2e::scenario::Scenario::own`]). What needs the machine to itself is in `alone.rs`.
#![allow(clippy::unwrap_used, clippy::panic, reason = "also in what the tests share")]

mod absence;
mod admission;
mod bad_input;
mod events;
mod fights;
mod gitops;
mod metrics;
mod promises;
mod readme;
mod replicas;
mod restarts;
mod telemetry;
mod upgrade;
