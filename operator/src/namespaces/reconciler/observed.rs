//! What Secrets and accounts have in common: both are watched, cached and written, by name and namespace.

use std::collections::BTreeSet;
use std::sync::Arc;

use litemap::LiteMap;
use plan::identity::Version;
use plan::observed::{Account, Entry, Namespace, Secret};
use plan::ownership::{Ownership, ownership};
use plan::scope::Cluster;

use super::evaluate::Affected;
use super::{Kind, Reconciler};
use crate::wanted::prune;
use crate::work::Key;

/// What this process knows of an object with the uid of one that it sees now.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Known {
    /// It was ours.
    pub(super) ours: bool,
    /// It carried our label.
    pub(super) labelled: bool,
}

/// A Secret or an account in the cache.
pub(super) trait Observed: PartialEq + Sized {
    /// The kind of the watch that shows this name.
    fn kind(reconciler: &Reconciler, name: &str) -> Kind;
    fn version(&self) -> &Version;
    fn key(namespace: &Arc<str>, name: &Arc<str>) -> Key;
    /// `records` as in [`Affected::Account`].
    fn affected<'a>(name: &'a Arc<str>, records: &'a [Arc<str>]) -> Affected<'a>;
    /// The names of the references that it records.
    fn records(&self) -> &[Arc<str>];
    fn all(facts: &Namespace) -> &LiteMap<Arc<str>, Self>;
    fn all_mut(facts: &mut Namespace) -> &mut LiteMap<Arc<str>, Self>;

    /// Whether it carries our label, or is known to have carried it.
    fn is_ours(&self) -> bool;

    /// Whether it carries our label, or lost it since this process saw it.
    fn is_labelled(&self) -> bool;

    /// Whether this change affects accounts that do not refer to it yet.
    fn bears_on_others(cached: Option<&Self>, new: Option<&Self>) -> bool;

    /// The references that are ours by `cached` and `known`, but whose record another writer removed. Only accounts have
    /// any.
    fn lost(cached: Option<&Self>, new: &Self, known: &[Arc<str>]) -> Vec<Arc<str>>;

    /// Marks what is known of it beyond its own marks.
    fn proven(self, known: Known) -> Self;

    /// Whether no Secret can have its name when it goes, except one that a watch shows.
    fn leaves_nothing(&self, cluster: &Cluster) -> bool;

    /// Replaces parts with interned equal values.
    fn shared(self, reconciler: &mut Reconciler) -> Self;
}

impl Observed for Account {
    fn kind(_: &Reconciler, _: &str) -> Kind {
        Kind::Account
    }

    fn version(&self) -> &Version {
        &self.version
    }

    fn key(namespace: &Arc<str>, name: &Arc<str>) -> Key {
        Key::account(namespace, name)
    }

    fn affected<'a>(name: &'a Arc<str>, records: &'a [Arc<str>]) -> Affected<'a> {
        Affected::Account(name, records)
    }

    fn records(&self) -> &[Arc<str>] {
        &self.attached
    }

    fn all(facts: &Namespace) -> &LiteMap<Arc<str>, Self> {
        &facts.accounts
    }

    fn all_mut(facts: &mut Namespace) -> &mut LiteMap<Arc<str>, Self> {
        &mut facts.accounts
    }

    fn is_ours(&self) -> bool {
        false
    }

    fn is_labelled(&self) -> bool {
        false
    }

    fn leaves_nothing(&self, _: &Cluster) -> bool {
        false
    }

    /// Removing the last reference allows removal of a copy; the evaluation of an account handles that.
    fn bears_on_others(_: Option<&Self>, _: Option<&Self>) -> bool {
        false
    }

    fn lost(cached: Option<&Self>, new: &Self, known: &[Arc<str>]) -> Vec<Arc<str>> {
        let same = cached.filter(|cached| cached.version.uid == new.version.uid);
        let Some(cached) = same.filter(|_| !new.too_large) else {
            return Vec::new();
        };
        let recorded: BTreeSet<&str> = new.attached.iter().map(AsRef::as_ref).collect();
        let listed: BTreeSet<&str> = new.entries.iter().map(Entry::name).collect();
        let is_lost = |name: &&Arc<str>| listed.contains(name.as_ref()) && !recorded.contains(name.as_ref());
        let mut lost: Vec<Arc<str>> = cached.attached.iter().chain(known).filter(is_lost).cloned().collect();
        lost.sort_unstable();
        lost.dedup();
        lost
    }

