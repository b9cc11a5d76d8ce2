//! The time since the process started: the only time that decisions count in.

use std::time::Duration;

use tokio::time::Instant;

/// Reads the time since the process started. A controller reads it once in each turn of its loop.
#[derive(Clone, Copy, Debug)]
pub struct Clock {
    started: Instant,
}

impl Clock {
    /// Starts at zero.
    pub fn start() -> Self {
        Self {
            started: Instant::now(),
        }
    }

    /// Returns the time since the start.
    pub fn now(self) -> Duration {
        self.started.elapsed()
    }

    /// Returns the moment that is this long after the start.
    pub fn instant(self, since_start: Duration) -> Instant {
        self.started + since_start
    }

    /// Returns how long after the start this moment is, zero for one before it.
    pub fn since_start(self, at: Instant) -> Duration {
        at.saturating_duration_since(self.started)
    }
}
