//! Logs panics with their place, and withholds messages that were formatted at run time.
//!
//! A formatted message may quote the value that caused the panic. Slicing a text inside of a character quotes all of
//! it. A constant message is part of the source, so it is logged.

use std::any::Any;
use std::backtrace::{Backtrace, BacktraceStatus};

use tracing::error;

/// Replaces a formatted message.
const WITHHELD: &str = "(not shown, since it may quote a value)";

/// Installs a panic hook that logs, in place of the one that prints the message.
pub fn log() {
    std::panic::set_hook(Box::new(|panic| {
        let place = panic.location().map(ToString::to_string).unwrap_or_default();
        let thread = std::thread::current();
        let message = fixed(panic.payload());
        // Holds functions and lines; captured only if `RUST_BACKTRACE` asks for it.
        let trace = Backtrace::capture();
        let trace = (trace.status() == BacktraceStatus::Captured).then(|| trace.to_string());
        error!(place, thread = thread.name(), message, trace, "a panic");
    }));
}

fn fixed(payload: &dyn Any) -> &'static str {
    payload.downcast_ref::<&'static str>().copied().unwrap_or(WITHHELD)
}
