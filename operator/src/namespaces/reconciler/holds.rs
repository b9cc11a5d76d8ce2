//! Writes that a namespace or webhook postpones (429 with a reason). First only the key waits, then its whole
//! namespace, and all keys that the webhook postponed elsewhere. One key retries for the others, with backoff.

use std::collections::HashMap;
use std::sync::Arc;
use std::time::Duration;

use plan::backoff::Backoff;
use plan::decision::Failure;

use super::Reconciler;
use super::evaluate::{Affected, Trigger};
use crate::work::{Key, Work};

/// Consecutive postponements from which a whole namespace or webhook is on hold.
const ALONE: u32 = 3;
/// Stays within a minute, including jitter.
const HOLDS: Backoff = Backoff::new(Duration::from_secs(1), Duration::from_secs(45));
/// How long after the last postponement a hold is dropped.
const FORGOTTEN: Duration = Duration::from_secs(300);

/// Postponed namespaces and webhooks; see the module.
#[derive(Debug, Default)]
pub(super) struct Holds {
    namespaces: HashMap<Arc<str>, Hold>,
    webhooks: HashMap<Arc<str>, Hold>,
}

#[derive(Debug)]
struct Hold {
    /// Consecutive postponements.
    times: u32,
    until: Duration,
    failure: Failure,
}

impl Hold {
    fn extend(of: &mut HashMap<Arc<str>, Self>, name: &Arc<str>, failure: &Failure, wait: Duration, now: Duration) {
        let hold = of.entry(Arc::clone(name)).or_insert_with(|| Self {
            times: 0,
            until: Duration::ZERO,
            failure: failure.clone(),
        });
        // Keys in flight when the hold began carry no new information.
        if now < hold.until {
            return;
        }
        hold.times += 1;
        if let Some(beyond) = hold.times.checked_sub(ALONE) {
            hold.until = now + HOLDS.delay(beyond).max(wait);
        }
    }
}

impl Reconciler {
    /// Records that a write of the key was postponed.
    pub(super) fn hold(&mut self, key: &Key, by: Option<&Arc<str>>, failure: &Failure, wait: Duration, now: Duration) {
        let Holds { namespaces, webhooks } = &mut self.holds;
        Hold::extend(namespaces, &key.namespace, failure, wait, now);
        if let Some(by) = by {
            Hold::extend(webhooks, by, failure, wait, now);
        }
    }

    /// Ends the hold after a successful write of the key.
    pub(super) fn let_off(&mut self, key: &Key) {
        self.holds.namespaces.remove(&key.namespace);
        if let Some(by) = self.pending.retry(key).and_then(|retry| retry.by.as_ref()) {
            self.holds.webhooks.remove(by);
        }
    }

    fn hold_on(&self, key: &Key) -> Option<&Hold> {
        let by = self.pending.retry(key).and_then(|retry| retry.by.as_ref());
        let webhook = by.and_then(|by| self.holds.webhooks.get(by));
        let namespace = self.holds.namespaces.get(&key.namespace);
        namespace.into_iter().chain(webhook).max_by_key(|hold| hold.until)
    }

    /// Whether the namespace of the key, or the webhook that postponed it, is on hold.
    pub fn is_on_hold(&self, key: &Key, now: Duration) -> bool {
        self.hold_on(key).is_some_and(|hold| now < hold.until)
    }

    /// Postpones the key with its namespace or webhook, and reports the same failure.
    pub fn put_off(&mut self, key: &Key, now: Duration) -> Vec<Work> {
        let Some((until, failure)) = self.hold_on(key).map(|hold| (hold.until, hold.failure.clone())) else {
            return Vec::new();
        };
        let mut retry = self.pending.retry(key).cloned().unwrap_or_default();
        retry.refused_since = retry.refused_since.or(Some(now));
        retry.tried_since = retry.tried_since.or(Some(now));
        retry.failure = retry.failure.or(Some(failure));
        retry.retry_at = until;
        let trigger = Trigger::Replied { made: None };
        self.change(&key.namespace, &Affected::of(key), trigger, now, |reconciler| {
            reconciler.pending.set_retry(key, Some(retry));
        })
    }

    pub(super) fn forget_holds(&mut self, now: Duration) {
        for holds in [&mut self.holds.namespaces, &mut self.holds.webhooks] {
            holds.retain(|_, hold| now < hold.until + FORGOTTEN);
        }
    }
}
