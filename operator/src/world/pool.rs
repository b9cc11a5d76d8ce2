//! What is alike is held once.

use std::borrow::Borrow;
use std::collections::HashSet;
use std::hash::Hash;
use std::sync::Arc;

/// Values by themselves. One that nobody else holds any more goes when there is room to be made.
#[derive(Debug)]
pub(super) struct Pool<T: ?Sized>(HashSet<Arc<T>>);

/// So few are not worth a look.
const FEW: usize = 64;

impl<T: ?Sized> Default for Pool<T> {
    fn default() -> Self {
        Self(HashSet::new())
    }
}

impl<T: ?Sized + Eq + Hash> Pool<T> {
    /// The one that is equal.
    pub(super) fn share(&mut self, value: impl Borrow<T> + Into<Arc<T>>) -> Arc<T> {
        if let Some(held) = self.0.get(value.borrow()) {
            return Arc::clone(held);
        }
        if self.0.len() >= FEW && self.0.len() == self.0.capacity() {
            self.0.retain(|held| Arc::strong_count(held) > 1);
        }
        let value = value.into();
        self.0.insert(Arc::clone(&value));
        value
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_equal_is_one_and_what_nobody_holds_goes() {
        let mut pool = Pool::<str>::default();
        let held = pool.share("held");
        assert!(Arc::ptr_eq(&held, &pool.share("held")));
        for number in 0..100 * FEW {
            drop(pool.share(number.to_string().as_str()));
        }
        assert!(pool.0.len() < 2 * FEW, "{} of them are held", pool.0.len());
        assert!(Arc::ptr_eq(&held, &pool.share("held")));
    }
}
