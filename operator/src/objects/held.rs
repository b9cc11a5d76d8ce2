//! One object as the object loop holds it, and the decision what is its next step.

use std::collections::BTreeSet;
use std::sync::Arc;
use std::time::Duration;

use crd::names::{ANNOTATION_RECONCILE, FINALIZER, is_copy_key};
use crd::{
    AttachMode, ClusterPullSecretSpec, ClusterPullSecretStatus, ConditionStatus, ConditionType, Counts, DeletionPolicy,
    Reason, RegistryState, RegistryStatus,
};
use k8s_openapi::apimachinery::pkg::apis::meta::v1::Time;
use kube::{Resource as _, ResourceExt as _};
use plan::docker_config::render;
use plan::object::{Object, Selection, Spec, Standing, sources_in};
use plan::payload::{Payload, Tied};
use plan::registries::{LastGood, Lookup, Merged, merge, resolve};
use serde_json::Value;
use tokio::time::Instant;
use tracing::field::Empty;
use tracing::info_span;

use crate::apply::ObjectStep;
use crate::board::{Count, Summary};
use crate::credentials::sources::Sources;
use crate::credentials::state;
use crate::events::Announcement;
use crate::kinds::{DIGEST_KEY, SeenObject};
use crate::metrics::{Facts as Measured, State};
use crate::report::{Facts, Late, report};

/// A busy object's status is written no oftener.
const REPORT_EVERY: Duration = Duration::from_secs(1);
/// What is done so fast is told once, when it is done, and not as progress before.
const SOON_DONE: Duration = Duration::from_millis(500);
/// A missing source may come with the next object of the same commit; after this a person must act.
const MISSING_UNTIL_STALLED: Duration = Duration::from_secs(30);
/// A deletion that is refused for so long everywhere where it is not done goes on without: garbage collection takes
/// the copies.
const REFUSED_UNTIL_DISARMED: Duration = Duration::from_secs(60);

/// A write that an object needs.
pub(super) enum Step {
    /// To the object itself.
    Object(ObjectStep),
    /// Remember the last good credentials, before the first copy of new ones is made.
    Remember(state::Content),
    /// Forget them: the object goes.
    Forget,
}

