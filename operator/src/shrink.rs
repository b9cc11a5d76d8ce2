//! Shrinks maps after a burst.

use std::collections::HashMap;
use std::hash::Hash;

/// Shrinks a map that uses less than an eighth of its capacity, down to room for `kept` keys. Returns whether it did.
pub(crate) fn shrink_if_sparse<K: Eq + Hash, V>(map: &mut HashMap<K, V>, kept: usize) -> bool {
    let spare = map.capacity() > kept && map.len() < map.capacity() / 8;
    if spare {
        map.shrink_to(kept);
    }
    spare
}
