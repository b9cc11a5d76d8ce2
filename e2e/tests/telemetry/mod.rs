//! What the operator tells those who run it: traces over OTLP, and log lines that machines read.
#![allow(clippy::unwrap_used, reason = "also in what the tests share")]

mod collector;
mod logs;
mod traces;
