//! What is said of a panic: where it was, in the log like all else, and nothing that was put together at run time.
//!
//! The message of a panic may quote the value that it stumbled over; slicing a text in the middle of a character quotes
//! all of it. A fixed text says no more than the source does, so that one is shown.

use std::any::Any;
use std::backtrace::{Backtrace, BacktraceStatus};

use tracing::error;

/// Stands for a message that was put together at run time.
const WITHHELD: &str = "(not shown, since it may quote a value)";

/// From now on panics are logged, instead of being printed with their message.
pub fn log() {
    std::panic::set_hook(Box::new(|panic| {
        let place = panic.location().map(ToString::to_string).unwrap_or_default();
        let thread = std::thread::current();
        let message = fixed(panic.payload());
        // Functions and lines; taken only if `RUST_BACKTRACE` asks for it.
        let trace = Backtrace::capture();
        let trace = (trace.status() == BacktraceStatus::Captured).then(|| trace.to_string());
        error!(place, thread = thread.name(), message, trace, "a panic");
    }));
}

fn fixed(payload: &dyn Any) -> &'static str {
    payload.downcast_ref::<&'static str>().copied().unwrap_or(WITHHELD)
}
