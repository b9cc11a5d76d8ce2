//! Exponential backoff.

use std::time::Duration;

/// A delay that doubles with each attempt up to a bound. The caller adds jitter, because this crate has no randomness.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Backoff {
    first: Duration,
    longest: Duration,
}

impl Backoff {
    /// Makes a backoff from `first` to `longest`.
    pub const fn new(first: Duration, longest: Duration) -> Self {
        Self { first, longest }
    }

    /// Returns the delay after this many failures: `first` without any.
    pub fn delay(self, failures: u32) -> Duration {
        let factor = 1_u32.checked_shl(failures.min(31)).unwrap_or(u32::MAX);
        self.first.saturating_mul(factor).min(self.longest)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn delays_double_up_to_a_bound() {
        let backoff = Backoff::new(Duration::from_millis(100), Duration::from_secs(30));
        let millis = |failures| backoff.delay(failures).as_millis();
        assert_eq!([millis(0), millis(1), millis(2), millis(8)], [100, 200, 400, 25_600]);
        assert_eq!([millis(9), millis(31), millis(32), millis(u32::MAX)], [30_000; 4]);
    }
}
