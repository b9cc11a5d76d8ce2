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

use std::collections::{BTreeMap, BTreeSet, HashMap, VecDeque};
use std::fmt;
use std::hash::Hash;
use std::sync::Arc;
use std::time::Duration;

use tokio::time::Instant;

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

/// Number of keys per place.
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
    keys: HashMap<K, Slot>,
    fresh: Line<K>,
    bulk: Line<K>,
    retries: Retries<K>,
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
    crowded: HashMap<K::Group, VecDeque<K>>,
    /// Keys that wait because slow writes have used their half.
    held_up: VecDeque<K>,
    /// How many keys wait in `crowded` and `held_up`, by lane.
    parked: Depth,
    /// When a write was last slow.
    slow_at: Option<Instant>,
    /// When groups that are no longer slow were last dropped.
    swept_at: Option<Instant>,
}

/// A write counts as slow after this long.
pub const SLOW: Duration = Duration::from_secs(1);
/// A group counts as slow for this long after its last slow write.
pub const SUSPECT: Duration = Duration::from_secs(60);
/// Number of retry keys handed out per second.
pub const RETRIES: u32 = 20;

/// Capacity for this many keys is kept when a map shrinks.
const KEPT: usize = 1024;

/// How long after a fresh key more are expected, and after a slow write more slow ones.
const FRESH_FOR: Duration = Duration::from_secs(1);
const SLOW_FOR: Duration = Duration::from_secs(10);

#[derive(Clone, Copy, Debug)]
struct Slots {
    all: usize,
    /// Most bulk keys in flight beside fresh ones.
    beside_fresh: usize,
}

impl Slots {
    fn quarter(self) -> usize {
        (self.all / 4).max(1)
    }

    fn half(self) -> usize {
        (self.all / 2).max(1)
    }
}

#[derive(Clone, Copy, Debug)]
struct Flight {
    since: Instant,
    serial: u64,
    lane: Lane,
    slow: bool,
    /// Whether [`Queue::give_up`] has returned this key.
    given_up: bool,
}

/// State of a group that has keys in flight, or was slow recently.
#[derive(Clone, Copy, Debug, Default)]
struct Group {
    in_flight: usize,
    slow_at: Option<Instant>,
}

impl Group {
    fn is_slow(&self, now: Instant) -> bool {
        self.slow_at.is_some_and(|at| now < at + SUSPECT)
    }
}

/// Where a key is. A key that moves to another lane leaves a stale entry behind, which `next` skips.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Slot {
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

/// First-in, first-out lane.
#[derive(Debug)]
struct Line<K> {
    keys: VecDeque<K>,
    /// Stale entries of keys that moved to a more urgent lane.
    left_behind: usize,
}

/// The retry lane, in which groups take turns.
#[derive(Debug)]
struct Retries<K: Grouped> {
    groups: HashMap<K::Group, VecDeque<K>>,
    turns: VecDeque<K::Group>,
    len: usize,
    left_behind: usize,
    /// The earliest time at which the next retry may be handed out.
    next_at: Option<Instant>,
}

impl<K> Default for Line<K> {
    fn default() -> Self {
        Self {
            keys: VecDeque::new(),
            left_behind: 0,
        }
    }
}

impl<K: Grouped> Default for Retries<K> {
    fn default() -> Self {
        Self {
            groups: HashMap::new(),
            turns: VecDeque::new(),
            len: 0,
            left_behind: 0,
            next_at: None,
        }
    }
}

impl<K: Grouped> Retries<K> {
    fn push(&mut self, key: K) {
        let group = key.group();
        let keys = self.groups.entry(group.clone()).or_default();
        if keys.is_empty() {
            self.turns.push_back(group);
        }
        keys.push_back(key);
        self.len += 1;
    }

    fn pop(&mut self) -> Option<K> {
        let group = self.turns.pop_front()?;
        let keys = self.groups.get_mut(&group)?;
        let key = keys.pop_front();
        if keys.is_empty() {
            self.groups.remove(&group);
        } else {
            self.turns.push_back(group);
        }
        self.len -= 1;
        key
    }
}

