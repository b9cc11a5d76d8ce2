//! The calls of a controller: which key is next, and what is under way for it.
//!
//! A call for one key ends before the next one for it begins. A panic in a call is an error of its key.

use std::collections::HashMap;
use std::panic::AssertUnwindSafe;
use std::time::Duration;

use futures::FutureExt as _;
use tokio::sync::oneshot;
use tokio::task::JoinSet;
use tokio::time::Instant;
use tracing::{Instrument as _, Span};

use crate::clock::Clock;
use crate::leadership::Leadership;
use crate::outcome::ApiError;
use crate::queue::{Grouped, Queue};
use crate::work::Lane;

/// The queue of a controller, and its calls under way.
pub struct Worker<K: Grouped, R> {
    queue: Queue<K>,
    calls: JoinSet<(K, R)>,
    /// The calls in flight, with what gives each up.
    in_flight: HashMap<K, oneshot::Sender<()>>,
    clock: Clock,
    leadership: Leadership,
}

/// Why a call has no reply.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum NoReply {
    /// It was given up. The server may have carried it out.
    GivenUp,
    /// It panicked.
    Panicked,
}

impl NoReply {
    /// Returns the error of such a call. `panicked` says what panicked.
    pub fn error(self, panicked: &str) -> ApiError {
        match self {
            Self::GivenUp => ApiError::given_up(),
            Self::Panicked => ApiError::Unavailable(panicked.to_owned()),
        }
    }
}

impl<K: Grouped + Send + 'static, R: Send + 'static> Worker<K, R> {
    /// Makes a worker without calls. It hands out keys only while `leadership` is held.
    pub fn new(queue: Queue<K>, clock: Clock, leadership: Leadership) -> Self {
        Self {
            queue,
            calls: JoinSet::new(),
            in_flight: HashMap::new(),
            clock,
            leadership,
        }
    }

    /// Returns the queue, to ask how many keys wait.
    pub fn queue(&self) -> &Queue<K> {
        &self.queue
    }

    /// Returns the number of calls under way.
    pub fn in_flight(&self) -> usize {
        self.calls.len()
    }

    /// Queues the key for now.
    pub fn push(&mut self, key: K, lane: Lane) {
        self.queue.push(key, lane);
    }

    /// Queues the key for this time.
    pub fn push_at(&mut self, key: K, lane: Lane, at: Duration) {
        self.queue.push_at(key, lane, self.clock.instant(at));
    }

    /// Hands out no key before this moment.
    pub fn pause(&mut self, until: Instant) {
        self.queue.pause(until);
    }

    /// Returns the next key, or `None` if none is due. The caller must start a call for it or call [`Worker::done`].
    pub fn next(&mut self, now: Duration) -> Option<K> {
        let leads = self.leadership.is_held();
        leads.then(|| self.queue.pop(self.clock.instant(now))).flatten()
    }

    /// Returns when the next key is due, or a call is slow.
    pub fn wakes_at(&self, now: Duration) -> Option<Duration> {
        let at = self.queue.next_at(self.clock.instant(now));
        at.filter(|_| self.leadership.is_held())
            .map(|at| self.clock.since_start(at))
    }

    /// The key that was handed out needs no more for now.
    pub fn done(&mut self, key: &K, now: Duration) {
        self.in_flight.remove(key);
        self.queue.done(key, self.clock.instant(now));
    }

    /// Gives up slow calls that others wait for, and returns their keys. Each of them ends like any other call.
    pub fn give_up(&mut self, now: Duration) -> Vec<K> {
        let slow = self.queue.give_up(self.clock.instant(now));
        // A call may have ended by itself just now.
        let give_up = |key: &K| self.in_flight.remove(key).is_some_and(|call| call.send(()).is_ok());
        slow.into_iter().filter(give_up).collect()
    }

    /// Starts a call for the key. `lost` makes its reply where the call has none.
    pub fn start(
        &mut self,
        key: K,
        span: Span,
        call: impl Future<Output = R> + Send + 'static,
        lost: impl FnOnce(NoReply) -> R + Send + 'static,
    ) {
        let (sender, given_up) = oneshot::channel();
        self.in_flight.insert(key.clone(), sender);
        let call = async move {
            let reply = tokio::select! {
                reply = AssertUnwindSafe(call).catch_unwind() => reply.map_err(|_| NoReply::Panicked),
                Ok(()) = given_up => Err(NoReply::GivenUp),
            };
            (key, reply.unwrap_or_else(lost))
        };
        self.calls.spawn(call.instrument(span));
    }

    /// Returns the next call that has ended, with its reply, or `None` if none is under way. The caller must call
    /// [`Worker::done`].
    pub async fn ended(&mut self) -> Option<(K, R)> {
        loop {
            if let Ok(ended) = self.calls.join_next().await? {
                return Some(ended);
            }
        }
    }

    /// Returns a call that has ended already, with its reply. The caller must call [`Worker::done`].
    pub fn try_ended(&mut self) -> Option<(K, R)> {
        loop {
            if let Ok(ended) = self.calls.try_join_next()? {
                return Some(ended);
            }
        }
    }

    /// Waits until every call has ended.
    pub async fn finish(&mut self) {
        while self.ended().await.is_some() {}
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;
    use std::sync::Arc;

    use super::*;

    type Reply = Result<(), NoReply>;

    fn worker(slots: usize, leadership: Leadership) -> Worker<Arc<str>, Reply> {
        Worker::new(Queue::with_slots(slots, slots), leadership.clock(), leadership)
    }

    #[tokio::test(start_paused = true)]
    async fn a_panic_ends_only_its_call() {
        let mut worker = worker(8, Leadership::alone());
        let now = worker.clock.now();
        for name in ["bad", "good"] {
            worker.push(name.into(), Lane::Fresh);
        }
        while let Some(key) = worker.next(now) {
            let is_bad = &*key == "bad";
            let call = async move {
                assert!(!is_bad, "this call panics");
                Ok(())
            };
            worker.start(key, Span::none(), call, Err);
        }
        let mut replies = BTreeMap::new();
        while let Some((key, reply)) = worker.ended().await {
            replies.insert(key.to_string(), reply);
        }
        let expected = [("bad", Err(NoReply::Panicked)), ("good", Ok(()))];
        assert_eq!(replies, expected.map(|(name, reply)| (name.to_owned(), reply)).into());
    }

    #[tokio::test(start_paused = true)]
    async fn slow_calls_yield_to_waiting_keys() {
        let mut worker = worker(2, Leadership::alone());
        for name in ["a", "b", "c"] {
            worker.push(name.into(), Lane::Fresh);
        }
        while let Some(key) = worker.next(worker.clock.now()) {
            worker.start(key, Span::none(), std::future::pending(), Err);
        }
        assert_eq!(worker.in_flight(), 2);
        tokio::time::advance(Duration::from_secs(2)).await;
        let now = worker.clock.now();
        let given_up = worker.give_up(now);
        let (key, reply) = worker.ended().await.unwrap();
        assert_eq!((vec![key.clone()], reply), (given_up, Err(NoReply::GivenUp)));
        worker.done(&key, now);
        assert_eq!(worker.next(now).as_deref(), Some("c"));
    }

    #[tokio::test]
    async fn standbys_hand_out_no_key() {
        let mut worker = worker(8, Leadership::new());
        worker.push("a".into(), Lane::Fresh);
        assert_eq!(worker.next(worker.clock.now()), None);
        assert_eq!(worker.wakes_at(worker.clock.now()), None);
    }
}
