//! The Secrets of the source namespaces, as the watches show them.

#[cfg(test)]
mod tests;

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use crd::names::{DOCKER_CONFIG_KEY, LEGACY_CONFIG_KEY, STATE_TYPE};
use crd::{Credentials, Registry, SecretReference};
use kube::ResourceExt as _;
use kube::runtime::watcher::Event;
use plan::identity::ResourceVersion;
use plan::last_good::{self, State};
use plan::object::source_location;
use plan::registries::{Lookup, Source};
use tokio::sync::watch;

use crate::api::partial::SourceSecret;
use crate::wanted::{Asker, Wanted, word};

/// What an object reads: for each namespace the names of Secrets, and the keys of their data as [`word`]s.
pub type Words = BTreeMap<String, BTreeSet<String>>;

/// Returns what an object reads that names these Secrets, as (namespace, name), and declares these registries.
///
/// `own` is the namespace of references that name none.
pub fn words(named: &BTreeSet<(String, String)>, registries: &[Registry], own: &str) -> Words {
    let mut words = Words::new();
    for (namespace, name) in named {
        words.entry(namespace.clone()).or_default().insert(name.clone());
    }
    for Registry { credentials, .. } in registries {
        for reference in credentials.references() {
            let (namespace, name) = source_location(reference, own);
            let read = keys(credentials).into_iter().map(|key| word(&name, key));
            words.entry(namespace).or_default().extend(read);
        }
    }
    words
}

/// Returns the keys that are read of the source of these credentials.
fn keys(credentials: &Credentials) -> Vec<&str> {
    let basic = credentials.basic_auth.iter();
    let basic = basic.flat_map(|basic| [basic.username_key.as_str(), basic.password_key.as_str()]);
    let docker = credentials.docker_config.iter();
    let docker = docker.flat_map(|docker| match &docker.key {
        Some(key) => vec![key.as_str()],
        // The type of the Secret decides which of them.
        None => vec![DOCKER_CONFIG_KEY, LEGACY_CONFIG_KEY],
    });
    basic.chain(docker).collect()
}

/// The sources of all objects, and the state Secrets among them.
#[derive(Debug)]
pub struct Sources {
    /// The operator's own namespace: the default of a reference, and the place of state Secrets.
    own: String,
    namespaces: BTreeMap<String, View>,
    /// Only lists of a leader count.
    leads: bool,
}

/// What the list of a watch shows that began last.
#[derive(Clone, Copy, Debug)]
pub struct Listing {
    /// The edition of what is wanted in the namespace.
    pub edition: u64,
    /// Whether this process held the Lease.
    pub as_leader: bool,
}

/// One namespace of sources.
#[derive(Debug)]
struct View {
    /// The Secrets to keep: those that an object names, and state Secrets.
    wanted: Wanted,
    /// What the complete lists have shown, the latest edition and any list of a leader; `None` before the first.
    listed: Option<Listing>,
    secrets: BTreeMap<String, Cached>,
    /// While a list comes in: what it had so far. It replaces `secrets` when the list is complete.
    incoming: Option<BTreeMap<String, Cached>>,
    /// The server forbids what it once showed, so `secrets` may no longer be true.
    refused: watch::Sender<bool>,
}

#[derive(Clone, Debug)]
struct Cached {
    resource_version: String,
    /// When it was last changed, in seconds of Unix time.
    changed_at: Option<i64>,
    source: Source,
}

impl Sources {
    /// Makes an empty cache of the operator's namespace `own`, and of `others`.
    pub fn new(own: &str, others: &BTreeSet<String>) -> Self {
        let namespaces = others
            .iter()
            .cloned()
            .chain([own.to_owned()])
            .map(|name| (name, View::new()));
        Self {
            own: own.to_owned(),
            namespaces: namespaces.collect(),
            leads: false,
        }
    }

    /// This process leads. What it saw before counts no longer: another leader may have delivered newer sources, while
    /// the watch of this process was silent. Returns false if it led before.
    pub fn lead(&mut self) -> bool {
        !std::mem::replace(&mut self.leads, true)
    }

    /// Returns each namespace to watch, what is wanted of it, and the sender of whether the server forbids its Secrets.
    pub fn namespaces(&self) -> impl Iterator<Item = (&str, &Wanted, &watch::Sender<bool>)> {
        let each = self.namespaces.iter();
        each.map(|(name, view)| (name.as_str(), &view.wanted, &view.refused))
    }

    /// Returns for each source namespace whether the server forbids what it once showed.
    pub fn refusals(&self) -> Vec<(String, watch::Receiver<bool>)> {
        let each = self.namespaces.iter();
        each.map(|(name, view)| (name.clone(), view.refused.subscribe()))
            .collect()
    }

    /// The object reads this, and no longer what it read before. `state` is the name of its state Secret. Without
    /// `recorded` that Secret does not exist yet.
    pub fn want(&mut self, object: &Arc<str>, words: &Words, state: Option<&str>, recorded: bool) {
        let none = BTreeSet::new();
        for (namespace, view) in &mut self.namespaces {
            let forgotten = view.wanted.forgotten();
            let words = words.get(namespace).unwrap_or(&none);
            view.wanted
                .want(Asker::Objects(Arc::clone(object)), words.iter().map(String::as_str));
            if *namespace == self.own {
                let state: Vec<String> = state
                    .into_iter()
                    .flat_map(|name| [name.to_owned(), word(name, last_good::KEY)])
                    .collect();
                let (who, words) = (Asker::State(Arc::clone(object)), state.iter().map(String::as_str));
                if recorded {
                    view.wanted.want(who, words);
                } else {
                    view.wanted.admit(who, words);
                }
            }
            if view.wanted.forgotten() != forgotten {
                view.forget_unwanted();
            }
        }
    }

