//! The namespace controller. The reconciler decides which keys need a write, and the queue in which order. Up to
//! `concurrency` writes are in flight at a time.

use std::collections::{BTreeSet, VecDeque};
use std::sync::Arc;
use std::time::Duration;

use crd::names::LABEL_OBJECT;
use kube::runtime::watcher::Event;
use kube::{Api, ResourceExt as _};
use plan::object::Object;
use plan::observed::{Account, Secret};
use plan::summary::Summary;
use tokio::sync::mpsc;
use tokio_util::sync::CancellationToken;
use tracing::{Span, debug, error, info, info_span, warn};

use crate::api::partial::{PartialNamespace, PartialSecret, PartialServiceAccount};
use crate::api::watch::{Selector, Watches, each};
use crate::api::write::Writer;
use crate::clock::Clock;
use crate::leadership::Leadership;
use crate::namespaces::reconciler::{Kind, Reconciler, Seen};
use crate::namespaces::squatters::Squatters;
use crate::observability::health::Heartbeat;
use crate::observability::metrics::Metrics;
use crate::outcome::{ApiError, Outcome};
use crate::queue::{Depth, Queue};
use crate::wanted::LabelKeys;
use crate::work::{Key, Lane, Target, Work, Write};
use crate::worker::{NoReply, Worker};

/// A message from the object controller.
#[derive(Debug)]
pub enum ObjectMessage {
    /// An object is new, or has changed.
    Upsert(Declaration),
    /// An object is deleted.
    Delete {
        /// The name of the object.
        name: Arc<str>,
        /// Whether no other installation managed it.
        ours: bool,
    },
    /// Every object was declared once.
    InitDone,
    /// The server answered a call of the object controller.
    Answered,
}

/// An object, or a new edition of it.
#[derive(Debug)]
pub struct Declaration {
    /// The object.
    pub object: Arc<Object>,
    /// Revision that the summary returns.
    pub revision: u64,
    /// Whether pending keys make the object unready at once.
    pub spec_changed: bool,
}

/// An event of a watch of this controller.
#[derive(Debug)]
enum Input {
    /// Carries the edition of the label keys at which the list began.
    Namespace(Event<PartialNamespace>, u64),
    Account(Event<PartialServiceAccount>, u64),
    Secret(Kind, Event<PartialSecret>),
    /// An event of a Secret that is watched by name.
    Followed(Key),
}

/// The outcome of a write.
#[derive(Debug)]
enum Reply {
    Secret(Outcome<Secret>),
    Account(Outcome<Account>),
}

/// What came of a write or a read.
struct Ended {
    reply: Reply,
    /// The writer that had undone what this write restored, if the call asked for it.
    competing_manager: Option<CompetingManager>,
}

impl Ended {
    fn with(reply: Reply) -> Self {
        Self {
            reply,
            competing_manager: None,
        }
    }
}

/// Why the loop goes on.
enum Woken {
    Ended(Key, Ended),
    Message(ObjectMessage),
    Inputs,
    /// The time has come at which a key or a summary is due.
    Time,
}

/// The field manager that wrote last, as far as `managedFields` show.
struct CompetingManager(Option<String>);

/// How often an unwatched squatter is read.
const LOOK: Duration = Duration::from_secs(30);
/// Shortest time between two batches of summaries.
const SUMMARY: Duration = Duration::from_millis(100);
/// Most bulk writes in flight beside fresh ones. A fresh write waits for all that the server has begun. Eight writes
/// keep two cores of the server as busy as 32.
const BESIDE_FRESH: usize = 8;
/// Most namespaces refilled before events are handled again. Each of them may turn out to have no write that is due.
const TURNS: usize = 256;
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
    let clock = settings.leadership.clock();
    let queue = Queue::with_slots(settings.concurrency, BESIDE_FRESH);
    let mut looper = Loop {
        reconciler,
        worker: Worker::new(queue, clock, settings.leadership.clone()),
        more: false,
        squatters: Squatters::new(watches),
        clock,
        summarised: clock.now(),
        complete: false,
        listed: (0, 0),
        deferred: Vec::new(),
        lined_up: VecDeque::new(),
        inputs: sender,
        summaries,
        settings,
    };
    looper.run(inputs, messages, &token).await;
    looper.worker.finish().await;
}

