//! Interns equal values.

use std::borrow::Borrow;
use std::collections::HashSet;
use std::hash::Hash;
use std::sync::Arc;

/// A set of shared values. Those without other users are dropped whenever the set has grown by a quarter.
#[derive(Debug)]
pub(super) struct Interner<T: ?Sized> {
    values: HashSet<Arc<T>>,
    full_at: usize,
}

/// A smaller set is not searched for unused values.
const FEW: usize = 64;

impl<T: ?Sized> Default for Interner<T> {
    fn default() -> Self {
        Self {
            values: HashSet::new(),
            full_at: FEW,
        }
    }
}

impl<T: ?Sized + Eq + Hash> Interner<T> {
    /// Drops values without other users.
    pub(super) fn drop_unused(&mut self) {
        self.values.retain(|shared| Arc::strong_count(shared) > 1);
    }

    /// Returns the shared value that equals this one, if there is one.
    pub(super) fn known(&self, value: &T) -> Option<Arc<T>> {
        self.values.get(value).cloned()
    }

    /// Returns the shared value that equals this one.
    pub(super) fn share(&mut self, value: impl Borrow<T> + Into<Arc<T>>) -> Arc<T> {
        if let Some(shared) = self.values.get(value.borrow()) {
            return Arc::clone(shared);
        }
        if self.values.len() >= self.full_at {
            self.drop_unused();
            self.full_at = FEW.max(self.values.len() + self.values.len() / 4);
        }
        let value = value.into();
        self.values.insert(Arc::clone(&value));
        value
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn equal_values_are_shared_while_in_use() {
        let mut pool = Interner::<str>::default();
        let held = pool.share("held");
        assert!(Arc::ptr_eq(&held, &pool.share("held")));
        for number in 0..100 * FEW {
            drop(pool.share(number.to_string().as_str()));
        }
        assert!(pool.values.len() < 2 * FEW, "{} of them are held", pool.values.len());
        assert!(Arc::ptr_eq(&held, &pool.share("held")));
    }
}
