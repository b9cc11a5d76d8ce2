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

    /// Whether there is a fight at `now`.
    pub fn is_contended(&mut self, now: Duration) -> bool {
        self.forget(now);
        self.restored.len() > AT_ONCE
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
        assert!(contention.is_contended(SECOND * 8));
    }

    #[test]
    fn a_fight_is_over_when_the_other_writer_stops() {
        let mut contention = Contention::default();
        for second in 0..6 {
            contention.restore(SECOND * second);
        }
        assert!(!contention.is_contended(WINDOW + SECOND * 4));
        assert!(!contention.is_over(WINDOW + SECOND * 4));
        assert!(contention.is_over(WINDOW + SECOND * 5));
        assert_eq!(contention.restore(WINDOW * 2), Duration::ZERO);
    }

    #[test]
    fn rare_restores_are_never_slowed() {
        let mut contention = Contention::default();
        for round in 0..50 {
            assert_eq!(contention.restore(SECOND * 250 * round), Duration::ZERO);
        }
    }
}
