//! One object, as the controller of objects knows it.

mod measured;
mod report;
#[cfg(test)]
mod tests;

use std::sync::Arc;
use std::time::Duration;

use crd::ClusterPullSecretStatus;
use crd::names::{ANNOTATION_INSTALLATION, ANNOTATION_RECONCILE, FINALIZER};
use k8s_openapi::apimachinery::pkg::apis::meta::v1::Time;
use kube::{Resource as _, ResourceExt as _};
use plan::identity::ResourceVersion;
use plan::installation::Assignment;
use plan::last_good;
use plan::object::{Object, Selection};
use plan::step::{Decision, Deletion, Facts, Next, ObjectStep, Step, StepKind};
use plan::summary::Summary;
use serde_json::Value;

use crate::api::events::ObjectEvent;
use crate::api::partial::RawClusterPullSecret;
use crate::objects::attempts::Attempts;
use crate::objects::credentials::{Credentials, Owner};
use crate::objects::installation::Installation;
use crate::objects::sent_status::SentStatus;
use crate::objects::sources::{self, Sources};
use crate::objects::spec::ParsedSpec;
use crate::outcome::ApiError;
use crate::wanted::takeover;

/// One object, as the controller of objects knows it. Times count from the start of the process.
pub(super) struct ObjectState {
    /// The object as it was seen, without spec and status, and with the annotations that are read: as JSON they would
    /// take kilobytes.
    seen: RawClusterPullSecret,
    status: ClusterPullSecretStatus,
    spec: ParsedSpec,
    installation: Installation,
    credentials: Credentials,
    /// What the namespace controller knows of it.
    declared: Option<Declared>,
    /// Since when something is to be carried out.
    asked_at: Option<Duration>,
    /// How long it took until it was. The caller takes this.
    pub(super) reconciled_after: Option<Duration>,
    summary: Option<Summary>,
    deletion: Option<Deletion>,
    /// When it was last read.
    read_at: Option<Duration>,
    /// Failed attempts at the next step.
    steps: Attempts,
    sent: SentStatus,
    /// The admission policies on the operator are no longer in force.
    is_restraint_lost: bool,
    operator_namespace: String,
}

/// An object as it was declared to the namespace controller.
struct Declared {
    object: Arc<Object>,
    at: Duration,
    revision: u64,
}

impl ObjectState {
    /// Begins with an object as it was seen.
    pub(super) fn new(mut seen: RawClusterPullSecret, operator_namespace: &str) -> Self {
        let installation = Installation::new(&seen, operator_namespace);
        Self {
            spec: ParsedSpec::of(&seen, installation.source_namespace(&seen)),
            status: reduce(&mut seen),
            seen,
            installation,
            credentials: Credentials::default(),
            declared: None,
            asked_at: None,
            reconciled_after: None,
            summary: None,
            deletion: None,
            read_at: None,
            steps: Attempts::default(),
            sent: SentStatus::default(),
            is_restraint_lost: false,
            operator_namespace: operator_namespace.to_owned(),
        }
    }

    /// Takes in another version of the same object, unless it is an older one.
    pub(super) fn see(&mut self, mut seen: RawClusterPullSecret) {
        if is_older(&seen, &self.seen) {
            return;
        }
        self.installation.see(&seen);
        let source_namespace = self.installation.source_namespace(&seen);
        if !self.spec.is_of(&seen, source_namespace) {
            self.spec = ParsedSpec::of(&seen, source_namespace);
        }
        self.status = reduce(&mut seen);
        self.seen = seen;
    }

    /// Takes in whether the admission policies on the operator are no longer in force.
    pub(super) fn set_restraint_lost(&mut self, is_lost: bool) {
        self.is_restraint_lost = is_lost;
    }

    /// Takes in what the namespace controller knows of its namespaces.
    pub(super) fn summarise(&mut self, summary: Summary) {
        self.summary = Some(summary);
    }

    /// Returns what it selects, if its spec can be read.
    pub(super) fn selection(&self) -> Option<&Selection> {
        self.spec.spec.selection.as_ref()
    }

    /// Returns the name of its copies.
    pub(super) fn secret_name(&self) -> &str {
        &self.spec.spec.secret_name
    }

    /// Returns what it reads of its sources.
    pub(super) fn source_words(&self) -> sources::Words {
        let registries = self.spec.registries().unwrap_or_default();
        let mut words = sources::words(&self.spec.spec.sources, registries, &self.operator_namespace);
        if self.is_taken_over() {
            let word = takeover(&self.seen.name_any());
            for words in words.values_mut() {
                words.insert(word.clone());
            }
        }
        words
    }