impl<K: Grouped> Default for Queue<K> {
    fn default() -> Self {
        Self {
            keys: HashMap::new(),
            fresh: Line::default(),
            bulk: Line::default(),
            retries: Retries::default(),
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
            crowded: HashMap::new(),
            held_up: VecDeque::new(),
            parked: Depth::default(),
            slow_at: None,
            swept_at: None,
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
            Some(Slot::InFlight | Slot::InFlightAgain(_) | Slot::InFlightLater(..)) => {
                self.keys.insert(key, Slot::InFlightAgain(lane));
            }
            // A key in a more urgent lane stays there; any other moves to `lane`.
            Some(&Slot::Waiting(held)) if held.goes_before(lane) => {}
            Some(&Slot::Waiting(held)) => {
                self.leave(held);
                self.enqueue(key, lane);
            }
            Some(&Slot::Parked(held)) if held.goes_before(lane) => {}
            Some(&Slot::Parked(held)) => {
                *self.parked.of(held) -= 1;
                *self.parked.of(lane) += 1;
                self.keys.insert(key, Slot::Parked(lane));
            }
            Some(&Slot::Delayed(at, serial)) => {
                self.delayed.remove(&(at, serial));
                self.enqueue(key, lane);
            }
            None => self.enqueue(key, lane),
        }
    }

    /// Queues the key for `at`. A push before that time overrides the delay.
    pub fn push_at(&mut self, key: K, lane: Lane, at: Instant) {
        match self.keys.get(&key) {
            Some(Slot::InFlight) => {
                self.keys.insert(key, Slot::InFlightLater(at, lane));
            }
            Some(&Slot::InFlightLater(earlier, _)) if at < earlier => {
                self.keys.insert(key, Slot::InFlightLater(at, lane));
            }
            Some(&Slot::Delayed(earlier, serial)) if at < earlier => {
                self.delayed.remove(&(earlier, serial));
                self.delay(key, lane, at);
            }
            None => self.delay(key, lane, at),
            Some(
                Slot::Waiting(_)
                | Slot::Delayed(..)
                | Slot::Parked(_)
                | Slot::InFlightAgain(_)
                | Slot::InFlightLater(..),
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
                if !self.let_go(now) {
                    return None;
                }
                continue;
            };
            if let Some(key) = self.take_off(key, lane, now) {
                return Some(key);
            }
        }
    }

    /// Ends the work on a key that was handed out.
    pub fn done(&mut self, key: &K, now: Instant) {
        self.land(key, now);
        match self.keys.remove(key) {
            Some(Slot::InFlightAgain(lane)) => self.enqueue(key.clone(), lane),
            Some(Slot::InFlightLater(at, lane)) => self.delay(key.clone(), lane, at),
            Some(Slot::InFlight) | None => {}
            Some(place @ (Slot::Waiting(_) | Slot::Delayed(..) | Slot::Parked(_))) => {
                self.keys.insert(key.clone(), place);
            }
        }
        self.let_in(&key.group());
        if shrink::shrink_if_sparse(&mut self.keys, KEPT) {
            self.fresh.keys.shrink_to(KEPT);
            self.bulk.keys.shrink_to(KEPT);
            self.held_up.shrink_to(KEPT);
        }
    }

    /// Hands out no keys before `until`. The longest of several pauses wins.
    pub fn pause(&mut self, until: Instant) {
        self.paused_until = self.paused_until.max(Some(until));
    }

    /// Returns the keys in flight to give up, the youngest first. That is when slow writes have more than their half,
    /// and other keys wait for a slot. Each key is returned once.
    pub fn give_up(&mut self, now: Instant) -> Vec<K> {
        self.notice_slow(now);
        let Some(slots) = self.slots else {
            return Vec::new();
        };
        let waiting = self.fresh.len() + self.bulk.len() + usize::from(self.retries.is_due(now));
        let given_up = |flight: &&Flight| flight.given_up;
        let ending = self.flights.values().filter(given_up).count();
        let beyond = self.slow.saturating_sub(slots.half() + ending);
        let missing = waiting.saturating_sub(slots.all - self.flights.len() + ending);
        let mut slow: Vec<(Instant, u64, K)> = Vec::new();
        if beyond > 0 && missing > 0 {
            let is_slow = |(_, flight): &(&K, &Flight)| now >= flight.since + SLOW && !flight.given_up;
            let flights = self.flights.iter().filter(is_slow);
            slow = flights
                .map(|(key, flight)| (flight.since, flight.serial, key.clone()))
                .collect();
            slow.sort_unstable_by_key(|&(since, serial, _)| std::cmp::Reverse((since, serial)));
            slow.truncate(beyond.min(missing));
        }
        let keys = slow.into_iter().map(|(_, _, key)| key);
        keys.inspect(|key| {
            if let Some(flight) = self.flights.get_mut(key) {
                flight.given_up = true;
            }
        })
        .collect()
    }

