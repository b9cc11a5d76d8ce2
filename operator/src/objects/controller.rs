//! The controller of objects: finalizer, credentials, status, Events. It writes our own objects and their state
//! Secrets, and never into namespaces: it sends that work to the namespace controller.
//!
//! A step for one object ends before the next of the same object begins. A panic in one is an error of that object.

mod steps;
#[cfg(test)]
mod tests;
mod watches;

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::time::Duration;

use k8s_openapi::apimachinery::pkg::apis::meta::v1::Time;
use kube::{Resource as _, ResourceExt as _};
use plan::last_good;
use plan::summary::Summary;
use tokio::sync::mpsc;
use tokio_util::sync::CancellationToken;
use tracing::{info, warn};

use self::steps::Ended;
use self::watches::{Input, changed, start_watches};
use crate::api::events::{EventRecorder, ObjectEvent};
use crate::api::partial::RawClusterPullSecret;
use crate::api::watch::Watches;
use crate::api::write::Writer;
use crate::leadership::Leadership;
use crate::namespaces::controller::{Declaration, ObjectMessage};
use crate::objects::events::installed_twice;
use crate::objects::object::ObjectState;
use crate::objects::sources::Sources;
use crate::observability::health::Heartbeat;
use crate::observability::metrics::Metrics;
use crate::queue::Queue;
use crate::wanted::LabelKeys;
use crate::work::Lane;
use crate::worker::Worker;

/// What the controller works with.
pub struct Settings {
    /// Opens the watches.
    pub watches: Watches,
    /// Makes the writes.
    pub writer: Writer,
    /// Publishes Events.
    pub events: EventRecorder,
    /// Without it the controller writes no object, and declares none to the namespace controller.
    pub leadership: Leadership,
    /// The operator's own namespace.
    pub namespace: String,
    /// The source namespaces, still empty.
    pub sources: Sources,
    /// Takes the label keys that objects select by.
    pub keys: LabelKeys,
    /// Shows that the loop is alive, and that it has seen everything.
    pub heartbeat: Heartbeat,
    /// Takes the numbers of each object, and how long it takes to carry one out.
    pub metrics: Metrics,
}

/// Why the loop goes on.
enum Woken {
    Ended(Arc<str>, Ended),
    Summary(Arc<str>, Summary),
    /// The server began, or ceased, to forbid the Secrets of this source namespace.
    Refused(String),
    /// What is known of the admission policies on the operator changed.
    Restraint,
    /// Inputs, or the time: both need no more than the turn that follows.
    Other,
}

/// Steps under way at a time. Each is one call, or a few. Slow ones have half of them as soon as others wait, because a
/// webhook may take half a minute for each.
const CONCURRENCY: usize = 8;
/// When the process ends, the last Events have this long to be published.
const FAREWELL: Duration = Duration::from_secs(1);
/// Sources that cannot be listed hold up the objects that do not need them no longer than this.
const PATIENCE: Duration = Duration::from_secs(5);
const BATCH: usize = 64;

/// Runs until the token is cancelled; then ends the steps that are under way.
pub async fn run(
    settings: Settings,
    messages: mpsc::UnboundedSender<ObjectMessage>,
    summaries: mpsc::UnboundedReceiver<(Arc<str>, Summary)>,
    token: CancellationToken,
) {
    let (sender, inputs) = mpsc::channel(BATCH);
    start_watches(&settings, &sender, &token);
    let clock = settings.leadership.clock();
    let queue = Queue::with_slots(CONCURRENCY, CONCURRENCY);
    let mut looper = Loop {
        worker: Worker::new(queue, clock, settings.leadership.clone()),
        waits_since: clock.now(),
        listed_as_leader: false,
        settings,
        inputs: sender,
        token: token.clone(),
        objects: BTreeMap::new(),
        relist: None,
        start: Start::Listing,
        messages,
        revision: 0,
        older: Vec::new(),
        went_back: false,
        others: BTreeSet::new(),
        is_restraint_lost: false,
    };
    looper.run(inputs, summaries).await;
    looper.worker.finish().await;
    looper.settings.events.flush(FAREWELL).await;
}

/// What the controller has done since it started. It never goes back.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
enum Start {
    /// It waits for the first list of objects.
    Listing,
    /// It knows every object, and waits for their sources and for the Lease.
    Listed,
    /// It declared every object to the namespace controller.
    Complete,
}

