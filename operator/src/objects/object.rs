//! One object as the object loop holds it, and the decision what is its next step.

use std::collections::BTreeSet;
use std::hash::{BuildHasher as _, RandomState};
use std::sync::{Arc, LazyLock};
use std::time::Duration;

use crd::names::{ANNOTATION_INSTALLATION, ANNOTATION_RECONCILE, FINALIZER, is_copy_key};
use crd::{
    AttachMode, ClusterPullSecretSpec, ClusterPullSecretStatus, Condition, ConditionStatus, ConditionType, Counts,
    DeletionPolicy, NamespaceSelection, Reason, RegistryState, RegistryStatus, ServiceAccountSelection,
};
use k8s_openapi::apimachinery::pkg::apis::meta::v1::Time;
use kube::{Resource as _, ResourceExt as _};
use plan::backoff::Backoff;
use plan::contention::Contention;
use plan::docker_config::render;
use plan::installation::{self, Assignment, assignment};
use plan::object::{Lifecycle, Object, Selection, Spec, sources_in};
use plan::payload::{Payload, Tied};
use plan::registries::{LastGood, Lookup, Merged, merge, resolve};
use serde_json::Value;
use tokio::time::Instant;
use tracing::field::Empty;
use tracing::info_span;

use crate::api::events::ObjectEvent;
use crate::api::lease::LEASE;
use crate::api::partial::{DIGEST_KEY, SeenObject};
use crate::api::write::ObjectStep;
use crate::objects::sources::{self, Sources};
use crate::observability::metrics::{Facts as Measured, State};
use crate::outcome::ApiError;
use plan::last_good;
use plan::status::{Blocked, DELETION_WAITS, Facts, Late, NOT_HANDED_OVER, Unread, report};
use plan::summary::{Count, Summary};

/// A busy object's status is written no oftener.
const REPORT_EVERY: Duration = Duration::from_secs(1);
/// What is done so fast is told once, when it is done, and not as progress before.
const SOON_DONE: Duration = Duration::from_millis(500);
/// A missing source may come with the next object of the same commit; after this a person must act.
const MISSING_UNTIL_STALLED: Duration = Duration::from_secs(30);
/// A deletion that was tried in vain for so long everywhere where it is not done goes on without: garbage collection
/// takes the copies. A process that comes later takes the rest of it, and at least the second.
const STUCK_UNTIL_DISARMED: Duration = Duration::from_secs(60);
const STUCK_AT_LEAST: Duration = Duration::from_secs(10);
/// A deletion that takes longer says what it waits for.
const WAITS_AFTER: Duration = Duration::from_secs(2);
/// While a deletion waits, the object is read so often: that the server answers tells a refusal from an outage.
const LOOK_EVERY: Duration = Duration::from_secs(10);
/// After so long without a word of the namespace loop, the status says so.
const UNLISTED_UNTIL_TOLD: Duration = Duration::from_secs(30);
/// Sources that were not listed after so long hold up their own registries alone.
const UNREAD_PATIENCE: Duration = Duration::from_secs(5);
/// A step that failed is tried again after this.
const RETRY: Backoff = Backoff::new(Duration::from_millis(250), Duration::from_secs(30));
/// A step that failed so often in a row is reported, also where a refusal was not the reason.
const FAILED_UNTIL_TOLD: u32 = 4;

/// A write that an object needs.
pub(super) enum Step {
    /// To the object itself.
    Object(ObjectStep),
    /// Remember the last good credentials, before the first copy of new ones is made.
    Remember(last_good::Content),
    /// Forget them, at this resourceVersion: the object goes.
    Forget(String),
}

impl Step {
    /// One word for a log or a span.
    pub(super) fn name(&self) -> &'static str {
        match self {
            Self::Object(step) => step.name(),
            Self::Remember(_) => "remember",
            Self::Forget(_) => "forget",
        }
    }
}

/// What is to be done for an object now.
pub(super) enum Next {
    /// This write.
    Write(Step),
    /// Another look at that time.
    At(Instant),
    /// Nothing before something is seen.
    Nothing,
}

impl Next {
    /// At that time at the latest, if there is one.
    fn or_at(self, at: impl Into<Option<Instant>>) -> Self {
        match (self, at.into()) {
            (Self::At(one), Some(two)) => Self::At(one.min(two)),
            (Self::Nothing, Some(at)) => Self::At(at),
            (next, _) => next,
        }
    }
}

/// See the module.
pub(super) struct Held {
    /// Without its spec and its status, and with the annotations that are read: as trees of JSON they take kilobytes.
    seen: SeenObject,
    /// The hash of the spec that `reading` is of: its text may have a megabyte.
    spec: u64,
    reading: Reading,
    status: ClusterPullSecretStatus,
    credentials: Option<Merged>,
    /// What the credentials come to.
    payload: Option<Arc<Payload>>,
    /// Those of them that go nowhere else.
    tied: Option<Arc<Tied>>,
    /// The state Secret: its resourceVersion and what it remembers. None when there is none.
    state: Option<(String, Option<LastGood>)>,
    /// Since when the credentials have a problem.
    problem_since: Option<Instant>,
    told: Option<Arc<Object>>,
    told_at: Option<Instant>,
    /// Since when something is to be carried out.
    asked_at: Option<Instant>,
    /// How long it took until it was; to be taken.
    pub(super) carried_out: Option<Duration>,
    revision: u64,
    summary: Option<Summary>,
    reported_at: Option<Instant>,
    /// The last status that was sent.
    sent: Option<Box<ClusterPullSecretStatus>>,
    /// How often another writer changed it since.
    rewritten: Contention,
    rewritten_until: Option<Instant>,
    /// A source namespace that its registries need was not listed.
    unread: bool,
    unread_since: Option<Instant>,
    /// Until when that is waited for.
    reads_until: Option<Instant>,
    /// The operator's own namespace was not listed, so that it is not known what is remembered.
    own_unread: bool,
    /// Since when this process knows that it is being deleted, and how long it tries in vain.
    deleting_since: Option<Instant>,
    patience: Duration,
    looked_at: Option<Instant>,
    /// Failed attempts at the next step, and at the report.
    steps: Attempts,
    reports: Attempts,
    operator_namespace: String,
    installation: Installation,
    /// The namespace that `reading` takes for sources that name none.
    source_namespace: String,
}

/// Which installation acts for the object.
struct Installation {
    /// This one, as `namespace/name`.
    own: Arc<str>,
    /// The one that the status recorded last. It stays when another writer clears the status.
    recorded: Option<String>,
    /// An older definition drops the record from the status.
    unrecorded: bool,
    /// The server was asked whom it records: a watch from before the definition was replaced does not show it.
    asked: bool,
    /// The one that was last said to act in the place of this one.
    said: Option<String>,
}

impl Installation {
    fn new(seen: &SeenObject, operator_namespace: &str) -> Self {
        let mut new = Self {
            own: format!("{operator_namespace}/{LEASE}").into(),
            recorded: None,
            unrecorded: false,
            asked: false,
            said: None,
        };
        new.see(seen);
        new
    }

    /// `seen` still has its status.
    fn see(&mut self, seen: &SeenObject) {
        let recorded = seen.status.get("installation").and_then(Value::as_str);
        if let Some(recorded) = recorded.filter(|recorded| installation::is_valid(recorded)) {
            self.recorded = Some(recorded.to_owned());
            self.unrecorded = false;
        }
    }

    fn assignment<'a>(&'a self, seen: &'a SeenObject) -> Assignment<'a> {
        assignment(&self.own, self.recorded.as_deref(), handed_to(seen))
    }

    /// Where the sources of the object live that name no namespace.
    fn source_namespace<'a>(&'a self, seen: &'a SeenObject) -> &'a str {
        let acting = match self.assignment(seen) {
            Assignment::Others(other) => other,
            Assignment::Ours | Assignment::Claimable => &self.own,
        };
        installation::namespace(acting)
    }

    /// Another one that acted for the object before.
    fn predecessor(&self) -> Option<&str> {
        self.recorded.as_deref().filter(|recorded| *recorded != &*self.own)
    }
}

/// What a spec selects by is held as it was parsed, and may be most of a megabyte.
fn without_selectors(declared: ClusterPullSecretSpec) -> ClusterPullSecretSpec {
    ClusterPullSecretSpec {
        namespaces: NamespaceSelection::default(),
        service_accounts: ServiceAccountSelection {
            mode: declared.service_accounts.mode,
            ..ServiceAccountSelection::default()
        },
        ..declared
    }
}

