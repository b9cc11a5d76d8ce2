//! Telemetry: traces over OTLP, and log lines for machines.
#![allow(clippy::unwrap_used, reason = "also in what the tests share")]

mod collector;
mod logs;
mod traces;
