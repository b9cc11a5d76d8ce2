//! The lanes of the queue, and which key is next.

use std::collections::{HashMap, VecDeque};
use std::time::Duration;

use tokio::time::Instant;

use super::{Depth, Grouped, KeyState, Queue};
use crate::work::Lane;

/// Number of retry keys handed out per second.
pub const RETRIES: u32 = 20;

/// How long after a fresh key more are expected.
pub(super) const FRESH_FOR: Duration = Duration::from_secs(1);

/// First-in, first-out lane.
#[derive(Debug)]
pub(super) struct Fifo<K> {
    pub(super) keys: VecDeque<K>,
    /// Stale entries of keys that moved to a more urgent lane.
    pub(super) stale: usize,
}

/// The retry lane, in which groups take turns.
#[derive(Debug)]
pub(super) struct RetryLane<K: Grouped> {
    groups: HashMap<K::Group, VecDeque<K>>,
    turns: VecDeque<K::Group>,
    len: usize,
    pub(super) stale: usize,
    /// The earliest time at which the next retry may be handed out.
    pub(super) next_at: Option<Instant>,
}

impl<K> Default for Fifo<K> {
    fn default() -> Self {
        Self {
            keys: VecDeque::new(),
            stale: 0,
        }
    }
}

impl<K> Fifo<K> {
    pub(super) fn len(&self) -> usize {
        self.keys.len() - self.stale
    }
}

impl<K: Grouped> Default for RetryLane<K> {
    fn default() -> Self {
        Self {
            groups: HashMap::new(),
            turns: VecDeque::new(),
            len: 0,
            stale: 0,
            next_at: None,
        }
    }
}

impl<K: Grouped> RetryLane<K> {
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

    pub(super) fn len(&self) -> usize {
        self.len - self.stale
    }

    pub(super) fn is_due(&self, now: Instant) -> bool {
        self.len > 0 && self.next_at.is_none_or(|at| now >= at)
    }
}

impl<K: Grouped> Queue<K> {
    pub(super) fn enqueue(&mut self, key: K, lane: Lane) {
        self.keys.insert(key.clone(), KeyState::Waiting(lane));
        match lane {
            Lane::Fresh => self.fresh.keys.push_back(key),
            Lane::Bulk => self.bulk.keys.push_back(key),
            Lane::Retry => self.retries.push(key),
        }
    }

    pub(super) fn mark_stale(&mut self, lane: Lane) {
        match lane {
            Lane::Fresh => self.fresh.stale += 1,
            Lane::Bulk => self.bulk.stale += 1,
            Lane::Retry => self.retries.stale += 1,
        }
    }

    /// Takes the next waiting key and its lane.
    pub(super) fn next(&mut self, now: Instant) -> Option<(K, Lane)> {
        while self.retries.is_due(now)
            && let Some(key) = self.retries.pop()
        {
            if self.waits_in(&key, Lane::Retry) {
                self.retries.next_at = Some(now + Duration::from_secs(1) / RETRIES);
                return Some((key, Lane::Retry));
            }
            self.retries.stale -= 1;
        }
        while let Some(key) = self.fresh.keys.pop_front() {
            if self.waits_in(&key, Lane::Fresh) {
                return Some((key, Lane::Fresh));
            }
            self.fresh.stale -= 1;
        }
        while self.takes_bulk(now) {
            let key = self.bulk.keys.pop_front()?;
            if self.waits_in(&key, Lane::Bulk) {
                return Some((key, Lane::Bulk));
            }
            self.bulk.stale -= 1;
        }
        None
    }

    fn waits_in(&self, key: &K, lane: Lane) -> bool {
        self.keys.get(key) == Some(&KeyState::Waiting(lane))
    }

    /// Whether a bulk key may go now. When it may not, one is in flight, and its end brings the caller back.
    pub(super) fn takes_bulk(&self, now: Instant) -> bool {
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
}

impl Lane {
    /// Whether keys in this lane are handed out no later than in the other.
    pub(super) fn goes_before(self, other: Self) -> bool {
        let rank = |lane| match lane {
            Self::Fresh => 0,
            Self::Bulk => 1,
            Self::Retry => 2,
        };
        rank(self) <= rank(other)
    }
}

impl Depth {
    pub(super) fn of(&mut self, lane: Lane) -> &mut usize {
        match lane {
            Lane::Fresh => &mut self.fresh,
            Lane::Bulk => &mut self.bulk,
            Lane::Retry => &mut self.delayed,
        }
    }
}