    /// Drops what only this object reads, because it is gone.
    pub fn forget(&mut self, object: &Arc<str>) {
        self.want(object, &Words::new(), None, false);
    }

    /// All sources that objects name are known, so a list that begins now shows all of them.
    pub fn are_known(&self) {
        for view in self.namespaces.values() {
            view.wanted.complete();
        }
    }

    /// Returns whether every source namespace was listed once, and once since [`Sources::lead`].
    pub fn is_complete(&self) -> bool {
        self.namespaces.values().all(|view| view.listed(self.leads).is_some())
    }

    /// Returns the same for this source namespace.
    pub fn is_listed(&self, namespace: &str) -> bool {
        let view = self.namespaces.get(namespace);
        view.is_some_and(|view| view.listed(self.leads).is_some())
    }

    /// Takes in an event of the watch of `namespace`.
    pub fn take(&mut self, namespace: &str, event: Event<SourceSecret>, listing: Listing) {
        let Some(view) = self.namespaces.get_mut(namespace) else {
            return;
        };
        match event {
            Event::Init => view.incoming = Some(BTreeMap::new()),
            Event::InitApply(secret) | Event::Apply(secret) if !secret.is_wanted(&view.wanted) => {
                view.secrets.remove(&secret.name_any());
            }
            Event::InitApply(secret) => {
                let cached = cached(secret.pruned(&view.wanted));
                view.incoming.get_or_insert_default().insert(cached.0, cached.1);
            }
            Event::InitDone => {
                view.secrets = view.incoming.take().unwrap_or_default();
                let listed = view.listed.get_or_insert(listing);
                listed.as_leader |= listing.as_leader;
                listed.edition = listed.edition.max(listing.edition);
            }
            Event::Apply(secret) => view.put(secret),
            Event::Delete(secret) => {
                view.secrets.remove(&secret.name_any());
            }
        }
    }

    /// Takes in the reply to a write of a state Secret: what it is now, or `None` if it is gone.
    pub fn take_state(&mut self, uid: &str, secret: Option<SourceSecret>) {
        let Some(view) = self.namespaces.get_mut(&self.own) else {
            return;
        };
        match secret {
            Some(secret) => view.put(secret),
            None => {
                view.secrets.remove(&last_good::secret_name(uid));
            }
        }
    }

    /// Returns the source that a reference in these credentials names. `None` means that its namespace was not listed
    /// yet, or not since an object asks for these keys, or for `takeover`.
    pub fn find(
        &self,
        reference: &SecretReference,
        credentials: &Credentials,
        takeover: Option<&str>,
    ) -> Option<Lookup<'_>> {
        let namespace = reference.namespace.as_deref().unwrap_or(&self.own);
        let Some(view) = self.namespaces.get(namespace) else {
            return Some(Lookup::NotAllowed);
        };
        if *view.refused.borrow() {
            return Some(Lookup::Forbidden);
        }
        let lookup = view
            .secrets
            .get(&reference.name)
            .map_or(Lookup::Missing, |cached| Lookup::Found(&cached.source));
        let mut words = vec![reference.name.clone()];
        words.extend(keys(credentials).into_iter().map(|key| word(&reference.name, key)));
        words.extend(takeover.map(str::to_owned));
        let edition = view.wanted.edition(words.iter().map(String::as_str));
        let listed = view.listed(self.leads)?.edition;
        edition.is_some_and(|edition| edition <= listed).then_some(lookup)
    }

    /// Returns when a source was last changed, in seconds of Unix time, or `None` if it does not exist.
    pub fn changed_at(&self, namespace: &str, name: &str) -> Option<i64> {
        self.namespaces.get(namespace)?.secrets.get(name)?.changed_at
    }

    /// Returns the state Secret of the object with this uid.
    pub fn state(&self, uid: &str) -> Option<State> {
        let cached = self
            .namespaces
            .get(&self.own)?
            .secrets
            .get(&last_good::secret_name(uid))?;
        let value = cached
            .source
            .data
            .get(last_good::KEY)
            .filter(|_| cached.source.type_ == STATE_TYPE);
        Some(State {
            resource_version: cached.resource_version.clone(),
            last_good: value.and_then(|bytes| last_good::from_json(bytes)),
        })
    }
}

impl View {
    fn new() -> Self {
        Self {
            wanted: Wanted::new(&[]),
            listed: None,
            secrets: BTreeMap::new(),
            incoming: None,
            refused: watch::Sender::new(false),
        }
    }

    /// What the lists have shown, if they count: for a leader, only once one began while it held the Lease.
    fn listed(&self, leads: bool) -> Option<Listing> {
        self.listed.filter(|listed| listed.as_leader || !leads)
    }

    /// Drops what no object asks for.
    fn forget_unwanted(&mut self) {
        let Self { wanted, secrets, .. } = self;
        secrets.retain(|name, _| wanted.has(name));
        for (name, cached) in secrets {
            cached.source.data.retain(|key, _| wanted.has(&word(name, key)));
        }
    }

    /// Keeps the Secret, unless a newer version is known: the reply to a write comes before its watch event.
    fn put(&mut self, secret: SourceSecret) {
        let (name, new) = cached(secret.pruned(&self.wanted));
        let version = |cached: &Cached| ResourceVersion::from(cached.resource_version.as_str());
        let old = self
            .secrets
            .get(&name)
            .is_some_and(|known| version(&new).is_older_than(&version(known)));
        if !old {
            self.secrets.insert(name, new);
        }
    }
}

fn cached(secret: SourceSecret) -> (String, Cached) {
    let name = secret.name_any();
    let cached = Cached {
        resource_version: secret.resource_version().unwrap_or_default(),
        changed_at: secret.changed_at(),
        source: secret.into_source(),
    };
    (name, cached)
}
