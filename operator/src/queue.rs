//! The work queue of a loop: two lanes, one in flight for each key, delays, and a pause for all.
//!
//! # Guarantees
//!
//! - A key that was pushed is handed out at least once afterwards, and never twice at the same time: pushed while in
//!   flight, it is handed out again when it is done.
//! - Whatever stands in the fresh lane goes before whatever stands in the bulk lane; each lane is first in, first out.
//! - While fresh keys come, few bulk keys are in flight beside them, where that is asked for: whoever is alone with few others
//!   is served sooner, and the server is as busy with few as with many.
//! - A push at once overrides a delay; a delay never overrides a push at once. Of two delays the earlier stands.
//!
//! # Not here
//!
//! No clock, no task, no channel: the caller says what time it is, and asks when to come back.

use std::collections::{BTreeMap, HashMap, HashSet, VecDeque};
use std::hash::Hash;
use std::time::Duration;

use tokio::time::Instant;

use crate::capacity;

/// Which work goes first.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Lane {
    /// Something is missing, or is to be taken away.
    Fresh,
    /// Something is there and is to be changed.
    Bulk,
}

/// How many keys stand where.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Depth {
    /// In the fresh lane.
    pub fresh: usize,
    /// In the bulk lane.
    pub bulk: usize,
    /// Not due yet.
    pub delayed: usize,
}

/// See the module.
#[derive(Debug)]
pub struct Queue<K> {
    keys: HashMap<K, Place>,
    fresh: VecDeque<K>,
    bulk: VecDeque<K>,
    /// Places in the bulk lane that were left behind for the fresh one.
    left_behind: usize,
    /// By time and a running number, since several keys may be due at one instant.
    delayed: BTreeMap<(Instant, u64), (K, Lane)>,
    serial: u64,
    paused_until: Option<Instant>,
    /// Bulk keys in flight beside fresh ones; none: as many as there are.
    beside_fresh: Option<usize>,
    bulk_in_flight: HashSet<K>,
    /// When a fresh key was handed out last.
    fresh_at: Option<Instant>,
}

/// Room for so many keys is not given back.
const KEPT: usize = 1024;

/// So long after a fresh key others are expected.
const FRESH_FOR: Duration = Duration::from_secs(1);

/// Where a key stands. A key that moved on leaves its old place in a lane behind; what is found there then is stale
/// and passed over.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Place {
    Waiting(Lane),
    Delayed(Instant, u64),
    InFlight,
    /// In flight, and pushed meanwhile.
    InFlightAgain(Lane),
    /// In flight, and to be handed out again after this time.
    InFlightLater(Instant, Lane),
}

impl<K> Default for Queue<K> {
    fn default() -> Self {
        Self {
            keys: HashMap::new(),
            fresh: VecDeque::new(),
            bulk: VecDeque::new(),
            left_behind: 0,
            delayed: BTreeMap::new(),
            serial: 0,
            paused_until: None,
            beside_fresh: None,
            bulk_in_flight: HashSet::new(),
            fresh_at: None,
        }
    }
}

impl<K: Clone + Eq + Hash> Queue<K> {
    /// With so many bulk keys in flight at most within a second after a fresh one was handed out.
    pub fn with_few_beside_fresh(few: usize) -> Self {
        Self {
            beside_fresh: Some(few),
            ..Self::default()
        }
    }

    /// Hands the key out as soon as its lane's turn comes.
    pub fn push(&mut self, key: K, lane: Lane) {
        match self.keys.get(&key) {
            Some(Place::InFlight | Place::InFlightAgain(_) | Place::InFlightLater(..)) => {
                self.keys.insert(key, Place::InFlightAgain(lane));
            }
            // In the fresh lane it stands well; out of it, a fresh push moves it.
            Some(&Place::Waiting(held)) if held == lane || held == Lane::Fresh => {}
            Some(&Place::Delayed(at, serial)) => {
                self.delayed.remove(&(at, serial));
                self.enqueue(key, lane);
            }
            Some(Place::Waiting(_)) => {
                self.left_behind += 1;
                self.enqueue(key, lane);
            }
            None => self.enqueue(key, lane),
        }
    }

    /// Hands the key out at `at`, unless it is pushed before.
    pub fn push_at(&mut self, key: K, lane: Lane, at: Instant) {
        match self.keys.get(&key) {
            Some(Place::InFlight) => {
                self.keys.insert(key, Place::InFlightLater(at, lane));
            }
            Some(&Place::InFlightLater(earlier, _)) if at < earlier => {
                self.keys.insert(key, Place::InFlightLater(at, lane));
            }
            Some(&Place::Delayed(earlier, serial)) if at < earlier => {
                self.delayed.remove(&(earlier, serial));
                self.delay(key, lane, at);
            }
            None => self.delay(key, lane, at),
            Some(Place::Waiting(_) | Place::Delayed(..) | Place::InFlightAgain(_) | Place::InFlightLater(..)) => {}
        }
    }

