//! The object loop: finalizer, credentials, status, Events. It writes to our own objects and to the state Secrets,
//! never into namespaces: what is to be done there it tells the namespace loop.
//!
//! It has its own use of the queue, keyed by the object's name. A step for one object ends before the next of the
//! same object begins; a panic in one is an error of that object.

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::panic::AssertUnwindSafe;
use std::sync::Arc;
use std::time::Duration;

use futures::stream::FuturesUnordered;
use futures::{FutureExt as _, StreamExt as _};
use k8s_openapi::apimachinery::pkg::apis::meta::v1::Time;
use kube::runtime::watcher::Event;
use kube::{Api, Resource as _, ResourceExt as _};
use plan::backoff::Backoff;
use plan::identity::ResourceVersion;
use tokio::sync::{mpsc, oneshot, watch};
use tokio::task::JoinSet;
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;
use tracing::{Instrument as _, debug, error, info, info_span, warn};

use crate::api::events::{EventRecorder, ObjectEvent};
use crate::api::partial::{SeenObject, SourceSecret};
use crate::api::watch::{Watches, Which, each};
use crate::api::write::Writer;
use crate::leadership::Leadership;
use crate::namespaces::controller::{Command, Declaration};
use crate::objects::events::installed_twice;
use crate::objects::object::{Held, Next, Step};
use crate::objects::sources::Sources;
use crate::observability::health::Pulse;
use crate::observability::metrics::Metrics;
use crate::outcome::{ApiError, Outcome};
use crate::queue::Queue;
use crate::wanted::LabelKeys;
use crate::work::Lane;
use plan::last_good;
use plan::summary::Summary;

/// What the loop works with.
pub struct Settings {
    /// Opens the watches.
    pub watches: Watches,
    /// For the writes.
    pub writer: Writer,
    /// For Events.
    pub events: EventRecorder,
    /// Nothing is written, and the namespace loop is told of no object, without it.
    pub leadership: Leadership,
    /// The operator's own namespace.
    pub namespace: String,
    /// The source namespaces, nothing read yet.
    pub sources: Sources,
    /// The label keys that objects select by are told here.
    pub keys: LabelKeys,
    /// Times in a summary are since this.
    pub epoch: Instant,
    /// Tells that the loop is alive, and when it has seen everything.
    pub pulse: Pulse,
    /// How the objects stand, and how long it takes to carry them out.
    pub metrics: Metrics,
}

enum Input {
    Object(Event<SeenObject>),
    /// A list that was asked for because the last one lacked something, and what that was.
    Confirmed {
        seen: Vec<SeenObject>,
        missing: Vec<(Arc<str>, Option<String>)>,
        older: Vec<SeenObject>,
    },
    /// In this namespace, with the edition of what is wanted there that the list began at.
    Source(String, Event<SourceSecret>, u64),
}

/// What came of a step.
enum Reply {
    Object(Outcome<SeenObject>),
    State(Outcome<SourceSecret>),
    Panicked,
}

/// Steps under way at a time. Each is one call, or a few. Slow ones have half of them as soon as others wait: a webhook on our
/// objects may take half a minute for each.
const CONCURRENCY: usize = 8;
/// Events that were announced last get this long to be published when the process ends.
const FAREWELL: Duration = Duration::from_secs(1);
/// A list that could not be confirmed is asked for again after this.
const RETRY: Backoff = Backoff::new(Duration::from_millis(250), Duration::from_secs(30));
/// Sources that cannot be listed do not hold up the objects that do not need them for longer than this.
const PATIENCE: Duration = Duration::from_secs(5);
const BATCH: usize = 64;

