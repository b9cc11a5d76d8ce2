//! The Secrets of the source namespaces, as the watches show them.

use std::collections::{BTreeMap, BTreeSet};

use crd::SecretReference;
use crd::names::STATE_TYPE;
use kube::ResourceExt as _;
use kube::runtime::watcher::Event;
use plan::identity::ResourceVersion;
use plan::registries::{LastGood, Lookup, Source};

use super::state;
use crate::kinds::SourceSecret;
use crate::wanted::Wanted;

/// The sources of all objects, and the state Secrets among them.
#[derive(Debug)]
pub struct Sources {
    /// The operator's own namespace: the default for a reference, and where state lives.
    own: String,
    namespaces: BTreeMap<String, View>,
}

/// One namespace of sources.
#[derive(Debug)]
struct View {
    /// Of the Secrets here only those are held that an object names, and state.
    wanted: Wanted,
    /// Which of those the last list showed.
    listed: u64,
    secrets: BTreeMap<String, Held>,
    /// While a list comes in: what it held so far. Taken over only when the list is complete.
    incoming: Option<BTreeMap<String, Held>>,
    complete: bool,
}

#[derive(Clone, Debug)]
struct Held {
    resource_version: String,
    /// In seconds since 1970.
    changed_at: Option<i64>,
    source: Source,
}

/// The state Secret of an object.
pub struct State {
    /// For the precondition of the next write.
    pub resource_version: String,
    /// None when it does not read.
    pub last_good: Option<LastGood>,
}

impl Sources {
    /// `own` is the operator's namespace; sources live there and in `others`.
    pub fn new(own: &str, others: &BTreeSet<String>) -> Self {
        let namespaces = others
            .iter()
            .cloned()
            .chain([own.to_owned()])
            .map(|name| (name, View::new()));
        Self {
            own: own.to_owned(),
            namespaces: namespaces.collect(),
        }
    }

    /// The namespaces to watch, and what is wanted of their Secrets.
    pub fn namespaces(&self) -> impl Iterator<Item = (&str, &Wanted)> {
        self.namespaces.iter().map(|(name, view)| (name.as_str(), &view.wanted))
    }

    /// An object names these Secrets as its sources, by namespace and name.
    pub fn want(&self, sources: &BTreeSet<(String, String)>) {
        for (namespace, name) in sources {
            if let Some(view) = self.namespaces.get(namespace) {
                view.wanted.want([name.as_str()]);
            }
        }
    }

    /// All sources that objects name are known: what is listed from now on need not be listed again.
    pub fn are_known(&self) {
        for view in self.namespaces.values() {
            view.wanted.complete();
        }
    }

    /// Whether the Secrets of every source namespace were listed once.
    pub fn is_complete(&self) -> bool {
        self.namespaces.values().all(|view| view.complete)
    }

    /// Whether the Secrets of this source namespace were listed once.
    pub fn is_listed(&self, namespace: &str) -> bool {
        self.namespaces.get(namespace).is_some_and(|view| view.complete)
    }

    /// Takes an event of the watch of `namespace` in, whose list began at this edition of what is wanted.
    pub fn take(&mut self, namespace: &str, event: Event<SourceSecret>, edition: u64) {
        let is_own = namespace == self.own;
        let Some(view) = self.namespaces.get_mut(namespace) else {
            return;
        };
        match event {
            Event::Init => view.incoming = Some(BTreeMap::new()),
            Event::InitApply(secret) | Event::Apply(secret) if !secret.is_wanted(&view.wanted, is_own) => {
                view.secrets.remove(&secret.name_any());
            }
            Event::InitApply(secret) => {
                view.incoming
                    .get_or_insert_default()
                    .insert(secret.name_any(), held(secret));
            }
            Event::InitDone => {
                view.secrets = view.incoming.take().unwrap_or_default();
                view.complete = true;
                view.listed = view.listed.max(edition);
            }
            Event::Apply(secret) => view.put(secret),
            Event::Delete(secret) => {
                view.secrets.remove(&secret.name_any());
            }
        }
    }

    /// The reply to a write of a state Secret: what it is now, or none when it is gone.
    pub fn take_state(&mut self, uid: &str, secret: Option<SourceSecret>) {
        let Some(view) = self.namespaces.get_mut(&self.own) else {
            return;
        };
        match secret {
            Some(secret) => view.put(secret),
            None => {
                view.secrets.remove(&state::secret_name(uid));
            }
        }
    }

    /// Finds the source that a reference names; none while its namespace was not listed yet.
    pub fn find(&self, reference: &SecretReference) -> Option<Lookup<'_>> {
        let namespace = reference.namespace.as_deref().unwrap_or(&self.own);
        let Some(view) = self.namespaces.get(namespace) else {
            return Some(Lookup::NotAllowed);
        };
        let lookup = view
            .secrets
            .get(&reference.name)
            .map_or(Lookup::Missing, |held| Lookup::Found(&held.source));
        let is_listed = view.complete && view.wanted.want([reference.name.as_str()]) <= view.listed;
        is_listed.then_some(lookup)
    }

    /// When a source was changed last, in seconds since 1970; none if it is not there.
    pub fn changed_at(&self, namespace: &str, name: &str) -> Option<i64> {
        self.namespaces.get(namespace)?.secrets.get(name)?.changed_at
    }

    /// The state Secret of the object with this uid.
    pub fn state(&self, uid: &str) -> Option<State> {
        let held = self.namespaces.get(&self.own)?.secrets.get(&state::secret_name(uid))?;
        let value = held
            .source
            .data
            .get(state::KEY)
            .filter(|_| held.source.type_ == STATE_TYPE);
        Some(State {
            resource_version: held.resource_version.clone(),
            last_good: value.and_then(|bytes| state::from_json(bytes)),
        })
    }
}

impl View {
    fn new() -> Self {
        Self {
            wanted: Wanted::new(&[]),
            listed: 0,
            secrets: BTreeMap::new(),
            incoming: None,
            complete: false,
        }
    }

    /// What is older than what is held is passed over: the reply to a write comes before its echo.
    fn put(&mut self, secret: SourceSecret) {
        let (name, new) = (secret.name_any(), held(secret));
        let version = |held: &Held| ResourceVersion::from(held.resource_version.as_str());
        let old = self
            .secrets
            .get(&name)
            .is_some_and(|known| version(&new).is_older_than(&version(known)));
        if !old {
            self.secrets.insert(name, new);
        }
    }
}

fn held(secret: SourceSecret) -> Held {
    Held {
        resource_version: secret.resource_version().unwrap_or_default(),
        changed_at: secret.changed_at(),
        source: secret.into_source(),
    }
}
