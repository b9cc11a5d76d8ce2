//! The reconciler holds what was seen of the cluster, and decides which keys need a write.
//!
//! Every change takes one path. The affected keys are evaluated before and after, and the difference goes to the
//! [`Tally`]. Keys that now need a write become [`Work`](crate::work::Work). After a change in the cluster that happens
//! at once. After a change of an object it happens when the rollout reaches the namespace
//! ([`Reconciler::next_namespace`]).
//!
//! # Invariants
//!
//! - No write is planned before every kind was listed once ([`Reconciler::start`]). A relist replaces the cache of its
//!   kind only when it is complete.
//! - An event older than the cached object is ignored, so the echo of our own write is free.
//!
//! # Outside this module
//!
//! The reconciler has no client and no clock. Times count from the start of the process.

mod contention;
mod diff;
mod digests;
mod evaluate;
mod evaluation;
mod holds;
mod in_flight;
mod intern;
mod lists;
mod object_change;
mod observe;
mod observed;
mod proof;
mod reads;
mod reply;
mod restore;
mod rollout;

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::sync::Arc;
use std::time::Duration;

use plan::identity::Version;
use plan::observed::{Entry, Namespace, SecretTraits};
use plan::payload::Digest;
use plan::scope::{Cluster, Scope, Selecting};

use crate::namespaces::pending::PendingKeys;
use crate::tally::Tally;
use crate::wanted::LabelKeys;
use crate::work::{Key, Target};
use digests::LargeDigests;
use evaluate::Affected;
use holds::Holds;
use intern::Interner;
use lists::Lists;
use proof::OutOfSight;
use restore::Doubts;
use rollout::Rollout;

/// Shortest time between two writes of an account, so that objects which change together share a write. The first write
/// does not wait.
const SHARED: Duration = Duration::from_millis(250);

/// A kind of watch. Each kind has its own watch, whose lists say no more than what that watch shows.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub enum Kind {
    /// Namespaces.
    Namespace,
    /// `ServiceAccount`s.
    Account,
    /// Secrets with our label.
    Copy,
    /// All Secrets of one name. With managed names, each name has this watch, and [`Kind::Copy`] is unused.
    Named(Arc<str>),
}

/// An event of a watch, as facts.
#[derive(Clone, Debug)]
pub enum Seen<T> {
    /// The object exists, in this state.
    There(T),
    /// The object was deleted, or left the watch's selection, at this version.
    Gone(Version),
}

/// What is cached of a namespace.
#[derive(Debug, Default)]
struct Place {
    /// Whether the namespace itself was seen, and not only an object in it.
    known: bool,
    facts: Namespace,
    /// The result of [`Cluster::selecting`], once everything was listed.
    selecting: Selecting,
}

/// A deleted object.
#[derive(Debug)]
struct DeletedObject {
    since: Duration,
    /// Until when it stays frozen, if another installation managed it. By then we must see what that one removed.
    frozen_until: Duration,
    /// Whether its cleanup was complete once: it is [`plan::object::Lifecycle::Deleted`].
    done: bool,
}

/// State and decisions of the namespace controller; see the module.
#[derive(Debug, Default)]
pub struct Reconciler {
    cluster: Cluster,
    places: BTreeMap<Arc<str>, Place>,
    /// Interned names of Secrets and accounts, and words of labels.
    names: Interner<str>,
    /// The label keys to keep; `None` keeps all labels.
    keys: Option<LabelKeys>,
    traits: Interner<SecretTraits>,
    digests: Interner<Digest>,
    entries: Interner<[Entry]>,
    attached: Interner<[Arc<str>]>,
    /// State of each key that the cluster does not show.
    pending: PendingKeys,
    /// Names of references whose record another writer removed, while the references stayed.
    lost: HashMap<Key, Vec<Arc<str>>>,
    /// Copies that left the watch while an object wants them, or while they must go. It must change only within
    /// [`Reconciler::change`], unless the copy is cached.
    out_of_sight: BTreeMap<Key, OutOfSight>,
    /// When expired state was last dropped.
    forgot_at: Duration,
    holds: Holds,
    /// Names without a Secret, and since when that is known. No watch would show a retained copy there.
    absent: HashMap<Key, Duration>,
    doubts: Doubts,
    /// When the server last answered the object controller.
    answered_at: Option<Duration>,
    /// When the server last answered a call of this controller.
    answered_here_at: Option<Duration>,
    /// The digests that show many logins.
    large_digests: LargeDigests,
    /// Deleted objects. They still need cleanup writes if a finalizer was removed by hand, or a dead process had a
    /// write in flight.
    deleted: HashMap<Arc<str>, DeletedObject>,
    rollout: Rollout,
    lists: Lists,
    started: bool,
    /// Status counts of the objects.
    pub tally: Tally,
    /// What was recorded last of each key.
    #[cfg(test)]
    recorded: HashMap<Key, (Vec<crate::tally::Entry>, Vec<Arc<str>>)>,
}

