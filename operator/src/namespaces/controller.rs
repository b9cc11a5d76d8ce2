//! The namespace controller. The reconciler decides which keys need a write, and the queue in which order. Up to
//! `concurrency` writes are in flight at a time.

mod calls;
mod dispatch;
mod messages;
mod recovery;
#[cfg(test)]
mod tests;
mod watches;

use std::collections::{BTreeSet, VecDeque};
use std::sync::Arc;
use std::time::Duration;

use plan::summary::Summary;
use tokio::sync::mpsc;
use tokio_util::sync::CancellationToken;
use tracing::{error, info};

use self::calls::Ended;
pub use self::messages::{Declaration, ObjectMessage};
use self::recovery::Replacer;
use self::watches::{Input, start_watches};
use crate::api::events::EventRecorder;
use crate::api::watch::Watches;
use crate::api::write::Writer;
use crate::clock::Clock;
use crate::leadership::Leadership;
use crate::namespaces::reconciler::Reconciler;
use crate::namespaces::recovery::{self as pods, PodKey};
use crate::namespaces::squatters::Squatters;
use crate::observability::health::Heartbeat;
use crate::observability::metrics::Metrics;
use crate::outcome::ApiError;
use crate::queue::{Depth, Queue};
use crate::wanted::LabelKeys;
use crate::work::{Key, Lane};
use crate::worker::Worker;

/// Why the loop goes on.
enum Woken {
    Ended(Key, Ended),
    Replaced(PodKey, Result<pods::Ended, ApiError>),
    Message(ObjectMessage),
    Inputs,
    /// The time has come at which a key or a summary is due.
    Time,
}

/// Shortest time between two batches of summaries.
const SUMMARY: Duration = Duration::from_millis(100);
/// Most bulk writes in flight beside fresh ones. A fresh write waits for all that the server has begun. Eight writes
/// keep two cores of the server as busy as 32.
const BESIDE_FRESH: usize = 8;
/// Most events handled before the next look at writes.
const BATCH: usize = 256;

/// What the controller works with.
pub struct Settings {
    /// Opens the watches.
    pub watches: Watches,
    /// Performs the writes.
    pub writer: Writer,
    /// Most writes in flight.
    pub concurrency: usize,
    /// Writes require it.
    pub leadership: Leadership,
    /// As in [`Reconciler::new`].
    pub protected: Vec<String>,
    /// As in [`Reconciler::managing`]; `None` allows any name.
    pub managed: Option<BTreeSet<Arc<str>>>,
    /// The label keys to keep; shared with the object controller.
    pub keys: LabelKeys,
    /// Reports that the controller is alive, and when it is ready.
    pub heartbeat: Heartbeat,
    /// Counts the queue, failures, and how long namespaces wait.
    pub metrics: Metrics,
    /// Publishes Events about replaced Pods; `None` watches and replaces none.
    pub recover_pods: Option<EventRecorder>,
}

/// Runs until the token is cancelled, then waits for the writes in flight.
pub async fn run(
    settings: Settings,
    messages: mpsc::UnboundedReceiver<ObjectMessage>,
    summaries: mpsc::UnboundedSender<(Arc<str>, Summary)>,
    token: CancellationToken,
) {
    let (sender, inputs) = mpsc::channel(BATCH);
    let watches = token.child_token();
    let mut reconciler = Reconciler::new(settings.protected.iter().cloned()).keeping(settings.keys.clone());
    if let Some(names) = &settings.managed {
        reconciler = reconciler.managing(names.clone());
    }
    start_watches(&settings, reconciler.kinds_of_secrets(), &sender, &watches);
    let replacer = settings.recover_pods.clone().map(|events| {
        recovery::start_watch(&settings, &sender, &watches);
        reconciler.tally.watch_pods();
        Replacer::new(&settings, events)
    });
    let clock = settings.leadership.clock();
    let queue = Queue::with_slots(settings.concurrency, BESIDE_FRESH);
    let mut looper = Loop {
        reconciler,
        worker: Worker::new(queue, clock, settings.leadership.clone()),
        more: false,
        replacer,
        squatters: Squatters::new(watches),
        clock,
        summarised: clock.now(),
        complete: false,
        listed_as_leader: false,
        listed: (0, 0),
        deferred: Vec::new(),
        lined_up: VecDeque::new(),
        inputs: sender,
        summaries,
        settings,
    };
    looper.run(inputs, messages, &token).await;
    looper.worker.finish().await;
    Replacer::finish(looper.replacer.as_mut()).await;
}

struct Loop {
    reconciler: Reconciler,
    worker: Worker<Key, Ended>,
    /// Whether the last refill stopped before the rollout queue was drained.
    more: bool,
    /// Replaces Pods, if that is asked for.
    replacer: Option<Replacer>,
    squatters: Squatters,
    clock: Clock,
    summarised: Duration,
    /// Every object was declared once.
    complete: bool,
    /// The namespaces were listed since this process held the Lease.
    listed_as_leader: bool,
    /// The editions of label keys that the lists of namespaces and accounts show.
    listed: (u64, u64),
    /// Objects whose selectors use labels that are not listed yet, in order of arrival. Acting on them now would select
    /// too little, and remove what they have.
    deferred: Vec<Declaration>,
    /// Messages that arrived and wait.
    lined_up: VecDeque<ObjectMessage>,
    inputs: mpsc::Sender<Input>,
    summaries: mpsc::UnboundedSender<(Arc<str>, Summary)>,
    settings: Settings,
}

