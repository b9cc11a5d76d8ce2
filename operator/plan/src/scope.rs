//! All objects of the cluster, and those that select one namespace.

use std::cmp::Ordering;
use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use crate::labels::Labels;
use crate::object::{Lifecycle, Object};
use crate::observed::{Namespace, hash};

/// All objects, and the namespaces that no selector reaches.
///
/// It holds sorted lists, because each change clones it, and a list is cloned faster than a map.
#[derive(Clone, Debug, Default)]
pub struct Cluster {
    /// Oldest first (creationTimestamp, then name).
    objects: Vec<Arc<Object>>,
    by_name: Vec<Arc<Object>>,
    /// Sorted by the name of their copies, then by age, oldest first.
    by_secret: Vec<Arc<Object>>,
    /// The hashes of the names of their copies, sorted.
    secret_name_hashes: Vec<u64>,
    /// Sorted by namespace and name of the Secret, then by age of the object, oldest first.
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
    /// Makes a cluster without objects.
    ///
    /// `protected` are the operator's own namespace and those of sources. System namespaces are always protected.
    pub fn new(protected: impl IntoIterator<Item = String>) -> Self {
        let system = crd::names::SYSTEM_NAMESPACES.iter().map(|&name| name.to_owned());
        Self {
            protected: system.chain(protected).collect(),
            ..Self::default()
        }
    }

    /// Limits the installation to Secrets of these names. It has rights on no others, and sees all Secrets of these names.
    #[must_use]
    pub fn managing(self, names: BTreeSet<Arc<str>>) -> Self {
        Self {
            managed: Some(names),
            ..self
        }
    }

    /// Returns the names of [`Cluster::managing`].
    pub fn managed(&self) -> Option<&BTreeSet<Arc<str>>> {
        self.managed.as_ref()
    }

    /// Adds an object, or replaces the one of the same name.
    pub fn insert(&mut self, object: &Arc<Object>) {
        self.remove(&object.name);
        let age = |other: &Arc<Object>| age(other).cmp(&age(object));
        let name = |other: &Arc<Object>| other.name.cmp(&object.name);
        let secret = |other: &Arc<Object>| other.spec.secret_name.cmp(&object.spec.secret_name).then(age(other));
        insert_sorted(&mut self.objects, object, age);
        insert_sorted(&mut self.by_name, object, name);
        insert_sorted(&mut self.by_secret, object, secret);
        let hash = hash(&object.spec.secret_name);
        self.secret_name_hashes
            .insert(self.secret_name_hashes.partition_point(|&other| other < hash), hash);
        self.sources
            .extend(object.spec.sources.iter().map(|(namespace, name)| NamedSource {
                namespace: namespace.as_str().into(),
                name: name.as_str().into(),
                object: Arc::clone(object),
            }));
        self.sources.sort_by(|a, b| a.order().cmp(&b.order()));
    }

    /// Removes the object of that name.
    pub fn remove(&mut self, name: &str) -> Option<Arc<Object>> {
        let object = self.object(name).cloned()?;
        for list in [&mut self.objects, &mut self.by_name, &mut self.by_secret] {
            list.retain(|other| !Arc::ptr_eq(other, &object));
        }
        if let Ok(at) = self.secret_name_hashes.binary_search(&hash(&object.spec.secret_name)) {
            self.secret_name_hashes.remove(at);
        }
        self.sources.retain(|source| !Arc::ptr_eq(&source.object, &object));
        Some(object)
    }

    /// Returns all objects, oldest first (creationTimestamp, then name).
    pub fn objects(&self) -> &[Arc<Object>] {
        &self.objects
    }

    /// Returns the object of that name.
    pub fn object(&self, name: &str) -> Option<&Arc<Object>> {
        let at = self
            .by_name
            .binary_search_by(|object| object.name.as_ref().cmp(name))
            .ok()?;
        self.by_name.get(at)
    }

    /// Returns whether the object selects the namespace `name` with these labels.
    pub fn selects(&self, object: &Object, name: &str, labels: &Labels) -> bool {
        let selection = object.spec.selection.as_ref().filter(|_| object.stays());
        selection.is_some_and(|selection| selection.selects_namespace(name, labels, self.protected.contains(name)))
    }

    /// Returns the objects that select the namespace `name` with these labels.
    pub fn selecting(&self, name: &str, labels: &Labels) -> Selecting {
        Selecting(self.matching(name, labels).cloned().collect())
    }

