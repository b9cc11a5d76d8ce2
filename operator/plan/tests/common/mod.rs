//! What the tests of the plan share: declarations as their authors write them, the cluster in a few words, and an API
//! server in memory.

#![allow(dead_code, reason = "each of the test binaries uses its part")]

pub(crate) mod server;

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use crd::names::{ANNOTATION_DECLARED, ANNOTATION_RETAINED, LABEL_MANAGED_BY, LABEL_OBJECT, MANAGED_BY};
use plan::identity::Version;
use plan::object::{Lifecycle, Object, Spec};
use plan::observed::{Account, Entry, Namespace, Owner, Secret, SecretTraits};
use plan::payload::{Digest, DigestKey, Payload};
use plan::scope::Cluster;
use serde_json::{Value, json};

pub(crate) const OPERATOR_NAMESPACE: &str = "pullsecrets-system";

/// Returns the digest of a payload that this word names.
pub(crate) fn payload(word: &str) -> Arc<Payload> {
    Arc::new(Payload::new(word.as_bytes(), &DigestKey::new([7; 16])))
}

pub(crate) fn digest(word: &str) -> Arc<Digest> {
    Arc::clone(payload(word).digest())
}

/// A live object that selects every namespace and the accounts `default`; its copies hold its name. The fields of
/// `spec` replace those of this default.
pub(crate) fn object(name: &str, spec: &Value) -> Object {
    let mut full = json!({
        "registries": [{
            "server": "r.example.com",
            "credentials": {"basicAuth": {"secretRef": {"name": "source"}}},
        }],
        "namespaces": {"selectors": [{}]},
    });
    for (field, value) in spec.as_object().expect("the fields of a spec") {
        full[field] = value.clone();
    }
    let declared = serde_json::from_value(full).expect("a spec");
    Object {
        name: name.into(),
        uid: uid_of(name).as_str().into(),
        created: 0,
        lifecycle: Lifecycle::Active,
        spec: Spec::parse(name, &declared, OPERATOR_NAMESPACE).expect("a spec that the schema lets through"),
        payload: Some(payload(name)),
        tied: None,
    }
}

fn uid_of(object: &str) -> String {
    format!("uid-of-{object}")
}

/// The ownerReference to an object of [`object`].
pub(crate) fn owner(object: &str) -> Owner {
    Owner {
        uid: uid_of(object).as_str().into(),
        name: object.into(),
    }
}

/// The same, made at that time.
pub(crate) fn created(at: i64, object: Object) -> Object {
    Object { created: at, ..object }
}

/// The same, in another lifecycle.
pub(crate) fn with_lifecycle(lifecycle: Lifecycle, object: Object) -> Object {
    Object { lifecycle, ..object }
}

/// A Secret as it is seen, to be bent to the case.
#[derive(Clone, Debug)]
pub(crate) struct Stored {
    pub(crate) digest: Option<Arc<Digest>>,
    pub(crate) labels: BTreeMap<String, String>,
    pub(crate) annotations: BTreeMap<String, String>,
    pub(crate) traits: SecretTraits,
}

/// A foreign docker login without our marks.
pub(crate) fn foreign() -> Stored {
    Stored {
        digest: Some(digest("somebody's")),
        labels: BTreeMap::new(),
        annotations: BTreeMap::new(),
        traits: SecretTraits {
            docker_config_type: true,
            ..SecretTraits::default()
        },
    }
}

/// What an [`object`] of that name makes, when it alone wants it.
pub(crate) fn copy_of(object: &str) -> Stored {
    foreign()
        .holding(object)
        .label(LABEL_OBJECT, object)
        .label(LABEL_MANAGED_BY, MANAGED_BY)
        .owned_by(&[object])
}

/// A copy that the object of that name has left to its namespace.
pub(crate) fn retained_from(object: &str) -> Stored {
    foreign().holding(object).annotation(ANNOTATION_RETAINED, object)
}

impl Stored {
    /// What an emptied copy holds.
    pub(crate) fn without_login(mut self) -> Self {
        self.digest = None;
        self
    }

    pub(crate) fn holding(mut self, word: &str) -> Self {
        self.digest = Some(digest(word));
        self
    }

    pub(crate) fn label(mut self, key: &str, value: &str) -> Self {
        self.labels.insert(key.to_owned(), value.to_owned());
        self
    }

    pub(crate) fn without_label(mut self, key: &str) -> Self {
        self.labels.remove(key);
        self
    }

    pub(crate) fn annotation(mut self, key: &str, value: &str) -> Self {
        self.annotations.insert(key.to_owned(), value.to_owned());
        self
    }

    /// The record of the declared keys.
    pub(crate) fn declaring(self, keys: &str) -> Self {
        self.annotation(ANNOTATION_DECLARED, keys)
    }

    pub(crate) fn owned_by(mut self, objects: &[&str]) -> Self {
        self.traits.owners = objects.iter().map(|object| owner(object)).collect();
        self.traits.owners.sort_unstable();
        self
    }

