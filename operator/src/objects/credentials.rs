//! The credentials of an object, resolved from its sources.

use std::cell::Cell;
use std::sync::Arc;
use std::time::Duration;

use crd::{ClusterPullSecretStatus, Reason, Registry};
use k8s_openapi::apimachinery::pkg::apis::meta::v1::Time;
use plan::docker_config::render;
use plan::last_good::{self, Content, State};
use plan::object::Object;
use plan::payload::{Payload, Tied};
use plan::registries::{Lookup, Merged, Resolution, merge, resolve};
use plan::status::{Unread, stalls_at};
use tracing::field::Empty;
use tracing::info_span;

use crate::api::partial::DIGEST_KEY;
use crate::objects::sources::Sources;
use crate::wanted::takeover;

/// Sources that are not listed after this time hold up their own registries only. A busy server may take many seconds
/// for a list; one that forbids it says so at once.
const UNREAD_PATIENCE: Duration = Duration::from_secs(30);

/// The credentials of an object. Times count from the start of the process.
#[derive(Default)]
pub(super) struct Credentials {
    merged: Option<Merged>,
    /// The content of the copies.
    payload: Option<Arc<Payload>>,
    /// The logins of it that go to no other copy.
    tied: Option<Arc<Tied>>,
    /// The state Secret, if there is one.
    state: Option<State>,
    /// The status names a state Secret.
    was_saved: bool,
    /// The operator's own namespace was listed, so that the state Secret is known.
    is_state_known: bool,
    /// Since when a source namespace that the registries need is not listed.
    unread_since: Option<Duration>,
    /// When a problem of the credentials needs a person.
    stalls_at: Option<Duration>,
}

/// What decides about the credentials of an object.
pub(super) struct Owner<'a> {
    /// The name of the object.
    pub(super) name: &'a str,
    /// Its uid.
    pub(super) uid: &'a str,
    /// The operator's own namespace.
    pub(super) operator_namespace: &'a str,
    /// This installation acts for it.
    pub(super) is_ours: bool,
    /// This process took it over from another installation.
    pub(super) is_taken_over: bool,
    /// Its registries, if its spec can be decoded.
    pub(super) registries: Option<&'a [Registry]>,
    /// Its present status.
    pub(super) status: &'a ClusterPullSecretStatus,
    /// The object as it was declared last.
    pub(super) declared: Option<&'a Object>,
}

impl Credentials {
    /// Resolves the credentials from the sources as they are now.
    pub(super) fn resolve(&mut self, owner: &Owner<'_>, sources: &Sources, now: Duration, time: &Time) {
        let before = self.merged.take();
        self.look_up(owner, sources, now, time);
        let same = |now: &Merged| {
            before
                .as_ref()
                .is_some_and(|was| was.entries == now.entries && was.tied == now.tied)
        };
        // A docker config may have a megabyte.
        if !self.merged.as_ref().is_some_and(same) {
            self.render(owner.declared);
        }
    }

    fn look_up(&mut self, owner: &Owner<'_>, sources: &Sources, now: Duration, time: &Time) {
        self.state = sources.state(owner.uid);
        self.was_saved = owner.status.state_secret_name == Some(last_good::secret_name(owner.uid));
        self.is_state_known = sources.is_listed(owner.operator_namespace);
        let Some(registries) = owner.registries.filter(|_| owner.is_ours) else {
            self.unread_since = None;
            self.stalls_at = self.stalls_at.filter(|_| owner.is_ours);
            return;
        };
        let (resolutions, unread) = resolve_each(owner, registries, sources);
        // A source that is named for the first time is listed in a moment.
        self.unread_since = unread.then(|| self.unread_since.unwrap_or(now));
        if self.is_state_known && self.reads_until(now).is_none() {
            let saved = self.state.as_ref().and_then(|state| state.last_good.clone());
            self.merged = Some(merge(&resolutions, &saved.unwrap_or_default()));
        }
        let is_bad = self.merged.as_ref().is_none_or(|merged| merged.problem.is_some());
        self.stalls_at = is_bad.then(|| self.stalls_at.unwrap_or_else(|| stalls_at(owner.status, now, time)));
    }