fn start_watches(
    settings: &Settings,
    kinds_of_secrets: Vec<Kind>,
    sender: &mpsc::Sender<Input>,
    token: &CancellationToken,
) {
    let watches = &settings.watches;
    let events = || sender.clone();
    let keys = settings.keys.namespaces.clone();
    let selector = Selector::wanted(&keys);
    let wrap = move |event| {
        Input::Namespace(
            each(event, |seen: &mut PartialNamespace| seen.prune(&keys)),
            keys.listing(),
        )
    };
    watches.spawn("namespaces", Api::all, selector, events(), token.clone(), wrap);
    let keys = settings.keys.accounts.clone();
    let selector = Selector::wanted(&keys);
    let copies = settings.keys.copies.clone();
    let wrap = move |event| {
        let event = each(event, |seen: &mut PartialServiceAccount| seen.prune(&keys, &copies));
        Input::Account(event, keys.listing())
    };
    watches.spawn("serviceaccounts", Api::all, selector, events(), token.clone(), wrap);
    for kind in kinds_of_secrets {
        let selector = match &kind {
            Kind::Named(name) => Selector::named(name),
            Kind::Copy | Kind::Namespace | Kind::Account => Selector::labelled(LABEL_OBJECT),
        };
        let names = settings.keys.copies.clone();
        let selector = selector.after(&names);
        let wrap = move |event| Input::Secret(kind.clone(), each(event, |seen: &mut PartialSecret| seen.prune(&names)));
        watches.spawn("copies", Api::all, selector, events(), token.clone(), wrap);
    }
}

struct Loop {
    reconciler: Reconciler,
    worker: Worker<Key, Ended>,
    /// Whether the last refill stopped before the rollout queue was drained.
    more: bool,
    squatters: Squatters,
    clock: Clock,
    summarised: Duration,
    /// Every object was declared once.
    complete: bool,
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
            let wake = self.clock.instant(self.wake_at(now));
            let woken = tokio::select! {
                biased;
                () = token.cancelled() => return,
                Some((key, ended)) = self.worker.ended() => Woken::Ended(key, ended),
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
                    "the API server twice showed an older version than was seen before: its store was restored from a \
                     backup. This process ends, because what it knows is no longer true"
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
        let told = self.reconciler.is_started() && self.reconciler.tally.has_changed();
        let summary = told.then(|| self.summarised + SUMMARY);
        queue
            .into_iter()
            .chain(summary)
            .fold(now + Heartbeat::INTERVAL, Duration::min)
    }

    /// Queues a message behind the others. A new edition of an object replaces a waiting one.
    fn line_up(&mut self, message: ObjectMessage) {
        let ObjectMessage::Upsert(new) = message else {
            return self.lined_up.push_back(message);
        };
        let about = |message: &&mut ObjectMessage| match message {
            ObjectMessage::Upsert(waiting) => waiting.object.name == new.object.name,
            ObjectMessage::Delete { name, .. } => *name == new.object.name,
            ObjectMessage::InitDone | ObjectMessage::Answered => false,
        };
        let replaces = self.reconciler.is_started();
        match self.lined_up.iter_mut().rev().find(about) {
            Some(ObjectMessage::Upsert(waiting)) if replaces => {
                let spec_changed = waiting.spec_changed || new.spec_changed;
                *waiting = Declaration { spec_changed, ..new };
            }
            _ => self.lined_up.push_back(ObjectMessage::Upsert(new)),
        }
    }