/// Equal for the same spec, within one process.
fn hash(spec: &Value) -> u64 {
    static KEY: LazyLock<RandomState> = LazyLock::new(RandomState::new);
    KEY.hash_one(spec.to_string())
}

/// The installation that a person hands the object over to.
fn handed_to(seen: &SeenObject) -> Option<&str> {
    seen.annotations().get(ANNOTATION_INSTALLATION).map(String::as_str)
}

/// Attempts that failed in a row.
#[derive(Default)]
struct Attempts {
    count: u32,
    since: Option<Instant>,
    not_before: Option<Instant>,
    blocked: Option<Blocked>,
}

impl Attempts {
    /// Until when the next one waits.
    fn wait(&self, now: Instant) -> Option<Instant> {
        self.not_before.filter(|&at| now < at)
    }

    /// Another one has failed. Returns how long to wait.
    fn fail(&mut self, setback: &ApiError, now: Instant) -> Duration {
        let delay = match setback {
            ApiError::Throttled(pause) => *pause,
            ApiError::Postponed { wait, .. } => RETRY.delay(self.count).max(*wait),
            _ => RETRY.delay(self.count),
        };
        self.count += 1;
        self.since.get_or_insert(now);
        self.not_before = Some(now + delay);
        delay
    }
}

/// A spec as this version understands it.
struct Reading {
    spec: Spec,
    declared: Option<ClusterPullSecretSpec>,
    /// Why the object is frozen: nothing added, nothing removed.
    unreadable: Option<String>,
}

impl Reading {
    fn of(seen: &SeenObject, operator_namespace: &str) -> Self {
        let name = seen.name_any();
        let mut unknown = BTreeSet::new();
        let mut track = serde_path_to_error::Track::new();
        let tracked = serde_path_to_error::Deserializer::new(&seen.spec, &mut track);
        let decoded: Result<ClusterPullSecretSpec, _> = serde_ignored::deserialize(tracked, |path| {
            unknown.insert(path.to_string());
        });
        let declared = match decoded {
            Ok(declared) => declared,
            // What serde says of a spec names fields and values of the spec: no credential is in there.
            Err(error) => {
                return Self::unreadable(seen, operator_namespace, format!("{}: {error}", in_spec(&track.path())));
            }
        };
        match Spec::parse(&name, &declared, operator_namespace) {
            Ok(mut spec) => {
                if !unknown.is_empty() {
                    spec.sources.extend(sources_in(&seen.spec, operator_namespace));
                }
                let fields: Vec<String> = unknown.into_iter().map(|path| format!("spec.{path}")).collect();
                let unreadable =
                    (!fields.is_empty()).then(|| format!("this version does not know {}", fields.join(", ")));
                Self {
                    spec,
                    declared: Some(without_selectors(declared)),
                    unreadable,
                }
            }
            Err(error) => Self::unreadable(seen, operator_namespace, error.to_string()),
        }
    }

    fn unreadable(seen: &SeenObject, operator_namespace: &str, why: String) -> Self {
        let text = |pointer: &str| seen.spec.pointer(pointer).and_then(serde_json::Value::as_str);
        let name = seen.name_any();
        let policy = match text("/deletionPolicy") {
            Some("Retain") => DeletionPolicy::Retain,
            _ => DeletionPolicy::Delete,
        };
        let sources = sources_in(&seen.spec, operator_namespace);
        let spec = Spec::unreadable(text("/secret/name").unwrap_or(&name), policy, sources);
        Self {
            spec,
            declared: None,
            unreadable: Some(why),
        }
    }
}

impl Held {
    pub(super) fn new(mut seen: SeenObject, operator_namespace: &str) -> Self {
        let installation = Installation::new(&seen, operator_namespace);
        let source_namespace = installation.source_namespace(&seen).to_owned();
        Self {
            reading: Reading::of(&seen, &source_namespace),
            spec: hash(&seen.spec),
            status: reduce(&mut seen),
            seen,
            credentials: None,
            payload: None,
            tied: None,
            state: None,
            problem_since: None,
            told: None,
            told_at: None,
            asked_at: None,
            carried_out: None,
            revision: 0,
            summary: None,
            reported_at: None,
            sent: None,
            rewritten: Contention::default(),
            rewritten_until: None,
            unread: false,
            unread_since: None,
            reads_until: None,
            own_unread: false,
            deleting_since: None,
            patience: STUCK_UNTIL_DISARMED,
            looked_at: None,
            steps: Attempts::default(),
            reports: Attempts::default(),
            operator_namespace: operator_namespace.to_owned(),
            installation,
            source_namespace,
        }
    }

    /// Another version of the same object; an older one is passed over.
    pub(super) fn see(&mut self, mut seen: SeenObject) {
        let version = |seen: &SeenObject| {
            plan::identity::ResourceVersion::from(seen.resource_version().unwrap_or_default().as_str())
        };
        if version(&seen).is_older_than(&version(&self.seen)) {
            return;
        }
        self.installation.see(&seen);
        let spec = hash(&seen.spec);
        let source_namespace = self.installation.source_namespace(&seen).to_owned();
        if spec != self.spec || source_namespace != self.source_namespace {
            self.reading = Reading::of(&seen, &source_namespace);
            self.spec = spec;
            self.source_namespace = source_namespace;
        }
        self.status = reduce(&mut seen);
        self.seen = seen;
    }

    /// What it selects, if that can be read.
    pub(super) fn selection(&self) -> Option<&Selection> {
        self.reading.spec.selection.as_ref()
    }

    /// The name of its copies.
    pub(super) fn secret_name(&self) -> &str {
        &self.reading.spec.secret_name
    }

    /// What it reads of its sources.
    pub(super) fn source_words(&self) -> sources::Words {
        let registries = self.reading.declared.as_ref().map(|declared| &declared.registries[..]);
        sources::words(
            &self.reading.spec.sources,
            registries.unwrap_or_default(),
            &self.operator_namespace,
        )
    }

    /// Whether its state was written once.
    pub(super) fn has_state(&self) -> bool {
        self.status.state_secret_name.is_some()
    }

    pub(super) fn seen(&self) -> &SeenObject {
        &self.seen
    }

    pub(super) fn uid(&self) -> Option<String> {
        self.seen.uid()
    }

    /// Whether its credentials may depend on this Secret: it names it as a source, or it is its state.
    pub(super) fn reads(&self, namespace: &str, secret: &str) -> bool {
        let mut sources = self.reading.spec.sources.iter();
        let names_it = sources.any(|(held_in, name)| held_in == namespace && name == secret);
        names_it || self.uid().is_some_and(|uid| secret == last_good::secret_name(&uid))
    }

    pub(super) fn summarised(&mut self, summary: Summary) {
        self.summary = Some(summary);
    }

    /// Whether this installation acts for it.
    fn is_ours(&self) -> bool {
        self.installation.assignment(&self.seen) == Assignment::Ours
    }

    /// Whether another one does, or is to.
    pub(super) fn is_elsewhere(&self) -> bool {
        matches!(self.installation.assignment(&self.seen), Assignment::Others(_))
    }

    /// The installation that acts in the place of this one, where that was not said yet; and whether this one did before.
    pub(super) fn newly_elsewhere(&mut self) -> Option<(String, bool)> {
        let other = match self.installation.assignment(&self.seen) {
            Assignment::Others(other) => Some(other.to_owned()),
            Assignment::Ours | Assignment::Claimable => None,
        };
        let said = std::mem::replace(&mut self.installation.said, other.clone());
        let recorded = self.installation.recorded.as_deref();
        let handed_over = recorded == Some(&*self.installation.own);
        other
            .filter(|other| said.as_ref() != Some(other))
            .map(|other| (other, handed_over))
    }

    fn is_deleting(&self) -> bool {
        self.seen.meta().deletion_timestamp.is_some()
    }

    fn is_armed(&self) -> bool {
        self.seen.finalizers().iter().any(|held| held == FINALIZER)
    }

    fn is_suspended(&self) -> bool {
        self.reading.declared.as_ref().is_some_and(|declared| declared.suspend)
    }

    fn generation(&self) -> i64 {
        self.seen.meta().generation.unwrap_or_default()
    }

