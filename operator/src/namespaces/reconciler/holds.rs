//! Namespaces and webhooks that put writes off (429 with a reason): first the key waits, then all of the namespace, and
//! all that the webhook has put off elsewhere. One of them asks again for the others, ever more rarely.

use std::collections::HashMap;
use std::sync::Arc;
use std::time::Duration;

use plan::backoff::Backoff;
use plan::decision::Failure;

use super::Reconciler;
use super::evaluate::{Affected, Trigger};
use crate::work::{Key, Work};

/// So many keys wait each for itself.
const ALONE: u32 = 3;
/// Within a minute, the jitter of the delay included.
const HOLDS: Backoff = Backoff::new(Duration::from_secs(1), Duration::from_secs(45));
/// What was put off last so long ago is forgotten.
const FORGOTTEN: Duration = Duration::from_secs(300);

/// See the module.
#[derive(Debug, Default)]
pub(super) struct Holds {
    namespaces: HashMap<Arc<str>, Hold>,
    webhooks: HashMap<Arc<str>, Hold>,
}

#[derive(Debug)]
struct Hold {
    /// How often in a row something was put off.
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
        // What was under way already when the others began to wait says no more than that.
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
    /// A write of the key was put off.
    pub(super) fn hold(&mut self, key: &Key, by: Option<&Arc<str>>, failure: &Failure, wait: Duration, now: Duration) {
        let Holds { namespaces, webhooks } = &mut self.holds;
        Hold::extend(namespaces, &key.namespace, failure, wait, now);
        if let Some(by) = by {
            Hold::extend(webhooks, by, failure, wait, now);
        }
    }

    /// A write of the key was made: whoever put it off before does so no more.
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

    /// Whether the namespace of the key, or the webhook that put it off, is not to be asked now.
    pub fn is_on_hold(&self, key: &Key, now: Duration) -> bool {
        self.hold_on(key).is_some_and(|hold| now < hold.until)
    }

    /// The key waits with the others of its namespace, or webhook: as one that was refused as they were.
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
