//! Lists of the watches: which kinds were listed, and which cached keys a complete list lacks.

use std::collections::{HashMap, HashSet};
use std::hash::{BuildHasher as _, Hash, RandomState};
use std::sync::Arc;
use std::time::Duration;

use super::evaluate::{Affected, Trigger};
use super::observed::Observed as _;
use super::{Kind, Place, Reconciler};
use crate::work::{Key, Target, Work};

/// What the lists of each kind have shown.
#[derive(Debug, Default)]
pub(super) struct Lists {
    /// The kinds that were listed once.
    complete: HashSet<Kind>,
    /// Per kind that is relisted, the hash of each key in the list so far. Keys are hashed, because there are as many
    /// as accounts.
    relists: HashMap<Kind, HashSet<u64>>,
    hashes: RandomState,
}

impl Lists {
    /// Begins a list.
    fn begin(&mut self, kind: Kind) {
        // The first list replaces no cached key.
        if self.complete.contains(&kind) {
            self.relists.insert(kind, HashSet::new());
        }
    }

    /// Whether a list of this kind comes in, after the first one.
    pub(super) fn is_relisting(&self, kind: &Kind) -> bool {
        self.relists.contains_key(kind)
    }

    /// Records that the list that comes in has this key.
    pub(super) fn mark(&mut self, kind: &Kind, key: &impl Hash) {
        if let Some(listed) = self.relists.get_mut(kind) {
            listed.insert(self.hashes.hash_one(key));
        }
    }
}

impl Reconciler {
    /// Whether every kind was listed once.
    pub fn is_listed(&self) -> bool {
        let mut kinds = self.kinds_of_secrets();
        kinds.extend([Kind::Namespace, Kind::Account]);
        kinds.iter().all(|kind| self.lists.complete.contains(kind))
    }

    /// Begins a list of this kind. At its end, cached keys that it lacks are gone.
    pub fn begin_list(&mut self, kind: Kind) {
        self.lists.begin(kind);
    }

    /// Ends a list of this kind.
    pub fn end_list(&mut self, kind: Kind, now: Duration) -> Vec<Work> {
        // A key that the list shows older than the cache is read once more.
        let doubtful = self.doubts.keys().filter(|key| self.kind_of(key) == kind);
        let mut work: Vec<Work> = doubtful.cloned().map(Work::now).collect();
        if let Some(listed) = self.lists.relists.remove(&kind) {
            work.extend(self.drop_unlisted(&kind, &listed, now));
        }
        self.lists.complete.insert(kind);
        work
    }

    /// Drops the cached keys of this kind that a complete list lacks.
    fn drop_unlisted(&mut self, kind: &Kind, listed: &HashSet<u64>, now: Duration) -> Vec<Work> {
        if *kind == Kind::Namespace {
            let places = self.places.iter().filter(|(_, place)| place.known);
            let gone = places.filter(|(name, _)| !listed.contains(&self.lists.hashes.hash_one(name)));
            let gone: Vec<Arc<str>> = gone.map(|(name, _)| Arc::clone(name)).collect();
            return gone.iter().flat_map(|name| self.forget_namespace(name, now)).collect();
        }
        let is_gone = |key: &Key| !listed.contains(&self.lists.hashes.hash_one(key));
        let gone: Vec<Key> = self.cached(kind).filter(is_gone).collect();
        gone.iter().flat_map(|key| self.drop_cached(key, now)).collect()
    }

    /// The cached Secrets or accounts of this kind.
    fn cached(&self, kind: &Kind) -> impl Iterator<Item = Key> {
        let keys = move |(namespace, place): (&Arc<str>, &Place)| match kind {
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
                let cached = place.facts.secrets.contains_key(name.as_ref());
                cached.then(|| Key::secret(namespace, name)).into_iter().collect()
            }
        };
        self.places.iter().flat_map(keys)
    }

    fn drop_cached(&mut self, key: &Key, now: Duration) -> Vec<Work> {
        if let Target::Secret(name) = &key.target
            && let Some(cached) = self
                .places
                .get(&key.namespace)
                .and_then(|place| place.facts.secrets.get(name.as_ref()))
            && cached.is_ours()
        {
            let (uid, labelled) = (cached.version.uid.clone(), cached.is_labelled());
            self.lose_sight(key, uid, labelled, Trigger::Watched);
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
                let cached = facts.and_then(|facts| facts.secrets.get(name.as_ref()));
                let affected = self.affected_by(key, name, cached, None, &[]);
                self.change(&key.namespace, &affected, Trigger::Watched, now, drop_it)
            }
        }
    }
}