struct Loop {
    settings: Settings,
    inputs: mpsc::Sender<Input>,
    token: CancellationToken,
    objects: BTreeMap<Arc<str>, ObjectState>,
    /// While a list comes in: the names that it had so far.
    relist: Option<Vec<Arc<str>>>,
    start: Start,
    worker: Worker<Arc<str>, Ended>,
    messages: mpsc::UnboundedSender<ObjectMessage>,
    /// Since when it waits for lists of sources.
    waits_since: Duration,
    /// The objects were listed since this process held the Lease.
    listed_as_leader: bool,
    /// The revision of the last declaration. All objects share one count, so that a summary never belongs to a later
    /// object of the same name.
    revision: u64,
    /// While a list comes in: the objects as they are known, of which it has an older version.
    older: Vec<RawClusterPullSecret>,
    /// The server has an older state than it had before.
    went_back: bool,
    /// The admission policies on the operator are no longer in force.
    is_restraint_lost: bool,
    /// Other installations that an Event was about.
    others: BTreeSet<String>,
}

impl Loop {
    /// Each turn reads both clocks once, when it is woken.
    async fn run(
        &mut self,
        mut inputs: mpsc::Receiver<Input>,
        mut summaries: mpsc::UnboundedReceiver<(Arc<str>, Summary)>,
    ) {
        let mut batch = Vec::with_capacity(BATCH);
        let mut refusals = self.settings.sources.refusals();
        let (leadership, token) = (self.settings.leadership.clone(), self.token.clone());
        let mut restraint = leadership.restraint_changes();
        let clock = leadership.clock();
        let (mut now, mut time) = (clock.now(), wall_clock());
        while !token.is_cancelled() && !self.went_back {
            self.settings.heartbeat.beat();
            self.dispatch(now, &time);
            let wake = clock.instant(self.wake_at(now));
            let woken = tokio::select! {
                biased;
                () = token.cancelled() => return,
                Some((name, ended)) = self.worker.ended() => Woken::Ended(name, ended),
                Some((name, summary)) = summaries.recv() => Woken::Summary(name, summary),
                namespace = changed(&mut refusals) => Woken::Refused(namespace),
                _ = inputs.recv_many(&mut batch, BATCH) => Woken::Other,
                () = leadership.held(), if !leadership.is_held() => Woken::Other,
                Ok(()) = restraint.changed() => Woken::Restraint,
                () = tokio::time::sleep_until(wake) => Woken::Other,
            };
            (now, time) = (clock.now(), wall_clock());
            match woken {
                Woken::Ended(name, ended) => self.ended(&name, ended, now),
                Woken::Summary(name, summary) => self.summarise(&name, summary),
                Woken::Refused(namespace) => self.refused(&namespace),
                Woken::Restraint => self.see_restraint(),
                Woken::Other => batch.drain(..).for_each(|input| self.take(input)),
            }
            self.lead_when_elected(now);
            self.complete_when_listed(now, &time);
        }
    }

    /// Waits for new lists when this process gets the Lease.
    fn lead_when_elected(&mut self, now: Duration) {
        if self.settings.leadership.holds_lease() && self.settings.sources.lead() {
            self.waits_since = now;
        }
    }

    fn wake_at(&self, now: Duration) -> Duration {
        let queue = self.worker.wakes_at(now).filter(|_| self.start == Start::Complete);
        let patience = Some(self.waits_since + PATIENCE).filter(|&at| self.start != Start::Complete && now < at);
        queue
            .into_iter()
            .chain(patience)
            .fold(now + Heartbeat::INTERVAL, Duration::min)
    }

    /// Takes in a version of an object. Returns its name.
    fn see(&mut self, seen: RawClusterPullSecret) -> Arc<str> {
        let name: Arc<str> = seen.name_any().into();
        let same = self.objects.get_mut(&name).filter(|object| object.uid() == seen.uid());
        if let Some(object) = same {
            object.see(seen);
        } else {
            let object = ObjectState::new(seen, &self.settings.namespace);
            self.objects.insert(Arc::clone(&name), object);
        }
        self.ask(&name);
        self.worker.push(Arc::clone(&name), Lane::Fresh);
        self.measure(&name);
        name
    }