    /// Handles messages up to the first that changes what an object wants of namespaces. Returns whether there was
    /// one.
    fn handle_next(&mut self, now: Duration) -> bool {
        while let Some(message) = self.lined_up.pop_front() {
            let takes_long = matches!(message, ObjectMessage::Upsert(_) | ObjectMessage::Delete { .. });
            self.handle(message, now);
            if takes_long && self.reconciler.is_started() {
                return true;
            }
        }
        false
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

    fn handle(&mut self, message: ObjectMessage, now: Duration) {
        match message {
            ObjectMessage::Upsert(declaration) => self.declare(declaration, now),
            ObjectMessage::Delete { name, ours } => {
                self.deferred.retain(|deferred| deferred.object.name != name);
                self.reconciler.forget_object(&name, ours, now);
                self.settings.keys.forget(&name);
            }
            ObjectMessage::InitDone => self.complete = true,
            ObjectMessage::Answered => self.reconciler.answered_elsewhere(now),
        }
    }

    /// Declares the object, or defers it until all labels of its selectors are listed.
    fn declare(&mut self, mut new: Declaration, now: Duration) {
        let needs = self.settings.keys.want(&new.object);
        let waits = |deferred: &Declaration| deferred.object.name == new.object.name;
        let spec_changed = self
            .deferred
            .iter()
            .any(|deferred| waits(deferred) && deferred.spec_changed);
        self.deferred.retain(|deferred| !waits(deferred));
        new.spec_changed |= spec_changed;
        if needs.0 <= self.listed.0 && needs.1 <= self.listed.1 {
            self.reconciler
                .declare(&new.object, new.revision, new.spec_changed, now);
            self.settings.keys.settle(&new.object);
            return;
        }
        self.deferred.push(new);
    }

    /// Records a complete list that began at these editions, and releases deferred objects.
    fn shows(&mut self, listed: (u64, u64), now: Duration) {
        self.listed = (self.listed.0.max(listed.0), self.listed.1.max(listed.1));
        let deferred = std::mem::take(&mut self.deferred);
        if self.reconciler.is_started() {
            // Before messages that arrived later.
            for declaration in deferred.into_iter().rev() {
                self.lined_up.push_front(ObjectMessage::Upsert(declaration));
            }
        } else {
            for declaration in deferred {
                self.declare(declaration, now);
            }
        }
    }

    fn take(&mut self, input: Input, now: Duration) {
        let shows = match &input {
            Input::Namespace(Event::InitDone, edition) => Some((*edition, 0)),
            Input::Account(Event::InitDone, edition) => Some((0, *edition)),
            _ => None,
        };
        let work = match input {
            Input::Namespace(event, _) => self.namespace(event, now),
            Input::Account(event, _) => self.account(event, now),
            Input::Secret(kind, event) => self.secret(kind, event, now),
            Input::Followed(key) => {
                self.worker.push(key, Lane::Fresh);
                Vec::new()
            }
        };
        self.enqueue(work, now);
        if let Some(listed) = shows {
            self.shows(listed, now);
        }
    }

    fn namespace(&mut self, event: Event<PartialNamespace>, now: Duration) -> Vec<Work> {
        let reconciler = &mut self.reconciler;
        match event {
            Event::Init => reconciler.begin_list(Kind::Namespace),
            Event::InitDone => return reconciler.end_list(Kind::Namespace, now),
            Event::Apply(seen) | Event::InitApply(seen) => {
                return reconciler.see_namespace(&seen.name_any(), seen.labels(), seen.is_terminating(), now);
            }
            Event::Delete(seen) => return reconciler.forget_namespace(&seen.name_any(), now),
        }
        Vec::new()
    }

    fn account(&mut self, event: Event<PartialServiceAccount>, now: Duration) -> Vec<Work> {
        match self.sighting(Kind::Account, event, PartialServiceAccount::facts, now) {
            Sighting::One { namespace, name, seen } => self.reconciler.see_account(&namespace, &name, seen, now),
            Sighting::List(work) => work,
        }
    }

    fn secret(&mut self, kind: Kind, event: Event<PartialSecret>, now: Duration) -> Vec<Work> {
        match self.sighting(kind, event, PartialSecret::facts, now) {
            Sighting::One { namespace, name, seen } => self.reconciler.see_secret(&namespace, &name, seen, now),
            Sighting::List(work) => work,
        }
    }

    /// Converts an event of a watch into facts.
    fn sighting<K: kube::Resource<DynamicType = ()>, T>(
        &mut self,
        kind: Kind,
        event: Event<K>,
        facts: impl FnOnce(K) -> T,
        now: Duration,
    ) -> Sighting<T> {
        let (seen, gone) = match event {
            Event::Init => {
                self.reconciler.begin_list(kind);
                return Sighting::List(Vec::new());
            }
            Event::InitDone => return Sighting::List(self.reconciler.end_list(kind, now)),
            Event::Apply(seen) | Event::InitApply(seen) => (seen, false),
            Event::Delete(seen) => (seen, true),
        };
        let (namespace, name) = (seen.namespace().unwrap_or_default(), seen.name_any());
        let seen = if gone {
            Seen::Gone(crate::api::partial::version(seen.meta()))
        } else {
            Seen::There(facts(seen))
        };
        Sighting::One { namespace, name, seen }
    }

    /// Starts the reconciler once it has seen everything. Before that, a missing object may only be not listed yet. A
    /// standby has seen everything, and learns that the objects are complete when it leads.
    fn start_when_complete(&mut self, now: Duration) {
        if self.reconciler.is_listed() {
            self.settings.heartbeat.ready();
        }
        let declared = self.complete && self.deferred.is_empty();
        if declared && self.reconciler.is_listed() && !self.reconciler.is_started() {
            self.reconciler.start(now);
            let depth = self.depth();
            info!(
                writes = depth.fresh + depth.bulk,
                "everything was listed, the namespace loop starts"
            );
        }
    }

    fn enqueue(&mut self, work: Vec<Work>, now: Duration) {
        for Work { key, lane, at } in work {
            match at {
                Some(at) => self.worker.push_at(key, lane, jittered(at, now)),
                None => self.worker.push(key, lane),
            }
        }
    }

    fn dispatch(&mut self, now: Duration) {
        self.more = false;
        if !self.reconciler.is_started() || !self.settings.leadership.is_held() {
            return;
        }
        if let Some(until) = self.settings.writer.paused_until() {
            self.worker.pause(until);
        }
        for key in self.worker.give_up(now) {
            debug!(namespace = %key.namespace, "a slow write is given up, others wait");
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
                self.reconciler.start_write(&key, &write);
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

    fn write(&mut self, key: Key, write: Arc<Write>) {
        let writer = self.settings.writer.clone();
        let span = match &*write {
            Write::Secret { name, .. } => info_span!("write", namespace = %key.namespace, secret = %name),
            Write::Account { name, .. } => info_span!("write", namespace = %key.namespace, service_account = %name),
        };
        let wants_manager = self.reconciler.wants_manager(&key);
        let namespace = Arc::clone(&key.namespace);
        let call = async move {
            let competing_manager = if wants_manager {
                last_writer(&writer, &namespace, &write)
                    .await
                    .ok()
                    .map(CompetingManager)
            } else {
                None
            };
            let reply = match &*write {
                Write::Secret { name, action } => Reply::Secret(writer.secret(&namespace, name, action).await),
                Write::Account { name, action } => Reply::Account(writer.account(&namespace, name, action).await),
            };
            Ended {
                reply,
                competing_manager,
            }
        };
        self.start(key, span, call);
    }

    /// Reads a Secret that is a squatter, or whose last write has an unknown outcome.
    fn look(&mut self, key: Key) {
        let writer = self.settings.writer.clone();
        let of = key.clone();
        let call = async move {
            let reply = match &of.target {
                Target::Secret(name) => Reply::Secret(seen(writer.read(&of.namespace, name).await)),
                Target::Account(name) => Reply::Account(seen(writer.read_account(&of.namespace, name).await)),
            };
            Ended::with(reply)
        };
        self.start(key, Span::none(), call);
    }

    fn start(&mut self, key: Key, span: Span, call: impl Future<Output = Ended> + Send + 'static) {
        let of = key.clone();
        let lost = move |why: NoReply| {
            if why == NoReply::Panicked {
                warn!(namespace = %of.namespace, "a write panicked");
            }
            Ended::with(failed(&of, why.error("a write panicked")))
        };
        self.worker.start(key, span, call, lost);
    }

    fn ended(&mut self, key: Key, ended: Ended, now: Duration) {
        let Ended {
            reply,
            competing_manager,
        } = ended;
        if let Some(CompetingManager(competing_manager)) = competing_manager {
            warn!(namespace = %key.namespace, manager = ?competing_manager, "another writer keeps undoing what is declared");
            self.reconciler.name_manager(&key, competing_manager.as_deref(), now);
        }
        if let Reply::Secret(Outcome::Failed(ApiError::Throttled(pause)))
        | Reply::Account(Outcome::Failed(ApiError::Throttled(pause))) = &reply
        {
            warn!(seconds = pause.as_secs(), "the server asks for less, all writes pause");
            self.settings.writer.pause(*pause);
        }
        let work = match reply {
            Reply::Secret(outcome) => self.reconciler.wrote_secret(&key, outcome, now),
            Reply::Account(outcome) => self.reconciler.wrote_account(&key, outcome, now),
        };
        self.worker.done(&key, now);
        self.enqueue(work, now);
        self.reconciler.expire(now);
        self.follow(key, now);
    }

    /// Watches the Secret of a key while it is a squatter, or reads it now and then.
    fn follow(&mut self, key: Key, now: Duration) {
        let reconciler = &self.reconciler;
        self.squatters.retain(|followed| reconciler.is_squatted(followed));
        if !reconciler.is_squatted(&key) {
            return;
        }
        let events = &self.inputs;
        if !self
            .squatters
            .follow(&key, &self.settings.watches, events, Input::Followed)
        {
            self.worker.push_at(key, Lane::Fresh, now + LOOK);
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

/// The facts of an event.
enum Sighting<T> {
    /// One Secret or account.
    One {
        namespace: String,
        name: String,
        seen: Seen<T>,
    },
    /// Start or end of a list, with the work that follows from it.
    List(Vec<Work>),
}

/// The field manager that wrote last what a write is about.
async fn last_writer(writer: &Writer, namespace: &str, write: &Write) -> Result<Option<String>, ApiError> {
    match write {
        Write::Secret { name, .. } => writer.last_writer_of_secret(namespace, name).await,
        Write::Account { name, .. } => writer.last_writer_of_account(namespace, name).await,
    }
}

/// The reply of a call for this key that has none of its own.
fn failed(key: &Key, setback: ApiError) -> Reply {
    match key.target {
        Target::Secret(_) => Reply::Secret(Outcome::Failed(setback)),
        Target::Account(_) => Reply::Account(Outcome::Failed(setback)),
    }
}

/// The outcome of a read.
fn seen<T>(read: Result<Option<T>, ApiError>) -> Outcome<T> {
    match read {
        Ok(now) => Outcome::Changed(now),
        Err(setback) => Outcome::Failed(setback),
    }
}

/// Spreads retries by a fifth up or down, so that keys that failed together do not retry together.
fn jittered(at: Duration, now: Duration) -> Duration {
    now + at
        .saturating_sub(now)
        .mul_f64(rand::Rng::random_range(&mut rand::rng(), 0.8..1.2))
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::{AtomicUsize, Ordering};

    use http::{Request, Response};
    use kube::Client;
    use kube::client::Body;
    use plan::object::{Lifecycle, Spec};
    use serde_json::json;
    use tower::service_fn;

    use super::*;
    use crate::api::watch::ListStrategy;
    use crate::api::watch_health::WatchHealth;

    /// An empty API server.
    fn empty() -> Client {
        let answer = |request: Request<Body>| async move {
            if request.uri().query().unwrap_or_default().contains("watch=") {
                return std::future::pending().await;
            }
            let list = json!({"kind": "List", "apiVersion": "v1", "metadata": {"resourceVersion": "9"}, "items": []});
            let response = Response::builder().body(Body::from(list.to_string().into_bytes()));
            Ok::<_, kube::Error>(response.unwrap())
        };
        Client::new(service_fn(answer), "default")
    }

    fn declaration(name: &str, revision: u64) -> ObjectMessage {
        let spec = serde_json::from_value(json!({"registries": [], "namespaces": {"names": ["*"]}})).unwrap();
        let object = Object {
            name: name.into(),
            uid: name.into(),
            created: 1,
            lifecycle: Lifecycle::Active,
            spec: Spec::parse(name, &spec, "pullsecrets-system").unwrap(),
            payload: None,
            tied: None,
        };
        ObjectMessage::Upsert(Declaration {
            object: Arc::new(object),
            revision,
            spec_changed: false,
        })
    }

    /// A running controller that has seen everything, and has one object.
    async fn started() -> (
        mpsc::UnboundedSender<ObjectMessage>,
        mpsc::UnboundedReceiver<(Arc<str>, Summary)>,
    ) {
        let metrics = Metrics::new(Leadership::alone(), WatchHealth::new());
        let keys = LabelKeys::new();
        keys.complete();
        let settings = Settings {
            watches: Watches::new(empty(), ListStrategy::Paged, None, WatchHealth::new()),
            writer: Writer::new(empty(), "pullsecrets-system", |_, _| {}),
            concurrency: 8,
            leadership: Leadership::alone(),
            protected: Vec::new(),
            managed: None,
            keys,
            heartbeat: Heartbeat::new(),
            metrics,
        };
        let (messages, received) = mpsc::unbounded_channel();
        let (summaries, mut told) = mpsc::unbounded_channel();
        tokio::spawn(run(settings, received, summaries, CancellationToken::new()));
        messages.send(declaration("first", 1)).unwrap();
        messages.send(ObjectMessage::InitDone).unwrap();
        assert_eq!(told.recv().await.unwrap().0.as_ref(), "first");
        (messages, told)
    }

    async fn until_told(told: &mut mpsc::UnboundedReceiver<(Arc<str>, Summary)>, of: (&str, u64)) {
        while told
            .recv()
            .await
            .is_some_and(|(name, summary)| (&*name, summary.revision) != of)
        {}
    }

    #[tokio::test]
    async fn other_tasks_run_between_two_declarations() {
        let (messages, mut told) = started().await;
        let turns = Arc::new(AtomicUsize::new(0));
        let counted = Arc::clone(&turns);
        tokio::spawn(async move {
            loop {
                counted.fetch_add(1, Ordering::Relaxed);
                tokio::task::yield_now().await;
            }
        });
        for number in 0..50 {
            messages
                .send(declaration(&format!("object-{number}"), 2 + number))
                .unwrap();
        }
        turns.store(0, Ordering::Relaxed);
        until_told(&mut told, ("object-49", 51)).await;
        assert!(turns.load(Ordering::Relaxed) >= 50, "{turns:?} turns");
    }

    #[tokio::test]
    async fn of_an_object_the_last_edition_is_declared() {
        let (messages, mut told) = started().await;
        for revision in 2..50 {
            messages.send(declaration("first", revision)).unwrap();
        }
        messages.send(declaration("other", 50)).unwrap();
        let mut revisions = Vec::new();
        while let Some((name, summary)) = told.recv().await
            && name.as_ref() != "other"
        {
            revisions.push(summary.revision);
        }
        assert_eq!(revisions, [49], "what was replaced is not declared");
    }
}