    /// Finds the credentials in the sources as they are now.
    pub(super) fn resolve(&mut self, sources: &Sources) {
        let before = self.credentials.take();
        self.look_up(sources);
        self.render(before.as_ref());
    }

    fn look_up(&mut self, sources: &Sources) {
        let uid = self.uid().unwrap_or_default();
        self.state = sources
            .state(&uid)
            .map(|state| (state.resource_version, state.last_good));
        self.own_unread = !sources.is_listed(&self.operator_namespace);
        let acts = self.is_ours();
        let Some(declared) = self.reading.declared.as_ref().filter(|_| acts) else {
            self.credentials = None;
            (self.unread, self.unread_since, self.reads_until) = (false, None, None);
            self.problem_since = self.problem_since.filter(|_| acts);
            return;
        };
        let (name, own) = (self.seen.name_any(), &self.operator_namespace);
        let unread = std::cell::Cell::new(false);
        let resolutions: Vec<_> = declared
            .registries
            .iter()
            .enumerate()
            .map(|(at, registry)| {
                // Not the server: what people write there may be a password.
                let span = info_span!(
                    "source",
                    object = name,
                    registry = at,
                    namespace = Empty,
                    secret = Empty,
                    reason = Empty
                )
                .entered();
                let resolution = resolve(registry, own, |reference| {
                    span.record("namespace", reference.namespace.as_ref().unwrap_or(own));
                    span.record("secret", &reference.name);
                    sources.find(reference, &registry.credentials).unwrap_or_else(|| {
                        unread.set(true);
                        Lookup::Unread
                    })
                });
                let reason = resolution
                    .result
                    .as_ref()
                    .map_or_else(|problem| problem.reason, |_| Reason::Resolved);
                span.record("reason", reason.as_str());
                resolution
            })
            .collect();
        let remembered = self
            .state
            .as_ref()
            .and_then(|(_, last_good)| last_good.clone())
            .unwrap_or_default();
        self.unread = unread.get();
        // A source that is named for the first time is listed in a moment.
        let now = Instant::now();
        self.unread_since = self.unread.then(|| self.unread_since.unwrap_or(now));
        self.reads_until = self
            .unread_since
            .map(|since| since + UNREAD_PATIENCE)
            .filter(|&at| now < at);
        let known = !self.own_unread && self.reads_until.is_none();
        self.credentials = known.then(|| merge(&resolutions, &remembered));
        let problem = self
            .credentials
            .as_ref()
            .is_none_or(|credentials| credentials.problem.is_some());
        self.problem_since = problem.then(|| self.problem_since.unwrap_or_else(|| self.problem_began()));
    }

    /// When a problem began that is new to this process. Another process may have told it: it is no newer for a
    /// restart, and a status that said so is not taken back. More than what counts is not told apart.
    fn problem_began(&self) -> Instant {
        let now = Instant::now();
        let credentials = self.status.condition(ConditionType::CredentialsReady);
        let told = credentials.filter(|told| told.status == ConditionStatus::False);
        let age = told.map_or(Duration::ZERO, |told| {
            since(&told.last_transition_time, &Time(jiff::Timestamp::now()))
        });
        // The other process may have known it for longer than its status says.
        let stalled = self.status.condition(ConditionType::Stalled);
        let lasts = told.is_some() && stalled.is_some_and(|stalled| stalled.status == ConditionStatus::True);
        let age = if lasts { MISSING_UNTIL_STALLED } else { age };
        now.checked_sub(age.min(MISSING_UNTIL_STALLED)).unwrap_or(now)
    }

    /// What was remembered once is lost, and a source that would tell it is broken: then what is in the copies may be the
    /// only place where an entry still stands.
    fn is_state_lost(&self, credentials: &Merged) -> bool {
        let readable = self.state.as_ref().is_some_and(|(_, last_good)| last_good.is_some());
        let had =
            self.status.state_secret_name.as_deref() == self.uid().map(|uid| last_good::secret_name(&uid)).as_deref();
        credentials.incomplete && !readable && had
    }

    /// What the copies are to hold, as far as it is known.
    fn payload(&self) -> Option<Arc<Payload>> {
        let credentials = self.credentials.as_ref()?;
        self.payload.clone().filter(|_| !self.is_state_lost(credentials))
    }

    /// Renders the credentials, if they are not what they were: a docker config may have a megabyte.
    fn render(&mut self, before: Option<&Merged>) {
        let same = |now: &Merged| before.is_some_and(|was| was.entries == now.entries && was.tied == now.tied);
        if self.credentials.as_ref().is_some_and(same) {
            return;
        }
        let told = self.told.as_deref();
        let credentials = self.credentials.as_ref().filter(|now| !now.entries.is_empty());
        self.payload = credentials.map(|now| {
            let payload = Payload::new(&render(&now.entries), &DIGEST_KEY);
            let told = told.and_then(|told| told.payload.clone());
            told.filter(|told| **told == payload)
                .unwrap_or_else(|| Arc::new(payload))
        });
        self.tied = credentials.and_then(|now| {
            let tied = Tied::new(&now.entries, &now.tied, &DIGEST_KEY)?;
            let told = told.and_then(|told| told.tied.clone());
            Some(told.filter(|told| **told == tied).unwrap_or_else(|| Arc::new(tied)))
        });
    }

    /// What is to be remembered and is not yet.
    fn to_remember(&self) -> Option<last_good::Content> {
        let credentials = self.credentials.as_ref()?;
        self.payload()?;
        let remembered = self.state.as_ref().and_then(|(_, last_good)| last_good.as_ref());
        let replaces = self.state.as_ref().map(|(version, _)| version.clone());
        (remembered != Some(&credentials.last_good))
            .then(|| last_good::Content::new(credentials.last_good.clone(), replaces))
    }

    fn lifecycle(&self) -> Lifecycle {
        // The recorded installation alone writes.
        if !self.is_ours() {
            return Lifecycle::Frozen;
        }
        if self.is_deleting() {
            return Lifecycle::Deleting;
        }
        let unread = self.reading.declared.is_some() && self.credentials.is_none();
        let held = self.reading.unreadable.is_some()
            || self.is_suspended()
            || !self.is_armed()
            || unread
            || self.to_remember().is_some();
        if held { Lifecycle::Frozen } else { Lifecycle::Active }
    }

    /// The object as the namespace loop should know it, if it knows it otherwise, and whether what is not ready makes
    /// it unready at once. The summary that speaks of it will carry `next_revision`.
    pub(super) fn declaration(&mut self, next_revision: u64) -> Option<(Arc<Object>, bool)> {
        let created = self.seen.creation_timestamp().map_or(0, |time| time.0.as_second());
        let object = Object {
            name: self.seen.name_any().into(),
            uid: self.uid().unwrap_or_default().as_str().into(),
            created,
            lifecycle: self.lifecycle(),
            spec: self.reading.spec.clone(),
            payload: self.payload(),
            tied: self.tied.clone(),
        };
        if self.told.as_deref() == Some(&object) {
            return None;
        }
        let object = Arc::new(object);
        self.told = Some(Arc::clone(&object));
        self.told_at = Some(Instant::now());
        self.asked_at = self.asked_at.or(self.told_at);
        self.revision = next_revision;
        let urgent = self.status.observed_generation != Some(self.generation());
        Some((object, urgent))
    }

    /// The next step. `epoch` is what times in the summary are since.
    ///
    /// A report follows each step, also one that fails: the report says so until the step succeeds.
    pub(super) fn next(&mut self, epoch: Instant, now: Instant, time: &Time) -> Next {
        self.next_step(epoch, now, time).or_at(self.reads_until)
    }

    fn next_step(&mut self, epoch: Instant, now: Instant, time: &Time) -> Next {
        if !self.is_ours() {
            let step = self.due_claim(time).map(|step| match self.steps.wait(now) {
                None => Next::Write(step),
                Some(at) => Next::At(at),
            });
            return step.unwrap_or(Next::Nothing);
        }
        if self.is_deleting() {
            return self.next_of_deletion(epoch, now, time);
        }
        let Some(step) = self.due_step() else {
            self.steps = Attempts::default();
            return self.next_report(epoch, now, time);
        };
        match self.steps.wait(now) {
            None => Next::Write(step),
            Some(at) => self.next_report(epoch, now, time).or_at(at),
        }
    }

