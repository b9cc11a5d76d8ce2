//! The reconciler holds what was seen of the cluster, and decides which keys need a write.
//!
//! Every change takes one path. The affected keys are evaluated before and after, and the difference goes to the
//! [`Tally`]. Keys that now need a write become [`Work`]. After a change in the cluster that happens at once. After a
//! change of an object it happens when the rollout reaches the namespace ([`Reconciler::next_namespace`]).
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
mod evaluate;
mod holds;
mod in_flight;
mod intern;
mod object_change;
mod observed;
mod reply;
mod rollout;

use std::collections::{BTreeMap, BTreeSet, HashMap, HashSet};
use std::hash::{BuildHasher as _, RandomState};
use std::sync::Arc;
use std::time::Duration;

use plan::identity::{Uid, Version};
use plan::labels::Labels;
use plan::observed::{Account, Entry, Namespace, Secret, SecretTraits};
use plan::ownership::{Ownership, ownership};
use plan::payload::Digest;
use plan::scope::{Cluster, Scope, Selecting};

use crate::namespaces::pending::PendingKeys;
use crate::tally::Tally;
use crate::wanted::{LabelKeys, prune};
use crate::work::{Key, Target, Work};
use evaluate::{Affected, Trigger};
use holds::Holds;
use intern::Interner;
use observed::Observed;
use rollout::Rollout;