/// Runs until the token is cancelled; then ends the steps that are under way.
pub async fn run(
    settings: Settings,
    commands: mpsc::UnboundedSender<Command>,
    mut summaries: mpsc::UnboundedReceiver<(Arc<str>, Summary)>,
    token: CancellationToken,
) {
    let (sender, mut inputs) = mpsc::channel(BATCH);
    let (watches, all, events) = (&settings.watches, Which::default, || sender.clone());
    watches.spawn("objects", Api::all, all(), events(), token.clone(), Input::Object);
    let mut refusals = settings.sources.refusals();
    for (namespace, wanted, refused) in settings.sources.namespaces() {
        let which = Which {
            refused: Some(refused.clone()),
            ..Which::wanted(wanted)
        };
        let api = |client| Api::namespaced(client, namespace);
        let (namespace, wanted) = (namespace.to_owned(), wanted.clone());
        let wrap = move |event| {
            let event = each(event, |secret: &mut SourceSecret| secret.prune(&wanted));
            Input::Source(namespace.clone(), event, wanted.listing())
        };
        watches.spawn("sources", api, which, events(), token.clone(), wrap);
    }
    let mut looper = Loop {
        settings,
        inputs: sender,
        token: token.clone(),
        objects: BTreeMap::new(),
        relist: None,
        listed: false,
        complete: false,
        queue: Queue::with_slots(CONCURRENCY, CONCURRENCY),
        steps: JoinSet::new(),
        under_way: HashMap::new(),
        commands,
        started: Instant::now(),
        revision: 0,
        older: Vec::new(),
        went_back: false,
        others: BTreeSet::new(),
    };
    let mut batch = Vec::with_capacity(BATCH);
    let leadership = looper.settings.leadership.clone();
    while !token.is_cancelled() && !looper.went_back {
        looper.settings.pulse.beat();
        looper.dispatch();
        let wake = looper.wake_at();
        tokio::select! {
            biased;
            () = token.cancelled() => break,
            Some(ended) = looper.steps.join_next() => looper.ended(ended),
            Some((name, summary)) = summaries.recv() => looper.summarised(&name, summary),
            namespace = changed(&mut refusals) => looper.refused(&namespace),
            _ = inputs.recv_many(&mut batch, BATCH) => {
                for input in batch.drain(..) {
                    looper.take(input);
                }
            }
            () = leadership.held(), if !leadership.is_held() => {}
            () = tokio::time::sleep_until(wake) => {}
        }
        looper.complete_when_listed();
    }
    while looper.steps.join_next().await.is_some() {}
    looper.settings.events.flush(FAREWELL).await;
}

/// The namespace of the first that changes.
async fn changed(refusals: &mut [(String, watch::Receiver<bool>)]) -> String {
    let mut waiting: FuturesUnordered<_> = refusals
        .iter_mut()
        .map(|(namespace, refused)| async {
            // The sender is kept as long as this loop.
            let _ = refused.changed().await;
            namespace.clone()
        })
        .collect();
    match waiting.next().await {
        Some(namespace) => namespace,
        None => std::future::pending().await,
    }
}

struct Loop {
    settings: Settings,
    inputs: mpsc::Sender<Input>,
    token: CancellationToken,
    objects: BTreeMap<Arc<str>, Held>,
    /// While a list comes in: the names that it held so far.
    relist: Option<Vec<Arc<str>>>,
    listed: bool,
    /// The namespace loop was told of every object.
    complete: bool,
    queue: Queue<Arc<str>>,
    steps: JoinSet<(Arc<str>, &'static str, Reply)>,
    /// Each of the steps, to tell it that it is given up.
    under_way: HashMap<Arc<str>, oneshot::Sender<()>>,
    commands: mpsc::UnboundedSender<Command>,
    started: Instant,
    /// Of the last declaration. One count for all objects, so that a summary of an object is not taken for one of
    /// another that has its name now.
    revision: u64,
    /// While a list comes in: objects as they are held, of which it showed an older version.
    older: Vec<SeenObject>,
    /// The server holds an older state than was seen before.
    went_back: bool,
    /// Other installations that an Event was about.
    others: BTreeSet<String>,
}

impl Loop {
    fn wake_at(&self) -> Instant {
        let now = Instant::now();
        let acts = self.complete && self.settings.leadership.is_held();
        let queue = self.queue.next_at(now).filter(|_| acts);
        let patience = Some(self.started + PATIENCE).filter(|&at| !self.complete && now < at);
        queue
            .into_iter()
            .chain(patience)
            .fold(now + Pulse::INTERVAL, Instant::min)
    }

    fn take(&mut self, input: Input) {
        match input {
            Input::Object(event) => self.object(event),
            Input::Confirmed { seen, missing, older } => {
                self.went_back |= went_back(&seen, &older, &self.objects);
                self.confirmed(seen, missing);
            }
            Input::Source(namespace, event, edition) => {
                let one = match &event {
                    Event::Apply(secret) | Event::Delete(secret) => Some(secret.name_any()),
                    Event::Init | Event::InitApply(_) | Event::InitDone => None,
                };
                let settled = one.is_some() || matches!(event, Event::InitDone);
                self.settings.sources.take(&namespace, event, edition);
                if settled {
                    // Not all of them: each state that is written is an event too, and there are as many as objects.
                    self.sources_changed(|held| one.as_deref().is_none_or(|secret| held.reads(&namespace, secret)));
                }
            }
        }
    }