    /// What must be written before this installation acts for the object, if it is to.
    fn due_claim(&self, time: &Time) -> Option<Step> {
        if self.is_elsewhere() || self.is_deleting() && !self.is_armed() {
            return None;
        }
        let before = self.installation.predecessor();
        if before.is_some() && self.own_unread {
            return None;
        }
        // What it remembers is from before the other installation acted: newer logins may be in the copies.
        if let (Some(_), Some((version, _))) = (before, &self.state) {
            return Some(Step::Forget(version.clone()));
        }
        let visited = self
            .status
            .observed_generation
            .is_some_and(|generation| generation >= 0);
        let is_new = !self.is_armed() && !visited;
        if before.is_none() && !is_new && !self.installation.asked {
            return Some(Step::Object(ObjectStep::Look));
        }
        Some(Step::Object(ObjectStep::Claim {
            installation: Arc::clone(&self.installation.own),
            conditions: before.map(|before| taken_over(&self.status, before, self.generation(), time)),
        }))
    }

    /// What must be written before anything is done in namespaces.
    fn due_step(&self) -> Option<Step> {
        if self.reading.unreadable.is_some() || self.is_suspended() {
            return None;
        }
        if !self.is_armed() {
            return Some(Step::Object(ObjectStep::Arm));
        }
        self.to_remember().map(Step::Remember)
    }

    fn next_of_deletion(&mut self, epoch: Instant, now: Instant, time: &Time) -> Next {
        if !self.is_armed() {
            return Next::Nothing;
        }
        if self.deleting_since.is_none() {
            // The attempts so far were at other steps.
            self.steps = Attempts::default();
            let deleted = self.seen.meta().deletion_timestamp.as_ref();
            let age = deleted.map_or(Duration::ZERO, |deleted| since(deleted, time));
            self.patience = STUCK_UNTIL_DISARMED.saturating_sub(age).max(STUCK_AT_LEAST);
        }
        let since = *self.deleting_since.get_or_insert(now);
        let summary = self.current_summary();
        let owed = summary.is_none_or(|summary| summary.owed > 0);
        let stuck_since = summary.and_then(|summary| summary.stuck_since);
        let gives_up_at = stuck_since.map(|since| epoch + since + self.patience);
        let failed = summary.is_some_and(|summary| !summary.failures.is_empty());
        if !owed || gives_up_at.is_some_and(|at| at <= now) {
            let step = match &self.state {
                Some((version, _)) if !self.gives_up_state(now) => Step::Forget(version.clone()),
                Some(_) | None => Step::Object(ObjectStep::Disarm),
            };
            let Some(at) = self.steps.wait(now) else {
                return Next::Write(step);
            };
            return self.next_report(epoch, now, time).or_at(at);
        }
        let waits_at = since + WAITS_AFTER;
        if now < waits_at && !failed {
            return Next::At(waits_at);
        }
        let look_at = self.looked_at.map_or(now, |at| at + LOOK_EVERY);
        if look_at <= now {
            return Next::Write(Step::Object(ObjectStep::Look));
        }
        self.next_report(epoch, now, time).or_at(look_at).or_at(gives_up_at)
    }

    /// The state Secret could not be deleted for so long that the object goes without: garbage collection takes it.
    fn gives_up_state(&self, now: Instant) -> bool {
        self.steps.since.is_some_and(|since| now >= since + self.patience)
    }

    /// The step, of this name, came to an end as it should: it is done, or a race was lost. Another look may find the next
    /// one.
    pub(super) fn succeeded(&mut self, step: &'static str, done: bool) {
        if step == REPORT {
            self.reports = Attempts::default();
        } else {
            self.steps = Attempts::default();
        }
        self.installation.asked |= step == LOOK;
        if step == CLAIM && done {
            self.installation.recorded = Some(self.installation.own.to_string());
            self.installation.unrecorded = self.status.installation.is_none();
        }
    }

    /// The step, of this name, failed. Returns after how long it is tried again.
    pub(super) fn failed(&mut self, step: &'static str, setback: &ApiError, now: Instant) -> Duration {
        if step == REPORT {
            return self.reports.fail(setback, now);
        }
        let delay = self.steps.fail(setback, now);
        let refused = matches!(setback, ApiError::Refused(_));
        if refused || self.steps.count >= FAILED_UNTIL_TOLD {
            self.steps.blocked = Some(self.blocked(step, setback));
        }
        delay
    }

    /// What is said of a step that fails.
    fn blocked(&self, step: &str, setback: &ApiError) -> Blocked {
        let why = match setback {
            ApiError::Refused(failure) | ApiError::Postponed { failure, .. } => failure.message.to_string(),
            ApiError::Unavailable(text) => text.clone(),
            ApiError::Throttled(_) => "the server asks for less (429)".to_owned(),
            ApiError::Conflict => "it is never what was seen a moment before (409)".to_owned(),
            ApiError::NotFound | ApiError::NamespaceTerminating => "its namespace is gone or about to go".to_owned(),
        };
        let state = self.state_secret();
        let what = match step {
            "remember" => format!("secret {state:?}, which remembers the last good logins, cannot be written"),
            "forget" => format!("secret {state:?}, which remembers the last good logins, cannot be deleted"),
            "arm" => "the finalizer cannot be put on this object".to_owned(),
            "disarm" => "the finalizer cannot be taken off this object".to_owned(),
            CLAIM => "this installation cannot be recorded in the status of this object".to_owned(),
            _ => "this object cannot be read".to_owned(),
        };
        Blocked {
            state: step == "remember",
            message: format!("{what}: {why}"),
            needs_person: matches!(setback, ApiError::Refused(_)),
        }
    }

    fn state_secret(&self) -> String {
        let name = last_good::secret_name(&self.uid().unwrap_or_default());
        format!("{}/{name}", self.operator_namespace)
    }

    /// The summary, if it speaks of the object as it is now.
    fn current_summary(&self) -> Option<&Summary> {
        self.summary
            .as_ref()
            .filter(|summary| summary.revision == self.revision)
    }

