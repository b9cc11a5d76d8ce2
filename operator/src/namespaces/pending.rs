//! What is remembered of one Secret or account beyond what the cluster shows: attempts that failed, a fight with another
//! writer, a write in flight, a removal that waits. One map has all of it, by key; a key of which nothing is remembered has
//! no entry.

use std::collections::{HashMap, HashSet};
use std::sync::Arc;
use std::time::Duration;

use plan::contention::Contention;
use plan::decision::Failure;

use crate::shrink;
use crate::work::{Key, Write};

/// Room for so many keys is not given back.
const KEPT: usize = 256;

/// How many contentions are remembered whose key is gone.
const MAX_CONTENTIONS: usize = 4096;

/// What came of the last attempts at a key.
#[derive(Clone, Debug, Default)]
pub(super) struct RetryState {
    /// How many attempts in a row were refused, or got no answer.
    pub(super) attempts: u32,
    /// How many attempts in a row found something else than was held. These are not `attempts`: a look at a squatter is one
    /// of them, and years of looks must not put off the write that is due when it goes.
    pub(super) races: u32,
    /// How many races in a row were lost over a write that was to be made.
    pub(super) lost: u32,
    /// The failure to report; none while it may pass by itself.
    pub(super) failure: Option<Failure>,
    /// Since when the server refuses the write.
    pub(super) refused_since: Option<Duration>,
    /// Since when all attempts fail, although the server is there.
    pub(super) tried_since: Option<Duration>,
    /// The last attempt got no answer, and neither did any other call.
    pub(super) unheard: bool,
    /// The webhook or policy that put the write off.
    pub(super) by: Option<Arc<str>>,
    /// The next attempt must not be earlier.
    pub(super) retry_at: Duration,
}

/// A key that another writer undoes.
#[derive(Debug, Default)]
pub(super) struct ContentionState {
    pub(super) contention: Contention,
    /// The failure that is reported while it lasts. It changes within `Reconciler::change` only, because an evaluation
    /// shows it.
    pub(super) reported: Option<Failure>,
    /// The server was asked who the other writer is.
    pub(super) asked: bool,
    /// Since when there is something to restore.
    pub(super) since: Option<Duration>,
    /// The objects that left, where the contention is about what must go. They report it also while the key is gone.
    pub(super) left_by: Vec<Arc<str>>,
}

/// A write that was handed out and has not ended, or whose outcome is unknown.
#[derive(Debug)]
pub(super) struct InFlight {
    pub(super) write: Arc<Write>,
    /// It ended without an answer: the server may have made it.
    pub(super) uncertain: bool,
}

/// See the module.
#[derive(Debug, Default)]
pub(super) struct PendingKeys {
    keys: HashMap<Key, Pending>,
    /// The keys with a write in flight. They are few, and asked for with each summary.
    in_flight: HashSet<Key>,
    /// How many are unverified.
    unverified: usize,
    /// How many wait to be removed.
    removals: usize,
    /// How many are contended.
    contentions: usize,
}

/// The parts that each of many keys may have stand here; the others are few at a time.
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

    /// Drops what is empty of a key.
    fn tidy(&mut self, key: &Key) {
        let Some(pending) = self.keys.get_mut(key) else {
            return;
        };
        if pending.parts.as_ref().is_some_and(|parts| parts.is_empty()) {
            pending.parts = None;
        }
        if !pending.unverified && pending.removal_since.is_none() && pending.parts.is_none() {
            self.keys.remove(key);
        }
    }

    /// What came of the last attempts.
    pub(super) fn retry(&self, key: &Key) -> Option<&RetryState> {
        self.parts(key)?.retry.as_ref()
    }

    /// The same, to be changed; a new one where nothing was remembered.
    pub(super) fn retry_mut(&mut self, key: &Key) -> &mut RetryState {
        self.parts_or_new(key).retry.get_or_insert_default()
    }

    /// Remembers, or forgets, what came of the last attempts.
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

    /// The same, to be changed, if there is one.
    pub(super) fn contention_mut(&mut self, key: &Key) -> Option<&mut ContentionState> {
        self.parts_mut(key)?.contention.as_mut()
    }

    /// The same; a new one where there is none.
    pub(super) fn contention_or_new(&mut self, key: &Key) -> &mut ContentionState {
        let is_new = self.contention(key).is_none();
        self.contentions += usize::from(is_new);
        self.parts_or_new(key).contention.get_or_insert_default()
    }

    /// Forgets contentions about keys that are gone, where there are too many of them.
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

    /// All of them.
    pub(super) fn all_in_flight(&self) -> impl Iterator<Item = (&Key, &InFlight)> {
        let one = |key| Some((key, self.in_flight(key)?));
        self.in_flight.iter().filter_map(one)
    }

    /// The write is handed out.
    pub(super) fn start_write(&mut self, key: &Key, write: InFlight) {
        self.parts_or_new(key).in_flight = Some(write);
        self.in_flight.insert(key.clone());
    }

    /// The outcome of the write is known: it is in flight no more.
    pub(super) fn finish_write(&mut self, key: &Key) -> Option<InFlight> {
        let write = self.parts_mut(key)?.in_flight.take()?;
        self.in_flight.remove(key);
        self.tidy(key);
        Some(write)
    }

    /// Nothing is known of the outcome of the write in flight.
    pub(super) fn outcome_unknown(&mut self, key: &Key) {
        if let Some(write) = self.parts_mut(key).and_then(|parts| parts.in_flight.as_mut()) {
            write.uncertain = true;
        }
    }

    /// When the key was written last, of the last moments.
    pub(super) fn written_at(&self, key: &Key) -> Option<Duration> {
        self.parts(key)?.written_at
    }

    /// The key was written.
    pub(super) fn set_written(&mut self, key: &Key, now: Duration) {
        self.parts_or_new(key).written_at = Some(now);
    }

    /// Whether a Secret of others may stand there that no list has shown.
    pub(super) fn is_unverified(&self, key: &Key) -> bool {
        self.unverified > 0 && self.keys.get(key).is_some_and(|pending| pending.unverified)
    }

    /// Whether any key is unverified.
    pub(super) fn has_unverified(&self) -> bool {
        self.unverified > 0
    }

    /// Whether a Secret of others stands there is to be found out, or is known now.
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

    /// A namespace is gone: no key of it is unverified any more.
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

    /// Since when the removal of the key waits.
    pub(super) fn removal_since(&self, key: &Key) -> Option<Duration> {
        self.keys.get(key)?.removal_since
    }

    /// Whether any removal waits.
    pub(super) fn has_removals(&self) -> bool {
        self.removals > 0
    }

    /// The removal of the key waits since then, or does not wait.
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

    /// Forgets contentions that are over, and writes before this time.
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
            if parts.is_empty() {
                pending.parts = None;
            }
            pending.unverified || pending.removal_since.is_some() || pending.parts.is_some()
        });
        shrink::shrink_if_sparse(&mut self.keys, KEPT);
    }
}