    /// The sources of these objects may have changed.
    fn sources_changed(&mut self, concerns: impl Fn(&Held) -> bool) {
        for (name, held) in self.objects.iter().filter(|(_, held)| concerns(held)) {
            self.queue.push(Arc::clone(name), Lane::Fresh);
            self.settings.metrics.object(name, held.facts(&self.settings.sources));
        }
    }

    /// The server began, or ceased, to forbid the Secrets of this source namespace.
    fn refused(&mut self, namespace: &str) {
        self.sources_changed(|held| held.source_words().contains_key(namespace));
    }

    fn object(&mut self, event: Event<SeenObject>) {
        match event {
            Event::Init => {
                self.relist = Some(Vec::new());
                self.older.clear();
            }
            Event::InitApply(seen) => {
                let held = self.objects.get(seen.name_any().as_str()).map(Held::seen);
                self.older.extend(held.filter(|held| is_older(&seen, held)).cloned());
                let name = self.see(seen);
                self.relist.get_or_insert_default().push(name);
            }
            Event::InitDone => {
                let listed = self.relist.take().unwrap_or_default();
                let missing = self.missing(&listed);
                let older = std::mem::take(&mut self.older);
                if listed.is_empty() || !missing.is_empty() || !older.is_empty() {
                    self.confirm(missing, older);
                } else {
                    self.listed = true;
                }
            }
            Event::Apply(seen) if self.is_echo(&seen) => {}
            Event::Apply(seen) => {
                self.see(seen);
            }
            Event::Delete(seen) => {
                let name = seen.name_any();
                let same = self
                    .objects
                    .get(name.as_str())
                    .is_some_and(|held| held.uid() == seen.uid());
                if same {
                    self.forget(&name);
                }
            }
        }
    }

    /// Whether this version is known already, from the reply to a write. The reply is the better witness: for up to two
    /// minutes after the definition was replaced, a watch that was open already shows objects without the fields that only
    /// the new one has.
    fn is_echo(&self, seen: &SeenObject) -> bool {
        let known = self.objects.get(seen.name_any().as_str()).map(Held::seen);
        known.is_some_and(|known| known.uid() == seen.uid() && known.resource_version() == seen.resource_version())
    }

    /// The objects, by name and uid, that a list lacks.
    fn missing(&self, listed: &[Arc<str>]) -> Vec<(Arc<str>, Option<String>)> {
        let lacks = |(name, _): &(&Arc<str>, &Held)| !listed.contains(name);
        let missing = self.objects.iter().filter(lacks);
        missing.map(|(name, held)| (Arc::clone(name), held.uid())).collect()
    }

    /// An object that is gone takes all its copies along, in every namespace. So no list is believed that holds nothing, or
    /// lacks what was there, or shows something older than was seen, before the server has said it twice.
    fn confirm(&self, missing: Vec<(Arc<str>, Option<String>)>, older: Vec<SeenObject>) {
        let writer = self.settings.writer.clone();
        let (inputs, token) = (self.inputs.clone(), self.token.clone());
        let ask = async move {
            for attempt in 0.. {
                match writer.read_objects().await {
                    // The loop ends only with the process.
                    Ok(seen) => return drop(inputs.send(Input::Confirmed { seen, missing, older }).await),
                    Err(setback) => warn!(?setback, "a list that lacks objects cannot be confirmed, trying again"),
                }
                tokio::time::sleep(RETRY.delay(attempt)).await;
            }
        };
        tokio::spawn(async move {
            tokio::select! {
                () = token.cancelled() => {}
                () = ask => {}
            }
        });
    }

    /// The watch went on meanwhile: what it showed since is newer than this list, and an object that came since is none
    /// that the list before lacked.
    fn confirmed(&mut self, seen: Vec<SeenObject>, missing: Vec<(Arc<str>, Option<String>)>) {
        for (name, uid) in missing {
            let is_there = seen.iter().any(|seen| seen.name_any() == *name && seen.uid() == uid);
            let is_held = self.objects.get(&name).is_some_and(|held| held.uid() == uid);
            if is_held && !is_there {
                self.forget(&name);
            }
        }
        for seen in seen {
            let held = self.objects.get(seen.name_any().as_str());
            if held.is_none_or(|held| held.uid() == seen.uid()) {
                self.see(seen);
            }
        }
        self.listed = true;
    }

