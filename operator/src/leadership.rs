//! Whether this process may write: the flag that every writer asks. The Lease behind it is another file's business.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use tokio::sync::watch;
use tokio::time::Instant;

/// Whether this process may write now.
#[derive(Clone, Debug)]
pub struct Leadership {
    epoch: Instant,
    /// Milliseconds since the epoch; 0 before it leads.
    until: Arc<AtomicU64>,
    changed: watch::Sender<()>,
}

impl Leadership {
    /// Not leading.
    pub fn new() -> Self {
        Self {
            epoch: Instant::now(),
            until: Arc::default(),
            changed: watch::Sender::new(()),
        }
    }

    /// Leading for ever: there is no other replica.
    pub fn alone() -> Self {
        let leadership = Self::new();
        leadership.until.store(u64::MAX, Ordering::Relaxed);
        leadership
    }

    /// Whether it leads at this moment. It may have led and lead no more: then the process is about to end.
    pub fn is_held(&self) -> bool {
        let until = Duration::from_millis(self.until.load(Ordering::Relaxed));
        self.epoch.elapsed() < until
    }

    /// How long this process runs: what the times of the election are counted by.
    pub fn elapsed(&self) -> Duration {
        self.epoch.elapsed()
    }

    /// The moment that is so long after the process began.
    pub fn instant(&self, since_start: Duration) -> Instant {
        self.epoch + since_start
    }

    /// Comes back when it leads.
    pub async fn held(&self) {
        let mut changes = self.changed.subscribe();
        while !self.is_held() {
            if changes.changed().await.is_err() {
                return;
            }
        }
    }

    /// It leads until then, counted as [`Leadership::elapsed`] does.
    pub fn extend(&self, until: Duration) {
        let millis = u64::try_from(until.as_millis()).unwrap_or(u64::MAX);
        self.until.store(millis, Ordering::Relaxed);
        self.changed.send_replace(());
    }

    /// It leads no more.
    pub fn end(&self) {
        self.until.store(0, Ordering::Relaxed);
    }
}

impl Default for Leadership {
    fn default() -> Self {
        Self::new()
    }
}
