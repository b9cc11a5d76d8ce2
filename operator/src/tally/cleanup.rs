//! Pending cleanup of deleted objects, and whether it makes progress.

use std::time::Duration;

/// Pending cleanup of a deleted object in one namespace. Progress is measured by the fewest writes ever pending. A
/// controller that restores what was removed, even in new accounts, cannot reset that.
#[derive(Debug)]
pub(super) struct Cleanup {
    /// When the deletion was declared, which is when all pending writes are found.
    begun_at: Duration,
    pub(super) pending: usize,
    /// The fewest pending writes since the first attempt, and when that number was reached.
    fewest: usize,
    fewest_at: Duration,
    /// When the first attempt ended.
    pub(super) tried_at: Option<Duration>,
}

/// How long an attempt may take before it fails: the longest timeout of a webhook.
const ATTEMPT: Duration = Duration::from_secs(30);

impl Cleanup {
    pub(super) fn new(now: Duration) -> Self {
        Self {
            begun_at: now,
            pending: 0,
            fewest: 0,
            fewest_at: now,
            tried_at: None,
        }
    }

    /// Records the number of pending writes.
    pub(super) fn update_pending(&mut self, pending: usize, now: Duration) {
        self.pending = pending;
        let more = pending > self.fewest && (self.tried_at.is_none() || now == self.begun_at);
        if more || pending < self.fewest {
            self.fewest = pending;
            self.fewest_at = now;
        }
    }

    /// Discards the attempts so far.
    pub(super) fn reset_attempts(&mut self, now: Duration) {
        self.tried_at = None;
        self.fewest = self.pending;
        self.fewest_at = now;
    }

    /// Since when cleanup has made no progress; `None` before the first attempt.
    pub(super) fn stuck_since(&self) -> Option<Duration> {
        let tried_at = self.tried_at?;
        Some(self.fewest_at.max(tried_at.saturating_sub(ATTEMPT)))
    }
}

/// The outcome of the attempts at a key with pending cleanup.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Tried {
    /// No attempt has ended yet.
    NotYet,
    /// Attempts have failed since this time.
    Since(Duration),
    /// The server does not respond, which does not count as an attempt.
    NoAnswer,
}