    fn see(&mut self, seen: SeenObject) -> Arc<str> {
        let name: Arc<str> = seen.name_any().into();
        let same = self.objects.get_mut(&name).filter(|held| held.uid() == seen.uid());
        if let Some(held) = same {
            held.see(seen);
        } else {
            let held = Held::new(seen, &self.settings.namespace);
            self.objects.insert(Arc::clone(&name), held);
        }
        self.ask(&name);
        self.queue.push(Arc::clone(&name), Lane::Fresh);
        self.measure(&name);
        name
    }

    /// Has kept what the object asks for, and no longer what it asked for before.
    fn ask(&mut self, name: &Arc<str>) {
        let Some(held) = self.objects.get(name) else {
            return;
        };
        self.settings.keys.see(name, held.selection(), held.secret_name());
        let state = held.uid().map(|uid| last_good::secret_name(&uid));
        self.settings
            .sources
            .want(name, &held.source_words(), state.as_deref(), held.has_state());
    }

    fn measure(&self, name: &Arc<str>) {
        if let Some(held) = self.objects.get(name) {
            self.settings.metrics.object(name, held.facts(&self.settings.sources));
        }
    }

    fn forget(&mut self, name: &str) {
        if let Some((name, held)) = self.objects.remove_entry(name) {
            self.settings.metrics.forget_object(&name);
            self.settings.keys.lose(&name);
            self.settings.sources.forget(&name);
            let ours = !held.is_elsewhere();
            self.tell(Command::Forget { name, ours });
        }
    }

    fn tell(&self, command: Command) {
        // The namespace loop ends only with the process.
        let _ = self.commands.send(command);
    }

    fn summarised(&mut self, name: &Arc<str>, summary: Summary) {
        if let Some(held) = self.objects.get_mut(name) {
            held.summarised(summary);
            self.queue.push(Arc::clone(name), Lane::Fresh);
        }
    }

    /// The namespace loop may start as soon as it knows every object, with its credentials: else it would take what
    /// is there for something that nobody asks for, or write everything twice.
    fn complete_when_listed(&mut self) {
        if self.listed && !self.complete {
            self.settings.keys.complete();
            self.settings.sources.are_known();
        }
        let sources = self.settings.sources.is_complete() || self.started.elapsed() >= PATIENCE;
        if self.complete || !self.listed || !sources {
            return;
        }
        self.settings.pulse.ready();
        if !self.settings.leadership.is_held() {
            return;
        }
        let names: Vec<Arc<str>> = self.objects.keys().cloned().collect();
        for name in &names {
            self.declare(name);
        }
        self.complete = true;
        self.tell(Command::Complete);
        info!(objects = names.len(), "every object was listed, the object loop starts");
    }

    /// Tells the namespace loop what is asked for, if that changed.
    fn declare(&mut self, name: &Arc<str>) {
        let Some(held) = self.objects.get_mut(name) else {
            return;
        };
        held.resolve(&self.settings.sources);
        let revision = self.revision + 1;
        if let Some((object, urgent)) = held.declaration(revision) {
            self.revision = revision;
            self.tell(Command::Declare(Declaration {
                object,
                revision,
                urgent,
            }));
        }
    }

    fn dispatch(&mut self) {
        if let Some(until) = self.settings.writer.paused_until() {
            self.queue.pause(until);
        }
        if !self.complete {
            return;
        }
        for name in self.queue.give_up(Instant::now()) {
            if let Some(step) = self.under_way.remove(&name) {
                debug!(object = %name, "a slow step is given up, others wait");
                // It may have ended by itself just now.
                let _ = step.send(());
            }
        }
        while self.settings.leadership.is_held() {
            let Some(name) = self.queue.pop(Instant::now()) else {
                return;
            };
            self.declare(&name);
            self.say_elsewhere(&name);
            let next = self.objects.get_mut(&name).map_or(Next::Nothing, |held| {
                let next = held.next(self.settings.epoch, Instant::now(), &now());
                if let Some(after) = held.carried_out.take() {
                    self.settings.metrics.carried_out(after);
                }
                next
            });
            match next {
                Next::Write(step) => self.write(name, step),
                Next::At(at) => {
                    self.queue.done(&name, Instant::now());
                    self.queue.push_at(name, Lane::Fresh, at);
                }
                Next::Nothing => self.queue.done(&name, Instant::now()),
            }
        }
    }

