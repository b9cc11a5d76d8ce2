//! Values of `/metrics`, compared with the shipped table and with events.
#![allow(clippy::unwrap_used, reason = "also in what the tests share")]

mod monitoring;
mod moves;
mod replicas;
mod scrape;
