//! Whether a person has interrupted the run.

use std::time::Duration;

use tokio::sync::watch;

/// Tells the work of all contexts to begin no further write.
#[derive(Clone)]
pub struct Stop(watch::Receiver<bool>);

impl Stop {
    /// Makes one, and what sets it.
    pub fn new() -> (watch::Sender<bool>, Self) {
        let (sender, receiver) = watch::channel(false);
        (sender, Self(receiver))
    }

    /// Returns whether it is set.
    pub fn is_set(&self) -> bool {
        *self.0.borrow()
    }

    /// Waits, but no longer than until it is set.
    pub async fn sleep(&self, time: Duration) {
        let mut changed = self.0.clone();
        let set = async {
            if changed.wait_for(|set| *set).await.is_err() {
                // Nobody can set it any more.
                std::future::pending::<()>().await;
            }
        };
        // It ends early, or the time has passed: both are fine.
        let _ = tokio::time::timeout(time, set).await;
    }
}