impl Reconciler {
    /// Starts empty. `protected` as in [`Cluster::new`].
    pub fn new(protected: impl IntoIterator<Item = String>) -> Self {
        Self {
            cluster: Cluster::new(protected),
            ..Self::default()
        }
    }

    /// Manages only these names, as in [`Cluster::managing`].
    #[must_use]
    pub fn managing(mut self, names: BTreeSet<Arc<str>>) -> Self {
        self.cluster = self.cluster.managing(names);
        self
    }

    /// Keeps only the labels that objects select by.
    #[must_use]
    pub fn keeping(mut self, keys: LabelKeys) -> Self {
        self.keys = Some(keys);
        self
    }

    /// The kinds that show Secrets.
    pub fn kinds_of_secrets(&self) -> Vec<Kind> {
        let named = |names: &BTreeSet<Arc<str>>| names.iter().cloned().map(Kind::Named).collect();
        self.cluster.managed().map_or_else(|| vec![Kind::Copy], named)
    }

    /// The kind that shows Secrets of this name.
    fn kind_of_secret(&self, name: &str) -> Kind {
        let managed = self.cluster.managed().and_then(|names| names.get(name));
        managed.map_or(Kind::Copy, |name| Kind::Named(Arc::clone(name)))
    }

    fn kind_of(&self, key: &Key) -> Kind {
        match &key.target {
            Target::Secret(name) => self.kind_of_secret(name),
            Target::Account(_) => Kind::Account,
        }
    }

    /// Records that the server answered the object controller.
    pub fn answered_elsewhere(&mut self, now: Duration) {
        // While a deletion waits, that controller asks every ten seconds.
        if self.answered_at.is_none_or(|at| now > at + reply::ANSWERED_WITHIN) {
            self.tally.reset_attempts(now);
        }
        self.answered_at = Some(now);
    }

    /// Starts planning, because everything was listed once, objects included.
    pub fn start(&mut self, now: Duration) {
        self.started = true;
        for (name, place) in &mut self.places {
            place.selecting = self.cluster.selecting(name, &place.facts.labels);
        }
        let names: Vec<Arc<str>> = self.places.keys().cloned().collect();
        for namespace in names {
            if self.cluster.managed().is_none() {
                for key in self.missing(&namespace, now) {
                    self.pending.set_unverified(&key, true);
                }
            }
            let after = self.evaluate(&self.cluster, &namespace, &Affected::Whole, now);
            // It is unknown how long namespaces waited before the start, so none of them counts as new.
            self.apply_declared(&namespace, BTreeMap::new(), after, true, now);
        }
    }

    /// Whether [`Reconciler::start`] was called.
    pub fn is_started(&self) -> bool {
        self.started
    }

    /// The scope of a namespace that was seen.
    fn scope<'a>(&'a self, cluster: &'a Cluster, namespace: &'a Arc<str>) -> Option<Scope<'a>> {
        let place = self.places.get(namespace).filter(|place| place.known)?;
        Some(cluster.scope_of(namespace, &place.facts, &place.selecting))
    }

    /// The scope of a namespace, to decide about its Pods; `None` before the start.
    pub(in crate::namespaces) fn scope_for_pods<'a>(&'a self, namespace: &'a Arc<str>) -> Option<Scope<'a>> {
        self.scope(&self.cluster, namespace).filter(|_| self.started)
    }

    fn intern(&self, namespace: &str) -> Arc<str> {
        self.places
            .get_key_value(namespace)
            .map_or_else(|| namespace.into(), |(name, _)| Arc::clone(name))
    }
}

#[cfg(test)]
mod tests;
