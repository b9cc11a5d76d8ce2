//! Recovery from the fault: waits until the state is right, stays right, and no write follows.

use std::cell::Cell;
use std::convert::Infallible;
use std::time::Duration;

use tokio::time::Instant;

use super::status::{fails, names_failure, serves_others, settled};
use super::{NAMES, PEACE_WITHIN, Running};
use crate::end::End;
use crate::verdict::{self, Oracle, Wrong};
use e2e::faults::plan::Fault;
use e2e::wait::until;

/// Time without writes at the end: longer than the second between two writes of a status.
const QUIET: Duration = Duration::from_millis(1300);

/// Time limit of a workload without a fault.
const CLEAN_WITHIN: Duration = Duration::from_secs(3);

/// Initial time between two checks of the store.
const LOOKS_EVERY: Duration = Duration::from_millis(20);

/// Extension of each bound for other load on the machine.
const BUSY_MACHINE: Duration = Duration::from_secs(5);

/// An error that lasts this long after its bound counts as lost rather than slow.
const PATIENCE: Duration = Duration::from_secs(20);

impl Running<'_> {
    /// Waits for the list after an empty one. Until then, the operator promises only to do no harm.
    pub(super) async fn lists_again(&self) -> Result<(), Wrong> {
        let proxy = self.env.proxy();
        let struck = until("the list is asked for", PEACE_WITHIN, async || {
            if proxy.record().fired {
                Ok(())
            } else {
                Err("not yet".to_owned())
            }
        });
        // A plan that does not strike is counted as such.
        if struck.await.is_ok() {
            self.is_silent().await?;
            proxy.kill();
        }
        Ok(())
    }

    /// Records whether a status reports the refusal of the fault.
    pub(super) async fn hears_of_refusal(&self, told: &Cell<bool>) -> Infallible {
        loop {
            if let Some(namespace) = self.refused().filter(|_| !told.get()) {
                for object in NAMES {
                    told.set(told.get() || names_failure(self.env, object, &namespace).await == Some(true));
                }
            }
            tokio::time::sleep(10 * LOOKS_EVERY).await;
        }
    }

    /// Waits until the state is right, and stays right beyond the fault.
    pub(super) async fn comes_right(&self, end: &End, told: bool, recovery: &mut Duration) -> Result<(), Wrong> {
        let acted = Instant::now();
        let bound = self.fault.map_or(CLEAN_WITHIN, Fault::bound) + BUSY_MACHINE;
        let mut untold = self.refused().filter(|_| !told);
        let lasts = |until: Option<Instant>| until.is_none_or(|until| until > acted);
        // A refusal before the last step does not excuse the other namespaces afterwards.
        let mut unserved = self.refused().filter(|_| lasts(self.env.proxy().record().lasts_until));
        loop {
            if let Some(namespace) = &untold
                && fails(self.env, end, namespace).await
            {
                untold = None;
            }
            if let Some(namespace) = &unserved
                && serves_others(self.env, end, namespace).await
            {
                unserved = None;
            }
            let seen = settled(self.env, end).await;
            let now = Instant::now();
            let record = self.env.proxy().record();
            let from = record.lasts_until.map_or(acted, |until| until.max(acted));
            if record.fired && now > from {
                if let Some(namespace) = untold {
                    let what = format!("{namespace} was refused for long, and the status did not say so");
                    return Err(Wrong::new(Oracle::Untold, what));
                }
                if let Some(namespace) = unserved {
                    let what = format!("others waited for {namespace}, which was refused");
                    return Err(Wrong::new(Oracle::Slow, what));
                }
            }
            *recovery = now.saturating_duration_since(from);
            match seen {
                Ok(()) if now < from => {}
                Ok(()) if record.watch_is_shut && *recovery <= bound + PATIENCE => {}
                Ok(()) if *recovery <= bound => return Ok(()),
                Ok(()) => {
                    let what = format!("{:.1} s, not within {} s", recovery.as_secs_f64(), bound.as_secs());
                    return Err(Wrong::new(Oracle::Slow, what));
                }
                Err(seen) if *recovery > bound + PATIENCE => {
                    return Err(verdict::of_end(self.env, end, &seen).await);
                }
                Err(_) => {}
            }
            // A check costs the server some twenty reads, so the pause grows with the wait.
            let pause = (acted.elapsed() / 20).clamp(LOOKS_EVERY, 10 * LOOKS_EVERY);
            tokio::time::sleep(pause).await;
        }
    }

    /// Checks that no write happens for a while.
    pub(super) async fn is_silent(&self) -> Result<(), Wrong> {
        let (mut writes, mut since) = (self.env.writes(), Instant::now());
        let end = Instant::now() + 10 * QUIET;
        while since.elapsed() < QUIET {
            if Instant::now() > end {
                return Err(Wrong::new(Oracle::Loop, "it does not come to rest"));
            }
            tokio::time::sleep(QUIET / 20).await;
            let now = self.env.writes();
            if now != writes {
                (writes, since) = (now, Instant::now());
            }
        }
        Ok(())
    }
}