    fn proven(self, _: Known) -> Self {
        self
    }

    fn shared(mut self, reconciler: &mut Reconciler) -> Self {
        self.attached = reconciler.attached.share(self.attached);
        self.entries = reconciler.entries.share(self.entries);
        if let Some(keys) = &reconciler.keys {
            prune(&mut self.labels, &keys.accounts);
        }
        self.labels.share(|word| reconciler.names.share(word));
        self
    }
}

impl Observed for Secret {
    fn kind(reconciler: &Reconciler, name: &str) -> Kind {
        reconciler.kind_of_secret(name)
    }

    fn version(&self) -> &Version {
        &self.version
    }

    fn key(namespace: &Arc<str>, name: &Arc<str>) -> Key {
        Key::secret(namespace, name)
    }

    fn affected<'a>(name: &'a Arc<str>, _: &'a [Arc<str>]) -> Affected<'a> {
        Affected::Secret(name)
    }

    fn records(&self) -> &[Arc<str>] {
        &[]
    }

    fn all(facts: &Namespace) -> &LiteMap<Arc<str>, Self> {
        &facts.secrets
    }

    fn all_mut(facts: &mut Namespace) -> &mut LiteMap<Arc<str>, Self> {
        &mut facts.secrets
    }

    fn is_ours(&self) -> bool {
        matches!(ownership(&self.traits), Ownership::Copy(_) | Ownership::Stripped)
    }

    fn is_labelled(&self) -> bool {
        self.traits.was_labelled || matches!(ownership(&self.traits), Ownership::Copy(_))
    }

    /// A copy is never retained if its object says Delete.
    fn leaves_nothing(&self, cluster: &Cluster) -> bool {
        let Ownership::Copy(label) = ownership(&self.traits) else {
            return false;
        };
        let object = cluster.object(label);
        object.is_some_and(|object| object.spec.deletion_policy == crd::DeletionPolicy::Delete)
    }

    /// A Secret that is not our copy affects references, by its traits and not by its data.
    fn bears_on_others(cached: Option<&Self>, new: Option<&Self>) -> bool {
        if cached.map(|cached| &cached.traits) == new.map(|new| &new.traits) {
            return false;
        }
        cached
            .into_iter()
            .chain(new)
            .any(|secret| !matches!(ownership(&secret.traits), Ownership::Copy(_)))
    }

    fn lost(_: Option<&Self>, _: &Self, _: &[Arc<str>]) -> Vec<Arc<str>> {
        Vec::new()
    }

    fn proven(mut self, known: Known) -> Self {
        let is_unmarked = matches!(ownership(&self.traits), Ownership::Foreign | Ownership::Stripped);
        if is_unmarked && known.ours {
            let mut traits = (*self.traits).clone();
            traits.applied_by_us = true;
            traits.was_labelled = known.labelled;
            self.traits = Arc::new(traits);
        }
        self
    }

    fn shared(mut self, reconciler: &mut Reconciler) -> Self {
        self.traits = reconciler.traits.share(self.traits);
        self.digest = self.digest.map(|digest| reconciler.share_digest(digest));
        self
    }
}

/// Up to this size, a map has no spare room; above it, an eighth. There are as many maps as namespaces.
const FEW: usize = 8;

/// Stores a value under its name.
pub(super) fn insert<T>(map: &mut LiteMap<Arc<str>, T>, name: &Arc<str>, value: T) {
    let mut values = std::mem::take(map).into_tuple_vec();
    if values.len() == values.capacity() {
        let more = if values.len() < FEW { 1 } else { values.len() / FEW };
        values.reserve_exact(more);
    }
    *map = LiteMap::from_sorted_store_unchecked(values);
    map.insert(Arc::clone(name), value);
}