impl Step {
    /// One word for a log or a span.
    pub(super) fn name(&self) -> &'static str {
        match self {
            Self::Object(step) => step.name(),
            Self::Remember(_) => "remember",
            Self::Forget => "forget",
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

/// See the module.
pub(super) struct Held {
    /// Without its spec and its status, and with the one annotation that is read: as trees of JSON they take kilobytes.
    seen: SeenObject,
    /// The text of the spec that `reading` is of.
    spec: String,
    reading: Reading,
    status: ClusterPullSecretStatus,
    credentials: Option<Merged>,
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
    /// Failed steps in a row.
    pub(super) attempts: u32,
    /// No step before this.
    pub(super) not_before: Option<Instant>,
    operator_namespace: String,
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
                    declared: Some(declared),
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
        Self {
            reading: Reading::of(&seen, operator_namespace),
            spec: seen.spec.to_string(),
            status: reduce(&mut seen),
            seen,
            credentials: None,
            state: None,
            problem_since: None,
            told: None,
            told_at: None,
            asked_at: None,
            carried_out: None,
            revision: 0,
            summary: None,
            reported_at: None,
            attempts: 0,
            not_before: None,
            operator_namespace: operator_namespace.to_owned(),
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
        let spec = seen.spec.to_string();
        if spec != self.spec {
            self.reading = Reading::of(&seen, &self.operator_namespace);
            self.spec = spec;
        }
        self.status = reduce(&mut seen);
        self.seen = seen;
    }

    /// What it selects, if that can be read.
    pub(super) fn selection(&self) -> Option<&Selection> {
        self.reading.spec.selection.as_ref()
    }

    /// The Secrets that it names as its sources, by namespace and name.
    pub(super) fn sources(&self) -> &BTreeSet<(String, String)> {
        &self.reading.spec.sources
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
        names_it || self.uid().is_some_and(|uid| secret == state::secret_name(&uid))
    }

    pub(super) fn summarised(&mut self, summary: Summary) {
        self.summary = Some(summary);
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
        let uid = self.uid().unwrap_or_default();
        self.state = sources
            .state(&uid)
            .map(|state| (state.resource_version, state.last_good));
        let Some(declared) = &self.reading.declared else {
            self.credentials = None;
            return;
        };
        let (name, own) = (self.seen.name_any(), &self.operator_namespace);
        let mut unread = false;
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
                    sources.find(reference).unwrap_or_else(|| {
                        unread = true;
                        Lookup::Missing
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
        self.credentials = (!unread).then(|| merge(&resolutions, &remembered));
        let problem = self
            .credentials
            .as_ref()
            .is_some_and(|credentials| credentials.problem.is_some());
        self.problem_since = problem.then(|| self.problem_since.unwrap_or_else(|| self.problem_began()));
    }

    /// When a problem began that is new to this process. Another process may have told it: it is no newer for a
    /// restart, and a status that said so is not taken back. More than what counts is not told apart.
    fn problem_began(&self) -> Instant {
        let now = Instant::now();
        let credentials = condition_of(&self.status, ConditionType::CredentialsReady);
        let told = credentials.filter(|told| told.status == ConditionStatus::False);
        let age = told.map(|told| jiff::Timestamp::now().duration_since(told.last_transition_time.0));
        let age = age.and_then(|age| Duration::try_from(age).ok()).unwrap_or_default();
        now.checked_sub(age.min(MISSING_UNTIL_STALLED)).unwrap_or(now)
    }

    /// What was remembered is lost, and a source that would tell it is broken: then what is in the copies may be the
    /// only place where an entry still stands.
    fn is_state_lost(&self, credentials: &Merged) -> bool {
        let readable = self.state.as_ref().is_some_and(|(_, last_good)| last_good.is_some());
        credentials.incomplete && !readable && self.status.secret_name.is_some()
    }

    fn payload(&self) -> Option<Arc<Payload>> {
        let credentials = self.credentials.as_ref()?;
        if credentials.entries.is_empty() || self.is_state_lost(credentials) {
            return None;
        }
        let payload = Payload::new(&render(&credentials.entries), &DIGEST_KEY);
        let told = self.told.as_ref().and_then(|told| told.payload.clone());
        Some(
            told.filter(|told| **told == payload)
                .unwrap_or_else(|| Arc::new(payload)),
        )
    }

    fn tied(&self) -> Option<Arc<Tied>> {
        let credentials = self.credentials.as_ref()?;
        let tied = Tied::new(&credentials.entries, &credentials.tied, &DIGEST_KEY)?;
        Some(Arc::new(tied))
    }

    /// What is to be remembered and is not yet.
    fn to_remember(&self) -> Option<state::Content> {
        let credentials = self.credentials.as_ref()?;
        self.payload()?;
        let remembered = self.state.as_ref().and_then(|(_, last_good)| last_good.as_ref());
        let replaces = self.state.as_ref().map(|(version, _)| version.clone());
        (remembered != Some(&credentials.last_good))
            .then(|| state::Content::new(credentials.last_good.clone(), replaces))
    }

    fn standing(&self) -> Standing {
        if self.is_deleting() {
            return Standing::Deleting;
        }
        let unread = self.reading.declared.is_some() && self.credentials.is_none();
        let held = self.reading.unreadable.is_some()
            || self.is_suspended()
            || !self.is_armed()
            || unread
            || self.to_remember().is_some();
        if held { Standing::Held } else { Standing::Live }
    }

    /// The object as the namespace loop should know it, if it knows it otherwise, and whether what is not ready makes
    /// it unready at once. The summary that speaks of it will carry `next_revision`.
    pub(super) fn declaration(&mut self, next_revision: u64) -> Option<(Arc<Object>, bool)> {
        let created = self.seen.creation_timestamp().map_or(0, |time| time.0.as_second());
        let object = Object {
            name: self.seen.name_any().into(),
            uid: self.uid().unwrap_or_default().as_str().into(),
            created,
            standing: self.standing(),
            spec: self.reading.spec.clone(),
            payload: self.payload(),
            tied: self.tied(),
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
    pub(super) fn next(&mut self, epoch: Instant, now: Instant, time: &Time) -> Next {
        if let Some(at) = self.not_before.filter(|&at| now < at) {
            return Next::At(at);
        }
        self.not_before = None;
        if self.is_deleting() {
            return self.next_of_deletion(epoch, now);
        }
        let acts = self.reading.unreadable.is_none() && !self.is_suspended();
        if acts && !self.is_armed() {
            return Next::Write(Step::Object(ObjectStep::Arm));
        }
        if acts && let Some(content) = self.to_remember() {
            return Next::Write(Step::Remember(content));
        }
        self.next_report(epoch, now, time)
    }

    fn next_of_deletion(&self, epoch: Instant, now: Instant) -> Next {
        if !self.is_armed() {
            return Next::Nothing;
        }
        let Some(summary) = self.current_summary() else {
            return Next::Nothing;
        };
        let give_up_at = summary
            .refused_since
            .map(|since| epoch + since + REFUSED_UNTIL_DISARMED);
        match give_up_at {
            _ if summary.owed == 0 => {}
            Some(at) if at <= now => {}
            Some(at) => return Next::At(at),
            None => return Next::Nothing,
        }
        let step = if self.state.is_some() {
            Step::Forget
        } else {
            Step::Object(ObjectStep::Disarm)
        };
        Next::Write(step)
    }

    /// The summary, if it speaks of the object as it is now.
    fn current_summary(&self) -> Option<&Summary> {
        self.summary
            .as_ref()
            .filter(|summary| summary.revision == self.revision)
    }

    /// How it stands, as its status has it.
    pub(super) fn facts(&self, sources: &Sources) -> Measured {
        let holds = |type_| condition_of(&self.status, type_).is_some_and(|seen| seen.status == ConditionStatus::True);
        let state = if self.is_deleting() {
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
            oldest_source: read
                .filter_map(|(namespace, name)| sources.changed_at(namespace, name))
                .min(),
        }
    }

    fn next_report(&mut self, epoch: Instant, now: Instant, time: &Time) -> Next {
        let Some(summary) = self.current_summary() else {
            return Next::Nothing;
        };
        let due = |at: Option<Duration>| at.map(|at| epoch + at);
        let stalls_at = self.problem_since.map(|since| since + MISSING_UNTIL_STALLED);
        let times = [
            due(summary.namespaces_late_at),
            due(summary.accounts_late_at),
            stalls_at,
        ];
        let passed = |at: Option<Instant>| at.is_some_and(|at| at <= now);
        let left_out = self.marks_left_out();
        let status = report(&Facts {
            generation: self.generation(),
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
            lasting_problem: passed(stalls_at),
            summary,
            late: Late {
                namespaces: passed(times[0]),
                accounts: passed(times[1]),
            },
            requested_at: self.seen.annotations().get(ANNOTATION_RECONCILE).map(String::as_str),
            now: time,
        });
        if status != self.status {
            let in_progress = ready_of(&status).is_some_and(|ready| is_progress(&ready.reason));
            let soon_done = self.told_at.filter(|_| in_progress).map(|at| at + SOON_DONE);
            let rested = self.reported_at.map(|at| at + REPORT_EVERY);
            return match soon_done.max(rested).filter(|&at| now < at) {
                Some(at) => Next::At(at),
                None => Next::Write(Step::Object(ObjectStep::Report(Box::new(status)))),
            };
        }
        let is_done = |count: Count| count.ready == count.selected;
        let ready = ready_of(&status).is_some_and(|ready| ready.status == ConditionStatus::True);
        if ready && is_done(summary.namespaces) && is_done(summary.accounts) {
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

    /// What is to be announced once the step is done; also notes that it was taken.
    pub(super) fn announcement(&mut self, step: &Step) -> Option<Announcement> {
        match step {
            Step::Object(ObjectStep::Report(status)) => {
                self.reported_at = Some(Instant::now());
                Announcement::of_report(&self.status, status)
            }
            Step::Object(ObjectStep::Disarm) => {
                let left = self.summary.as_ref().filter(|summary| summary.owed > 0)?;
                Some(Announcement::left_behind(left.owed, &left.failures))
            }
            Step::Object(ObjectStep::Arm) | Step::Remember(_) | Step::Forget => None,
        }
    }
}

/// The path of a field as a user writes it.
fn in_spec(path: &serde_path_to_error::Path) -> String {
    match path.iter().next() {
        None => "spec".to_owned(),
        Some(_) => format!("spec.{path}"),
    }
}

/// `Ready` as a status has it.
pub(crate) fn ready_of(status: &ClusterPullSecretStatus) -> Option<&crd::Condition> {
    condition_of(status, ConditionType::Ready)
}

/// Takes out what is read once. The status, as far as it decodes: one from another version is written anew.
fn reduce(seen: &mut SeenObject) -> ClusterPullSecretStatus {
    seen.spec = Value::Null;
    seen.annotations_mut().retain(|key, _| key == ANNOTATION_RECONCILE);
    seen.meta_mut().labels = None;
    serde_json::from_value(seen.status.take()).unwrap_or_default()
}

fn condition_of(status: &ClusterPullSecretStatus, type_: ConditionType) -> Option<&crd::Condition> {
    status
        .conditions
        .iter()
        .find(|condition| condition.type_ == type_.as_str())
}

/// A reason that says that nothing is wrong yet.
pub(crate) fn is_progress(reason: &str) -> bool {
    reason == Reason::Progressing.as_str()
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

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
}