    /// Returns whether this process took it over from another installation.
    pub(super) fn is_taken_over(&self) -> bool {
        self.installation.is_taken_over()
    }

    /// Returns whether its credentials may depend on this Secret: one of its sources, or its state Secret.
    pub(super) fn reads(&self, namespace: &str, secret: &str) -> bool {
        let mut sources = self.spec.spec.sources.iter();
        let names_it = sources.any(|source| source.0 == namespace && source.1 == secret);
        names_it || self.uid().is_some_and(|uid| secret == last_good::secret_name(&uid))
    }

    /// Returns whether its state Secret was written once.
    pub(super) fn has_state(&self) -> bool {
        self.status.state_secret_name.is_some()
    }

    /// Returns the object, without spec and status.
    pub(super) fn seen(&self) -> &RawClusterPullSecret {
        &self.seen
    }

    /// Returns its uid.
    pub(super) fn uid(&self) -> Option<String> {
        self.seen.uid()
    }

    /// Returns whether another installation acts for it, or shall.
    pub(super) fn is_elsewhere(&self) -> bool {
        matches!(self.installation.assignment(&self.seen), Assignment::Others(_))
    }

    /// Returns the other installation that acts for it, once for each, and whether this one acted before.
    pub(super) fn newly_elsewhere(&mut self) -> Option<(String, bool)> {
        self.installation.newly_elsewhere(&self.seen)
    }

    fn is_ours(&self) -> bool {
        self.installation.assignment(&self.seen) == Assignment::Ours
    }

    fn is_deleting(&self) -> bool {
        self.seen.meta().deletion_timestamp.is_some()
    }

    fn has_finalizer(&self) -> bool {
        self.seen.finalizers().iter().any(|finalizer| finalizer == FINALIZER)
    }

    fn generation(&self) -> i64 {
        self.seen.meta().generation.unwrap_or_default()
    }

    /// Resolves its credentials from the sources as they are now.
    pub(super) fn resolve(&mut self, sources: &Sources, now: Duration, time: &Time) {
        let owner = Owner {
            name: &self.seen.name_any(),
            uid: &self.uid().unwrap_or_default(),
            operator_namespace: &self.operator_namespace,
            is_ours: self.is_ours(),
            is_taken_over: self.is_taken_over(),
            registries: self.spec.registries(),
            status: &self.status,
            declared: self.declared.as_ref().map(|declared| &*declared.object),
        };
        self.credentials.resolve(&owner, sources, now, time);
    }

    /// Returns the object for the namespace controller, if it differs from the one declared last, and whether what is
    /// not ready makes it unready at once. The summary that speaks of it will have `next_revision`.
    pub(super) fn declaration(&mut self, next_revision: u64, now: Duration) -> Option<(Arc<Object>, bool)> {
        let created = self.seen.creation_timestamp().map_or(0, |time| time.0.as_second());
        let object = Object {
            name: self.seen.name_any().into(),
            uid: self.uid().unwrap_or_default().as_str().into(),
            created,
            lifecycle: self.facts().lifecycle(),
            spec: self.spec.spec.clone(),
            payload: self.credentials.payload(),
            tied: self.credentials.tied(),
        };
        if self
            .declared
            .as_ref()
            .is_some_and(|declared| *declared.object == object)
        {
            return None;
        }
        let object = Arc::new(object);
        self.declared = Some(Declared {
            object: Arc::clone(&object),
            at: now,
            revision: next_revision,
        });
        self.asked_at.get_or_insert(now);
        let spec_changed = self.status.observed_generation != Some(self.generation());
        Some((object, spec_changed))
    }

    /// Returns the next step. `time` is the wall clock at `now`.
    pub(super) fn next(&mut self, now: Duration, time: &Time) -> Next {
        self.begin_deletion(now, time);
        let next = match self.facts().decide(now, time) {
            Decision::Write(step) => Next::Write(step),
            Decision::Wait(at) => Next::Idle.or_at(at),
            Decision::Report(at) => {
                if at.is_none() {
                    self.steps = Attempts::default();
                }
                self.next_report(now, time).or_at(at)
            }
        };
        next.or_at(self.credentials.reads_until(now))
    }

