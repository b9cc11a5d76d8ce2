//! The leadership flag, which every writer checks before a write. The Lease behind it is in `api/lease.rs`.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use tokio::sync::watch;

use crate::clock::Clock;

/// Whether this process may write now.
#[derive(Clone, Debug)]
pub struct Leadership {
    clock: Clock,
    /// Milliseconds since the start of the process; 0 before the first term.
    until: Arc<AtomicU64>,
    changed: watch::Sender<()>,
}

impl Leadership {
    /// A process that does not lead yet.
    pub fn new() -> Self {
        Self {
            clock: Clock::start(),
            until: Arc::default(),
            changed: watch::Sender::new(()),
        }
    }

    /// A process that always leads, because no other replica runs.
    pub fn alone() -> Self {
        let leadership = Self::new();
        leadership.until.store(u64::MAX, Ordering::Relaxed);
        leadership
    }

    /// Whether this process leads now. A process that lost leadership is about to exit.
    pub fn is_held(&self) -> bool {
        let until = Duration::from_millis(self.until.load(Ordering::Relaxed));
        self.clock.now() < until
    }

    /// The clock of the process. The election counts its times by it.
    pub fn clock(&self) -> Clock {
        self.clock
    }

    /// Waits until this process leads.
    pub async fn held(&self) {
        let mut changes = self.changed.subscribe();
        while !self.is_held() {
            if changes.changed().await.is_err() {
                return;
            }
        }
    }

    /// Leads until this time, by [`Leadership::clock`].
    pub fn extend(&self, until: Duration) {
        let millis = u64::try_from(until.as_millis()).unwrap_or(u64::MAX);
        self.until.store(millis, Ordering::Relaxed);
        self.changed.send_replace(());
    }

    /// Gives up leadership at once.
    pub fn end(&self) {
        self.until.store(0, Ordering::Relaxed);
    }
}

impl Default for Leadership {
    fn default() -> Self {
        Self::new()
    }
}
