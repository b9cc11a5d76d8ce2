//! Shows whether the operator works: metrics, health, logs, traces.

pub mod health;
mod listen;
pub mod metrics;
mod otlp;
pub mod panics;
pub mod telemetry;
