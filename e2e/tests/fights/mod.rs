//! Others who undo, revert or refuse what the operator writes: named, slowed, told once, and forgotten when they stop.
#![allow(clippy::unwrap_used, reason = "also in what the tests share")]

mod controllers;
mod policies;
mod rival;