    /// What its deletion waits for, as its status has it.
    fn waits(&self) -> Option<&'static str> {
        let ready = self.status.ready().filter(|_| self.is_deleting())?;
        let failure = self.status.failures.first().map(|failure| failure.reason.as_str());
        let progressing = Reason::Progressing.as_str();
        ready
            .message
            .starts_with(DELETION_WAITS)
            .then(|| failure.unwrap_or(progressing))
    }

    /// How it stands, as its status has it.
    pub(super) fn facts(&self, sources: &Sources) -> Measured {
        let holds = |type_| {
            self.status
                .condition(type_)
                .is_some_and(|seen| seen.status == ConditionStatus::True)
        };
        let state = if self.is_elsewhere() {
            State::Elsewhere
        } else if self.is_deleting() {
            State::Deleting
        } else if self.is_suspended() {
            State::Suspended
        } else if holds(ConditionType::Stalled) {
            State::Stalled
        } else if holds(ConditionType::Ready) {
            State::Ready
        } else {
            State::Progressing
        };
        let counted = |counts: &Option<Counts>| {
            counts.as_ref().map_or_else(Count::default, |counts| Count {
                selected: counts.selected,
                ready: counts.ready,
                failed: counts.failed,
            })
        };
        let registries = &self.status.registries;
        let number = |number: usize| i64::try_from(number).unwrap_or(i64::MAX);
        let has_login = |registry: &&RegistryStatus| registry.state == RegistryState::Ready;
        let with_login = number(registries.iter().filter(has_login).count());
        let declared = number(registries.len());
        let read = self.reading.spec.sources.iter();
        Measured {
            state,
            namespaces: counted(&self.status.namespaces),
            accounts: counted(&self.status.service_accounts),
            registries: Count {
                selected: declared,
                ready: with_login,
                failed: declared - with_login,
            },
            waits: self.waits(),
            oldest_source: read
                .filter_map(|(namespace, name)| sources.changed_at(namespace, name))
                .min(),
        }
    }

    fn next_report(&mut self, epoch: Instant, now: Instant, time: &Time) -> Next {
        let summary = self.current_summary();
        let unlisted_at = self.told_at.map_or(now, |at| at + UNLISTED_UNTIL_TOLD);
        let speaks = summary.is_some() || self.steps.blocked.is_some() || self.reading.unreadable.is_some();
        if !speaks && now < unlisted_at {
            return Next::At(unlisted_at);
        }
        let due = |at: Option<Duration>| at.map(|at| epoch + at);
        let stalls_at = self.problem_since.map(|since| since + MISSING_UNTIL_STALLED);
        let times = [
            due(summary.and_then(|summary| summary.namespaces_late_at)),
            due(summary.and_then(|summary| summary.accounts_late_at)),
            due(summary.and_then(|summary| summary.copies_left.late_at)),
            due(summary.and_then(|summary| summary.references_left.late_at)),
            stalls_at,
        ];
        let deleting = self.is_deleting();
        let passed = |at: Option<Instant>| at.is_some_and(|at| deleting || at <= now);
        let unread = if self.own_unread {
            Some(Unread::Own(&self.operator_namespace))
        } else {
            self.unread.then_some(Unread::Another)
        };
        let remembered = self.state.as_ref().filter(|(_, last_good)| last_good.is_some());
        let left_out = self.marks_left_out();
        let status = report(&Facts {
            generation: self.generation(),
            installation: &self.installation.own,
            remark: handed_to(&self.seen)
                .filter(|named| !installation::can_be_handed_to(named, &self.installation.own))
                .map(|_| NOT_HANDED_OVER),
            secret_name: &self.reading.spec.secret_name,
            previous: &self.status,
            unreadable: self.reading.unreadable.as_deref(),
            left_out: &left_out,
            attaches: self
                .reading
                .declared
                .as_ref()
                .is_none_or(|spec| spec.service_accounts.mode == AttachMode::Attach),
            credentials: self.credentials.as_ref(),
            lasting_problem: stalls_at.is_some_and(|at| at <= now),
            summary,
            blocked: self.steps.blocked.as_ref(),
            deleting,
            unread,
            state_secret: remembered
                .and_then(|_| self.uid())
                .map(|uid| last_good::secret_name(&uid)),
            late: Late {
                namespaces: passed(times[0]),
                accounts: passed(times[1]),
                copies_left: passed(times[2]),
                references_left: passed(times[3]),
            },
            requested_at: self.seen.annotations().get(ANNOTATION_RECONCILE).map(String::as_str),
            now: time,
        });
        let mut shown = status.clone();
        if self.installation.unrecorded {
            shown.installation = None;
        }
        if shown != self.status {
            return self.next_write_of(status, now);
        }
        let Some(summary) = self.current_summary() else {
            return Next::Nothing;
        };
        let is_done = |count: Count| count.ready == count.selected;
        let ready = status
            .ready()
            .is_some_and(|ready| ready.status == ConditionStatus::True);
        let nothing_left = summary.copies_left.due == 0 && summary.references_left.due == 0;
        if ready && nothing_left && is_done(summary.namespaces) && is_done(summary.accounts) {
            self.carried_out = self.asked_at.take().map(|asked| now.saturating_duration_since(asked));
        }
        times
            .into_iter()
            .flatten()
            .filter(|&at| at > now)
            .min()
            .map_or(Next::Nothing, Next::At)
    }

    /// The labels and annotations of the spec that new copies do not take.
    fn marks_left_out(&self) -> Vec<&str> {
        let declared = self.reading.declared.iter().map(|declared| &declared.secret);
        let keys = declared.flat_map(|secret| secret.labels.keys().chain(secret.annotations.keys()));
        keys.map(String::as_str).filter(|key| !is_copy_key(key)).collect()
    }

    /// When a status that says something new is written.
    fn next_write_of(&mut self, status: ClusterPullSecretStatus, now: Instant) -> Next {
        let in_progress = status.ready().is_some_and(Condition::is_progress);
        let soon_done = self.told_at.filter(|_| in_progress).map(|at| at + SOON_DONE);
        let rested = self.reported_at.map(|at| at + REPORT_EVERY);
        let retried = self.reports.not_before;
        let at = soon_done.max(rested).max(retried).max(self.rewritten_until);
        if let Some(at) = at.filter(|&at| now < at) {
            return Next::At(at);
        }
        let fields = |status: &ClusterPullSecretStatus| serde_json::to_value(status).unwrap_or_default();
        let (old, new) = (fields(&self.status), fields(&status));
        let old = old.as_object().into_iter().flat_map(serde_json::Map::keys);
        let gone = old.filter(|field| new.get(field).is_none());
        Next::Write(Step::Object(ObjectStep::Report {
            gone: gone.cloned().collect(),
            status: Box::new(status),
        }))
    }

    /// The Event to publish once the step is done; also notes that it was taken.
    pub(super) fn event(&mut self, step: &Step, now: Instant, epoch: Instant) -> Option<ObjectEvent> {
        match step {
            Step::Object(ObjectStep::Report { status, .. }) => {
                // The same once more: another writer has changed it in between.
                if self.sent.as_ref().is_some_and(|sent| says_the_same(sent, status)) {
                    let delay = self.rewritten.record_undo(now.saturating_duration_since(epoch));
                    self.rewritten_until = Some(now + delay);
                }
                self.sent = Some(status.clone());
                self.reported_at = Some(now);
                if self.is_deleting() {
                    return ObjectEvent::of_waiting(&self.status, status);
                }
                ObjectEvent::of_report(&self.status, status)
            }
            Step::Object(ObjectStep::Disarm) => {
                let summary = self.summary.as_ref().filter(|summary| summary.owed > 0);
                let state = self.state.as_ref().map(|_| format!("secret {}", self.state_secret()));
                let stuck = summary.map_or(&[][..], |summary| &summary.stuck);
                let more = summary.map_or(0, |summary| summary.owed.saturating_sub(stuck.len()));
                let left: Vec<String> = state.into_iter().chain(stuck.iter().cloned()).collect();
                let failures = summary.map_or(&[][..], |summary| &summary.failures);
                (!left.is_empty()).then(|| ObjectEvent::left_behind(&left, more, failures))
            }
            Step::Object(ObjectStep::Look) => {
                self.looked_at = Some(now);
                None
            }
            Step::Object(ObjectStep::Claim { .. }) => {
                let before = self.installation.predecessor()?;
                Some(ObjectEvent::taken_over(&self.installation.own, before))
            }
            Step::Object(ObjectStep::Arm) | Step::Remember(_) | Step::Forget(_) => None,
        }
    }
}

/// The name of the step that writes the status.
const REPORT: &str = "report";
/// The names of two others that [`Held::succeeded`] tells apart.
const CLAIM: &str = "claim";
const LOOK: &str = "look";

/// Whether two statuses say the same, the times in them aside.
fn says_the_same(one: &ClusterPullSecretStatus, other: &ClusterPullSecretStatus) -> bool {
    let timeless = |status: &ClusterPullSecretStatus| {
        let mut status = status.clone();
        for condition in &mut status.conditions {
            condition.last_transition_time = Time(jiff::Timestamp::UNIX_EPOCH);
        }
        status
    };
    timeless(one) == timeless(other)
}

/// How long before the other one it was; nothing where it was not.
fn since(earlier: &Time, later: &Time) -> Duration {
    Duration::try_from(later.0.duration_since(earlier.0)).unwrap_or_default()
}

/// The path of a field as a user writes it.
fn in_spec(path: &serde_path_to_error::Path) -> String {
    match path.iter().next() {
        None => "spec".to_owned(),
        Some(_) => format!("spec.{path}"),
    }
}

/// The conditions of an object that another installation acted for until now: whether it is ready is to be found out.
fn taken_over(status: &ClusterPullSecretStatus, before: &str, generation: i64, time: &Time) -> Vec<crd::Condition> {
    let mut conditions = status.conditions.clone();
    crd::remove_condition(&mut conditions, ConditionType::Stalled);
    let message = format!("taken over from the installation {before}");
    for (type_, is) in [
        (ConditionType::Ready, ConditionStatus::Unknown),
        (ConditionType::Reconciling, ConditionStatus::True),
    ] {
        let (reason, message, time) = (Reason::Progressing, message.clone(), time.clone());
        crd::set_condition(&mut conditions, type_, is, reason, message, generation, time);
    }
    conditions
}

