//! State of a Secret or account that the cluster does not show: failed attempts, contention, a write in flight, a
//! waiting removal. One map holds it all by key. A key without state has no entry.

use std::collections::{BTreeSet, HashMap, HashSet};
use std::sync::Arc;
use std::time::Duration;

use plan::contention::Contention;
use plan::decision::Failure;

use crate::shrink;
use crate::work::{Key, Write, secrets_of};

/// Capacity for this many keys is kept when a map shrinks.
const KEPT: usize = 256;

/// Most contentions kept whose key is gone.
const MAX_CONTENTIONS: usize = 4096;

/// Result of the last attempts at a key.
#[derive(Clone, Debug, Default)]
pub(super) struct RetryState {
    /// Consecutive attempts that were refused or got no answer.
    pub(super) attempts: u32,
    /// Consecutive attempts that found another state than the cached one. They do not count as `attempts`: reading a
    /// squatter is one of them. Years of reads must not delay the write that is due when it goes.
    pub(super) races: u32,
    /// How long attempts have gone without an answer, together.
    pub(super) unanswered: Duration,
    /// Consecutive attempts that took long and got no answer, while others got one.
    pub(super) unanswered_alone: u32,
    /// Consecutive lost races over a write.
    pub(super) lost: u32,
    /// The failure to report; `None` while it may pass by itself.
    pub(super) failure: Option<Failure>,
    /// Since when the server has refused the write.
    pub(super) refused_since: Option<Duration>,
    /// Since when all attempts have failed, although the server responds.
    pub(super) tried_since: Option<Duration>,
    /// Whether the last attempt got no answer, while no other call got one either.
    pub(super) no_answer: bool,
    /// The webhook or policy that postponed the write.
    pub(super) by: Option<Arc<str>>,
    /// The earliest time of the next attempt.
    pub(super) retry_at: Duration,
}

impl RetryState {
    /// Another kind of write is due, and may be made at once.
    pub(super) fn begin_again(&mut self, now: Duration) {
        self.attempts = 0;
        self.unanswered = Duration::ZERO;
        self.unanswered_alone = 0;
        self.failure = None;
        self.refused_since = None;
        self.by = None;
        self.retry_at = now;
    }
}

/// A key that another writer keeps undoing.
#[derive(Debug, Default)]
pub(super) struct ContentionState {
    pub(super) contention: Contention,
    /// The failure to report while the contention lasts. It must change only within `Reconciler::change`, because
    /// evaluations show it.
    pub(super) reported: Option<Failure>,
    /// Whether the server was asked for the other writer.
    pub(super) asked: bool,
    /// Since when there has been drift to repair.
    pub(super) since: Option<Duration>,
    /// Objects that left, if the contention is about a removal. They report it even while the key is gone.
    pub(super) left_by: Vec<Arc<str>>,
}

/// A write that was handed out and has not ended, or whose outcome is unknown.
#[derive(Debug)]
pub(super) struct InFlight {
    pub(super) write: Arc<Write>,
    /// When it was handed out.
    pub(super) started_at: Duration,
    /// Whether it ended without an answer, so the server may have made it.
    pub(super) uncertain: bool,
}

/// State of all keys; see the module.
#[derive(Debug, Default)]
pub(super) struct PendingKeys {
    keys: HashMap<Key, Pending>,
    /// Keys with a write in flight. They are few, and each summary asks for them.
    in_flight: HashSet<Key>,
    /// Number of unverified keys.
    unverified: usize,
    /// Number of waiting removals.
    removals: usize,
    /// Number of contended keys.
    contentions: usize,
    /// Keys of contended removals. They are reported while the key is gone. Some may no longer be contended.
    contended_removals: BTreeSet<Key>,
}

/// Parts that many keys may have are inline; the rare others are boxed.
#[derive(Debug, Default)]
struct Pending {
    unverified: bool,
    removal_since: Option<Duration>,
    parts: Option<Box<Parts>>,
}

#[derive(Debug, Default)]
struct Parts {
    retry: Option<RetryState>,
    contention: Option<ContentionState>,
    in_flight: Option<InFlight>,
    written_at: Option<Duration>,
}

