//! A fight with another writer: noticed, slowed, and over when the other one stops.

use std::collections::VecDeque;
use std::time::Duration;

use crate::backoff::Backoff;

/// Within this time restores of the same thing count together.
pub const WINDOW: Duration = Duration::from_secs(600);

/// The first restores are made at once: a person, or a tool at its start, may undo us by chance.
pub const AT_ONCE: usize = 3;

/// From one second, doubling, to two minutes: slow enough to be no load, fast enough that a fight which ended is
/// mended soon.
const DELAYS: Backoff = Backoff::new(Duration::from_secs(1), Duration::from_secs(120));

/// What was restored stands for at least so long before a fight is called over.
const QUIET: Duration = Duration::from_secs(10);

/// How often one Secret or one account was brought back to what we had written before.
#[derive(Clone, Debug, Default)]
pub struct Contention {
    /// Times since the process started, oldest first.
    restored: VecDeque<Duration>,
}

impl Contention {
    /// Another restore was found necessary at `now`, a time since the process started. Returns how long to wait
    /// before it: nothing for the first three in ten minutes.
    pub fn restore(&mut self, now: Duration) -> Duration {
        self.forget(now);
        self.restored.push_back(now);
        self.restored
            .len()
            .checked_sub(AT_ONCE + 1)
            .map_or(Duration::ZERO, |beyond| {
                DELAYS.delay(u32::try_from(beyond).unwrap_or(u32::MAX))
            })
    }

    /// Until when there is a fight, unless something is restored again before; none where there is none.
    ///
    /// It is over when nothing had to be restored for twice as long as between any two restores before, so that one
    /// who undoes us every few minutes is told once and not every few minutes; at the latest after ten minutes.
    pub fn contended_until(&self) -> Option<Duration> {
        let gaps = self.restored.iter().zip(self.restored.iter().skip(1));
        let longest = gaps.map(|(earlier, later)| later.saturating_sub(*earlier)).max()?;
        let last = *self.restored.back()?;
        let fought = self.restored.len() > AT_ONCE;
        fought.then(|| last + (2 * longest).clamp(QUIET, WINDOW))
    }

    /// Whether nothing was restored lately, so that this need not be kept.
    pub fn is_over(&mut self, now: Duration) -> bool {
        self.forget(now);
        self.restored.is_empty()
    }

    fn forget(&mut self, now: Duration) {
        while self.restored.front().is_some_and(|&at| at + WINDOW <= now) {
            self.restored.pop_front();
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const SECOND: Duration = Duration::from_secs(1);

    #[test]
    fn the_fourth_restore_in_ten_minutes_waits_and_the_next_ones_longer() {
        let mut contention = Contention::default();
        let delays: Vec<u64> = (0..8)
            .map(|second| contention.restore(SECOND * second).as_secs())
            .collect();
        assert_eq!(delays, [0, 0, 0, 1, 2, 4, 8, 16]);
        assert!(contention.contended_until().is_some());
    }

    #[test]
    fn a_fight_is_over_when_the_other_writer_stops() {
        let mut fast = Contention::default();
        for second in 0..6 {
            assert_eq!(fast.contended_until().is_some(), second > 3, "after {second} restores");
            fast.restore(SECOND * second);
        }
        assert_eq!(fast.contended_until(), Some(SECOND * 15));
        assert!(!fast.is_over(WINDOW + SECOND * 4));
        assert!(fast.is_over(WINDOW + SECOND * 5));
        assert_eq!(fast.restore(WINDOW * 2), Duration::ZERO);

        let mut every_two_minutes = Contention::default();
        for round in 0..5 {
            every_two_minutes.restore(SECOND * 120 * round);
        }
        assert_eq!(
            every_two_minutes.contended_until(),
            Some(SECOND * 720),
            "twice the two minutes"
        );
    }

    #[test]
    fn rare_restores_are_never_slowed() {
        let mut contention = Contention::default();
        for round in 0..50 {
            assert_eq!(contention.restore(SECOND * 250 * round), Duration::ZERO);
        }
    }
}
