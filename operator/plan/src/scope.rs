//! All objects together, and what they ask of one namespace.

use std::cmp::Ordering;
use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use crate::action::{AccountAction, SecretAction};
use crate::decision::Decision;
use crate::labels::Labels;
use crate::object::{Lifecycle, Object};
use crate::observed::{Account, Namespace, hash};
use crate::{secret, service_account};

/// All objects, and the namespaces that no selector reaches.
///
/// Sorted lists rather than maps: one is copied as fast as it is read, and there is a copy for each change.
#[derive(Clone, Debug, Default)]
pub struct Cluster {
    /// Oldest first (creationTimestamp, then name).
    objects: Vec<Arc<Object>>,
    by_name: Vec<Arc<Object>>,
    /// By the name of their copies; of one name, oldest first.
    by_secret: Vec<Arc<Object>>,
    /// The hashes of the names of their copies.
    copies: Vec<u64>,
    /// By namespace and name; of one Secret, oldest object first.
    sources: Vec<NamedSource>,
    protected: BTreeSet<String>,
    managed: Option<BTreeSet<Arc<str>>>,
}

/// A Secret that an object calls a source.
#[derive(Clone, Debug)]
struct NamedSource {
    namespace: Arc<str>,
    name: Arc<str>,
    object: Arc<Object>,
}

impl NamedSource {
    fn order(&self) -> (&str, &str, (i64, &str)) {
        (&self.namespace, &self.name, age(&self.object))
    }
}

impl Cluster {
    /// With no object yet. `protected` are the operator's own namespace and those of sources; the system namespaces
    /// are protected always.
    pub fn new(protected: impl IntoIterator<Item = String>) -> Self {
        let system = crd::names::SYSTEM_NAMESPACES.iter().map(|&name| name.to_owned());
        Self {
            protected: system.chain(protected).collect(),
            ..Self::default()
        }
    }

    /// The same in an installation that has rights on Secrets of these names alone. Then all Secrets of these names are
    /// seen, whosever they are, and no others.
    #[must_use]
    pub fn managing(self, names: BTreeSet<Arc<str>>) -> Self {
        Self {
            managed: Some(names),
            ..self
        }
    }

    /// The names of [`Cluster::managing`].
    pub fn managed(&self) -> Option<&BTreeSet<Arc<str>>> {
        self.managed.as_ref()
    }

    /// Puts an object in the place of the one of the same name, or adds it.
    pub fn insert(&mut self, object: &Arc<Object>) {
        self.remove(&object.name);
        let age = |other: &Arc<Object>| age(other).cmp(&age(object));
        let name = |other: &Arc<Object>| other.name.cmp(&object.name);
        let secret = |other: &Arc<Object>| other.spec.secret_name.cmp(&object.spec.secret_name).then(age(other));
        put(&mut self.objects, object, age);
        put(&mut self.by_name, object, name);
        put(&mut self.by_secret, object, secret);
        let hash = hash(&object.spec.secret_name);
        self.copies
            .insert(self.copies.partition_point(|&other| other < hash), hash);
        self.sources
            .extend(object.spec.sources.iter().map(|(namespace, name)| NamedSource {
                namespace: namespace.as_str().into(),
                name: name.as_str().into(),
                object: Arc::clone(object),
            }));
        self.sources.sort_by(|a, b| a.order().cmp(&b.order()));
    }

    /// Forgets the object of that name.
    pub fn remove(&mut self, name: &str) -> Option<Arc<Object>> {
        let object = self.object(name).cloned()?;
        for list in [&mut self.objects, &mut self.by_name, &mut self.by_secret] {
            list.retain(|other| !Arc::ptr_eq(other, &object));
        }
        if let Ok(at) = self.copies.binary_search(&hash(&object.spec.secret_name)) {
            self.copies.remove(at);
        }
        self.sources.retain(|source| !Arc::ptr_eq(&source.object, &object));
        Some(object)
    }

    /// Oldest first (creationTimestamp, then name).
    pub fn objects(&self) -> &[Arc<Object>] {
        &self.objects
    }

