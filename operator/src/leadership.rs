//! The leadership flag, which every writer checks before a write. The Lease behind it is in `api/lease.rs`.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use tokio::sync::watch;
use tokio::time::Instant;

/// Whether this process may write now.
#[derive(Clone, Debug)]
pub struct Leadership {
    epoch: Instant,
    /// Milliseconds since the epoch; 0 before the first term.
    until: Arc<AtomicU64>,
    changed: watch::Sender<()>,
}

impl Leadership {
    /// A process that does not lead yet.
    pub fn new() -> Self {
        Self {
            epoch: Instant::now(),
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
        self.epoch.elapsed() < until
    }

    /// The time since the process started. The election counts its times by it.
    pub fn elapsed(&self) -> Duration {
        self.epoch.elapsed()
    }

    /// Converts a time since the start into an instant.
    pub fn instant(&self, since_start: Duration) -> Instant {
        self.epoch + since_start
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

    /// Leads until this time, counted as in [`Leadership::elapsed`].
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