impl Parts {
    fn is_empty(&self) -> bool {
        let Self {
            retry,
            contention,
            in_flight,
            written_at,
        } = self;
        retry.is_none() && contention.is_none() && in_flight.is_none() && written_at.is_none()
    }
}

impl Pending {
    /// Drops empty parts. Returns whether anything is left.
    fn tidy(&mut self) -> bool {
        self.parts.take_if(|parts| parts.is_empty());
        self.unverified || self.removal_since.is_some() || self.parts.is_some()
    }
}

impl PendingKeys {
    fn parts(&self, key: &Key) -> Option<&Parts> {
        self.keys.get(key)?.parts.as_deref()
    }

    fn parts_mut(&mut self, key: &Key) -> Option<&mut Parts> {
        self.keys.get_mut(key)?.parts.as_deref_mut()
    }

    fn parts_or_new(&mut self, key: &Key) -> &mut Parts {
        let pending = self.keys.entry(key.clone()).or_default();
        pending.parts.get_or_insert_default()
    }

    /// Drops the empty parts of a key.
    fn tidy(&mut self, key: &Key) {
        if self.keys.get_mut(key).is_some_and(|pending| !pending.tidy()) {
            self.keys.remove(key);
        }
    }

    /// Result of the last attempts.
    pub(super) fn retry(&self, key: &Key) -> Option<&RetryState> {
        self.parts(key)?.retry.as_ref()
    }

    /// The same, mutable; a new one if there was none.
    pub(super) fn retry_mut(&mut self, key: &Key) -> &mut RetryState {
        self.parts_or_new(key).retry.get_or_insert_default()
    }

    /// Sets or clears the result of the last attempts.
    pub(super) fn set_retry(&mut self, key: &Key, retry: Option<RetryState>) {
        if retry.is_some() {
            self.parts_or_new(key).retry = retry;
        } else if let Some(parts) = self.parts_mut(key) {
            parts.retry = None;
            self.tidy(key);
        }
    }

    /// The contention about this key.
    pub(super) fn contention(&self, key: &Key) -> Option<&ContentionState> {
        self.parts(key)?.contention.as_ref()
    }

    /// The same, mutable.
    pub(super) fn contention_mut(&mut self, key: &Key) -> Option<&mut ContentionState> {
        self.parts_mut(key)?.contention.as_mut()
    }

    /// The same, mutable; a new one if there was none.
    pub(super) fn contention_or_new(&mut self, key: &Key) -> &mut ContentionState {
        let is_new = self.contention(key).is_none();
        self.contentions += usize::from(is_new);
        self.parts_or_new(key).contention.get_or_insert_default()
    }

    /// Records that the contention about this key reports a removal.
    pub(super) fn record_contended_removal(&mut self, key: &Key) {
        self.contended_removals.insert(key.clone());
    }

    /// The Secrets of this namespace whose removal was contended lately.
    pub(super) fn contended_removals(&self, namespace: &Arc<str>) -> impl Iterator<Item = &Arc<str>> {
        let keys = self.contended_removals.range(Key::least_of(namespace)..);
        secrets_of(keys, namespace)
    }

    /// Drops contentions about keys that are gone, if there are too many.
    pub(super) fn bound_contentions(&mut self, key: &Key) {
        if self.contentions > MAX_CONTENTIONS
            && let Some(parts) = self.parts_mut(key)
            && parts.contention.take().is_some()
        {
            self.contentions -= 1;
            self.tidy(key);
        }
    }

    /// The write in flight, or the last one if its outcome is unknown.
    pub(super) fn in_flight(&self, key: &Key) -> Option<&InFlight> {
        self.parts(key)?.in_flight.as_ref()
    }

    /// All writes in flight.
    pub(super) fn all_in_flight(&self) -> impl Iterator<Item = (&Key, &InFlight)> {
        let one = |key| Some((key, self.in_flight(key)?));
        self.in_flight.iter().filter_map(one)
    }