    /// The object of that name.
    pub fn object(&self, name: &str) -> Option<&Arc<Object>> {
        let at = self
            .by_name
            .binary_search_by(|object| object.name.as_ref().cmp(name))
            .ok()?;
        self.by_name.get(at)
    }

    /// Whether the object selects the namespace `name` with these labels.
    pub fn selects(&self, object: &Object, name: &str, labels: &Labels) -> bool {
        let selection = object.spec.selection.as_ref().filter(|_| object.stays());
        selection.is_some_and(|selection| selection.selects_namespace(name, labels, self.protected.contains(name)))
    }

    /// The objects that select the namespace `name` with these labels.
    pub fn selecting(&self, name: &str, labels: &Labels) -> Selecting {
        Selecting(self.ask(name, labels).cloned().collect())
    }

    fn ask<'a>(&'a self, name: &str, labels: &Labels) -> impl Iterator<Item = &'a Arc<Object>> {
        self.objects
            .iter()
            .filter(move |object| self.selects(object, name, labels))
    }

    /// What is asked of the namespace `name`, as seen. Asks every object.
    pub fn scope<'a>(&'a self, name: &'a str, seen: &'a Namespace) -> Scope<'a> {
        Scope::new(self, name, seen, self.ask(name, &seen.labels))
    }

    /// The same, for whoever knows already which objects select it, so that one event does not ask all of them.
    /// `selecting` is to be what [`Cluster::selecting`] says.
    pub fn scope_of<'a>(&'a self, name: &'a str, seen: &'a Namespace, selecting: &'a Selecting) -> Scope<'a> {
        debug_assert!(
            self.ask(name, &seen.labels)
                .map(Arc::as_ptr)
                .eq(selecting.0.iter().map(Arc::as_ptr)),
            "what selects {name:?} has changed meanwhile"
        );
        Scope::new(self, name, seen, selecting.0.iter())
    }

    /// The objects, in any lifecycle, whose copies have this name, oldest first.
    pub(crate) fn named<'a>(&'a self, secret: &str) -> impl Iterator<Item = &'a Arc<Object>> + use<'a> {
        let name = |object: &Arc<Object>| object.spec.secret_name.as_ref().cmp(secret);
        let begin = self.by_secret.partition_point(|object| name(object).is_lt());
        let rest = self.by_secret.get(begin..).unwrap_or_default();
        let end = rest.partition_point(|object| name(object).is_eq());
        rest.iter().take(end)
    }

    /// The hashes of the names of their copies, sorted.
    pub(crate) fn copies(&self) -> &[u64] {
        &self.copies
    }

    /// Whether an object, in any lifecycle, has copies of this name.
    pub fn has_copies(&self, secret: &str) -> bool {
        self.named(secret).next().is_some()
    }

    /// Whether the installation has rights on Secrets of this name. Where it has none, none is seen.
    pub(crate) fn is_permitted(&self, secret: &str) -> bool {
        self.managed.as_ref().is_none_or(|names| names.contains(secret))
    }

    /// Nothing may be removed under this name: an object that holds it must not be acted for now.
    pub(crate) fn is_frozen(&self, secret: &str) -> bool {
        self.named(secret).any(|object| object.lifecycle == Lifecycle::Frozen)
    }

    /// Nothing may be written under this name: its object cannot be read.
    pub(crate) fn is_unreadable(&self, secret: &str) -> bool {
        self.named(secret).any(|object| object.is_unreadable())
    }

    /// The oldest object that calls this Secret a source, whatever else may be wrong with that object.
    pub(crate) fn source_of(&self, namespace: &str, secret: &str) -> Option<&Arc<Object>> {
        let order = |source: &NamedSource| (source.namespace.as_ref(), source.name.as_ref()).cmp(&(namespace, secret));
        let begin = self.sources.partition_point(|source| order(source).is_lt());
        let same = self
            .sources
            .iter()
            .skip(begin)
            .take_while(|source| order(source).is_eq());
        same.map(|source| &source.object)
            .find(|object| object.lifecycle != Lifecycle::Deleted)
    }
}