    /// The next key, now in flight until [`Queue::done`]; none when nothing is due at `now`.
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
        let key = if let Some(key) = self.fresh.pop_front() {
            self.fresh_at = Some(now);
            key
        } else if self.takes_bulk(now) {
            let key = self.take_bulk()?;
            self.bulk_in_flight.insert(key.clone());
            key
        } else {
            return None;
        };
        self.keys.insert(key.clone(), Place::InFlight);
        Some(key)
    }

    /// The work on a key that was handed out has ended.
    pub fn done(&mut self, key: &K) {
        self.bulk_in_flight.remove(key);
        match self.keys.remove(key) {
            Some(Place::InFlightAgain(lane)) => self.enqueue(key.clone(), lane),
            Some(Place::InFlightLater(at, lane)) => self.delay(key.clone(), lane, at),
            Some(Place::InFlight) | None => {}
            Some(place @ (Place::Waiting(_) | Place::Delayed(..))) => {
                self.keys.insert(key.clone(), place);
            }
        }
        if capacity::give_back(&mut self.keys, KEPT) {
            self.fresh.shrink_to(KEPT);
            self.bulk.shrink_to(KEPT);
        }
    }

    /// Hands nothing out before `until`; the longest of several pauses counts.
    pub fn pause(&mut self, until: Instant) {
        self.paused_until = self.paused_until.max(Some(until));
    }

    /// When [`Queue::pop`] may have something, given that nothing is pushed or done before; none when it waits for that.
    pub fn next_at(&self, now: Instant) -> Option<Instant> {
        let waiting = !self.fresh.is_empty() || (!self.bulk.is_empty() && self.takes_bulk(now));
        let due = if waiting {
            Some(now)
        } else {
            self.delayed.keys().next().map(|&(at, _)| at)
        };
        due.map(|due| self.paused_until.map_or(due, |until| due.max(until)))
    }

    /// How many keys wait, and where.
    pub fn depth(&self) -> Depth {
        Depth {
            fresh: self.fresh.len(),
            bulk: self.bulk.len() - self.left_behind,
            delayed: self.delayed.len(),
        }
    }

    /// Whether no key waits, is delayed, or is in flight.
    pub fn is_empty(&self) -> bool {
        self.keys.is_empty()
    }

    fn enqueue(&mut self, key: K, lane: Lane) {
        self.keys.insert(key.clone(), Place::Waiting(lane));
        match lane {
            Lane::Fresh => self.fresh.push_back(key),
            Lane::Bulk => self.bulk.push_back(key),
        }
    }

    fn delay(&mut self, key: K, lane: Lane, at: Instant) {
        self.serial += 1;
        self.keys.insert(key.clone(), Place::Delayed(at, self.serial));
        self.delayed.insert((at, self.serial), (key, lane));
    }

    /// Where it does not, a bulk key is in flight, so that somebody comes back.
    fn takes_bulk(&self, now: Instant) -> bool {
        let fresh = self.fresh_at.is_some_and(|at| now < at + FRESH_FOR);
        self.beside_fresh
            .is_none_or(|few| !fresh || self.bulk_in_flight.len() < few.max(1))
    }

    fn take_bulk(&mut self) -> Option<K> {
        loop {
            let key = self.bulk.pop_front()?;
            if self.keys.get(&key) == Some(&Place::Waiting(Lane::Bulk)) {
                return Some(key);
            }
            self.left_behind -= 1;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

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
        let (mut queue, now) = (Queue::with_few_beside_fresh(2), Instant::now());
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
        queue.done(&"b1");
        assert_eq!(drain(&mut queue, now), [""; 0]);
        queue.done(&"b2");
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
        queue.done(&"a");
        assert_eq!(drain(&mut queue, now), ["a"]);
        queue.done(&"a");
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
        queue.done(&"a");
        assert_eq!(
            queue.pop(Instant::now()),
            Some("a"),
            "a push at once is not put off by a later delay"
        );
        queue.push_at("a", Lane::Fresh, later + Duration::from_secs(5));
        queue.done(&"a");
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

    /// Whatever is pushed, delayed, popped and done in whatever order: no key is lost, and none is out twice.
    #[tokio::test(start_paused = true)]
    async fn nothing_is_lost_in_any_order_of_calls() {
        let seed: u64 = rand::random();
        println!("seed {seed}");
        let mut random = <rand::rngs::StdRng as rand::SeedableRng>::seed_from_u64(seed);
        let mut queue = Queue::default();
        let mut out: Vec<u32> = Vec::new();
        let mut owed: std::collections::HashSet<u32> = std::collections::HashSet::new();
        for _ in 0..20_000 {
            let key = rand::Rng::random_range(&mut random, 0..12_u32);
            let lane = if rand::Rng::random(&mut random) {
                Lane::Fresh
            } else {
                Lane::Bulk
            };
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
                _ if !out.is_empty() => queue.done(&out.swap_remove(0)),
                _ => tokio::time::advance(Duration::from_millis(10)).await,
            }
            let places = |is: fn(&Place) -> bool| queue.keys.values().filter(|place| is(place)).count();
            let depth = Depth {
                fresh: places(|place| *place == Place::Waiting(Lane::Fresh)),
                bulk: places(|place| *place == Place::Waiting(Lane::Bulk)),
                delayed: places(|place| matches!(place, Place::Delayed(..))),
            };
            assert_eq!(queue.depth(), depth);
        }
        for key in out.drain(..) {
            queue.done(&key);
        }
        tokio::time::advance(Duration::from_secs(60)).await;
        while let Some(key) = queue.pop(Instant::now()) {
            owed.remove(&key);
            queue.done(&key);
        }
        assert!(owed.is_empty(), "forgotten: {owed:?}");
        assert!(queue.is_empty());
    }
}
