//! Rollout queue: namespaces that wait for a changed object to be applied. Each waits at most once, and its writes are
//! planned when its turn comes. So an object with ten thousand namespaces costs a few words for each, and changes that
//! coincide share their writes.

use std::collections::{HashMap, VecDeque};
use std::sync::Arc;
use std::time::Duration;

use crate::shrink;
use crate::work::Lane;

/// Capacity for this many namespaces is kept when a map shrinks.
const KEPT: usize = 256;

/// The rollout queue; see the module.
#[derive(Debug, Default)]
pub(super) struct Rollout {
    waiting: HashMap<Arc<str>, Waiting>,
    fresh: RolloutLane,
    bulk: RolloutLane,
}

#[derive(Debug, Default)]
struct RolloutLane {
    namespaces: VecDeque<Arc<str>>,
    /// Number of keys in these namespaces.
    keys: usize,
}

/// A waiting namespace.
#[derive(Clone, Copy, Debug)]
struct Waiting {
    /// The lane of its most urgent key.
    lane: Lane,
    /// Number of keys at the last evaluation.
    keys: usize,
    since: Duration,
}

impl Rollout {
    /// Adds the namespace, or moves it to the fresh lane if this is more urgent.
    pub(super) fn push(&mut self, namespace: &Arc<str>, lane: Lane, keys: usize, now: Duration) {
        let earlier = self.waiting.get(namespace).copied();
        let stays = earlier.filter(|earlier| earlier.lane == lane || earlier.lane == Lane::Fresh);
        let waiting = Waiting {
            lane: stays.map_or(lane, |earlier| earlier.lane),
            keys,
            since: earlier.map_or(now, |earlier| earlier.since),
        };
        if let Some(earlier) = earlier {
            self.lane_of(earlier.lane).keys -= earlier.keys;
        }
        self.lane_of(waiting.lane).keys += keys;
        if stays.is_none() {
            self.lane_of(lane).namespaces.push_back(Arc::clone(namespace));
        }
        self.waiting.insert(Arc::clone(namespace), waiting);
    }

    /// Removes the next namespace of this lane. Returns it, and since when it waited.
    pub(super) fn pop(&mut self, lane: Lane) -> Option<(Arc<str>, Duration)> {
        loop {
            let namespace = self.lane_of(lane).namespaces.pop_front()?;
            // A namespace that moved to the other lane left a stale entry behind.
            if self.waiting.get(&namespace).is_none_or(|waiting| waiting.lane != lane) {
                continue;
            }
            let waiting = self.waiting.remove(&namespace)?;
            self.lane_of(lane).keys -= waiting.keys;
            if shrink::shrink_if_sparse(&mut self.waiting, KEPT) {
                self.fresh.namespaces.shrink_to(KEPT);
                self.bulk.namespaces.shrink_to(KEPT);
            }
            return Some((namespace, waiting.since));
        }
    }

    /// Number of keys in a lane.
    pub(super) fn keys(&self, lane: Lane) -> usize {
        match lane {
            Lane::Fresh => self.fresh.keys,
            Lane::Bulk | Lane::Retry => self.bulk.keys,
        }
    }

    fn lane_of(&mut self, lane: Lane) -> &mut RolloutLane {
        match lane {
            Lane::Fresh => &mut self.fresh,
            Lane::Bulk | Lane::Retry => &mut self.bulk,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::work::Lane;

    fn drain(rollout: &mut Rollout, lane: Lane) -> Vec<String> {
        std::iter::from_fn(|| rollout.pop(lane))
            .map(|(namespace, _)| namespace.to_string())
            .collect()
    }

    #[test]
    fn each_namespace_waits_once_the_urgent_first() {
        let mut rollout = Rollout::default();
        let push =
            |rollout: &mut Rollout, namespace: &str, lane| rollout.push(&namespace.into(), lane, 2, Duration::ZERO);
        for namespace in ["a", "b", "c", "a"] {
            push(&mut rollout, namespace, Lane::Bulk);
        }
        push(&mut rollout, "d", Lane::Fresh);
        push(&mut rollout, "b", Lane::Fresh);
        push(&mut rollout, "d", Lane::Bulk);
        assert_eq!((rollout.keys(Lane::Fresh), rollout.keys(Lane::Bulk)), (4, 4));
        assert_eq!(drain(&mut rollout, Lane::Fresh), ["d", "b"]);
        assert_eq!(drain(&mut rollout, Lane::Bulk), ["a", "c"]);
        assert_eq!((rollout.keys(Lane::Fresh), rollout.keys(Lane::Bulk)), (0, 0));
        push(&mut rollout, "b", Lane::Bulk);
        assert_eq!(
            drain(&mut rollout, Lane::Bulk),
            ["b"],
            "its turn is over, it may wait again"
        );
    }
}
