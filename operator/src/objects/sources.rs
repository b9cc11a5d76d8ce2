//! The Secrets of the source namespaces, as the watches show them.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use crd::names::{DOCKER_CONFIG_KEY, LEGACY_CONFIG_KEY, STATE_TYPE};
use crd::{Credentials, Registry, SecretReference};
use kube::ResourceExt as _;
use kube::runtime::watcher::Event;
use plan::identity::ResourceVersion;
use plan::object::source_location;
use plan::registries::{LastGood, Lookup, Source};
use tokio::sync::watch;

use crate::api::partial::SourceSecret;
use crate::wanted::{Asker, Wanted, word};
use plan::last_good;

/// What an object reads: by namespace, the names of Secrets, and with [`word`] the keys of their data.
pub type Words = BTreeMap<String, BTreeSet<String>>;

/// What an object reads that names these Secrets, as (namespace, name), and declares these registries. `own` is the namespace
/// of references that name none.
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

/// The keys that are read of the source of these credentials.
fn keys(credentials: &Credentials) -> Vec<&str> {
    let basic = credentials.basic_auth.iter();
    let basic = basic.flat_map(|basic| [basic.username_key.as_str(), basic.password_key.as_str()]);
    let docker = credentials.docker_config.iter();
    let docker = docker.flat_map(|_| [DOCKER_CONFIG_KEY, LEGACY_CONFIG_KEY]);
    basic.chain(docker).collect()
}

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
    /// The server forbids what it once showed. What it showed is then no longer known to be true.
    refused: watch::Sender<bool>,
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

    /// The namespaces to watch, what is wanted of their Secrets, and where to say whether the server forbids these.
    pub fn namespaces(&self) -> impl Iterator<Item = (&str, &Wanted, &watch::Sender<bool>)> {
        let each = self.namespaces.iter();
        each.map(|(name, view)| (name.as_str(), &view.wanted, &view.refused))
    }

    /// For each source namespace, whether the server forbids what it once showed.
    pub fn refusals(&self) -> Vec<(String, watch::Receiver<bool>)> {
        let each = self.namespaces.iter();
        each.map(|(name, view)| (name.clone(), view.refused.subscribe()))
            .collect()
    }

    /// An object reads this, and no longer what it read before. `state` is the name of its state Secret; one that is not
    /// `recorded` is still to be made.
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

    /// An object is gone.
    pub fn forget(&mut self, object: &Arc<str>) {
        self.want(object, &Words::new(), None, false);
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
        let Some(view) = self.namespaces.get_mut(namespace) else {
            return;
        };
        match event {
            Event::Init => view.incoming = Some(BTreeMap::new()),
            Event::InitApply(secret) | Event::Apply(secret) if !secret.is_wanted(&view.wanted) => {
                view.secrets.remove(&secret.name_any());
            }
            Event::InitApply(secret) => {
                let held = held(secret.pruned(&view.wanted));
                view.incoming.get_or_insert_default().insert(held.0, held.1);
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
                view.secrets.remove(&last_good::secret_name(uid));
            }
        }
    }

    /// Finds the source that a reference in these credentials names; none while its namespace was not listed yet, or not
    /// since an object asks for the keys that are read. What was seen before the server forbade it is not found.
    pub fn find(&self, reference: &SecretReference, credentials: &Credentials) -> Option<Lookup<'_>> {
        let namespace = reference.namespace.as_deref().unwrap_or(&self.own);
        let Some(view) = self.namespaces.get(namespace) else {
            return Some(Lookup::NotAllowed);
        };
        if *view.refused.borrow() {
            return Some(Lookup::Unread);
        }
        let lookup = view
            .secrets
            .get(&reference.name)
            .map_or(Lookup::Missing, |held| Lookup::Found(&held.source));
        let mut words = vec![reference.name.clone()];
        words.extend(keys(credentials).into_iter().map(|key| word(&reference.name, key)));
        let edition = view.wanted.edition(words.iter().map(String::as_str));
        let is_listed = view.complete && edition.is_some_and(|edition| edition <= view.listed);
        is_listed.then_some(lookup)
    }

    /// When a source was changed last, in seconds since 1970; none if it is not there.
    pub fn changed_at(&self, namespace: &str, name: &str) -> Option<i64> {
        self.namespaces.get(namespace)?.secrets.get(name)?.changed_at
    }

    /// The state Secret of the object with this uid.
    pub fn state(&self, uid: &str) -> Option<State> {
        let held = self
            .namespaces
            .get(&self.own)?
            .secrets
            .get(&last_good::secret_name(uid))?;
        let value = held
            .source
            .data
            .get(last_good::KEY)
            .filter(|_| held.source.type_ == STATE_TYPE);
        Some(State {
            resource_version: held.resource_version.clone(),
            last_good: value.and_then(|bytes| last_good::from_json(bytes)),
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
            refused: watch::Sender::new(false),
        }
    }

    /// Drops what no object asks for any more.
    fn forget_unwanted(&mut self) {
        let Self { wanted, secrets, .. } = self;
        secrets.retain(|name, _| wanted.has(name));
        for (name, held) in secrets {
            held.source.data.retain(|key, _| wanted.has(&word(name, key)));
        }
    }

    /// What is older than what is held is passed over: the reply to a write comes before its echo.
    fn put(&mut self, secret: SourceSecret) {
        let (name, new) = held(secret.pruned(&self.wanted));
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

fn held(secret: SourceSecret) -> (String, Held) {
    let name = secret.name_any();
    let held = Held {
        resource_version: secret.resource_version().unwrap_or_default(),
        changed_at: secret.changed_at(),
        source: secret.into_source(),
    };
    (name, held)
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    const OWN: &str = "pullsecrets-system";

    fn registry(credentials: &serde_json::Value) -> Registry {
        serde_json::from_value(json!({"server": "registry.example.com", "credentials": credentials})).unwrap()
    }

    fn secret(name: &str, type_: &str, keys: &[&str]) -> SourceSecret {
        let data: BTreeMap<&str, String> = keys.iter().map(|&key| (key, "eHh4".repeat(100_000))).collect();
        let labels: BTreeMap<String, String> = (0..1_000).map(|n| (format!("l{n}"), "v".to_owned())).collect();
        let metadata = json!({"name": name, "resourceVersion": "5", "labels": labels});
        serde_json::from_value(json!({"metadata": metadata, "type": type_, "data": data})).unwrap()
    }

    fn listed(sources: &mut Sources, secrets: Vec<SourceSecret>) {
        sources.take(OWN, Event::Init, 0);
        for secret in secrets {
            sources.take(OWN, Event::InitApply(secret), 0);
        }
        sources.take(OWN, Event::InitDone, 9);
    }

    fn held(sources: &Sources) -> BTreeMap<&str, Vec<&str>> {
        let held = sources.namespaces[OWN].secrets.iter();
        held.map(|(name, held)| (name.as_str(), held.source.data.keys().map(String::as_str).collect()))
            .collect()
    }

    #[test]
    fn of_a_source_the_keys_that_objects_read_are_held() {
        let mut sources = Sources::new(OWN, &BTreeSet::new());
        let basic = registry(&json!({"basicAuth": {"secretRef": {"name": "a"}, "passwordKey": "token"}}));
        let docker = registry(&json!({"dockerConfig": {"secretRef": {"name": "b"}}}));
        let named = [(OWN.to_owned(), "a".to_owned()), (OWN.to_owned(), "b".to_owned())].into();
        let read = words(&named, &[basic.clone(), docker], OWN);
        sources.want(&"one".into(), &read, None, false);
        let all = [
            "username",
            "token",
            "password",
            ".dockerconfigjson",
            ".dockercfg",
            "other",
        ];
        listed(
            &mut sources,
            ["a", "b", "c"].map(|name| secret(name, "Opaque", &all)).into(),
        );
        let both: BTreeMap<&str, Vec<&str>> = [
            ("a", vec!["token", "username"]),
            ("b", vec![".dockercfg", ".dockerconfigjson"]),
        ]
        .into();
        assert_eq!(held(&sources), both);
        let labels = |held: &Held| held.source.labels.iter().count();
        assert!(sources.namespaces[OWN].secrets.values().all(|held| labels(held) == 0));
        sources.take(OWN, Event::Apply(secret("a", "Opaque", &all)), 9);
        assert_eq!(held(&sources), both);
        let found = |registry: &Registry| {
            let reference = &registry.credentials.basic_auth.as_ref().unwrap().secret_ref;
            sources.find(reference, &registry.credentials).is_some()
        };
        assert!(found(&basic));
        let other = registry(&json!({"basicAuth": {"secretRef": {"name": "a"}}}));
        assert!(!found(&other), "that key was not held when it was listed");
    }

    #[test]
    fn what_no_object_reads_any_more_is_dropped() {
        let mut sources = Sources::new(OWN, &BTreeSet::new());
        let (one, two) = ("one".into(), "two".into());
        let named = [(OWN.to_owned(), "a".to_owned())].into();
        let reads = |key: &str| {
            let credentials =
                json!({"basicAuth": {"secretRef": {"name": "a"}, "usernameKey": key, "passwordKey": key}});
            words(&named, &[registry(&credentials)], OWN)
        };
        sources.want(&one, &reads("first"), None, false);
        sources.want(&two, &reads("second"), None, false);
        listed(&mut sources, vec![secret("a", "Opaque", &["first", "second"])]);
        assert_eq!(held(&sources)["a"], ["first", "second"]);
        sources.want(&one, &reads("second"), None, false);
        assert_eq!(held(&sources)["a"], ["second"]);
        sources.forget(&one);
        sources.forget(&two);
        assert!(held(&sources).is_empty());
    }

    #[test]
    fn state_of_no_object_is_not_held() {
        let mut sources = Sources::new(OWN, &BTreeSet::new());
        sources.want(&"one".into(), &Words::new(), Some("pullsecrets-state-u"), true);
        let states = ["pullsecrets-state-u", "pullsecrets-state-v"];
        let states = states.map(|name| secret(name, STATE_TYPE, &[last_good::KEY, "other"]));
        listed(&mut sources, states.into());
        assert_eq!(held(&sources), [("pullsecrets-state-u", vec![last_good::KEY])].into());
    }
}
