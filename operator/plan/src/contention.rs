//! Contention with another writer: detected, backed off, and settled when the other writer stops.

use std::collections::VecDeque;
use std::time::Duration;

use crate::backoff::Backoff;

/// Undone writes within this time count together.
pub const WINDOW: Duration = Duration::from_secs(600);

/// The operator repeats the first undone writes at once. A person, or a tool at its start, may undo a write by chance.
pub const IMMEDIATE: usize = 3;

/// From one second to two minutes. That is slow enough to cause no load, and fast enough to repair soon after the other
/// writer stops.
const DELAYS: Backoff = Backoff::new(Duration::from_secs(1), Duration::from_secs(120));

/// The shortest time without an undone write after which contention is settled.
const QUIET: Duration = Duration::from_secs(10);

/// How often another writer undid our writes of one Secret or one account.
#[derive(Clone, Debug, Default)]
pub struct Contention {
    /// When, since the process started, oldest first.
    undone: VecDeque<Duration>,
}

impl Contention {
    /// Records that another writer undid our write at `now`, a time since the process started.
    ///
    /// Returns the delay before the operator writes again. It is zero for the first three in ten minutes.
    pub fn record_undo(&mut self, now: Duration) -> Duration {
        self.expire(now);
        self.undone.push_back(now);
        self.undone
            .len()
            .checked_sub(IMMEDIATE + 1)
            .map_or(Duration::ZERO, |beyond| {
                DELAYS.delay(u32::try_from(beyond).unwrap_or(u32::MAX))
            })
    }

    /// Returns when the contention settles if no further write is undone, or `None` without contention.
    ///
    /// It takes twice the longest time between two undone writes, and at most ten minutes. So a writer that undoes ours
    /// every few minutes is reported once, not every few minutes.
    pub fn contended_until(&self) -> Option<Duration> {
        let gaps = self.undone.iter().zip(self.undone.iter().skip(1));
        let longest = gaps.map(|(earlier, later)| later.saturating_sub(*earlier)).max()?;
        let last = *self.undone.back()?;
        let is_contended = self.undone.len() > IMMEDIATE;
        is_contended.then(|| last + (2 * longest).clamp(QUIET, WINDOW))
    }

    /// Returns whether no write was undone lately, so that the caller can drop this.
    pub fn is_settled(&mut self, now: Duration) -> bool {
        self.expire(now);
        self.undone.is_empty()
    }

    fn expire(&mut self, now: Duration) {
        while self.undone.front().is_some_and(|&at| at + WINDOW <= now) {
            self.undone.pop_front();
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const SECOND: Duration = Duration::from_secs(1);

    #[test]
    fn the_fourth_undo_starts_a_backoff() {
        let mut contention = Contention::default();
        let delays: Vec<u64> = (0..8)
            .map(|second| contention.record_undo(SECOND * second).as_secs())
            .collect();
        assert_eq!(delays, [0, 0, 0, 1, 2, 4, 8, 16]);
        assert!(contention.contended_until().is_some());
    }

    #[test]
    fn contention_settles_when_the_other_stops() {
        let mut fast = Contention::default();
        for second in 0..6 {
            assert_eq!(
                fast.contended_until().is_some(),
                second > 3,
                "after {second} undone writes"
            );
            fast.record_undo(SECOND * second);
        }
        assert_eq!(fast.contended_until(), Some(SECOND * 15));
        assert!(!fast.is_settled(WINDOW + SECOND * 4));
        assert!(fast.is_settled(WINDOW + SECOND * 5));
        assert_eq!(fast.record_undo(WINDOW * 2), Duration::ZERO);

        let mut every_two_minutes = Contention::default();
        for round in 0..5 {
            every_two_minutes.record_undo(SECOND * 120 * round);
        }
        assert_eq!(
            every_two_minutes.contended_until(),
            Some(SECOND * 720),
            "twice the two minutes"
        );
    }

    #[test]
    fn rare_undos_are_never_delayed() {
        let mut contention = Contention::default();
        for round in 0..50 {
            assert_eq!(contention.record_undo(SECOND * 250 * round), Duration::ZERO);
        }
    }
}