/// Takes out what is read once. The status, as far as it decodes: one from another version is written anew.
fn reduce(seen: &mut SeenObject) -> ClusterPullSecretStatus {
    seen.spec = Value::Null;
    seen.annotations_mut()
        .retain(|key, _| [ANNOTATION_INSTALLATION, ANNOTATION_RECONCILE].contains(&key.as_str()));
    seen.meta_mut().labels = None;
    serde_json::from_value(seen.status.take()).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use crd::FailureReason;
    use kube::runtime::watcher::Event;
    use plan::decision::{Failure, State as Found};
    use serde_json::json;

    use super::*;
    use crate::tally::{Tally, Entry};
    use crate::work::{Key, Target};

    #[test]
    fn a_spec_is_held_once_and_its_changes_are_seen() {
        let seen = |version: u64, label: &str| -> SeenObject {
            let selector = json!([{"matchLabels": {label: "yes"}}]);
            serde_json::from_value(json!({
                "metadata": {"name": "company", "uid": "u", "resourceVersion": version.to_string()},
                "spec": {"registries": [], "namespaces": {"selectors": selector},
                    "serviceAccounts": {"mode": "None", "selectors": selector}},
            }))
            .unwrap()
        };
        let mut held = Held::new(seen(1, "first"), OWN);
        let declared = held.reading.declared.clone().unwrap();
        assert_eq!(declared.namespaces, NamespaceSelection::default());
        assert_eq!(declared.service_accounts.mode, AttachMode::None);
        assert!(declared.service_accounts.selectors.is_empty());
        let keys =
            |held: &Held| -> Vec<String> { held.selection().unwrap().namespace_keys().map(str::to_owned).collect() };
        assert_eq!(keys(&held), ["first"]);
        held.see(seen(2, "second"));
        assert_eq!(keys(&held), ["second"]);
    }

    #[test]
    fn an_object_looks_again_when_a_source_of_its_own_or_its_state_changed() {
        let source = |namespace: Option<&str>, name: &str| {
            let reference = namespace.map_or_else(
                || json!({"name": name}),
                |namespace| json!({"name": name, "namespace": namespace}),
            );
            json!({"server": format!("{name}.example.com"), "credentials": {"basicAuth": {"secretRef": reference}}})
        };
        let seen = serde_json::from_value(json!({
            "metadata": {"name": "company", "uid": "u-company"},
            "spec": {
                "registries": [source(None, "robot"), source(Some("logins"), "ghcr")],
                "namespaces": {"selectors": [{}]},
            },
        }));
        let held = Held::new(seen.unwrap(), "pullsecrets-system");
        for (namespace, secret, reads) in [
            ("pullsecrets-system", "robot", true),
            ("logins", "ghcr", true),
            ("logins", "robot", false),
            ("pullsecrets-system", "ghcr", false),
            ("pullsecrets-system", "another", false),
            ("pullsecrets-system", "pullsecrets-state-u-company", true),
            ("pullsecrets-system", "pullsecrets-state-u-another", false),
        ] {
            assert_eq!(held.reads(namespace, secret), reads, "{namespace}/{secret}");
        }
    }

    const OWN: &str = "pullsecrets-system";

    fn seen(version: u32, metadata: &Value, status: &Value) -> SeenObject {
        let mut seen = json!({
            "metadata": {"name": "company", "uid": "u", "generation": 3, "resourceVersion": version.to_string(),
                "finalizers": [FINALIZER]},
            "spec": {
                "registries": [
                    {"server": "a.example.com", "credentials": {"basicAuth": {"secretRef": {"name": "a"}}}},
                    {"server": "b.example.com", "credentials": {"basicAuth": {"secretRef": {"name": "b", "namespace": "logins"}}}},
                ],
                "namespaces": {"selectors": [{}]},
            },
            "status": status,
        });
        // Recorded already, where a case does not say otherwise.
        if seen["status"].get("installation").is_none() {
            seen["status"]["installation"] = "pullsecrets-system/pullsecrets".into();
        }
        for (field, value) in metadata.as_object().unwrap() {
            seen["metadata"][field] = value.clone();
        }
        serde_json::from_value(seen).unwrap()
    }

    fn source(name: &str) -> crate::api::partial::SourceSecret {
        serde_json::from_value(json!({
            "metadata": {"name": name, "resourceVersion": "5"}, "type": "kubernetes.io/basic-auth",
            "data": {"username": "cm9ib3Q=", "password": "c2VjcmV0"},
        }))
        .unwrap()
    }

    fn state() -> crate::api::partial::SourceSecret {
        serde_json::from_value(json!({
            "metadata": {"name": "pullsecrets-state-u", "resourceVersion": "6"}, "type": crd::names::STATE_TYPE,
            "data": {"registries.json": "e30="},
        }))
        .unwrap()
    }

    /// These Secrets in the operator's namespace; the namespace `logins` is empty, or was not listed.
    fn sources(own: Vec<crate::api::partial::SourceSecret>, listed: bool) -> Sources {
        let mut sources = Sources::new(OWN, &["logins".to_owned()].into());
        let words = |name: &str| {
            let keys = ["username", "password"].map(|key| crate::wanted::word(name, key));
            keys.into_iter().chain([name.to_owned()]).collect()
        };
        let words = [(OWN.to_owned(), words("a")), ("logins".to_owned(), words("b"))];
        sources.want(&"company".into(), &words.into(), Some("pullsecrets-state-u"), true);
        sources.take(OWN, Event::Init, u64::MAX);
        for secret in own {
            sources.take(OWN, Event::InitApply(secret), u64::MAX);
        }
        sources.take(OWN, Event::InitDone, u64::MAX);
        if listed {
            sources.take("logins", Event::Init, u64::MAX);
            sources.take("logins", Event::InitDone, u64::MAX);
        }
        sources
    }

    struct Case {
        held: Held,
        epoch: Instant,
        now: Instant,
    }

    impl Case {
        fn new(metadata: &Value, status: &Value, sources: &Sources) -> Self {
            let mut held = Held::new(seen(10, metadata, status), OWN);
            held.resolve(sources);
            held.unread_since = held.unread_since.and_then(|at| at.checked_sub(UNREAD_PATIENCE));
            held.resolve(sources);
            held.declaration(1);
            let epoch = Instant::now();
            Self {
                held,
                epoch,
                now: epoch + Duration::from_secs(100),
            }
        }

        fn summarised(mut self, summary: Summary) -> Self {
            self.held.summarised(Summary { revision: 1, ..summary });
            self
        }

        fn after(&mut self, seconds: u64) -> Next {
            self.now += Duration::from_secs(seconds);
            self.held.next(self.epoch, self.now, &Time(jiff::Timestamp::UNIX_EPOCH))
        }

        fn step(&mut self, seconds: u64) -> &'static str {
            match self.after(seconds) {
                Next::Write(step) => {
                    self.held.event(&step, self.now, self.epoch);
                    step.name()
                }
                Next::At(at) if at > self.now => "later",
                Next::At(_) => "now",
                Next::Nothing => "nothing",
            }
        }

        fn status(&mut self, seconds: u64) -> ClusterPullSecretStatus {
            match self.after(seconds) {
                Next::Write(Step::Object(ObjectStep::Report { status, .. })) => *status,
                Next::Write(step) => panic!("{} instead of a report", step.name()),
                Next::At(_) | Next::Nothing => panic!("no report"),
            }
        }
    }

    fn refusal() -> ApiError {
        ApiError::Refused(Failure::new(FailureReason::Forbidden, "the server forbids it (403)"))
    }

    /// Each step, each way to fail, with and without a word of the namespace loop: the next thing is a report that says
    /// so, at this generation, and then the step once more.
    #[test]
    fn every_step_that_fails_ends_in_a_report() {
        let unarmed = json!({"finalizers": []});
        let deleted = json!({"deletionTimestamp": "2026-01-01T00:00:00Z"});
        let serving = json!({"observedGeneration": 3, "conditions": [{"type": "Ready", "status": "True", "reason": "Synced",
            "message": "", "lastTransitionTime": "2026-01-01T00:00:00Z"}]});
        let none = json!({"observedGeneration": -1});
        let setbacks = || {
            let unavailable = ApiError::Unavailable("the server answered 500".to_owned());
            [
                refusal(),
                unavailable,
                ApiError::Conflict,
                ApiError::NotFound,
                ApiError::Throttled(Duration::from_secs(1)),
            ]
        };
        for (metadata, own, steps) in [
            (unarmed, vec![source("a")], vec!["arm"]),
            (json!({}), vec![source("a")], vec!["remember"]),
            (deleted.clone(), vec![state()], vec!["forget"]),
            (deleted, vec![], vec!["disarm"]),
        ] {
            for (setback, status, known) in setbacks().into_iter().flat_map(|setback| {
                let with = |status: &Value, known| (setback.clone(), status.clone(), known);
                [with(&none, true), with(&serving, true), with(&serving, false)]
            }) {
                let mut case = Case::new(&metadata, &status, &sources(own.clone(), true));
                if known || metadata.get("deletionTimestamp").is_some() {
                    case = case.summarised(Summary::default());
                }
                for _ in 0..FAILED_UNTIL_TOLD {
                    assert_eq!([case.step(5)], steps[..], "{setback:?}");
                    case.held.failed(steps[0], &setback, case.now);
                }
                let told = case.status(0);
                let ready = told.ready().unwrap();
                assert_ne!(ready.status, ConditionStatus::True, "{steps:?} {setback:?}");
                assert!(ready.message.contains(" cannot be "), "{}", ready.message);
                assert_eq!(told.observed_generation, Some(3));
                assert_eq!([case.step(5)], steps[..], "and again");
            }
        }
    }

    #[test]
    fn one_of_two_first_sources_is_served_and_a_lost_state_is_not_forgotten() {
        let reported = json!({"observedGeneration": 3, "secretName": "company"});
        let mut first = Case::new(&json!({}), &reported, &sources(vec![source("a")], true));
        assert_eq!(first.step(0), "remember", "it never had a state that could be lost");
        let lost = json!({"observedGeneration": 3, "secretName": "company", "stateSecretName": "pullsecrets-state-u"});
        let lost = Case::new(&json!({}), &lost, &sources(vec![source("a")], true));
        assert_eq!(
            lost.held.payload(),
            None,
            "its copies may be the only place of the other login"
        );
    }

    #[test]
    fn credentials_are_rendered_when_they_change() {
        let mut case = Case::new(&json!({}), &json!({}), &sources(vec![source("a"), state()], true));
        case.held.told = None;
        let first = case.held.payload().unwrap();
        case.held.resolve(&sources(vec![source("a"), state()], true));
        assert!(
            Arc::ptr_eq(&first, &case.held.payload().unwrap()),
            "it is not made again"
        );
        let rotated = serde_json::from_value(json!({
            "metadata": {"name": "a", "resourceVersion": "7"}, "type": "kubernetes.io/basic-auth",
            "data": {"username": "cm9ib3Q=", "password": "b3RoZXI="},
        }))
        .unwrap();
        case.held.resolve(&sources(vec![rotated, state()], true));
        assert_ne!(first, case.held.payload().unwrap());
        case.held.resolve(&sources(vec![state()], true));
        assert_eq!(case.held.payload(), None, "it is gone, and nothing is remembered");
    }

    #[test]
    fn a_restart_takes_no_stalled_back() {
        let now = jiff::Timestamp::now().to_string();
        let condition = |type_: &str, status: &str| json!({"type": type_, "status": status, "reason": "SourceNotFound", "message": "", "lastTransitionTime": now});
        let stalled = [condition("CredentialsReady", "False"), condition("Stalled", "True")];
        for (conditions, stays) in [(&stalled[..], true), (&stalled[..1], false)] {
            let told = json!({"observedGeneration": 3, "conditions": conditions});
            let case = Case::new(&json!({}), &told, &sources(vec![], true));
            let since = case.held.problem_since.unwrap();
            assert_eq!(since + MISSING_UNTIL_STALLED <= Instant::now(), stays);
        }
    }

    #[test]
    fn a_source_namespace_that_cannot_be_listed_blocks_its_own_registry_alone() {
        let mut case =
            Case::new(&json!({}), &json!({}), &sources(vec![source("a")], false)).summarised(Summary::default());
        assert_eq!(case.step(0), "remember");
        case.held.resolve(&sources(vec![source("a"), state()], false));
        assert!(case.held.payload().is_some());
        case.held.failed("remember", &refusal(), case.now);
        let registries = case.status(0).registries;
        assert_eq!(registries[0].state, RegistryState::Ready);
        let message = registries[1].message.as_deref().unwrap();
        assert!(
            message.contains("logins/b") && message.contains("cannot be listed"),
            "{message}"
        );
    }

    #[test]
    fn a_deletion_that_waits_says_so_and_ends_after_a_minute() {
        let deleted = json!({"deletionTimestamp": "2026-01-01T00:00:00Z"});
        let failure = Failure::new(FailureReason::Forbidden, "the server forbids it (403)");
        let stuck = Summary {
            copies_left: plan::summary::Left {
                due: 1,
                failed: 1,
                late_at: None,
            },
            owed: 1,
            failures: vec![("b".into(), failure)],
            stuck_since: Some(Duration::from_secs(100)),
            stuck: vec!["secret b/company".to_owned()],
            ..Summary::default()
        };
        let mut case = Case::new(&deleted, &json!({}), &sources(vec![state()], true)).summarised(stuck);
        assert_eq!(case.step(0), "look", "the server is there");
        let Next::Write(report) = case.after(0) else {
            panic!("no report");
        };
        let announced = case.held.event(&report, case.now, case.epoch).unwrap();
        assert!(format!("{announced:?}").contains("DeletionWaits"), "{announced:?}");
        assert_eq!(case.step(59), "look");
        assert_eq!(case.step(1), "forget", "a minute is over");
        for _ in 0..61 {
            case.held.failed("forget", &refusal(), case.now);
            case.now += Duration::from_secs(1);
        }
        let Next::Write(disarm) = case.after(60) else {
            panic!("the object stays");
        };
        assert_eq!(disarm.name(), "disarm");
        let left = format!("{:?}", case.held.event(&disarm, case.now, case.epoch).unwrap());
        for named in [
            "secret b/company",
            "secret pullsecrets-system/pullsecrets-state-u",
            "403",
        ] {
            assert!(left.contains(named), "{left}");
        }
    }

    /// What an object with this status and annotation needs first, seen by the installation of `OWN`.
    fn first_of(
        metadata: &Value,
        installation: Option<&str>,
        annotation: Option<&str>,
        own: Vec<crate::api::partial::SourceSecret>,
    ) -> Case {
        let mut metadata = metadata.clone();
        if let Some(annotation) = annotation {
            metadata["annotations"] = json!({ "pullsecrets.dev/installation": annotation });
        }
        // As the definition has it before the first visit.
        let unknown = json!({"type": "Ready", "status": "Unknown", "reason": "Progressing", "message": "",
            "lastTransitionTime": "1970-01-01T00:00:00Z"});
        let status = json!({ "installation": installation, "observedGeneration": -1, "conditions": [unknown] });
        Case::new(&metadata, &status, &sources(own, true)).summarised(Summary::default())
    }

    const OTHER: Option<&str> = Some("other/pullsecrets");
    const OURS: Option<&str> = Some("pullsecrets-system/pullsecrets");

    /// Each way to be recorded, each annotation, alive and in deletion: the first step, and what the namespace loop may do.
    #[test]
    fn an_object_of_another_installation_is_let_be() {
        let deleted = json!({"deletionTimestamp": "2026-01-01T00:00:00Z"});
        let (unarmed, gone) = (
            json!({"finalizers": []}),
            json!({"deletionTimestamp": "2026-01-01T00:00:00Z", "finalizers": []}),
        );
        let typo = Some("other");
        let both = || vec![source("a"), state()];
        for (metadata, installation, annotation, own, first, lifecycle) in [
            (&unarmed, None, None, both(), "claim", Lifecycle::Frozen),
            (&unarmed, None, OTHER, both(), "nothing", Lifecycle::Frozen),
            (&unarmed, None, typo, both(), "claim", Lifecycle::Frozen),
            (&json!({}), None, None, both(), "look", Lifecycle::Frozen),
            (&json!({}), OTHER, None, both(), "nothing", Lifecycle::Frozen),
            (&json!({}), OTHER, OTHER, both(), "nothing", Lifecycle::Frozen),
            (&json!({}), OTHER, OURS, both(), "forget", Lifecycle::Frozen),
            (&json!({}), OTHER, OURS, vec![source("a")], "claim", Lifecycle::Frozen),
            (&json!({}), OURS, OTHER, both(), "nothing", Lifecycle::Frozen),
            (
                &json!({}),
                OURS,
                Some("third/pullsecrets"),
                both(),
                "nothing",
                Lifecycle::Frozen,
            ),
            (&json!({}), OURS, typo, vec![source("a")], "remember", Lifecycle::Frozen),
            (&deleted, OTHER, None, both(), "nothing", Lifecycle::Frozen),
            (&deleted, OURS, OTHER, both(), "nothing", Lifecycle::Frozen),
            (&deleted, OTHER, OURS, vec![], "claim", Lifecycle::Frozen),
            (&deleted, OURS, OURS, vec![], "disarm", Lifecycle::Deleting),
            (&gone, None, None, vec![], "nothing", Lifecycle::Frozen),
        ] {
            let mut case = first_of(metadata, installation, annotation, own);
            let which = format!("{metadata} {installation:?} {annotation:?}");
            assert_eq!(case.held.lifecycle(), lifecycle, "{which}");
            assert_eq!(case.step(0), first, "{which}");
        }
    }

    #[test]
    fn an_object_from_before_is_claimed_after_a_look() {
        let mut case = first_of(&json!({}), None, None, vec![source("a")]);
        assert_eq!(
            case.step(0),
            "look",
            "a watch from before the definition was replaced shows no installation"
        );
        case.held.succeeded(LOOK, false);
        assert_eq!(case.step(0), "claim");
        case.held.see(seen(11, &json!({}), &json!({"installation": OTHER})));
        case.held.succeeded(CLAIM, false);
        assert_eq!(case.step(0), "nothing", "the other was faster");
        assert_eq!(
            case.held.newly_elsewhere(),
            Some(("other/pullsecrets".to_owned(), false))
        );
        assert_eq!(case.held.newly_elsewhere(), None, "it is said once");
    }

    #[test]
    fn a_cleared_status_does_not_change_hands() {
        let cleared = || seen(20, &json!({}), &json!({"installation": null}));
        let mut theirs = first_of(&json!({}), OTHER, None, vec![source("a")]);
        theirs.held.see(cleared());
        assert_eq!(theirs.step(0), "nothing");
        let mut ours = Case::new(&json!({}), &json!({"installation": OURS}), &sources(vec![], true))
            .summarised(Summary::default());
        ours.held.see(cleared());
        assert_eq!(ours.status(0).installation.as_deref(), OURS);
    }

    #[test]
    fn a_definition_without_the_record_blocks_no_write() {
        let unrecorded = |version| seen(version, &json!({}), &json!({"installation": null}));
        let mut case = Case::new(
            &json!({"finalizers": []}),
            &json!({"installation": null}),
            &sources(vec![], true),
        )
        .summarised(Summary::default());
        assert_eq!(case.step(0), "claim");
        case.held.see(unrecorded(11));
        case.held.succeeded(CLAIM, true);
        let Next::Write(report) = case.after(1) else {
            panic!("no report");
        };
        let Step::Object(ObjectStep::Report { status, .. }) = &report else {
            panic!("{} instead of a report", report.name());
        };
        let mut dropped = serde_json::to_value(status).unwrap();
        dropped["installation"] = Value::Null;
        case.held.event(&report, case.now, case.epoch);
        case.held.see(seen(12, &json!({}), &dropped));
        case.held.succeeded(REPORT, true);
        assert_eq!(
            case.step(10),
            "nothing",
            "what the definition drops is not written again and again"
        );
    }

    #[test]
    fn an_annotation_that_names_no_installation_is_reported() {
        let mut case = Case::new(
            &json!({"annotations": {"pullsecrets.dev/installation": "other"}}),
            &json!({}),
            &sources(vec![], true),
        )
        .summarised(Summary::default());
        let Next::Write(report) = case.after(0) else {
            panic!("no report");
        };
        let announced = format!("{:?}", case.held.event(&report, case.now, case.epoch).unwrap());
        for part in ["NotHandedOver", "pullsecrets.dev/installation", "NAMESPACE/pullsecrets"] {
            assert!(announced.contains(part), "{announced}");
        }
    }

    #[test]
    fn sources_are_those_of_the_acting_installation() {
        assert!(first_of(&json!({}), OTHER, None, vec![]).held.reads("other", "a"));
        assert!(first_of(&json!({}), OTHER, OURS, vec![]).held.reads(OWN, "a"));
        assert!(!first_of(&json!({}), OURS, OTHER, vec![]).held.reads(OWN, "a"));
    }

    #[test]
    fn a_deletion_that_takes_its_course_says_nothing() {
        let deleted = json!({"deletionTimestamp": "2026-01-01T00:00:00Z"});
        let owing = Summary {
            owed: 5,
            ..Summary::default()
        };
        let mut case = Case::new(&deleted, &json!({}), &sources(vec![], true)).summarised(owing);
        assert_eq!(case.step(0), "later");
        assert_eq!(case.step(1), "later");
        case = case.summarised(Summary::default());
        assert_eq!(case.step(0), "disarm");
    }

    #[test]
    fn what_another_manager_puts_into_the_status_is_taken_out_and_not_fought_over() {
        let foreign = |version: u32| {
            let stalled = json!({"type": "Stalled", "status": "True", "reason": "Theirs", "message": "",
                "lastTransitionTime": "2026-01-01T00:00:00Z"});
            seen(
                version,
                &json!({}),
                &json!({"conditions": [stalled], "registriesReady": "9/9", "failures": [
                {"namespace": "x", "reason": "Forbidden", "message": ""}]}),
            )
        };
        let both = || sources(vec![source("a")], true);
        let mut case = Case::new(&json!({}), &json!({}), &both()).summarised(Summary::default());
        case.held.state = Some((
            "6".to_owned(),
            case.held.credentials.as_ref().map(|merged| merged.last_good.clone()),
        ));
        let mut writes = 0;
        for second in 0..120 {
            case.held.see(foreign(20 + second));
            case.held.state = Some((
                "6".to_owned(),
                case.held.credentials.as_ref().map(|merged| merged.last_good.clone()),
            ));
            let next = case.after(1);
            let Next::Write(step) = next else { continue };
            let Step::Object(ObjectStep::Report { status, gone }) = &step else {
                panic!("{} instead of a report", step.name());
            };
            assert!(
                status
                    .condition(ConditionType::Stalled)
                    .is_none_or(|stalled| stalled.reason != "Theirs")
            );
            assert_eq!(gone, &["failures"], "an apply would leave it in");
            case.held.event(&step, case.now, case.epoch);
            case.held.succeeded(REPORT, true);
            writes += 1;
        }
        assert!(writes <= 12, "{writes} writes of the status in two minutes");
    }

    /// A Secret that failed in a namespace before, and so many accounts of one behind it.
    #[test]
    fn failed_accounts_are_reported_as_accounts() {
        let object: Arc<str> = "company".into();
        let mut tally = Tally::default();
        let mut fail = |namespace: &str, target: Target, reason: FailureReason, message: &str| {
            let key = Key {
                namespace: namespace.into(),
                target,
            };
            let entry = Entry {
                object: object.clone(),
                state: Found::Failed(Failure::new(reason, message)),
                leaves: false,
            };
            tally.update(&key, &[], &[entry], Duration::ZERO, false);
        };
        for at in 0..30 {
            let secret = Target::Secret("company".into());
            fail(&format!("a{at:02}"), secret, FailureReason::Contended, "of a secret");
        }
        fail(
            "b",
            Target::Account("default".into()),
            FailureReason::Forbidden,
            "of an account",
        );
        let said = |tally: &Tally| {
            let summary = tally.summary("company").unwrap();
            let credentials = merge(&[], &LastGood::default());
            let status = report(&Facts {
                installation: "pullsecrets-system/pullsecrets",
                remark: None,
                generation: 1,
                secret_name: "company",
                previous: &ClusterPullSecretStatus::default(),
                unreadable: None,
                attaches: true,
                left_out: &[],
                credentials: Some(&credentials),
                lasting_problem: false,
                summary: Some(&summary),
                blocked: None,
                deleting: false,
                unread: None,
                state_secret: None,
                late: Late::default(),
                requested_at: None,
                now: &Time(jiff::Timestamp::UNIX_EPOCH),
            });
            ["SecretsSynced", "ServiceAccountsSynced"].map(|type_| {
                let condition = status.conditions.iter().find(|one| one.type_ == type_).unwrap();
                (condition.reason.clone(), condition.message.clone())
            })
        };
        let [secrets, accounts] = said(&tally);
        assert_eq!(secrets.1, "30 of 30 namespaces failed, a00: of a secret");
        let expected = r#"1 of 1 service accounts failed, b: service account "default": of an account"#;
        assert_eq!(accounts, ("ServiceAccountsFailed".to_owned(), expected.to_owned()));
    }
}
