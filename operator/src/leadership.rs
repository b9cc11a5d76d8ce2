//! The leadership flag, which every writer checks before a write. The Lease behind it is in `api/lease.rs`, the proof of
//! the admission policies in `api/restraint.rs`.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::Duration;

use plan::restraint::Restraint;
use tokio::sync::watch;

use crate::clock::Clock;

/// Whether this process may write now.
#[derive(Clone, Debug)]
pub struct Leadership {
    clock: Clock,
    /// Milliseconds since the start of the process; 0 before the first term.
    until: Arc<AtomicU64>,
    /// Whether the first attempt to get the Lease has ended.
    attempted: Arc<AtomicBool>,
    /// What is known of the admission policies on the operator; `None` if they are not required.
    restraint: watch::Sender<Option<Restraint>>,
    /// Says when the Lease or the restraint changed.
    changed: watch::Sender<()>,
}

impl Leadership {
    /// A process that does not lead yet.
    pub fn new() -> Self {
        Self {
            clock: Clock::start(),
            until: Arc::default(),
            attempted: Arc::default(),
            restraint: watch::Sender::default(),
            changed: watch::Sender::new(()),
        }
    }

    /// A process that always leads, because no other replica runs.
    pub fn alone() -> Self {
        let leadership = Self::new();
        leadership.until.store(u64::MAX, Ordering::Relaxed);
        leadership.end_attempt();
        leadership
    }

    /// Whether this process leads and may write now. A process that lost the Lease is about to exit.
    pub fn is_held(&self) -> bool {
        self.holds_lease() && !matches!(*self.restraint.borrow(), Some(Restraint::Unproven(_)))
    }

    /// Whether this process holds the Lease. It may not write yet where admission policies must be proven first.
    pub fn holds_lease(&self) -> bool {
        let until = Duration::from_millis(self.until.load(Ordering::Relaxed));
        self.clock.now() < until
    }

    /// The clock of the process. The election counts its times by it.
    pub fn clock(&self) -> Clock {
        self.clock
    }

    /// Waits until this process leads and may write.
    pub async fn held(&self) {
        self.wait_until(Self::is_held).await;
    }

    /// Waits until this process holds the Lease.
    pub async fn lease_held(&self) {
        self.wait_until(Self::holds_lease).await;
    }

    /// Waits until the first attempt to get the Lease has ended: this process holds it now, or is a standby.
    pub async fn attempted(&self) {
        self.wait_until(|leadership| leadership.attempted.load(Ordering::Relaxed))
            .await;
    }

    /// Records that an attempt to get the Lease has ended.
    pub fn end_attempt(&self) {
        if !self.attempted.swap(true, Ordering::Relaxed) {
            self.changed.send_replace(());
        }
    }

    async fn wait_until(&self, condition: impl Fn(&Self) -> bool) {
        let mut changes = self.changed.subscribe();
        while !condition(self) {
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

    /// Records what is known of the admission policies on the operator.
    pub fn set_restraint(&self, restraint: Restraint) {
        self.restraint.send_replace(Some(restraint));
        self.changed.send_replace(());
    }

    /// What is known of the admission policies on the operator; `None` if they are not required.
    pub fn restraint(&self) -> Option<Restraint> {
        self.restraint.borrow().clone()
    }

    /// Whether the admission policies were in force and no longer are. The operator then adds and rotates no login.
    pub fn is_restraint_lost(&self) -> bool {
        matches!(*self.restraint.borrow(), Some(Restraint::Lost(_)))
    }

    /// Whether the admission policies are required and there is no proof of them now.
    pub fn lacks_restraint(&self) -> bool {
        self.restraint
            .borrow()
            .as_ref()
            .is_some_and(|restraint| *restraint != Restraint::Proven)
    }

    /// Changes of what is known of the policies.
    pub fn restraint_changes(&self) -> watch::Receiver<Option<Restraint>> {
        self.restraint.subscribe()
    }
}

impl Default for Leadership {
    fn default() -> Self {
        Self::new()
    }
}