    /// Says once of an object that another installation acts for it.
    fn say_elsewhere(&mut self, name: &Arc<str>) {
        let Some(held) = self.objects.get_mut(name) else {
            return;
        };
        let Some((other, handed_over)) = held.newly_elsewhere() else {
            return;
        };
        let Settings { events, namespace, .. } = &self.settings;
        let about = held.seen().object_ref(&());
        if handed_over {
            info!(object = %name, installation = other, "handed over to another installation, this one writes no more for it");
            events.record(about, ObjectEvent::handed_over(namespace, name, &other));
        } else {
            warn!(object = %name, installation = other, "another installation acts for this object, this one does not write for it");
            // One for all its objects: there may be thousands.
            if self.others.insert(other.clone()) {
                let (about, event) = installed_twice(namespace, name, &other);
                events.record(about, event);
            }
        }
    }

    fn write(&mut self, name: Arc<str>, step: Step) {
        let Some(held) = self.objects.get_mut(&name) else {
            return;
        };
        let (writer, seen) = (self.settings.writer.clone(), held.seen().clone());
        let event = held.event(&step, Instant::now(), self.settings.epoch);
        let what = step.name();
        let events = self.settings.events.clone();
        let span = info_span!("reconcile", object = %name, step = step.name());
        let call = async move {
            let reply = match &step {
                Step::Object(step) => Reply::Object(writer.object(&seen, step).await),
                Step::Remember(content) => Reply::State(writer.remember(&seen, content).await),
                Step::Forget(version) => Reply::State(writer.forget(&seen, version).await),
            };
            if let (Reply::Object(Outcome::Done(_)), Some(event)) = (&reply, event) {
                events.record(seen.object_ref(&()), event);
            }
            reply
        };
        let (sender, given_up) = oneshot::channel();
        self.under_way.insert(Arc::clone(&name), sender);
        let step = async move {
            let reply = tokio::select! {
                reply = AssertUnwindSafe(call).catch_unwind() => reply.unwrap_or(Reply::Panicked),
                // It may have been made: what is seen next shows it.
                Ok(()) = given_up => Reply::Object(Outcome::Failed(ApiError::given_up())),
            };
            (name, what, reply)
        };
        self.steps.spawn(step.instrument(span));
    }

    fn ended(&mut self, ended: Result<(Arc<str>, &'static str, Reply), tokio::task::JoinError>) {
        let Ok((name, step, reply)) = ended else {
            return;
        };
        self.under_way.remove(&name);
        self.queue.done(&name, Instant::now());
        let is_answer = |setback: &ApiError| !matches!(setback, ApiError::Unavailable(_));
        if match &reply {
            Reply::Object(Outcome::Failed(setback)) | Reply::State(Outcome::Failed(setback)) => is_answer(setback),
            Reply::Object(_) | Reply::State(_) => true,
            Reply::Panicked => false,
        } {
            self.tell(Command::Answered);
        }
        let done = matches!(&reply, Reply::Object(Outcome::Done(_)));
        let setback = match reply {
            Reply::Object(Outcome::Done(seen) | Outcome::Changed(seen)) => {
                match (seen, self.objects.get_mut(&name)) {
                    (Some(seen), Some(held)) => {
                        held.see(seen);
                        self.ask(&name);
                        self.measure(&name);
                    }
                    (None, _) => self.forget(&name),
                    (Some(_), None) => {}
                }
                None
            }
            Reply::State(Outcome::Done(secret) | Outcome::Changed(secret)) => {
                let uid = self.objects.get(&name).and_then(Held::uid).unwrap_or_default();
                self.settings.sources.take_state(&uid, secret);
                None
            }
            Reply::Object(Outcome::Failed(setback)) | Reply::State(Outcome::Failed(setback)) => Some(setback),
            Reply::Panicked => Some(ApiError::Unavailable("a step panicked".to_owned())),
        };
        let Some(held) = self.objects.get_mut(&name) else {
            return;
        };
        let Some(setback) = setback else {
            held.succeeded(step, done);
            self.queue.push(name, Lane::Fresh);
            return;
        };
        if let ApiError::Throttled(pause) = &setback {
            self.settings.writer.pause(*pause);
        }
        let delay = held.failed(step, &setback, Instant::now());
        warn!(object = %name, ?setback, retry_in = ?delay, "failed to {step}");
        // At once: what failed is said, then tried again in time.
        self.queue.push(name, Lane::Fresh);
    }
}

/// Whether `seen` is certainly older than what is held of the same object.
fn is_older(seen: &SeenObject, held: &SeenObject) -> bool {
    let version = |seen: &SeenObject| ResourceVersion::from(seen.resource_version().unwrap_or_default().as_str());
    seen.uid() == held.uid() && version(seen).is_older_than(&version(held))
}

/// Whether a second list shows older versions, too, of objects that were not changed since the first.
fn went_back(seen: &[SeenObject], older: &[SeenObject], objects: &BTreeMap<Arc<str>, Held>) -> bool {
    let still = |known: &&SeenObject| {
        let held = objects.get(known.name_any().as_str()).map(Held::seen);
        held.is_some_and(|held| held.resource_version() == known.resource_version())
    };
    let found = older
        .iter()
        .filter(still)
        .find(|known| seen.iter().any(|seen| is_older(seen, known)));
    if let Some(known) = found {
        error!(
            object = known.name_any(),
            "two lists show an older version than was seen before: the store of the API server was restored from a backup. \
             This process ends, because what it knows is no longer true"
        );
    }
    found.is_some()
}

fn now() -> Time {
    Time(jiff::Timestamp::now())
}

#[cfg(test)]
mod tests {
    use http::{Request, Response};
    use kube::Client;
    use kube::client::Body;
    use serde_json::{Value, json};
    use tower::service_fn;

