//! Work queue of a controller, with three lanes.
//!
//! Each key has at most one run in flight. The queue supports delays, a pause for all keys, and shares of the slots.
//!
//! # Guarantees
//!
//! - A pushed key is handed out at least once afterwards, and never twice at a time. A key that is pushed while in
//!   flight is handed out again when it is done.
//! - Keys in the fresh lane go before keys in the bulk lane. Each lane is first in, first out.
//! - While fresh keys arrive, [`Queue::with_slots`] can limit the bulk keys in flight. Then a few fresh keys are served
//!   sooner, and the server is equally busy either way.
//! - At most [`RETRIES`] keys of the retry lane are handed out per second, and its groups take turns. They do not wait
//!   for the other lanes.
//! - An immediate push overrides a delay, and a delay never overrides an immediate push. The earlier of two delays
//!   wins.
//!
//! With counted slots ([`Queue::with_slots`]), where a group is a namespace:
//!
//! - One group never has more than a quarter of the slots.
//! - A write counts as slow after [`SLOW`]. While other keys wait, slow writes have at most half of the slots.
//!   [`Queue::give_up`] returns those beyond that half.
//! - A group counts as slow for [`SUSPECT`] after its last slow write. Its keys wait until the slow half has room.
//! - While any write is slow, few bulk keys are in flight beside it, so the other half stays open to fresh keys.
//! - While no write is slow, and no group needs more than its quarter, every slot is used.
//!
//! # Outside this module
//!
//! The queue has no clock, task or channel. The caller passes the time, and asks when to come back.

mod lanes;
mod shares;
#[cfg(test)]
mod tests;

use std::collections::{BTreeMap, BTreeSet, HashMap, VecDeque};
use std::fmt;
use std::hash::Hash;
use std::sync::Arc;

use tokio::time::Instant;

pub use self::lanes::RETRIES;
use self::lanes::{Fifo, RetryLane};
use self::shares::{Flight, Group, Slots};
pub use self::shares::{SLOW, SUSPECT};
use crate::shrink;
use crate::work::{Key, Lane};

/// A key that belongs to a group. A group has at most a quarter of the slots.
pub trait Grouped: Clone + Eq + Hash {
    /// Identifies a group.
    type Group: Clone + Eq + Hash + fmt::Debug;
    /// The group of this key.
    fn group(&self) -> Self::Group;
}

impl Grouped for Arc<str> {
    type Group = Self;
    fn group(&self) -> Self {
        Arc::clone(self)
    }
}

impl Grouped for Key {
    type Group = Arc<str>;
    fn group(&self) -> Arc<str> {
        Arc::clone(&self.namespace)
    }
}

/// Number of keys per lane.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Depth {
    /// Keys in the fresh lane.
    pub fresh: usize,
    /// Keys in the bulk lane.
    pub bulk: usize,
    /// Keys that are not due yet, or in the retry lane.
    pub delayed: usize,
}

/// Work queue of a controller; see the module.
#[derive(Debug)]
pub struct Queue<K: Grouped> {
    keys: HashMap<K, KeyState>,
    fresh: Fifo<K>,
    bulk: Fifo<K>,
    retries: RetryLane<K>,
    /// Ordered by time and a serial number, because several keys may be due at one instant.
    delayed: BTreeMap<(Instant, u64), (K, Lane)>,
    serial: u64,
    paused_until: Option<Instant>,
    /// When the last fresh key was handed out.
    fresh_at: Option<Instant>,
    /// `None` means no limit, for all keys and for each group.
    slots: Option<Slots>,
    flights: HashMap<K, Flight>,
    /// Keys in flight that are not slow yet, by start time.
    quick: BTreeSet<(Instant, u64)>,
    /// How many keys in flight are slow, or belong to a slow group.
    slow: usize,
    /// How many keys in flight are bulk and not slow.
    bulk_in_flight: usize,
    groups: HashMap<K::Group, Group>,
    /// Keys that wait because their group has used its quarter.
    parked_by_group: HashMap<K::Group, VecDeque<K>>,
    /// Keys that wait because slow writes have used their half.
    parked_slow: VecDeque<K>,
    /// How many keys wait in `parked_by_group` and `parked_slow`, by lane.
    parked: Depth,
    /// When a write was last slow.
    slow_at: Option<Instant>,
    /// When groups that are no longer slow were last dropped.
    cleaned_at: Option<Instant>,
}