    /// Records a write as in flight.
    pub(super) fn start_write(&mut self, key: &Key, write: InFlight) {
        self.parts_or_new(key).in_flight = Some(write);
        self.in_flight.insert(key.clone());
    }

    /// Ends a write whose outcome is known.
    pub(super) fn finish_write(&mut self, key: &Key) -> Option<InFlight> {
        let write = self.parts_mut(key)?.in_flight.take()?;
        self.in_flight.remove(key);
        self.tidy(key);
        Some(write)
    }

    /// Marks the outcome of the write in flight as unknown.
    pub(super) fn outcome_unknown(&mut self, key: &Key) {
        if let Some(write) = self.parts_mut(key).and_then(|parts| parts.in_flight.as_mut()) {
            write.uncertain = true;
        }
    }

    /// When the key was last written, if that was recent.
    pub(super) fn written_at(&self, key: &Key) -> Option<Duration> {
        self.parts(key)?.written_at
    }

    /// Records a write of the key.
    pub(super) fn set_written(&mut self, key: &Key, now: Duration) {
        self.parts_or_new(key).written_at = Some(now);
    }

    /// Whether an unlisted foreign Secret may have this name.
    pub(super) fn is_unverified(&self, key: &Key) -> bool {
        self.unverified > 0 && self.keys.get(key).is_some_and(|pending| pending.unverified)
    }

    /// Whether any key is unverified.
    pub(super) fn has_unverified(&self) -> bool {
        self.unverified > 0
    }

    /// Marks the key as unverified, or as verified.
    pub(super) fn set_unverified(&mut self, key: &Key, unverified: bool) {
        if unverified {
            let pending = self.keys.entry(key.clone()).or_default();
            self.unverified += usize::from(!pending.unverified);
            pending.unverified = true;
        } else if let Some(pending) = self.keys.get_mut(key).filter(|pending| pending.unverified) {
            pending.unverified = false;
            self.unverified -= 1;
            self.tidy(key);
        }
    }

    /// Clears the unverified keys of a deleted namespace.
    pub(super) fn forget_unverified(&mut self, namespace: &Arc<str>) {
        if self.unverified == 0 {
            return;
        }
        let of_it =
            |(key, pending): (&Key, &Pending)| (pending.unverified && key.namespace == *namespace).then(|| key.clone());
        let keys: Vec<Key> = self.keys.iter().filter_map(of_it).collect();
        for key in keys {
            self.set_unverified(&key, false);
        }
    }

    /// Since when the removal of the key has been waiting.
    pub(super) fn removal_since(&self, key: &Key) -> Option<Duration> {
        self.keys.get(key)?.removal_since
    }

    /// Whether any removal waits.
    pub(super) fn has_removals(&self) -> bool {
        self.removals > 0
    }

    /// Sets or clears the waiting removal of the key.
    pub(super) fn set_removal(&mut self, key: &Key, since: Option<Duration>) {
        if since.is_some() {
            let pending = self.keys.entry(key.clone()).or_default();
            self.removals += usize::from(pending.removal_since.is_none());
            pending.removal_since = since;
        } else if let Some(pending) = self.keys.get_mut(key).filter(|pending| pending.removal_since.is_some()) {
            pending.removal_since = None;
            self.removals -= 1;
            self.tidy(key);
        }
    }

    /// Drops contentions that are over, and writes before this time.
    pub(super) fn expire(&mut self, now: Duration, written_before: Duration) {
        let contentions = &mut self.contentions;
        self.keys.retain(|_, pending| {
            let Some(parts) = &mut pending.parts else {
                return true;
            };
            let over = |state: &mut ContentionState| state.reported.is_none() && state.contention.is_settled(now);
            if parts.contention.take_if(over).is_some() {
                *contentions -= 1;
            }
            parts.written_at = parts.written_at.filter(|&at| at > written_before);
            pending.tidy()
        });
        let mut contended = std::mem::take(&mut self.contended_removals);
        contended.retain(|key| self.contention(key).is_some());
        self.contended_removals = contended;
        shrink::shrink_if_sparse(&mut self.keys, KEPT);
    }
}