    use super::*;
    use crate::api::watch::Lists;
    use crate::api::watch_health::Progress;

    /// A server that lists these objects, and no Secret. It answers nothing else, and tells about which object it was asked.
    fn server(objects: &[&str], asked: mpsc::UnboundedSender<String>) -> Client {
        let object = |name: &&str| {
            json!({"metadata": {"name": name, "uid": name, "resourceVersion": "5", "generation": 1},
                "spec": {"registries": [], "namespaces": {"selectors": [{}]}}})
        };
        let objects: Vec<Value> = objects.iter().map(object).collect();
        let answer = move |request: Request<Body>| {
            let path = request.uri().path();
            let items = if let Some((_, rest)) = path.split_once("/clusterpullsecrets/") {
                let _ = asked.send(rest.trim_end_matches("/status").to_owned());
                None
            } else if path.ends_with("/clusterpullsecrets") {
                Some(objects.clone())
            } else {
                Some(Vec::new())
            };
            let is_list = !request.uri().query().unwrap_or_default().contains("watch=");
            let list = items.filter(|_| is_list);
            async move {
                let Some(items) = list else {
                    return std::future::pending().await;
                };
                let list =
                    json!({"kind": "List", "apiVersion": "v1", "metadata": {"resourceVersion": "9"}, "items": items});
                let response = Response::builder().body(Body::from(list.to_string().into_bytes()));
                Ok::<_, kube::Error>(response.unwrap())
            }
        };
        Client::new(service_fn(answer), "default")
    }

    #[tokio::test(start_paused = true)]
    async fn objects_with_slow_writes_do_not_hold_up_another() {
        let (sender, mut asked) = mpsc::unbounded_channel();
        let slow = ["a", "b", "c", "d", "e", "f", "g", "h"];
        assert_eq!(slow.len(), CONCURRENCY);
        let client = server(&[&slow[..], &["late"]].concat(), sender);
        let metrics = Metrics::new(Leadership::alone(), Progress::new());
        let settings = Settings {
            watches: Watches::new(client.clone(), Lists::Paged, None, Progress::new()),
            writer: Writer::new(client.clone(), "pullsecrets-system", |_, _| {}),
            events: EventRecorder::new(client, |_, _| {}),
            leadership: Leadership::alone(),
            namespace: "pullsecrets-system".to_owned(),
            sources: Sources::new("pullsecrets-system", &BTreeSet::new()),
            keys: LabelKeys::new(),
            epoch: Instant::now(),
            pulse: Pulse::new(),
            metrics,
        };
        let (commands, _received) = mpsc::unbounded_channel();
        let (_summaries, told) = mpsc::unbounded_channel();
        let token = CancellationToken::new();
        let run = tokio::spawn(run(settings, commands, told, token.clone()));
        for _ in slow {
            asked.recv().await.unwrap();
        }
        let late = async { while asked.recv().await.is_some_and(|name| name != "late") {} };
        let late = tokio::time::timeout(Duration::from_secs(5), late).await;
        assert!(late.is_ok(), "it waits for the slow ones");
        token.cancel();
        run.abort();
    }
}