    /// Asks the watches for what the object reads, and no longer for what it read before.
    fn ask(&mut self, name: &Arc<str>) {
        let Some(object) = self.objects.get(name) else {
            return;
        };
        let (selection, copies) = (object.selection(), object.secret_name());
        self.settings.keys.see(name, selection, copies, object.is_taken_over());
        let state = object.uid().map(|uid| last_good::secret_name(&uid));
        self.settings
            .sources
            .want(name, &object.source_words(), state.as_deref(), object.has_state());
    }

    /// Declares every object again, if the admission policies on the operator are lost or back.
    fn see_restraint(&mut self) {
        let is_lost = self.settings.leadership.is_restraint_lost();
        if std::mem::replace(&mut self.is_restraint_lost, is_lost) == is_lost {
            return;
        }
        for name in self.objects.keys() {
            self.worker.push(Arc::clone(name), Lane::Fresh);
        }
    }

    fn measure(&self, name: &Arc<str>) {
        if let Some(object) = self.objects.get(name) {
            self.settings
                .metrics
                .object(name, object.measured(&self.settings.sources));
        }
    }

    fn forget(&mut self, name: &str) {
        if let Some((name, object)) = self.objects.remove_entry(name) {
            self.settings.metrics.forget_object(&name);
            self.settings.keys.lose(&name);
            self.settings.sources.forget(&name);
            let ours = !object.is_elsewhere();
            self.send(ObjectMessage::Delete { name, ours });
        }
    }

    fn send(&self, message: ObjectMessage) {
        // The namespace controller ends only with the process.
        let _ = self.messages.send(message);
    }

    fn summarise(&mut self, name: &Arc<str>, summary: Summary) {
        if let Some(object) = self.objects.get_mut(name) {
            object.summarise(summary);
            self.worker.push(Arc::clone(name), Lane::Fresh);
        }
    }

    /// The namespace controller may start as soon as it knows every object, with its credentials. Before that it would
    /// take copies for orphans, or write everything twice. A new leader lists objects and sources again first: by what a
    /// silent watch showed it would restore an old login, or take away a new copy.
    fn complete_when_listed(&mut self, now: Duration, time: &Time) {
        if self.start == Start::Listed {
            self.settings.keys.complete();
            self.settings.sources.are_known();
        }
        let sources = self.settings.sources.is_complete() || now >= self.waits_since + PATIENCE;
        if self.start != Start::Listed || !sources {
            return;
        }
        self.settings.heartbeat.ready();
        if !self.settings.leadership.is_held() || !self.listed_as_leader {
            return;
        }
        let names: Vec<Arc<str>> = self.objects.keys().cloned().collect();
        for name in &names {
            self.declare(name, now, time);
        }
        self.start = Start::Complete;
        self.send(ObjectMessage::InitDone);
        info!(
            objects = names.len(),
            "listed all objects; starting the object controller"
        );
    }

    /// Declares the object to the namespace controller, if it changed.
    fn declare(&mut self, name: &Arc<str>, now: Duration, time: &Time) {
        let Some(object) = self.objects.get_mut(name) else {
            return;
        };
        object.set_restraint_lost(self.is_restraint_lost);
        object.resolve(&self.settings.sources, now, time);
        let revision = self.revision + 1;
        let taken_over = object.is_taken_over();
        if let Some((object, spec_changed)) = object.declaration(revision, now) {
            self.revision = revision;
            self.send(ObjectMessage::Upsert(Declaration {
                object,
                revision,
                spec_changed,
                taken_over,
            }));
        }
    }

    /// Says once of an object that another installation acts for it.
    fn say_elsewhere(&mut self, name: &Arc<str>) {
        let Some(object) = self.objects.get_mut(name) else {
            return;
        };
        let Some((other, handed_over)) = object.newly_elsewhere() else {
            return;
        };
        let Settings { events, namespace, .. } = &self.settings;
        let about = object.seen().object_ref(&());
        if handed_over {
            info!(object = %name, installation = other, "handed over to another installation; this one no longer writes for it");
            events.record(about, ObjectEvent::handed_over(namespace, name, &other));
        } else {
            warn!(object = %name, installation = other, "another installation acts for this object; this one does not write for it");
            // One for all its objects: there may be thousands.
            if self.others.insert(other.clone()) {
                let (about, event) = installed_twice(namespace, name, &other);
                events.record(about, event);
            }
        }
    }
}

fn wall_clock() -> Time {
    Time(jiff::Timestamp::now())
}
