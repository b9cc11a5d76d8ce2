//! Shares of the slots: a group has at most a quarter, and slow writes have at most half.

use std::time::Duration;

use tokio::time::Instant;

use super::{Grouped, KeyState, Queue};
use crate::work::Lane;

/// A write counts as slow after this long.
pub const SLOW: Duration = Duration::from_secs(1);
/// A group counts as slow for this long after its last slow write.
pub const SUSPECT: Duration = Duration::from_secs(60);

/// How long after a slow write more are expected.
const SLOW_FOR: Duration = Duration::from_secs(10);

#[derive(Clone, Copy, Debug)]
pub(super) struct Slots {
    pub(super) all: usize,
    /// Most bulk keys in flight beside fresh ones.
    pub(super) beside_fresh: usize,
}

impl Slots {
    pub(super) fn quarter(self) -> usize {
        (self.all / 4).max(1)
    }

    pub(super) fn half(self) -> usize {
        (self.all / 2).max(1)
    }
}

#[derive(Clone, Copy, Debug)]
pub(super) struct Flight {
    since: Instant,
    serial: u64,
    lane: Lane,
    slow: bool,
    /// Whether [`Queue::give_up`] has returned this key.
    given_up: bool,
}

/// State of a group that has keys in flight, or was slow recently.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Group {
    in_flight: usize,
    slow_at: Option<Instant>,
}

impl Group {
    fn is_slow(&self, now: Instant) -> bool {
        self.slow_at.is_some_and(|at| now < at + SUSPECT)
    }
}

impl<K: Grouped> Queue<K> {
    /// Returns the keys in flight to give up, the youngest first. That is when slow writes have more than their half,
    /// and other keys wait for a slot. Each key is returned once.
    pub fn give_up(&mut self, now: Instant) -> Vec<K> {
        self.mark_slow(now);
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

    /// Puts the key in flight, or parks it when its group, or the slow writes, have used their share.
    pub(super) fn start(&mut self, key: K, lane: Lane, now: Instant) -> Option<K> {
        let Some(slots) = self.slots else {
            if lane == Lane::Fresh {
                self.fresh_at = Some(now);
            }
            self.keys.insert(key.clone(), KeyState::InFlight);
            return Some(key);
        };
        let name = key.group();
        let group = self.groups.entry(name.clone()).or_default();
        let slow = group.is_slow(now);
        if group.in_flight >= slots.quarter() {
            self.parked_by_group.entry(name).or_default().push_back(key.clone());
            self.park(key, lane);
            return None;
        }
        if slow && self.slow >= slots.half() {
            self.parked_slow.push_back(key.clone());
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
        self.keys.insert(key.clone(), KeyState::InFlight);
        Some(key)
    }

    fn park(&mut self, key: K, lane: Lane) {
        *self.parked.of(lane) += 1;
        self.keys.insert(key, KeyState::Parked(lane));
    }

    /// Moves a parked key back to waiting, before the others.
    fn unpark(&mut self, key: K) {
        let Some(&KeyState::Parked(lane)) = self.keys.get(&key) else {
            return;
        };
        *self.parked.of(lane) -= 1;
        // A retry has already had its turn.
        let lane = if lane == Lane::Retry { Lane::Bulk } else { lane };
        self.keys.insert(key.clone(), KeyState::Waiting(lane));
        match lane {
            Lane::Fresh => self.fresh.keys.push_front(key),
            Lane::Bulk | Lane::Retry => self.bulk.keys.push_front(key),
        }
    }

    /// Unparks the next key of the group, after one of its keys ended.
    pub(super) fn unpark_group(&mut self, group: &K::Group) {
        let Some(keys) = self.parked_by_group.get_mut(group) else {
            return;
        };
        let key = keys.pop_front();
        if keys.is_empty() {
            self.parked_by_group.remove(group);
        }
        if let Some(key) = key {
            self.unpark(key);
        }
    }

    pub(super) fn may_unpark_slow(&self, now: Instant) -> bool {
        let Some(slots) = self.slots else {
            return false;
        };
        let free = self.slow < slots.half();
        let first = self.parked_slow.front().and_then(|key| self.groups.get(&key.group()));
        let forgiven = || !first.is_some_and(|group| group.is_slow(now));
        !self.parked_slow.is_empty() && (free || forgiven())
    }

    /// Unparks the first key that waits for slow writes, when their half has room or its group is no longer slow.
    pub(super) fn unpark_slow(&mut self, now: Instant) -> bool {
        let goes = self.may_unpark_slow(now);
        if goes && let Some(key) = self.parked_slow.pop_front() {
            self.unpark(key);
        }
        goes
    }

    /// Removes a key from those in flight.
    pub(super) fn finish(&mut self, key: &K, now: Instant) {
        self.mark_slow(now);
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
    fn mark_slow(&mut self, now: Instant) {
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
        if self.cleaned_at.is_none_or(|at| now >= at + SUSPECT) {
            self.cleaned_at = Some(now);
            groups.retain(|_, group| group.in_flight > 0 || group.is_slow(now));
        }
    }
}
