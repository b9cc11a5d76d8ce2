//! All objects together, and what they ask of one namespace.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use crate::action::{AccountAction, SecretAction};
use crate::object::{Object, Standing};
use crate::observed::{Account, Namespace};
use crate::verdict::Decision;
use crate::{account, copy};

/// All objects, oldest first, and the namespaces that no selector reaches.
#[derive(Clone, Debug, Default)]
pub struct Cluster {
    objects: Vec<Arc<Object>>,
    protected: BTreeSet<String>,
    managed: Option<BTreeSet<Arc<str>>>,
}

impl Cluster {
    /// With no object yet. `protected` are the operator's own namespace and those of sources; the system namespaces
    /// are protected always.
    pub fn new(protected: impl IntoIterator<Item = String>) -> Self {
        let system = crd::names::SYSTEM_NAMESPACES.iter().map(|&name| name.to_owned());
        Self {
            objects: Vec::new(),
            protected: system.chain(protected).collect(),
            managed: None,
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
    pub fn insert(&mut self, object: Arc<Object>) {
        self.remove(&object.name);
        let age = |object: &Object| (object.created, Arc::clone(&object.name));
        let at = self.objects.partition_point(|other| age(other) < age(&object));
        self.objects.insert(at, object);
    }

    /// Forgets the object of that name.
    pub fn remove(&mut self, name: &str) -> Option<Arc<Object>> {
        let at = self.objects.iter().position(|object| object.name.as_ref() == name)?;
        Some(self.objects.remove(at))
    }

    /// Oldest first (creationTimestamp, then name).
    pub fn objects(&self) -> &[Arc<Object>] {
        &self.objects
    }

    /// The object of that name.
    pub fn object(&self, name: &str) -> Option<&Arc<Object>> {
        self.objects.iter().find(|object| object.name.as_ref() == name)
    }

    /// What is asked of the namespace `name`, as seen.
    pub fn scope<'a>(&'a self, name: &'a str, seen: &'a Namespace) -> Scope<'a> {
        let protected = self.protected.contains(name);
        let selects = |object: &&Arc<Object>| {
            object.stays()
                && object
                    .spec
                    .selection
                    .as_ref()
                    .is_some_and(|selection| selection.selects_namespace(name, &seen.labels, protected))
        };
        let mut claims: BTreeMap<&str, Vec<&Arc<Object>>> = BTreeMap::new();
        for object in self.objects.iter().filter(selects) {
            claims.entry(&object.spec.secret_name).or_default().push(object);
        }
        Scope {
            cluster: self,
            name,
            seen,
            claims,
        }
    }

    /// The objects, in any standing, whose copies have this name.
    pub(crate) fn named<'a>(&'a self, secret: &'a str) -> impl Iterator<Item = &'a Arc<Object>> {
        self.objects
            .iter()
            .filter(move |object| object.spec.secret_name.as_ref() == secret)
    }

    /// Whether the installation has rights on Secrets of this name. Where it has none, none is seen.
    pub(crate) fn is_permitted(&self, secret: &str) -> bool {
        self.managed.as_ref().is_none_or(|names| names.contains(secret))
    }

    /// Nothing may be removed under this name: an object that holds it must not be acted for now.
    pub(crate) fn is_held(&self, secret: &str) -> bool {
        self.named(secret).any(|object| object.standing == Standing::Held)
    }

    /// Nothing may be written under this name: its object cannot be read.
    pub(crate) fn is_unreadable(&self, secret: &str) -> bool {
        self.named(secret).any(|object| object.is_unreadable())
    }

    /// Some object takes its credentials from this Secret.
    pub(crate) fn is_source(&self, namespace: &str, secret: &str) -> bool {
        self.objects.iter().any(|object| {
            object
                .spec
                .sources
                .iter()
                .any(|(ns, name)| ns == namespace && name == secret)
        })
    }
}

/// One namespace, and the objects that select it.
#[derive(Clone, Debug)]
pub struct Scope<'a> {
    pub(crate) cluster: &'a Cluster,
    pub(crate) name: &'a str,
    pub(crate) seen: &'a Namespace,
    /// By the name of the copy, the objects that want it, oldest first. Held ones too: what they hold is theirs.
    claims: BTreeMap<&'a str, Vec<&'a Arc<Object>>>,
}

impl<'a> Scope<'a> {
    /// Every name of a Secret that is asked for or there.
    pub fn secret_names(&self) -> BTreeSet<&'a str> {
        self.claims
            .keys()
            .copied()
            .chain(self.seen.secrets.keys().map(AsRef::as_ref))
            .collect()
    }

    /// Whether an object wants a Secret of that name here.
    pub fn is_claimed(&self, secret: &str) -> bool {
        self.claims.contains_key(secret)
    }

    /// Decides of the Secret of that name. What it guarantees stands at the decision itself, in `copy`.
    pub fn secret(&self, name: &'a str, circumstances: copy::Circumstances<'_>) -> Decision<'a, SecretAction> {
        copy::decide(self, name, circumstances)
    }

    /// Decides of an account. What it guarantees stands at the decision itself, in `account`.
    pub fn account(
        &self,
        name: &str,
        seen: &Account,
        circumstances: account::Circumstances<'_>,
    ) -> Decision<'a, AccountAction> {
        account::decide(self, name, seen, circumstances)
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
        deciders.sort_by(|a, b| (a.created, &a.name).cmp(&(b.created, &b.name)));
        deciders
    }
}