    fn begin_deletion(&mut self, now: Duration, time: &Time) {
        let deleted = self.seen.meta().deletion_timestamp.as_ref();
        let begins = self.deletion.is_none() && self.is_ours() && self.has_finalizer();
        if let Some(deleted) = deleted.filter(|_| begins) {
            self.deletion = Some(Deletion::begin(deleted, now, time));
            // The attempts so far were at other steps.
            self.steps = Attempts::default();
        }
    }

    fn facts(&self) -> Facts<'_> {
        Facts {
            installation: self.installation.own(),
            assignment: self.installation.assignment(&self.seen),
            predecessor: self.installation.predecessor(),
            was_read: self.installation.was_read(),
            is_frozen: self.spec.unreadable.is_some() || self.spec.is_suspended(),
            is_restraint_lost: self.is_restraint_lost,
            has_finalizer: self.has_finalizer(),
            is_deleting: self.is_deleting(),
            deletion: self.deletion,
            status: &self.status,
            generation: self.generation(),
            has_credentials: self.credentials.merged().is_some(),
            to_save: self.credentials.to_save(),
            is_state_known: self.credentials.is_state_known(),
            state_version: self.credentials.state().map(|state| state.resource_version.as_str()),
            summary: self.summary(),
            read_at: self.read_at,
            failing_since: self.steps.since,
            retry_at: self.steps.retry_at,
        }
    }

    /// Returns the summary, if it speaks of the object as it was declared last.
    fn summary(&self) -> Option<&Summary> {
        let revision = self.declared.as_ref().map_or(0, |declared| declared.revision);
        self.summary.as_ref().filter(|summary| summary.revision == revision)
    }

    /// Begins the step. Returns the Event to publish when it is done.
    pub(super) fn begin(&mut self, step: &Step, now: Duration) -> Option<ObjectEvent> {
        let Step::Object(step) = step else {
            return None;
        };
        match step {
            ObjectStep::PatchStatus { status, .. } => {
                self.sent.send(status, now);
                if self.is_deleting() {
                    return ObjectEvent::of_waiting(&self.status, status);
                }
                ObjectEvent::of_report(&self.status, status)
            }
            ObjectStep::RemoveFinalizer => self.left_behind(),
            ObjectStep::ReadObject => {
                self.read_at = Some(now);
                None
            }
            ObjectStep::ClaimObject { .. } => {
                let before = self.installation.predecessor()?;
                Some(ObjectEvent::taken_over(self.installation.own(), before))
            }
            ObjectStep::AddFinalizer => None,
        }
    }

    /// The step ended without an error: it is done, or it lost a race.
    pub(super) fn succeeded(&mut self, step: StepKind, done: bool, now: Duration) {
        if step == StepKind::PatchStatus {
            self.sent.answered(now);
            self.sent.attempts = Attempts::default();
        } else {
            self.steps = Attempts::default();
        }
        match step {
            StepKind::ReadObject => self.installation.read(),
            StepKind::ClaimObject if done => self.installation.claimed(self.status.installation.is_some()),
            _ => {}
        }
    }

    /// The step failed. Returns the delay before the next attempt.
    pub(super) fn failed(&mut self, step: StepKind, error: &ApiError, now: Duration) -> Duration {
        if step == StepKind::PatchStatus {
            self.sent.answered(now);
            return self.sent.attempts.fail(error, now);
        }
        let state = self.state_secret();
        let delay = self.steps.fail(error, now);
        self.steps.report(step, error, &state);
        delay
    }

    fn state_secret(&self) -> String {
        let name = last_good::secret_name(&self.uid().unwrap_or_default());
        format!("{}/{name}", self.operator_namespace)
    }
}

/// Returns whether `seen` is certainly an older version of the same object than `known`.
pub(super) fn is_older(seen: &RawClusterPullSecret, known: &RawClusterPullSecret) -> bool {
    let version =
        |seen: &RawClusterPullSecret| ResourceVersion::from(seen.resource_version().unwrap_or_default().as_str());
    seen.uid() == known.uid() && version(seen).is_older_than(&version(known))
}

/// Drops what is read once. Returns the status, or an empty one if it comes from another version and does not decode.
fn reduce(seen: &mut RawClusterPullSecret) -> ClusterPullSecretStatus {
    seen.spec = Value::Null;
    seen.annotations_mut()
        .retain(|key, _| [ANNOTATION_INSTALLATION, ANNOTATION_RECONCILE].contains(&key.as_str()));
    seen.meta_mut().labels = None;
    serde_json::from_value(seen.status.take()).unwrap_or_default()
}