    fn render(&mut self, declared: Option<&Object>) {
        let merged = self.merged.as_ref().filter(|merged| !merged.entries.is_empty());
        self.payload = merged.map(|merged| {
            let payload = Payload::new(&render(&merged.entries), &DIGEST_KEY);
            shared(payload, declared.and_then(|object| object.payload.as_ref()))
        });
        self.tied = merged.and_then(|merged| {
            let tied = Tied::new(&merged.entries, &merged.tied, &DIGEST_KEY)?;
            Some(shared(tied, declared.and_then(|object| object.tied.as_ref())))
        });
    }

    /// Returns the merged registries, if the sources were read.
    pub(super) fn merged(&self) -> Option<&Merged> {
        self.merged.as_ref()
    }

    /// Returns the content of the copies, as far as it is known.
    pub(super) fn payload(&self) -> Option<Arc<Payload>> {
        let merged = self.merged.as_ref()?;
        let is_lost = last_good::is_lost(merged, self.state.as_ref(), self.was_saved);
        self.payload.clone().filter(|_| !is_lost)
    }

    /// Returns the logins of the payload that go to no other copy.
    pub(super) fn tied(&self) -> Option<Arc<Tied>> {
        self.tied.clone()
    }

    /// Returns what the state Secret must have before the payload is copied, if it does not have it yet.
    pub(super) fn to_save(&self) -> Option<Content> {
        self.payload()?;
        last_good::to_save(self.merged.as_ref()?, self.state.as_ref())
    }

    /// Returns the state Secret.
    pub(super) fn state(&self) -> Option<&State> {
        self.state.as_ref()
    }

    /// Returns whether the state Secret, or its absence, is known.
    pub(super) fn is_state_known(&self) -> bool {
        self.is_state_known
    }

    /// Returns which source namespace is not listed. `own` is the operator's own one.
    pub(super) fn unread<'a>(&self, own: &'a str) -> Option<Unread<'a>> {
        if self.is_state_known {
            self.unread_since.map(|_| Unread::Another)
        } else {
            Some(Unread::Own(own))
        }
    }

    /// Returns until when the object waits for sources that are not listed.
    pub(super) fn reads_until(&self, now: Duration) -> Option<Duration> {
        self.unread_since
            .map(|since| since + UNREAD_PATIENCE)
            .filter(|&at| now < at)
    }

    /// Returns when a problem of the credentials needs a person.
    pub(super) fn stalls_at(&self) -> Option<Duration> {
        self.stalls_at
    }
}

/// Resolves each registry. Also returns whether a source was not listed.
fn resolve_each(owner: &Owner<'_>, registries: &[Registry], sources: &Sources) -> (Vec<Resolution>, bool) {
    let unread = Cell::new(false);
    let takeover = owner.is_taken_over.then(|| takeover(owner.name));
    let resolved = registries.iter().enumerate().map(|(at, registry)| {
        // Not the server, because people may write a password there.
        let span = info_span!(
            "source",
            object = owner.name,
            registry = at,
            namespace = Empty,
            secret = Empty,
            reason = Empty
        )
        .entered();
        let own = owner.operator_namespace;
        let resolution = resolve(registry, own, |reference| {
            span.record("namespace", reference.namespace.as_deref().unwrap_or(own));
            span.record("secret", &reference.name);
            let found = sources.find(reference, &registry.credentials, takeover.as_deref());
            found.unwrap_or_else(|| {
                unread.set(true);
                Lookup::Unread
            })
        });
        let problem = resolution.result.as_ref().err();
        let reason = problem.map_or(Reason::Resolved, |problem| problem.reason);
        span.record("reason", reason.as_str());
        resolution
    });
    (resolved.collect(), unread.get())
}

/// Returns the present value if it is equal, so that it is in memory once.
fn shared<T: PartialEq>(new: T, present: Option<&Arc<T>>) -> Arc<T> {
    present
        .filter(|present| ***present == new)
        .map_or_else(|| Arc::new(new), Arc::clone)
}