impl Loop {
    async fn run(
        &mut self,
        mut inputs: mpsc::Receiver<Input>,
        mut messages: mpsc::UnboundedReceiver<ObjectMessage>,
        token: &CancellationToken,
    ) {
        let mut batch = Vec::with_capacity(BATCH);
        let mut now = self.clock.now();
        while !token.is_cancelled() {
            self.settings.heartbeat.beat();
            self.dispatch(now);
            self.replace_pods(now);
            let wake = self.clock.instant(self.wake_at(now));
            let woken = tokio::select! {
                biased;
                () = token.cancelled() => return,
                Some((key, ended)) = self.worker.ended() => Woken::Ended(key, ended),
                Some((key, ended)) = Replacer::ended(self.replacer.as_mut()) => Woken::Replaced(key, ended),
                message = messages.recv() => match message {
                    Some(message) => Woken::Message(message),
                    None => return,
                },
                _ = inputs.recv_many(&mut batch, BATCH) => Woken::Inputs,
                () = tokio::time::sleep_until(wake) => Woken::Time,
            };
            now = self.clock.now();
            match woken {
                Woken::Ended(key, ended) => self.ended(key, ended, now),
                Woken::Replaced(key, ended) => self.replaced(&key, ended, now),
                Woken::Message(message) => {
                    self.line_up(message);
                    while let Ok(message) = messages.try_recv() {
                        self.line_up(message);
                    }
                }
                Woken::Inputs => batch.drain(..).for_each(|input| self.take(input, now)),
                Woken::Time => self.reconciler.expire(now),
            }
            if self.handle_next(now) {
                // A declaration may take a quarter of a second, and hundreds may wait. In between, other tasks of this
                // thread must run, and their events must be handled.
                tokio::task::yield_now().await;
                now = self.clock.now();
                self.catch_up(&mut inputs, now);
            }
            if let Some(key) = self.reconciler.went_back() {
                error!(
                    %key,
                    "the API server twice showed an older version than before: its store was restored from a backup. \
                     Exiting, because the cache is no longer true"
                );
                return;
            }
            self.start_when_complete(now);
            self.summarise(now);
            self.measure();
        }
    }

    fn measure(&mut self) {
        let metrics = &self.settings.metrics;
        for (what, after) in self.reconciler.tally.take_provisioned() {
            metrics.provisioned(what, after);
        }
        metrics.queue(self.depth(), self.worker.in_flight());
    }

    /// Number of waiting keys, including those in the rollout queue.
    fn depth(&self) -> Depth {
        let Depth { fresh, bulk, delayed } = self.worker.queue().depth();
        Depth {
            fresh: fresh + self.reconciler.waiting_in_rollout(Lane::Fresh),
            bulk: bulk + self.reconciler.waiting_in_rollout(Lane::Bulk),
            delayed,
        }
    }

    /// When the controller has work without any input.
    fn wake_at(&self, now: Duration) -> Duration {
        if !self.lined_up.is_empty() {
            return now;
        }
        let queue = if self.more {
            Some(now).filter(|_| self.settings.leadership.is_held())
        } else {
            self.worker.wakes_at(now)
        };
        // No summary is sent before the start.
        let is_due = self.reconciler.is_started() && self.reconciler.tally.has_changed();
        let summary = is_due.then(|| self.summarised + SUMMARY);
        let leads = self.reconciler.is_started() && self.settings.leadership.is_held();
        let pods = self.replacer.as_ref().filter(|_| leads);
        let pods = pods.and_then(|replacer| replacer.wakes_at(now));
        queue
            .into_iter()
            .chain(summary)
            .chain(pods)
            .fold(now + Heartbeat::INTERVAL, Duration::min)
    }

    /// Handles some of the waiting events, and all finished writes.
    fn catch_up(&mut self, inputs: &mut mpsc::Receiver<Input>, now: Duration) {
        while let Some((key, ended)) = self.worker.try_ended() {
            self.ended(key, ended, now);
        }
        for _ in 0..BATCH {
            let Ok(input) = inputs.try_recv() else {
                return;
            };
            self.take(input, now);
        }
    }

    /// Starts the reconciler once it has seen everything. Before that, a missing object may only be not listed yet. A
    /// standby has seen everything, and learns that the objects are complete when it leads. It lists the namespaces again
    /// then, because their labels decide what is removed. A write of an account or a copy that it knows too old fails by
    /// its `resourceVersion`.
    fn start_when_complete(&mut self, now: Duration) {
        if self.reconciler.is_listed() {
            self.settings.heartbeat.ready();
        }
        let declared = self.complete && self.deferred.is_empty();
        let listed = self.listed_as_leader && self.reconciler.is_listed();
        if declared && listed && !self.reconciler.is_started() {
            self.reconciler.start(now);
            let depth = self.depth();
            info!(
                writes = depth.fresh + depth.bulk,
                "listed all namespaces, accounts and Secrets; starting the namespace controller"
            );
        }
    }

    fn summarise(&mut self, now: Duration) {
        let busy = !self.worker.queue().is_empty() && now < self.summarised + SUMMARY;
        if !self.reconciler.is_started() || !self.reconciler.tally.has_changed() || busy {
            return;
        }
        self.summarised = now;
        for object in self.reconciler.tally.take_changed() {
            if let Some(summary) = self.reconciler.summary(&object) {
                // The object controller ends only with the process.
                let _ = self.summaries.send((object, summary));
            }
        }
        let tally = &self.reconciler.tally;
        self.settings.metrics.failures(|reason| tally.failed(reason));
    }
}
