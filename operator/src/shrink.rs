//! Memory of what was large once: everything waits in a long row now and then, and then hardly anything for days.

use std::collections::HashMap;
use std::hash::Hash;

/// Gives the memory of a map back of which less than an eighth is in use, but for room for `kept` keys. Whether it did.
pub(crate) fn shrink_if_sparse<K: Eq + Hash, V>(map: &mut HashMap<K, V>, kept: usize) -> bool {
    let spare = map.capacity() > kept && map.len() < map.capacity() / 8;
    if spare {
        map.shrink_to(kept);
    }
    spare
}