/// Delay of the first create in a new namespace. While the API server's admission has not seen the namespace, it holds
/// a create for 50 ms. (That is `missingNamespaceWait` in the plugin `NamespaceLifecycle` of k8s.io/apiserver.) It sees
/// a namespace when we do, give or take a millisecond. The first account of the namespace comes later than this delay.
const HEARD_OF: Duration = Duration::from_millis(3);

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
    held_until: Duration,
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
    /// Copies that left the watch while an object wants them: deleted, or without our label.
    out_of_sight: HashMap<Key, Uid>,
    /// When expired state was last dropped.
    forgot_at: Duration,
    holds: Holds,
    /// Names without a Secret, and since when that is known. No watch would show a retained copy there.
    absent: HashMap<Key, Duration>,
    /// Keys for which the server showed an older version than the cached one, with the cached version.
    doubts: HashMap<Key, Version>,
    /// A key for which the server twice showed an older state than before.
    went_back: Option<Key>,
    /// When the server last answered the object controller.
    answered_at: Option<Duration>,
    /// Deleted objects. They still need cleanup writes if a finalizer was removed by hand, or a dead process had a
    /// write in flight.
    deleted: HashMap<Arc<str>, DeletedObject>,
    rollout: Rollout,
    /// Per kind that is relisted, the hash of each key in the list so far. Keys are hashed, because there are as many
    /// as accounts.
    relists: HashMap<Kind, HashSet<u64>>,
    hashes: RandomState,
    listed: HashSet<Kind>,
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

    /// The key that proved a restore: the server twice showed an older state of it. Then the cache is no longer true.
    pub fn went_back(&self) -> Option<&Key> {
        self.went_back.as_ref()
    }

    /// Whether the server showed an older version of the key than the cached one.
    pub fn is_doubtful(&self, key: &Key) -> bool {
        self.doubts.contains_key(key)
    }

    /// Compares the version `shown` by the server with the cached version `held`. A race shows an older version once,
    /// never twice. An object that was made again after the backup has another uid.
    fn compare(&mut self, key: &Key, shown: &Version, held: &Version, asked: bool) {
        let older = shown.resource_version.is_older_than(&held.resource_version);
        if !older {
            self.doubts.remove(key);
        } else if asked && self.doubts.get(key) == Some(held) {
            self.went_back = Some(key.clone());
        } else {
            self.doubts.insert(key.clone(), held.clone());
        }
    }

    /// Records that the server answered the object controller.
    pub fn answered_elsewhere(&mut self, now: Duration) {
        // While a deletion waits, that controller asks every ten seconds.
        if self.answered_at.is_none_or(|at| now > at + reply::HEARD_WITHIN) {
            self.tally.reset_attempts(now);
        }
        self.answered_at = Some(now);
    }

    /// Whether a read must precede a write of the key. A Secret may be a retained copy, which no watch shows; it is
    /// read before references to it go. An account may be cached in part; it is read before it is written.
    pub fn is_unread(&self, key: &Key) -> bool {
        if let Target::Account(name) = &key.target {
            return self.is_to_be_read_first(key, name);
        }
        let (Target::Secret(name), Some(scope)) = (&key.target, self.scope(&self.cluster, &key.namespace)) else {
            return false;
        };
        self.may_be_retained(&scope, &key.namespace, name) && self.is_recorded(key)
    }

    /// Whether an account records a reference to this Secret.
    fn is_recorded(&self, key: &Key) -> bool {
        let (Target::Secret(name), Some(place)) = (&key.target, self.places.get(&key.namespace)) else {
            return false;
        };
        let recorded = |account: &Account| account.may_record(name);
        place.facts.accounts.values().any(recorded)
    }

    fn may_be_retained(&self, scope: &Scope<'_>, namespace: &Arc<str>, name: &Arc<str>) -> bool {
        self.cluster.managed().is_none()
            && !scope.seen.secrets.contains_key(name.as_ref())
            && !scope.is_claimed(name)
            && !self.absent.contains_key(&Key::secret(namespace, name))
    }

    /// Whether every kind was listed once.
    pub fn is_listed(&self) -> bool {
        let mut kinds = self.kinds_of_secrets();
        kinds.extend([Kind::Namespace, Kind::Account]);
        kinds.iter().all(|kind| self.listed.contains(kind))
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

    /// Begins a list of this kind. At its end, cached keys that it lacks are gone.
    pub fn begin_list(&mut self, kind: Kind) {
        // The first list replaces no cached key.
        if self.listed.contains(&kind) {
            self.relists.insert(kind, HashSet::new());
        }
    }

    /// Ends a list of this kind.
    pub fn end_list(&mut self, kind: Kind, now: Duration) -> Vec<Work> {
        // A key that the list shows older than the cache is read once more.
        let doubtful = self.doubts.keys().filter(|key| self.kind_of(key) == kind);
        let mut work: Vec<Work> = doubtful.cloned().map(Work::now).collect();
        if let Some(listed) = self.relists.remove(&kind) {
            work.extend(self.drop_unlisted(&kind, &listed, now));
        }
        self.listed.insert(kind);
        work
    }

    /// Drops the cached keys of this kind that a complete list lacks.
    fn drop_unlisted(&mut self, kind: &Kind, listed: &HashSet<u64>, now: Duration) -> Vec<Work> {
        if *kind == Kind::Namespace {
            let places = self.places.iter().filter(|(_, place)| place.known);
            let gone = places.filter(|(name, _)| !listed.contains(&self.hashes.hash_one(name)));
            let gone: Vec<Arc<str>> = gone.map(|(name, _)| Arc::clone(name)).collect();
            return gone.iter().flat_map(|name| self.forget_namespace(name, now)).collect();
        }
        let is_gone = |key: &Key| !listed.contains(&self.hashes.hash_one(key));
        let gone: Vec<Key> = self.held(kind).filter(is_gone).collect();
        gone.iter().flat_map(|key| self.drop_held(key, now)).collect()
    }

    /// The cached Secrets or accounts of this kind.
    fn held(&self, kind: &Kind) -> impl Iterator<Item = Key> {
        let held = move |(namespace, place): (&Arc<str>, &Place)| match kind {
            Kind::Namespace => Vec::new(),
            Kind::Account => place
                .facts
                .accounts
                .keys()
                .map(|name| Key::account(namespace, name))
                .collect(),
            Kind::Copy => place
                .facts
                .secrets
                .keys()
                .map(|name| Key::secret(namespace, name))
                .collect::<Vec<_>>(),
            Kind::Named(name) => {
                let held = place.facts.secrets.contains_key(name.as_ref());
                held.then(|| Key::secret(namespace, name)).into_iter().collect()
            }
        };
        self.places.iter().flat_map(held)
    }

    fn drop_held(&mut self, key: &Key, now: Duration) -> Vec<Work> {
        if let Target::Secret(name) = &key.target
            && let Some(held) = self
                .places
                .get(&key.namespace)
                .and_then(|place| place.facts.secrets.get(name.as_ref()))
            && held.is_ours()
        {
            let uid = held.version.uid.clone();
            self.lose_sight(&key.namespace, name, uid);
        }
        let drop_it = |reconciler: &mut Self| {
            reconciler.lost.remove(key);
            let Some(place) = reconciler.places.get_mut(&key.namespace) else {
                return;
            };
            match &key.target {
                Target::Account(name) => drop(place.facts.accounts.remove(name.as_ref())),
                Target::Secret(name) => drop(place.facts.secrets.remove(name.as_ref())),
            }
        };
        let facts = self.places.get(&key.namespace).map(|place| &place.facts);
        match &key.target {
            Target::Account(name) => {
                let records = self.records(facts.and_then(|facts| facts.accounts.get(name.as_ref())), None);
                self.change(
                    &key.namespace,
                    &Affected::Account(name, &records),
                    Trigger::Watched,
                    now,
                    drop_it,
                )
            }
            Target::Secret(name) => {
                let held = facts.and_then(|facts| facts.secrets.get(name.as_ref()));
                let affected = self.touched_by(key, name, held, None, &[]);
                self.change(&key.namespace, &affected, Trigger::Watched, now, drop_it)
            }
        }
    }

    /// What a change of this key affects, from `held` to `new`.
    fn touched_by<'a, T: Observed>(
        &self,
        key: &Key,
        name: &'a Arc<str>,
        held: Option<&T>,
        new: Option<&T>,
        records: &'a [Arc<str>],
    ) -> Affected<'a> {
        if self.pending.is_unverified(key) || T::bears_on_others(held, new) {
            Affected::Offered(name)
        } else if held.is_some() != new.is_some() && self.is_recorded(key) {
            // The existence of a Secret decides whether a recorded reference to it may be removed.
            Affected::Referred(name)
        } else {
            T::affected(name, records)
        }
    }

    /// The references that an account records before or after a change, if copies wait for them.
    fn records<T: Observed>(&self, held: Option<&T>, new: Option<&T>) -> Vec<Arc<str>> {
        let both = held.into_iter().chain(new).filter(|_| self.pending.has_removals());
        both.flat_map(T::records).cloned().collect()
    }

    fn mark_listed(&mut self, kind: &Kind, key: &Key) {
        if let Some(listed) = self.relists.get_mut(kind) {
            listed.insert(self.hashes.hash_one(key));
        }
    }

    /// Handles a namespace that was seen.
    pub fn see_namespace(&mut self, name: &str, mut labels: Labels, terminating: bool, now: Duration) -> Vec<Work> {
        let namespace = self.intern(name);
        if let Some(listed) = self.relists.get_mut(&Kind::Namespace) {
            listed.insert(self.hashes.hash_one(&namespace));
        }
        if let Some(keys) = &self.keys {
            prune(&mut labels, &keys.namespaces);
        }
        let place = self.places.get(&namespace);
        if place
            .is_some_and(|place| place.known && place.facts.labels == labels && place.facts.terminating == terminating)
        {
            return Vec::new();
        }
        let is_new = self.started && !place.is_some_and(|place| place.known);
        // Its name may be among the labels.
        labels.share(|word| {
            if word == name {
                Arc::clone(&namespace)
            } else {
                self.names.share(word)
            }
        });
        let mut work = self.change(&namespace, &Affected::Whole, Trigger::Watched, now, |reconciler| {
            let place = reconciler.places.entry(Arc::clone(&namespace)).or_default();
            place.known = true;
            if reconciler.started {
                place.selecting = reconciler.cluster.selecting(&namespace, &labels);
            }
            place.facts.labels = labels;
            place.facts.terminating = terminating;
        });
        for Work { key, at, .. } in &mut work {
            if is_new && matches!(key.target, Target::Secret(_)) {
                *at = (*at).max(Some(now + HEARD_OF));
            }
        }
        work
    }

    /// Drops a deleted namespace with its contents.
    pub fn forget_namespace(&mut self, name: &str, now: Duration) -> Vec<Work> {
        let namespace = self.intern(name);
        self.change(&namespace, &Affected::Whole, Trigger::Watched, now, |reconciler| {
            reconciler.places.remove(&namespace);
            reconciler.pending.forget_unverified(&namespace);
            reconciler.lost.retain(|key, _| key.namespace != namespace);
            reconciler.out_of_sight.retain(|key, _| key.namespace != namespace);
        })
    }

    /// Handles an account that was seen or deleted.
    pub fn see_account(&mut self, namespace: &str, name: &str, seen: Seen<Account>, now: Duration) -> Vec<Work> {
        self.see(namespace, name, seen, now)
    }

    /// Handles a Secret that was seen, was deleted, or lost our label.
    pub fn see_secret(&mut self, namespace: &str, name: &str, seen: Seen<Secret>, now: Duration) -> Vec<Work> {
        self.see(namespace, name, seen, now)
    }

    fn see<T: Observed>(&mut self, namespace: &str, name: &str, seen: Seen<T>, now: Duration) -> Vec<Work> {
        let (namespace, name) = (self.intern(namespace), self.names.share(name));
        self.mark_listed(&T::kind(self, &name), &T::key(&namespace, &name));
        self.observe(&namespace, &name, seen, Trigger::Watched, now, |_| {})
    }

    /// Updates the cache from an event, unless the cache is newer. `and_then` runs within the same change.
    fn observe<T: Observed>(
        &mut self,
        namespace: &Arc<str>,
        name: &Arc<str>,
        seen: Seen<T>,
        trigger: Trigger<'_>,
        now: Duration,
        and_then: impl FnOnce(&mut Self),
    ) -> Vec<Work> {
        let seen = self.proven(namespace, name, seen);
        let held = self
            .places
            .get(namespace)
            .and_then(|place| T::all(&place.facts).get(name));
        let news = is_news(&seen, held);
        let key = T::key(namespace, name);
        let asked = trigger != Trigger::Watched;
        if let (Seen::There(new), Some(held)) = (&seen, held)
            && (asked || self.relists.contains_key(&T::kind(self, name)))
        {
            let held = held.version().clone();
            self.compare(&key, new.version(), &held, asked);
        }
        let held = self
            .places
            .get(namespace)
            .and_then(|place| T::all(&place.facts).get(name));
        if !news && trigger == Trigger::Watched {
            return Vec::new();
        }
        let leaves_nothing =
            matches!(seen, Seen::Gone(_)) && held.is_some_and(|held| held.leaves_nothing(&self.cluster));
        let new = match &seen {
            Seen::There(new) => Some(new),
            Seen::Gone(_) => None,
        };
        let unverified = self.pending.is_unverified(&key);
        let records = self.records(held, new);
        let affected = self.touched_by(&key, name, held, new, &records);
        self.change(namespace, &affected, trigger, now, |reconciler| {
            and_then(reconciler);
            if unverified {
                reconciler.pending.set_unverified(&key, false);
            }
            if leaves_nothing && news {
                reconciler.absent.insert(key, now);
            } else if matches!(seen, Seen::There(_)) {
                reconciler.absent.remove(&key);
            }
            if news {
                reconciler.take_over(namespace, name, seen);
            }
        })
    }

    /// Stores what was seen.
    fn take_over<T: Observed>(&mut self, namespace: &Arc<str>, name: &Arc<str>, seen: Seen<T>) {
        match seen {
            Seen::There(new) => {
                self.note_lost(namespace, name, &new);
                let new = new.shared(self);
                let place = self.places.entry(Arc::clone(namespace)).or_default();
                observed::hold(T::all_mut(&mut place.facts), name, new);
            }
            Seen::Gone(_) => {
                self.lost.remove(&T::key(namespace, name));
                if let Some(place) = self.places.get_mut(namespace) {
                    T::all_mut(&mut place.facts).remove(name);
                }
            }
        }
    }

    /// Keeps proof of ownership. A copy that lost its label is recognized by its uid. Copies that leave the watch are
    /// recorded.
    fn proven<T: Observed>(&mut self, namespace: &Arc<str>, name: &Arc<str>, seen: Seen<T>) -> Seen<T> {
        let key = T::key(namespace, name);
        let place = self.places.get(namespace);
        let ours = place.and_then(|place| T::all(&place.facts).get(name));
        let ours = ours.filter(|held| held.is_ours()).map(|held| &held.version().uid);
        match seen {
            Seen::There(new) => {
                let uid = &new.version().uid;
                let labelled = ours == Some(uid) || self.out_of_sight.get(&key) == Some(uid);
                self.out_of_sight.remove(&key);
                Seen::There(new.proven(labelled))
            }
            Seen::Gone(gone) => {
                if ours == Some(&gone.uid) {
                    self.lose_sight(namespace, name, gone.uid.clone());
                }
                Seen::Gone(gone)
            }
        }
    }

    fn lose_sight(&mut self, namespace: &Arc<str>, name: &Arc<str>, uid: Uid) {
        let scope = self.scope(&self.cluster, namespace).filter(|_| self.started);
        if scope.is_some_and(|scope| scope.is_claimed(name)) {
            self.out_of_sight.insert(Key::secret(namespace, name), uid);
        }
    }

    fn note_lost<T: Observed>(&mut self, namespace: &Arc<str>, name: &Arc<str>, new: &T) {
        let key = T::key(namespace, name);
        let place = self.places.get(namespace);
        let held = place.and_then(|place| T::all(&place.facts).get(name));
        let known = self.lost.get(&key).map_or(&[][..], Vec::as_slice);
        let lost = T::lost(held, new, known);
        if lost.is_empty() {
            self.lost.remove(&key);
        } else {
            self.lost.insert(key, lost);
        }
    }

    /// Whether the key is a squatter: a foreign Secret under a wanted name, whose deletion no watch shows. The watch of
    /// copies does not, those of managed names do. A Secret under a name that no object wants, such as a retained copy,
    /// is none.
    pub fn is_squatted(&self, key: &Key) -> bool {
        let (Target::Secret(name), Some(place)) = (&key.target, self.places.get(&key.namespace)) else {
            return false;
        };
        if self.cluster.managed().is_some() {
            return false;
        }
        let theirs = |secret: &Secret| !matches!(ownership(&secret.traits), Ownership::Copy(_));
        place.facts.secrets.get(name.as_ref()).is_some_and(theirs)
            && self
                .scope(&self.cluster, &key.namespace)
                .is_some_and(|scope| scope.is_claimed(name))
    }

    /// The scope of a namespace that was seen.
    fn scope<'a>(&'a self, cluster: &'a Cluster, namespace: &'a Arc<str>) -> Option<Scope<'a>> {
        let place = self.places.get(namespace).filter(|place| place.known)?;
        Some(cluster.scope_of(namespace, &place.facts, &place.selecting))
    }

    fn intern(&self, namespace: &str) -> Arc<str> {
        self.places
            .get_key_value(namespace)
            .map_or_else(|| namespace.into(), |(name, _)| Arc::clone(name))
    }
}

/// Whether the event is newer than the cache.
fn is_news<T: Observed>(seen: &Seen<T>, held: Option<&T>) -> bool {
    match (seen, held) {
        // An equal version is news too, because the reply to a write does not show what admission made of the data.
        (Seen::There(new), Some(held)) => {
            let version = &new.version().resource_version;
            !version.is_older_than(&held.version().resource_version) && new != held
        }
        (Seen::There(_), None) => true,
        // A copy that lost its label may have been restored since. A late event of the loss must not remove it.
        (Seen::Gone(gone), held) => held.is_some_and(|held| {
            let held = held.version();
            held.uid == gone.uid && !gone.resource_version.is_older_than(&held.resource_version)
        }),
    }
}

#[cfg(test)]
mod tests;