    /// Whether a write was slow recently.
    pub fn is_slow(&self, now: Instant) -> bool {
        self.slow_at.is_some_and(|at| now < at + SLOW_FOR)
    }

    /// When to call [`Queue::pop`] or [`Queue::give_up`] again, unless a key is pushed or done before. `None` when only
    /// those calls can change the answer.
    pub fn next_at(&self, now: Instant) -> Option<Instant> {
        let free = self.slots.is_none_or(|slots| self.flights.len() < slots.all);
        let waiting = self.fresh.len() > 0 || (self.bulk.len() > 0 && self.takes_bulk(now)) || self.lets_go(now);
        let retry = (self.retries.len() > 0).then(|| self.retries.next_at.unwrap_or(now));
        let due = waiting.then_some(now).into_iter().chain(retry);
        let later = self.delayed.keys().next().map(|&(at, _)| at);
        let due = due.filter(|_| free).chain(later).min();
        let due = due.map(|due| self.paused_until.map_or(due, |until| due.max(until)));
        let turns_slow = self.quick.first().map(|&(since, _)| since + SLOW);
        due.into_iter().chain(turns_slow.filter(|_| !free)).min()
    }

    /// Number of waiting keys per place.
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

    fn enqueue(&mut self, key: K, lane: Lane) {
        self.keys.insert(key.clone(), Slot::Waiting(lane));
        match lane {
            Lane::Fresh => self.fresh.keys.push_back(key),
            Lane::Bulk => self.bulk.keys.push_back(key),
            Lane::Retry => self.retries.push(key),
        }
    }

    fn leave(&mut self, lane: Lane) {
        match lane {
            Lane::Fresh => self.fresh.left_behind += 1,
            Lane::Bulk => self.bulk.left_behind += 1,
            Lane::Retry => self.retries.left_behind += 1,
        }
    }

    fn delay(&mut self, key: K, lane: Lane, at: Instant) {
        self.serial += 1;
        self.keys.insert(key.clone(), Slot::Delayed(at, self.serial));
        self.delayed.insert((at, self.serial), (key, lane));
    }

    /// Takes the next waiting key and its lane.
    fn next(&mut self, now: Instant) -> Option<(K, Lane)> {
        while self.retries.is_due(now)
            && let Some(key) = self.retries.pop()
        {
            if self.stands_in(&key, Lane::Retry) {
                self.retries.next_at = Some(now + Duration::from_secs(1) / RETRIES);
                return Some((key, Lane::Retry));
            }
            self.retries.left_behind -= 1;
        }
        while let Some(key) = self.fresh.keys.pop_front() {
            if self.stands_in(&key, Lane::Fresh) {
                return Some((key, Lane::Fresh));
            }
            self.fresh.left_behind -= 1;
        }
        while self.takes_bulk(now) {
            let key = self.bulk.keys.pop_front()?;
            if self.stands_in(&key, Lane::Bulk) {
                return Some((key, Lane::Bulk));
            }
            self.bulk.left_behind -= 1;
        }
        None
    }

    fn stands_in(&self, key: &K, lane: Lane) -> bool {
        self.keys.get(key) == Some(&Slot::Waiting(lane))
    }

    /// Whether a bulk key may go now. When it may not, one is in flight, and its end brings the caller back.
    fn takes_bulk(&self, now: Instant) -> bool {
        let Some(slots) = self.slots else {
            return true;
        };
        let fresh = self.fresh_at.is_some_and(|at| now < at + FRESH_FOR);
        let few = match (fresh, self.is_slow(now)) {
            (_, true) => slots.beside_fresh.min(slots.quarter()),
            (true, false) => slots.beside_fresh,
            (false, false) => return true,
        };
        self.bulk_in_flight < few.max(1)
    }