fn age(object: &Object) -> (i64, &str) {
    (object.created, &object.name)
}

/// Into a list that is sorted in this order.
fn put(list: &mut Vec<Arc<Object>>, object: &Arc<Object>, order: impl Fn(&Arc<Object>) -> Ordering) {
    let at = list.partition_point(|other| order(other).is_lt());
    list.insert(at, Arc::clone(object));
}

/// The objects that select a namespace, oldest first.
#[derive(Clone, Debug, Default)]
pub struct Selecting(Box<[Arc<Object>]>);

impl Selecting {
    /// `object` has changed, and selects the namespace now or does not; or it is gone, and does not.
    pub fn update(&mut self, object: &Arc<Object>, selects: bool) {
        let mut objects = std::mem::take(&mut self.0).into_vec();
        objects.retain(|other| other.name != object.name);
        if selects {
            put(&mut objects, object, |other| age(other).cmp(&age(object)));
        }
        self.0 = objects.into();
    }

    /// Whether the object of that name is one of them.
    pub fn contains(&self, name: &str) -> bool {
        self.0.iter().any(|object| object.name.as_ref() == name)
    }
}

/// One namespace, and the objects that select it.
#[derive(Clone, Debug)]
pub struct Scope<'a> {
    pub(crate) cluster: &'a Cluster,
    pub(crate) name: &'a str,
    /// What was seen of it.
    pub seen: &'a Namespace,
    /// By the name of the copy, the objects that want it, oldest first. Held ones too: what they hold is theirs.
    claims: BTreeMap<&'a str, Vec<&'a Arc<Object>>>,
}

impl<'a> Scope<'a> {
    /// `selecting`: oldest first.
    fn new(
        cluster: &'a Cluster,
        name: &'a str,
        seen: &'a Namespace,
        selecting: impl Iterator<Item = &'a Arc<Object>>,
    ) -> Self {
        let mut claims: BTreeMap<&str, Vec<&Arc<Object>>> = BTreeMap::new();
        for object in selecting {
            claims.entry(&object.spec.secret_name).or_default().push(object);
        }
        Self {
            cluster,
            name,
            seen,
            claims,
        }
    }

    /// Every name of a Secret that is asked for or there.
    pub fn secret_names(&self) -> BTreeSet<&'a Arc<str>> {
        let claimed = self.claims.values().filter_map(|claim| claim.first());
        claimed
            .map(|object| &object.spec.secret_name)
            .chain(self.seen.secrets.keys())
            .collect()
    }

    /// Whether an object wants a Secret of that name here.
    pub fn is_claimed(&self, secret: &str) -> bool {
        self.claims.contains_key(secret)
    }

    /// Decides of the Secret of that name. What it guarantees stands at the decision itself, in `secret`.
    pub fn secret(&self, name: &'a str, context: secret::Context<'_>) -> Decision<'a, SecretAction> {
        secret::decide(self, name, context)
    }

    /// Decides of an account. What it guarantees stands at the decision itself, in `service_account`.
    pub fn account(
        &self,
        name: &str,
        seen: &Account,
        context: service_account::Context<'_>,
    ) -> Decision<'a, AccountAction> {
        service_account::decide(self, name, seen, context)
    }

    /// The objects that want a copy of that name here, oldest first. The first decides what it holds.
    pub(crate) fn claimants(&self, secret: &str) -> &[&'a Arc<Object>] {
        self.claims.get(secret).map_or(&[], Vec::as_slice)
    }

    /// For each name that is asked for, the object that decides its copy: the oldest of those that want it. Oldest
    /// first.
    pub(crate) fn deciders(&self) -> Vec<&'a Arc<Object>> {
        let mut deciders: Vec<_> = self
            .claims
            .values()
            .filter_map(|claim| claim.first().copied())
            .collect();
        deciders.sort_by(|a, b| age(a).cmp(&age(b)));
        deciders
    }
}