/// Capacity for this many keys is kept when a map shrinks.
const KEPT: usize = 1024;

/// Where a key is. A key that moves to another lane leaves a stale entry behind, which `next` skips.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum KeyState {
    Waiting(Lane),
    Delayed(Instant, u64),
    /// Its turn has come, but its group, or the slow writes, have used their share.
    Parked(Lane),
    InFlight,
    /// In flight, and pushed again since.
    InFlightAgain(Lane),
    /// In flight, and due again at this time.
    InFlightLater(Instant, Lane),
}

impl<K: Grouped> Default for Queue<K> {
    fn default() -> Self {
        Self {
            keys: HashMap::new(),
            fresh: Fifo::default(),
            bulk: Fifo::default(),
            retries: RetryLane::default(),
            delayed: BTreeMap::new(),
            serial: 0,
            paused_until: None,
            fresh_at: None,
            slots: None,
            flights: HashMap::new(),
            quick: BTreeSet::new(),
            slow: 0,
            bulk_in_flight: 0,
            groups: HashMap::new(),
            parked_by_group: HashMap::new(),
            parked_slow: VecDeque::new(),
            parked: Depth::default(),
            slow_at: None,
            cleaned_at: None,
        }
    }
}

impl<K: Grouped> Queue<K> {
    /// A queue with at most `all` keys in flight. In the second after a fresh key was handed out, at most
    /// `beside_fresh` of them are bulk keys.
    pub fn with_slots(all: usize, beside_fresh: usize) -> Self {
        let slots = Slots { all, beside_fresh };
        Self {
            slots: Some(slots),
            ..Self::default()
        }
    }

    /// Queues the key, to be handed out when its lane's turn comes.
    pub fn push(&mut self, key: K, lane: Lane) {
        match self.keys.get(&key) {
            Some(KeyState::InFlight | KeyState::InFlightAgain(_) | KeyState::InFlightLater(..)) => {
                self.keys.insert(key, KeyState::InFlightAgain(lane));
            }
            // A key in a more urgent lane stays there; any other moves to `lane`.
            Some(&KeyState::Waiting(held)) if held.goes_before(lane) => {}
            Some(&KeyState::Waiting(held)) => {
                self.mark_stale(held);
                self.enqueue(key, lane);
            }
            Some(&KeyState::Parked(held)) if held.goes_before(lane) => {}
            Some(&KeyState::Parked(held)) => {
                *self.parked.of(held) -= 1;
                *self.parked.of(lane) += 1;
                self.keys.insert(key, KeyState::Parked(lane));
            }
            Some(&KeyState::Delayed(at, serial)) => {
                self.delayed.remove(&(at, serial));
                self.enqueue(key, lane);
            }
            None => self.enqueue(key, lane),
        }
    }

    /// Queues the key for `at`. A push before that time overrides the delay.
    pub fn push_at(&mut self, key: K, lane: Lane, at: Instant) {
        match self.keys.get(&key) {
            Some(KeyState::InFlight) => {
                self.keys.insert(key, KeyState::InFlightLater(at, lane));
            }
            Some(&KeyState::InFlightLater(earlier, _)) if at < earlier => {
                self.keys.insert(key, KeyState::InFlightLater(at, lane));
            }
            Some(&KeyState::Delayed(earlier, serial)) if at < earlier => {
                self.delayed.remove(&(earlier, serial));
                self.delay(key, lane, at);
            }
            None => self.delay(key, lane, at),
            Some(
                KeyState::Waiting(_)
                | KeyState::Delayed(..)
                | KeyState::Parked(_)
                | KeyState::InFlightAgain(_)
                | KeyState::InFlightLater(..),
            ) => {}
        }
    }