    fn matching<'a>(&'a self, name: &str, labels: &Labels) -> impl Iterator<Item = &'a Arc<Object>> {
        self.objects
            .iter()
            .filter(move |object| self.selects(object, name, labels))
    }

    /// Returns the scope of the namespace `name`, as seen. It evaluates the selector of every object.
    pub fn scope<'a>(&'a self, name: &'a str, seen: &'a Namespace) -> Scope<'a> {
        Scope::new(self, name, seen, self.matching(name, &seen.labels))
    }

    /// Returns the scope of the namespace `name` without evaluating selectors.
    ///
    /// `selecting` must equal the result of [`Cluster::selecting`].
    pub fn scope_of<'a>(&'a self, name: &'a str, seen: &'a Namespace, selecting: &'a Selecting) -> Scope<'a> {
        debug_assert!(
            self.matching(name, &seen.labels)
                .map(Arc::as_ptr)
                .eq(selecting.0.iter().map(Arc::as_ptr)),
            "the objects that select {name:?} have changed"
        );
        Scope::new(self, name, seen, selecting.0.iter())
    }

    /// Returns the objects, in any lifecycle, whose copies have this name, oldest first.
    pub(crate) fn named<'a>(&'a self, secret: &str) -> impl Iterator<Item = &'a Arc<Object>> + use<'a> {
        let name = |object: &Arc<Object>| object.spec.secret_name.as_ref().cmp(secret);
        let begin = self.by_secret.partition_point(|object| name(object).is_lt());
        let rest = self.by_secret.get(begin..).unwrap_or_default();
        let end = rest.partition_point(|object| name(object).is_eq());
        rest.iter().take(end)
    }

    /// Returns the hashes of the names of all copies, sorted.
    pub(crate) fn secret_name_hashes(&self) -> &[u64] {
        &self.secret_name_hashes
    }

    /// Returns whether an object, in any lifecycle, has copies of this name.
    pub fn has_copies(&self, secret: &str) -> bool {
        self.named(secret).next().is_some()
    }

    /// Returns whether the installation has rights on Secrets of this name. Without them it sees none.
    pub(crate) fn is_permitted(&self, secret: &str) -> bool {
        self.managed.as_ref().is_none_or(|names| names.contains(secret))
    }

    /// Returns whether a frozen object has this name. Then the operator removes no copy or reference of this name.
    pub(crate) fn is_frozen(&self, secret: &str) -> bool {
        self.named(secret).any(|object| object.lifecycle == Lifecycle::Frozen)
    }

    /// Returns whether an object of this name cannot be read. Then the operator writes no Secret of this name.
    pub(crate) fn is_unreadable(&self, secret: &str) -> bool {
        self.named(secret).any(|object| object.is_unreadable())
    }

    /// Returns the oldest object that calls this Secret a source, even if its spec has other errors.
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

/// Inserts the object into a list that is sorted in this order.
fn insert_sorted(list: &mut Vec<Arc<Object>>, object: &Arc<Object>, order: impl Fn(&Arc<Object>) -> Ordering) {
    let at = list.partition_point(|other| order(other).is_lt());
    list.insert(at, Arc::clone(object));
}

/// The objects that select a namespace, oldest first.
#[derive(Clone, Debug, Default)]
pub struct Selecting(Box<[Arc<Object>]>);

impl Selecting {
    /// Adds or replaces `object` if it `selects` the namespace now, and removes it otherwise.
    pub fn update(&mut self, object: &Arc<Object>, selects: bool) {
        let mut objects = std::mem::take(&mut self.0).into_vec();
        objects.retain(|other| other.name != object.name);
        if selects {
            insert_sorted(&mut objects, object, |other| age(other).cmp(&age(object)));
        }
        self.0 = objects.into();
    }

    /// Returns whether the object of that name is one of them.
    pub fn contains(&self, name: &str) -> bool {
        self.0.iter().any(|object| object.name.as_ref() == name)
    }
}

/// One namespace, and the objects that select it.
#[derive(Clone, Debug)]
pub struct Scope<'a> {
    pub(crate) cluster: &'a Cluster,
    pub(crate) name: &'a str,
    /// The facts about it.
    pub seen: &'a Namespace,
    /// The objects that want a copy, oldest first, by its name. Frozen objects count, because they keep what they have.
    claims: BTreeMap<&'a str, Vec<&'a Arc<Object>>>,
}

impl<'a> Scope<'a> {
    /// `selecting` must be sorted, oldest first.
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

    /// Returns the names of all Secrets that exist or that an object wants.
    pub fn secret_names(&self) -> BTreeSet<&'a Arc<str>> {
        let claimed = self.claims.values().filter_map(|claim| claim.first());
        claimed
            .map(|object| &object.spec.secret_name)
            .chain(self.seen.secrets.keys())
            .collect()
    }

    /// Returns whether this object wants a Secret of that name here.
    pub(crate) fn is_claimed_by(&self, secret: &str, object: &Object) -> bool {
        let claimants = self.claimants(secret);
        claimants.iter().any(|claimant| claimant.name == object.name)
    }

    /// Returns whether an object wants a Secret of that name here.
    pub fn is_claimed(&self, secret: &str) -> bool {
        self.claims.contains_key(secret)
    }

    /// Returns the objects that want a copy of that name here, oldest first. The first decides what it holds.
    pub(crate) fn claimants(&self, secret: &str) -> &[&'a Arc<Object>] {
        self.claims.get(secret).map_or(&[], Vec::as_slice)
    }

    /// Returns the object that decides each wanted copy, which is the oldest one that wants it. Oldest first.
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
