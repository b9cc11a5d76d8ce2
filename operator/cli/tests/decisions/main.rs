//! What the tool decides, case by case, and what it never shows.

mod cluster;
mod explained;
mod files;
mod findings;
mod large;
mod plan;
mod pods;
mod rendered;
mod secrecy;
mod unused;