    /// Returns the next key, which is in flight until [`Queue::done`]. Returns `None` when no key is due at `now`, or
    /// no due key has a slot.
    pub fn pop(&mut self, now: Instant) -> Option<K> {
        if self.paused_until.is_some_and(|until| now < until) {
            return None;
        }
        self.paused_until = None;
        while let Some(entry) = self.delayed.first_entry() {
            if entry.key().0 > now {
                break;
            }
            let (key, lane) = entry.remove();
            self.enqueue(key, lane);
        }
        if self.slots.is_some_and(|slots| self.flights.len() >= slots.all) {
            return None;
        }
        loop {
            let Some((key, lane)) = self.next(now) else {
                if !self.unpark_slow(now) {
                    return None;
                }
                continue;
            };
            if let Some(key) = self.start(key, lane, now) {
                return Some(key);
            }
        }
    }

    /// Ends the work on a key that was handed out.
    pub fn done(&mut self, key: &K, now: Instant) {
        self.finish(key, now);
        match self.keys.remove(key) {
            Some(KeyState::InFlightAgain(lane)) => self.enqueue(key.clone(), lane),
            Some(KeyState::InFlightLater(at, lane)) => self.delay(key.clone(), lane, at),
            Some(KeyState::InFlight) | None => {}
            Some(state @ (KeyState::Waiting(_) | KeyState::Delayed(..) | KeyState::Parked(_))) => {
                self.keys.insert(key.clone(), state);
            }
        }
        self.unpark_group(&key.group());
        if shrink::shrink_if_sparse(&mut self.keys, KEPT) {
            self.fresh.keys.shrink_to(KEPT);
            self.bulk.keys.shrink_to(KEPT);
            self.parked_slow.shrink_to(KEPT);
        }
    }

    /// Hands out no keys before `until`. The longest of several pauses wins.
    pub fn pause(&mut self, until: Instant) {
        self.paused_until = self.paused_until.max(Some(until));
    }

    /// When to call [`Queue::pop`] or [`Queue::give_up`] again, unless a key is pushed or done before. `None` when only
    /// those calls can change the answer.
    pub fn next_at(&self, now: Instant) -> Option<Instant> {
        let free = self.slots.is_none_or(|slots| self.flights.len() < slots.all);
        let waiting =
            self.fresh.len() > 0 || (self.bulk.len() > 0 && self.takes_bulk(now)) || self.may_unpark_slow(now);
        let retry = (self.retries.len() > 0).then(|| self.retries.next_at.unwrap_or(now));
        let due = waiting.then_some(now).into_iter().chain(retry);
        let later = self.delayed.keys().next().map(|&(at, _)| at);
        let due = due.filter(|_| free).chain(later).min();
        let due = due.map(|due| self.paused_until.map_or(due, |until| due.max(until)));
        let turns_slow = self.quick.first().map(|&(since, _)| since + SLOW);
        due.into_iter().chain(turns_slow.filter(|_| !free)).min()
    }

    /// Number of waiting keys per lane.
    pub fn depth(&self) -> Depth {
        Depth {
            fresh: self.fresh.len() + self.parked.fresh,
            bulk: self.bulk.len() + self.parked.bulk,
            delayed: self.delayed.len() + self.retries.len() + self.parked.delayed,
        }
    }

    /// Number of keys that wait only for a slot.
    pub fn waiting(&self) -> Depth {
        Depth {
            fresh: self.fresh.len(),
            bulk: self.bulk.len(),
            delayed: self.retries.len(),
        }
    }

    /// Whether no key waits, is delayed or is in flight.
    pub fn is_empty(&self) -> bool {
        self.keys.is_empty()
    }

    fn delay(&mut self, key: K, lane: Lane, at: Instant) {
        self.serial += 1;
        self.keys.insert(key.clone(), KeyState::Delayed(at, self.serial));
        self.delayed.insert((at, self.serial), (key, lane));
    }
}