    /// Puts the key in flight, or parks it when its group, or the slow writes, have used their share.
    fn take_off(&mut self, key: K, lane: Lane, now: Instant) -> Option<K> {
        let Some(slots) = self.slots else {
            if lane == Lane::Fresh {
                self.fresh_at = Some(now);
            }
            self.keys.insert(key.clone(), Slot::InFlight);
            return Some(key);
        };
        let name = key.group();
        let group = self.groups.entry(name.clone()).or_default();
        let slow = group.is_slow(now);
        if group.in_flight >= slots.quarter() {
            self.crowded.entry(name).or_default().push_back(key.clone());
            self.park(key, lane);
            return None;
        }
        if slow && self.slow >= slots.half() {
            self.held_up.push_back(key.clone());
            self.park(key, lane);
            return None;
        }
        group.in_flight += 1;
        self.serial += 1;
        let flight = Flight {
            since: now,
            serial: self.serial,
            lane,
            slow,
            given_up: false,
        };
        if slow {
            self.slow += 1;
        } else {
            self.quick.insert((now, self.serial));
            self.bulk_in_flight += usize::from(lane == Lane::Bulk);
        }
        if lane == Lane::Fresh {
            self.fresh_at = Some(now);
        }
        self.flights.insert(key.clone(), flight);
        self.keys.insert(key.clone(), Slot::InFlight);
        Some(key)
    }

    fn park(&mut self, key: K, lane: Lane) {
        *self.parked.of(lane) += 1;
        self.keys.insert(key, Slot::Parked(lane));
    }

    /// Moves a parked key back to waiting, before the others.
    fn unpark(&mut self, key: K) {
        let Some(&Slot::Parked(lane)) = self.keys.get(&key) else {
            return;
        };
        *self.parked.of(lane) -= 1;
        // A retry has already had its turn.
        let lane = if lane == Lane::Retry { Lane::Bulk } else { lane };
        self.keys.insert(key.clone(), Slot::Waiting(lane));
        match lane {
            Lane::Fresh => self.fresh.keys.push_front(key),
            Lane::Bulk | Lane::Retry => self.bulk.keys.push_front(key),
        }
    }

    /// Unparks the next key of the group, after one of its keys ended.
    fn let_in(&mut self, group: &K::Group) {
        let Some(keys) = self.crowded.get_mut(group) else {
            return;
        };
        let key = keys.pop_front();
        if keys.is_empty() {
            self.crowded.remove(group);
        }
        if let Some(key) = key {
            self.unpark(key);
        }
    }

    fn lets_go(&self, now: Instant) -> bool {
        let Some(slots) = self.slots else {
            return false;
        };
        let free = self.slow < slots.half();
        let first = self.held_up.front().and_then(|key| self.groups.get(&key.group()));
        let forgiven = || !first.is_some_and(|group| group.is_slow(now));
        !self.held_up.is_empty() && (free || forgiven())
    }

    /// Unparks the first key held up by slow writes, when their half has room or its group is no longer slow.
    fn let_go(&mut self, now: Instant) -> bool {
        let goes = self.lets_go(now);
        if goes && let Some(key) = self.held_up.pop_front() {
            self.unpark(key);
        }
        goes
    }

    /// Removes a key from those in flight.
    fn land(&mut self, key: &K, now: Instant) {
        self.notice_slow(now);
        let Some(flight) = self.flights.remove(key) else {
            return;
        };
        if flight.slow {
            self.slow -= 1;
        } else {
            self.quick.remove(&(flight.since, flight.serial));
            self.bulk_in_flight -= usize::from(flight.lane == Lane::Bulk);
        }
        let name = key.group();
        if let Some(group) = self.groups.get_mut(&name) {
            group.in_flight -= 1;
            if group.in_flight == 0 && !group.is_slow(now) {
                self.groups.remove(&name);
            }
        }
    }

    /// Marks keys that are in flight for too long, and their groups, as slow.
    fn notice_slow(&mut self, now: Instant) {
        if self.quick.first().is_none_or(|&(since, _)| now < since + SLOW) && self.slow == 0 {
            return;
        }
        let Self { flights, groups, .. } = self;
        for (key, flight) in flights.iter_mut().filter(|(_, flight)| now >= flight.since + SLOW) {
            self.slow_at = Some(now);
            groups.entry(key.group()).or_default().slow_at = Some(now);
            if !flight.slow {
                flight.slow = true;
                self.slow += 1;
                self.quick.remove(&(flight.since, flight.serial));
                self.bulk_in_flight -= usize::from(flight.lane == Lane::Bulk);
            }
        }
        if self.swept_at.is_none_or(|at| now >= at + SUSPECT) {
            self.swept_at = Some(now);
            groups.retain(|_, group| group.in_flight > 0 || group.is_slow(now));
        }
    }
}

