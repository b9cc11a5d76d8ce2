//! Which key is next, and what it needs: a write, a read or another look.

use std::sync::Arc;
use std::time::Duration;

use tracing::debug;

use super::Loop;
use crate::queue::{Depth, Queue};
use crate::work::{Key, Lane, Work};

/// Most namespaces refilled before events are handled again. Each of them may turn out to have no write that is due.
const TURNS: usize = 256;

impl Loop {
    pub(super) fn enqueue(&mut self, work: Vec<Work>, now: Duration) {
        for Work { key, lane, at } in work {
            match at {
                Some(at) => self.worker.push_at(key, lane, jittered(at, now)),
                None => self.worker.push(key, lane),
            }
        }
    }

    pub(super) fn dispatch(&mut self, now: Duration) {
        self.more = false;
        if !self.reconciler.is_started() || !self.settings.leadership.is_held() {
            return;
        }
        if let Some(until) = self.settings.writer.paused_until() {
            self.worker.pause(until);
        }
        for key in self.worker.give_up(now) {
            debug!(namespace = %key.namespace, "gave up a slow write, because others wait");
        }
        let mut turns = TURNS;
        while self.settings.leadership.is_held() {
            let called = self.refill(&mut turns, now);
            let Some(key) = self.worker.next(now) else {
                self.more = called && turns == 0;
                if called && turns > 0 {
                    continue;
                }
                return;
            };
            self.carry_out(key, now);
        }
    }

    /// Starts the write that a key needs, if it still needs one.
    fn carry_out(&mut self, key: Key, now: Duration) {
        let work = match self.reconciler.write(&key, now) {
            Some(_) if self.reconciler.is_on_hold(&key, now) => self.reconciler.put_off(&key, now),
            Some(write) => {
                let write = Arc::new(write);
                self.reconciler.start_write(&key, &write, now);
                return self.write(key, write);
            }
            None if self.is_to_be_read(&key) => return self.look(key),
            None => self.reconciler.revisit(&key, now),
        };
        self.worker.done(&key, now);
        self.enqueue(work.into_iter().filter(|work| work.at.is_some()).collect(), now);
    }

    /// Whether the plan waits for a read of the key.
    fn is_to_be_read(&self, key: &Key) -> bool {
        let reconciler = &self.reconciler;
        reconciler.is_squatted(key)
            || reconciler.is_uncertain(key)
            || reconciler.is_unread(key)
            || reconciler.is_doubtful(key)
            || reconciler.is_out_of_sight(key)
    }

    /// Moves namespaces from the rollout queue to the work queue, while fewer keys wait there than may be in flight. So
    /// more urgent keys that come later wait only for few. Returns whether it moved any.
    ///
    /// While any write is slow, fresh work goes before rollouts.
    fn refill(&mut self, turns: &mut usize, now: Duration) -> bool {
        let enough = self.settings.concurrency;
        let slow = self.worker.queue().is_slow(self.clock.instant(now));
        let mut called = false;
        for lane in [Lane::Fresh, Lane::Bulk] {
            let waiting = |queue: &Queue<Key>| {
                let Depth { fresh, bulk, .. } = queue.waiting();
                if lane == Lane::Fresh && !slow {
                    fresh
                } else {
                    fresh + bulk
                }
            };
            while *turns > 0
                && waiting(self.worker.queue()) < enough
                && let Some(mut work) = self.reconciler.next_namespace(lane, now)
            {
                *turns -= 1;
                called = true;
                for work in work.iter_mut().filter(|work| slow && work.lane == Lane::Fresh) {
                    work.lane = Lane::Bulk;
                }
                self.enqueue(work, now);
            }
        }
        called
    }
}

/// Spreads retries by a fifth up or down, so that keys that failed together do not retry together.
fn jittered(at: Duration, now: Duration) -> Duration {
    now + at
        .saturating_sub(now)
        .mul_f64(rand::Rng::random_range(&mut rand::rng(), 0.8..1.2))
}