    /// As it is held when no object had its name.
    pub(crate) fn seen_in_part(mut self) -> Self {
        self.traits.partial = true;
        self
    }

    pub(crate) fn of_another_type(mut self) -> Self {
        self.traits.docker_config_type = false;
        self
    }

    pub(crate) fn immutable(mut self) -> Self {
        self.traits.immutable = true;
        self
    }

    pub(crate) fn deleting(mut self) -> Self {
        self.traits.deleting = true;
        self.traits.finalizer = Some("example.com/slow".into());
        self
    }

    pub(crate) fn controlled(mut self) -> Self {
        self.traits.controlled = true;
        self
    }

    pub(crate) fn applied_by_us(mut self) -> Self {
        self.traits.applied_by_us = true;
        self
    }

    /// Without its label since the operator saw it.
    pub(crate) fn was_labelled(self) -> Self {
        let mut stripped = self.without_label(LABEL_OBJECT).applied_by_us();
        stripped.traits.was_labelled = true;
        stripped
    }

    /// One of its owners has a form that the operator does not write.
    pub(crate) fn with_bent_owners(mut self) -> Self {
        self.traits.bent_owners = true;
        self
    }

    pub(crate) fn seen(self, version: Version) -> Secret {
        Secret {
            version,
            digest: self.digest,
            traits: Arc::new(SecretTraits {
                labels: self.labels.iter().collect(),
                annotations: self.annotations.iter().collect(),
                ..self.traits
            }),
        }
    }
}

/// An account that refers to these Secrets, with the record of those that we added.
pub(crate) fn account(entries: &[&str], attached: &[&str]) -> Account {
    Account {
        version: Version::new("uid-of-account", "10"),
        labels: plan::labels::Labels::default(),
        entries: entries.iter().map(|name| Entry::named(name)).collect(),
        attached: attached.iter().map(|&name| name.into()).collect(),
        deleting: false,
        too_large: false,
        listed_by_us: false,
        hidden: None,
    }
}

/// An account whose list is as we wrote it, and whose record is gone.
pub(crate) fn replaced(entries: &[&str]) -> Account {
    Account {
        listed_by_us: true,
        ..account(entries, &[])
    }
}

/// An account without any reference.
pub(crate) fn bare() -> Account {
    account(&[], &[])
}

/// The same account with a label.
pub(crate) fn labelled(key: &str, value: &str, account: Account) -> Account {
    Account {
        labels: [(key, value)].into_iter().collect(),
        ..account
    }
}

/// All that a plan is made from.
#[derive(Clone, Debug, Default)]
pub(crate) struct World {
    pub(crate) objects: Vec<Arc<Object>>,
    pub(crate) protected: BTreeSet<String>,
    pub(crate) managed: Option<BTreeSet<Arc<str>>>,
    pub(crate) namespaces: BTreeMap<String, Namespace>,
}

impl World {
    /// With these objects and no namespace.
    pub(crate) fn of(objects: impl IntoIterator<Item = Object>) -> Self {
        Self {
            objects: objects.into_iter().map(Arc::new).collect(),
            ..Self::default()
        }
    }

    /// The same with these objects instead.
    pub(crate) fn replacing(mut self, objects: Vec<Object>) -> Self {
        self.objects = objects.into_iter().map(Arc::new).collect();
        self
    }

    pub(crate) fn protecting(mut self, namespace: &str) -> Self {
        self.protected.insert(namespace.to_owned());
        self
    }

    /// In an installation with rights on Secrets of these names alone.
    pub(crate) fn managing(mut self, names: &[&str]) -> Self {
        self.managed = Some(names.iter().map(|&name| name.into()).collect());
        self
    }

    /// A namespace with these labels.
    pub(crate) fn namespace(mut self, name: &str, labels: &[(&str, &str)]) -> Self {
        self.place(name).labels = labels.iter().copied().collect();
        self
    }

    pub(crate) fn terminating(mut self, namespace: &str) -> Self {
        self.place(namespace).terminating = true;
        self
    }

    /// A Secret at `namespace/name`.
    pub(crate) fn secret(mut self, path: &str, stored: Stored) -> Self {
        let (namespace, name) = split(path);
        let seen = stored.seen(Version::new("uid-of-secret", "10"));
        self.place(namespace).secrets.insert(name.into(), seen);
        self
    }

    /// An account at `namespace/name`.
    pub(crate) fn account(mut self, path: &str, account: Account) -> Self {
        let (namespace, name) = split(path);
        self.place(namespace).accounts.insert(name.into(), account);
        self
    }

    pub(crate) fn cluster(&self) -> Cluster {
        let mut cluster = Cluster::new(self.protected.iter().cloned());
        if let Some(names) = &self.managed {
            cluster = cluster.managing(names.clone());
        }
        for object in &self.objects {
            cluster.insert(object);
        }
        cluster
    }

    fn place(&mut self, namespace: &str) -> &mut Namespace {
        self.namespaces.entry(namespace.to_owned()).or_default()
    }
}

fn split(path: &str) -> (&str, &str) {
    path.split_once('/').expect("namespace/name")
}