impl<K> Line<K> {
    fn len(&self) -> usize {
        self.keys.len() - self.left_behind
    }
}

impl<K: Grouped> Retries<K> {
    fn len(&self) -> usize {
        self.len - self.left_behind
    }

    fn is_due(&self, now: Instant) -> bool {
        self.len > 0 && self.next_at.is_none_or(|at| now >= at)
    }
}

impl Lane {
    /// Whether keys in this lane are handed out no later than in the other.
    fn goes_before(self, other: Self) -> bool {
        let rank = |lane| match lane {
            Self::Fresh => 0,
            Self::Bulk => 1,
            Self::Retry => 2,
        };
        rank(self) <= rank(other)
    }
}

impl Depth {
    fn of(&mut self, lane: Lane) -> &mut usize {
        match lane {
            Lane::Fresh => &mut self.fresh,
            Lane::Bulk => &mut self.bulk,
            Lane::Retry => &mut self.delayed,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The part of a key before the slash is its group.
    impl Grouped for &'static str {
        type Group = &'static str;
        fn group(&self) -> &'static str {
            self.split('/').next().unwrap_or_default()
        }
    }

    impl Grouped for u32 {
        type Group = u32;
        fn group(&self) -> u32 {
            self % 3
        }
    }

    fn drain(queue: &mut Queue<&'static str>, now: Instant) -> Vec<&'static str> {
        std::iter::from_fn(|| queue.pop(now)).collect()
    }

    #[tokio::test(start_paused = true)]
    async fn what_is_missing_goes_before_what_is_to_be_changed() {
        let (mut queue, now) = (Queue::default(), Instant::now());
        for key in ["b1", "b2", "b3"] {
            queue.push(key, Lane::Bulk);
        }
        queue.push("f1", Lane::Fresh);
        queue.push("b3", Lane::Fresh);
        assert_eq!(drain(&mut queue, now), ["f1", "b3", "b1", "b2"]);
        assert_eq!(queue.next_at(now), None);
    }

    #[tokio::test(start_paused = true)]
    async fn while_fresh_keys_come_few_bulk_keys_are_in_flight_beside_them() {
        let (mut queue, now) = (Queue::with_slots(100, 2), Instant::now());
        for key in ["b1", "b2", "b3", "b4", "b5", "b6"] {
            queue.push(key, Lane::Bulk);
        }
        let first: Vec<_> = (0..3).filter_map(|_| queue.pop(now)).collect();
        assert_eq!(
            first,
            ["b1", "b2", "b3"],
            "without a fresh key, as many as are asked for"
        );
        queue.push("f", Lane::Fresh);
        assert_eq!(drain(&mut queue, now), ["f"]);
        assert_eq!(queue.next_at(now), None, "it waits for the end of another");
        queue.done(&"b1", Instant::now());
        assert_eq!(drain(&mut queue, now), [""; 0]);
        queue.done(&"b2", Instant::now());
        assert_eq!(queue.next_at(now), Some(now));
        assert_eq!(drain(&mut queue, now), ["b4"]);
        tokio::time::advance(FRESH_FOR).await;
        assert_eq!(drain(&mut queue, Instant::now()), ["b5", "b6"]);
    }

    #[tokio::test(start_paused = true)]
    async fn a_key_is_never_in_flight_twice_and_never_forgotten() {
        let (mut queue, now) = (Queue::default(), Instant::now());
        queue.push("a", Lane::Fresh);
        queue.push("a", Lane::Fresh);
        assert_eq!(drain(&mut queue, now), ["a"]);
        queue.push("a", Lane::Bulk);
        assert_eq!(queue.pop(now), None, "it is in flight");
        queue.done(&"a", Instant::now());
        assert_eq!(drain(&mut queue, now), ["a"]);
        queue.done(&"a", Instant::now());
        assert!(queue.is_empty());
    }

    #[tokio::test(start_paused = true)]
    async fn a_delay_is_kept_and_a_push_at_once_overrides_it() {
        let (mut queue, now) = (Queue::default(), Instant::now());
        let later = now + Duration::from_secs(10);
        queue.push_at("a", Lane::Fresh, later);
        queue.push_at("a", Lane::Fresh, later + Duration::from_secs(10));
        assert_eq!(queue.next_at(now), Some(later));
        assert_eq!(queue.pop(now), None);
        tokio::time::sleep_until(later).await;
        assert_eq!(queue.pop(Instant::now()), Some("a"));
        queue.push_at("a", Lane::Fresh, later + Duration::from_secs(5));
        queue.push("a", Lane::Fresh);
        queue.push_at("a", Lane::Fresh, later + Duration::from_secs(5));
        queue.done(&"a", Instant::now());
        assert_eq!(
            queue.pop(Instant::now()),
            Some("a"),
            "a push at once is not put off by a later delay"
        );
        queue.push_at("a", Lane::Fresh, later + Duration::from_secs(5));
        queue.done(&"a", Instant::now());
        assert_eq!(queue.next_at(Instant::now()), Some(later + Duration::from_secs(5)));
    }

    #[tokio::test(start_paused = true)]
    async fn a_pause_holds_everything_back_and_ends() {
        let (mut queue, now) = (Queue::default(), Instant::now());
        let end = now + Duration::from_secs(2);
        queue.push("a", Lane::Fresh);
        queue.pause(end);
        queue.pause(now + Duration::from_secs(1));
        assert_eq!(queue.pop(now), None);
        assert_eq!(queue.next_at(now), Some(end));
        tokio::time::sleep_until(end).await;
        assert_eq!(queue.pop(Instant::now()), Some("a"));
    }

    /// In any order of calls, the queue loses no key and hands none out twice at a time.
    #[tokio::test(start_paused = true)]
    async fn nothing_is_lost_in_any_order_of_calls() {
        let seed: u64 = rand::random();
        println!("seed {seed}");
        let mut random = <rand::rngs::StdRng as rand::SeedableRng>::seed_from_u64(seed);
        let mut queue = Queue::with_slots(8, 4);
        let mut out: Vec<u32> = Vec::new();
        let mut owed: std::collections::HashSet<u32> = std::collections::HashSet::new();
        for _ in 0..20_000 {
            let key = rand::Rng::random_range(&mut random, 0..12_u32);
            let lane = [Lane::Fresh, Lane::Bulk, Lane::Retry][rand::Rng::random_range(&mut random, 0..3)];
            let now = Instant::now();
            match rand::Rng::random_range(&mut random, 0..6_u32) {
                0 | 1 => {
                    queue.push(key, lane);
                    owed.insert(key);
                }
                2 => {
                    queue.push_at(key, lane, now + Duration::from_millis(u64::from(key) * 50));
                    owed.insert(key);
                }
                3 | 4 => {
                    if let Some(key) = queue.pop(now) {
                        assert!(!out.contains(&key), "{key} is out twice");
                        out.push(key);
                        owed.remove(&key);
                    }
                }
                _ if !out.is_empty() => queue.done(&out.swap_remove(0), now),
                _ => tokio::time::advance(Duration::from_millis(10)).await,
            }
            let places = |is: &dyn Fn(&Slot) -> bool| queue.keys.values().filter(|place| is(place)).count();
            let waits =
                |lane| places(&|place| *place == Slot::Waiting(lane)) + places(&|place| *place == Slot::Parked(lane));
            let depth = Depth {
                fresh: waits(Lane::Fresh),
                bulk: waits(Lane::Bulk),
                delayed: waits(Lane::Retry) + places(&|place| matches!(place, Slot::Delayed(..))),
            };
            assert_eq!(queue.depth(), depth);
            let of = |group| out.iter().filter(|key| key.group() == group).count();
            assert!(
                (0..3).all(|group| of(group) <= 2),
                "a group has more than its quarter: {out:?}"
            );
        }
        for key in out.drain(..) {
            queue.done(&key, Instant::now());
        }
        tokio::time::advance(Duration::from_secs(60)).await;
        while let Some(at) = queue.next_at(Instant::now()) {
            tokio::time::sleep_until(at).await;
            if let Some(key) = queue.pop(Instant::now()) {
                owed.remove(&key);
                queue.done(&key, Instant::now());
            }
        }
        assert!(owed.is_empty(), "forgotten: {owed:?}");
        assert!(queue.is_empty());
    }

    #[tokio::test(start_paused = true)]
    async fn one_group_has_a_quarter_of_the_slots() {
        let (mut queue, now) = (Queue::with_slots(8, 4), Instant::now());
        for key in ["a/1", "a/2", "a/3", "a/4", "b/1"] {
            queue.push(key, Lane::Fresh);
        }
        assert_eq!(drain(&mut queue, now), ["a/1", "a/2", "b/1"]);
        assert_eq!(queue.next_at(now), None, "the others wait for one of theirs");
        assert_eq!(queue.depth().fresh, 2);
        queue.push("c/1", Lane::Fresh);
        queue.done(&"a/2", now);
        assert_eq!(drain(&mut queue, now), ["a/3", "c/1"]);
        queue.done(&"a/1", now);
        queue.done(&"a/3", now);
        assert_eq!(drain(&mut queue, now), ["a/4"]);
    }

    #[tokio::test(start_paused = true)]
    async fn every_slot_is_used_while_nothing_is_slow() {
        let (mut queue, now) = (Queue::with_slots(4, 4), Instant::now());
        for key in ["a/1", "b/1", "c/1", "d/1", "e/1"] {
            queue.push(key, Lane::Bulk);
        }
        assert_eq!(drain(&mut queue, now), ["a/1", "b/1", "c/1", "d/1"]);
        assert_eq!(queue.give_up(now), [""; 0]);
    }

    #[tokio::test(start_paused = true)]
    async fn the_slow_have_half_of_the_slots_and_the_rest_is_given_up() {
        let mut queue = Queue::with_slots(4, 4);
        for key in ["a/1", "b/1", "c/1", "d/1"] {
            queue.push(key, Lane::Fresh);
        }
        assert_eq!(drain(&mut queue, Instant::now()).len(), 4);
        tokio::time::advance(SLOW).await;
        let now = Instant::now();
        assert_eq!(queue.give_up(now), [""; 0], "nobody waits");
        queue.push("new/1", Lane::Fresh);
        queue.push("a/2", Lane::Fresh);
        queue.push("b/2", Lane::Fresh);
        assert_eq!(queue.give_up(now), ["d/1", "c/1"], "the youngest");
        assert_eq!(queue.give_up(now), [""; 0], "each is told once");
        for key in ["c/1", "d/1"] {
            queue.push(key, Lane::Fresh);
            queue.done(&key, now);
        }
        assert_eq!(drain(&mut queue, now), ["new/1"], "what was slow waits for its half");
        queue.push("other/1", Lane::Fresh);
        assert_eq!(drain(&mut queue, now), ["other/1"]);
        queue.done(&"a/1", now);
        assert_eq!(drain(&mut queue, now), ["a/2"]);
        queue.done(&"new/1", now);
        queue.done(&"other/1", now);
        tokio::time::advance(SUSPECT).await;
        let now = Instant::now();
        queue.done(&"a/2", now);
        queue.done(&"b/1", now);
        tokio::time::advance(SUSPECT).await;
        assert_eq!(
            drain(&mut queue, Instant::now()),
            ["b/2", "c/1", "d/1"],
            "it is forgiven"
        );
    }

    #[tokio::test(start_paused = true)]
    async fn few_bulk_keys_are_in_flight_while_something_is_slow() {
        let mut queue = Queue::with_slots(16, 8);
        queue.push("slow/1", Lane::Fresh);
        assert_eq!(drain(&mut queue, Instant::now()), ["slow/1"]);
        tokio::time::advance(SLOW).await;
        let now = Instant::now();
        assert_eq!(queue.give_up(now), [""; 0]);
        for key in ["a", "b", "c", "d", "e", "f"] {
            queue.push(key, Lane::Bulk);
        }
        assert_eq!(drain(&mut queue, now).len(), 4);
        queue.push("new", Lane::Fresh);
        assert_eq!(drain(&mut queue, now), ["new"]);
    }

    #[tokio::test(start_paused = true)]
    async fn retries_are_paced_and_each_group_has_its_turn() {
        let mut queue = Queue::with_slots(400, 8);
        for key in ["a/1", "a/2", "a/3", "b/1"] {
            queue.push(key, Lane::Retry);
        }
        queue.push("f", Lane::Fresh);
        let begun = Instant::now();
        let mut order = Vec::new();
        while let Some(at) = queue.next_at(Instant::now()) {
            tokio::time::sleep_until(at).await;
            order.extend(queue.pop(Instant::now()));
        }
        assert_eq!(order, ["a/1", "f", "b/1", "a/2", "a/3"]);
        assert!(
            begun.elapsed() >= 3 * Duration::from_secs(1) / RETRIES,
            "{:?}",
            begun.elapsed()
        );
    }
}
