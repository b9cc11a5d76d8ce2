//! What `/metrics` says, held against the table that is shipped and against what happens.
#![allow(clippy::unwrap_used, reason = "also in what the tests share")]

mod monitoring;
mod moves;
mod replicas;
mod scrape;
