//! Other writers that undo, revert or refuse the operator's writes. The operator names them, backs off, reports them
//! once, and forgets them when they stop.
#![allow(clippy::unwrap_used, reason = "also in what the tests share")]

mod controllers;
mod policies;
mod rival;
