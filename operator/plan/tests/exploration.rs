//! Every interleaving of a small cluster: two objects, two namespaces with an account each, and another writer.
//!
//! The operator may crash between any two writes, and between a write and its reply. Its view may lag in every order. The
//! exploration visits each state once, breadth first. In every state the invariants hold. From every state, without
//! further disturbance, the operator converges to the one expected state and then plans no write.
//!
//! The plan under test is the real one. The model covers its surroundings: API server, watches and the other writer.
//! The file is longer than others, because its private state is one model that all steps change.

#![expect(clippy::panic, reason = "a state that must not be is the failure of the test")]
#![expect(
    clippy::print_stdout,
    reason = "how many states were seen says whether the test means anything"
)]

mod common;

use std::collections::hash_map::DefaultHasher;
use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::hash::{Hash as _, Hasher as _};
use std::sync::Arc;
use std::time::Duration;

use crd::names::LABEL_OBJECT;
use plan::identity::Version;
use plan::labels::Labels;
use plan::object::{Lifecycle, Object};
use plan::observed::{Account, Entry, Namespace, Secret};
use plan::ownership::{Ownership, ownership};
use plan::secret::{Context, REFERENCES_FIRST};
use plan::{secret, service_account};
use serde_json::json;

use common::server::{Action, Key, Refusal, Server};
use common::{World, created, digest, foreign, object, payload};

/// How much may happen in one run: enough for every pair of disturbances to meet a crash, and small enough for a
/// minute.
const OTHERS: u8 = 1;
const CRASHES: u8 = 1;
const DECLARATIONS: u8 = 2;
/// More writes than this to come to rest is a fight with itself.
const WRITES_TO_REST: usize = 24;

/// What another writer does.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Other {
    AppendsEntry,
    RemovesOurEntry,
    StripsLabel,
    EditsCopy,
    DeletesCopy,
    Squats,
}

/// What an author or an administrator does.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Declaration {
    Delete,
    Rotate,
    LabelOut,
    LabelIn,
}

#[derive(Clone)]
struct State {
    server: Server,
    /// What the operator believes; none while it is down.
    view: Option<World>,
    /// A write that was sent and has not arrived.
    in_flight: Option<(Key, Action)>,
    others: u8,
    crashes: u8,
    declarations: u8,
    /// The object `two` once its credentials are there; none when they are.
    successor: Option<Arc<Object>>,
}

fn two_objects(shared_name: bool) -> State {
    watched(cluster_of_two(shared_name))
}

fn cluster_of_two(shared_name: bool) -> World {
    let spec = |name: &str| {
        let selectors = json!([{"matchLabels": {"pull": "yes"}}]);
        let secret = if shared_name {
            json!({"name": "shared"})
        } else {
            json!({ "name": name })
        };
        object(name, &json!({"namespaces": {"selectors": selectors}, "secret": secret}))
    };
    World::of([created(1, spec("one")), created(2, spec("two"))])
        .namespace("m", &[("pull", "yes")])
        .namespace("n", &[("pull", "yes")])
        .account("m/default", common::account(&["x"], &[]))
        // It was there before the operator.
        .account(
            "n/default",
            common::account(&[if shared_name { "y" } else { "two" }], &[]),
        )
}

fn watched(world: World) -> State {
    State {
        view: Some(listed(&world)),
        server: Server::new(world, false),
        in_flight: None,
        others: OTHERS,
        crashes: CRASHES,
        declarations: DECLARATIONS,
        successor: None,
    }
}

/// A person renames an object in Git, and it keeps its Secret's name.
///
/// All copies and references of `one` are in place. `two` is new and cannot act before its credentials resolve.
fn renamed() -> State {
    let mut start = State {
        declarations: 0,
        ..two_objects(true)
    };
    let [one, two] = [0, 1].map(|at| Arc::clone(&start.truth().objects[at]));
    start.server.world.objects.truncate(1);
    start.view = None;
    let mut start = start.rest();
    let unarmed = Object {
        payload: None,
        ..common::with_lifecycle(Lifecycle::Frozen, (*two).clone())
    };
    start.server.world.objects = vec![one, Arc::new(unarmed)];
    State {
        declarations: DECLARATIONS,
        others: 0,
        successor: Some(two),
        ..start
    }
}

/// What the watches show: of Secrets those with our label, or all where names are managed.
fn listed(truth: &World) -> World {
    let mut view = truth.clone();
    if view.managed.is_some() {
        return view;
    }
    for facts in view.namespaces.values_mut() {
        facts
            .secrets
            .retain(|_, secret| secret.traits.labels.get(LABEL_OBJECT).is_some());
    }
    view
}

impl State {
    fn truth(&self) -> &World {
        &self.server.world
    }

    /// Every state that can come next.
    fn next(&self) -> Vec<State> {
        let mut next = Vec::new();
        let mut step = |change: &dyn Fn(&mut State)| {
            let mut state = self.clone();
            change(&mut state);
            next.push(state);
        };
        if self.declarations > 0 {
            for declaration in [
                Declaration::Delete,
                Declaration::Rotate,
                Declaration::LabelOut,
                Declaration::LabelIn,
            ] {
                step(&|state| state.declare(declaration));
            }
        }
        if self.others > 0 {
            use Other::{AppendsEntry, DeletesCopy, EditsCopy, RemovesOurEntry, Squats, StripsLabel};
            for other in [
                AppendsEntry,
                RemovesOurEntry,
                StripsLabel,
                EditsCopy,
                DeletesCopy,
                Squats,
            ] {
                step(&|state| state.interfere(other));
            }
        }
        if self.successor.is_some() {
            step(&State::arm);
        }
        let Some(view) = &self.view else {
            step(&|state| state.view = Some(listed(&state.server.world)));
            return next;
        };
        if self.crashes > 0 {
            step(&|state| state.crash(false));
            if self.in_flight.is_some() {
                step(&|state| state.crash(true));
            }
        }
        for news in self.news(view) {
            step(&|state| state.deliver(&news));
        }
        if self.in_flight.is_some() {
            step(&State::land);
        } else {
            for write in planned(view) {
                step(&|state| state.in_flight = Some(write.clone()));
            }
            step(&State::disarm);
        }
        next
    }

    fn declare(&mut self, declaration: Declaration) {
        self.declarations -= 1;
        let one = |change: fn(Object) -> Object| {
            let objects = self
                .server
                .world
                .objects
                .iter()
                .map(|object| match object.name.as_ref() {
                    "one" => Arc::new(change((**object).clone())),
                    _ => Arc::clone(object),
                });
            objects.collect::<Vec<_>>()
        };
        match declaration {
            Declaration::Delete => {
                self.server.world.objects = one(|one| common::with_lifecycle(Lifecycle::Deleting, one));
            }
            Declaration::Rotate => {
                self.server.world.objects = one(|one| Object {
                    payload: Some(payload("rotated")),
                    ..one
                });
            }
            Declaration::LabelOut => self.label(&[]),
            Declaration::LabelIn => self.label(&[("pull", "yes")]),
        }
    }

    /// The credentials of `two` are there.
    fn arm(&mut self) {
        if let Some(two) = self.successor.take() {
            let objects = &mut self.server.world.objects;
            objects.retain(|object| object.name != two.name);
            objects.push(two);
        }
    }

    fn label(&mut self, labels: &[(&str, &str)]) {
        if let Some(facts) = self.server.world.namespaces.get_mut("n") {
            facts.labels = labels.iter().copied().collect();
        }
    }

    fn interfere(&mut self, other: Other) {
        self.others -= 1;
        let version = self.server.next_version();
        let Some(facts) = self.server.world.namespaces.get_mut("n") else {
            return;
        };
        let name = if facts.secrets.contains_key("shared") {
            "shared"
        } else {
            "one"
        };
        let rewritten = |secret: &Secret| Version::new(&secret.version.uid.to_string(), &version);
        match other {
            Other::AppendsEntry | Other::RemovesOurEntry => {
                let Some(account) = facts.accounts.get_mut("default") else {
                    return;
                };
                let mut entries = account.entries.to_vec();
                if other == Other::AppendsEntry {
                    entries.push(Entry::named("theirs"));
                } else {
                    entries.retain(|entry| entry.name() != "one" && entry.name() != "shared");
                }
                account.entries = entries.into();
                account.version = Version::new(&account.version.uid.to_string(), &version);
            }
            Other::StripsLabel | Other::EditsCopy => {
                let Some(secret) = facts.secrets.get_mut(name) else {
                    return;
                };
                secret.version = rewritten(secret);
                if other == Other::EditsCopy {
                    secret.digest = Some(digest("edited"));
                } else {
                    let mut traits = (*secret.traits).clone();
                    traits.labels = traits
                        .labels
                        .iter()
                        .filter(|(key, _)| *key != LABEL_OBJECT)
                        .collect::<Labels>();
                    secret.traits = Arc::new(traits);
                }
            }
            Other::DeletesCopy => drop(facts.secrets.remove(name)),
            Other::Squats if facts.secrets.get("one").is_none() => {
                facts
                    .secrets
                    .insert("one".into(), foreign().seen(Version::new(&version, &version)));
            }
            Other::Squats => {}
        }
    }

    /// The process dies, before or after a write that it sent arrives. The reply is lost.
    fn crash(&mut self, after: bool) {
        self.crashes -= 1;
        if after {
            self.arrive();
        }
        self.in_flight = None;
        self.view = None;
    }

    /// What the view does not show yet, object by object: a superset of the orders in which watches may deliver.
    fn news(&self, view: &World) -> Vec<News> {
        let mut news = Vec::new();
        if view.objects != self.truth().objects {
            news.push(News::Objects);
        }
        for (namespace, truth) in &self.truth().namespaces {
            let seen = &view.namespaces[namespace];
            if seen.labels != truth.labels {
                news.push(News::Labels(namespace.clone()));
            }
            if seen.accounts != truth.accounts {
                news.push(News::Account(namespace.clone()));
            }
            let names = seen.secrets.keys().chain(truth.secrets.keys());
            for name in names.collect::<BTreeSet<_>>() {
                if shown(view, seen, truth, name) != seen.secrets.get(name).cloned() {
                    news.push(News::Secret(namespace.clone(), name.to_string()));
                }
            }
        }
        news
    }

    fn deliver(&mut self, news: &News) {
        let truth = self.server.world.clone();
        let Some(view) = &mut self.view else {
            return;
        };
        match news {
            News::Objects => view.objects = truth.objects,
            News::Labels(namespace) => {
                let labels = truth.namespaces[namespace].labels.clone();
                view.namespaces.entry(namespace.clone()).or_default().labels = labels;
            }
            News::Account(namespace) => {
                let accounts = truth.namespaces[namespace].accounts.clone();
                view.namespaces.entry(namespace.clone()).or_default().accounts = accounts;
            }
            News::Secret(namespace, name) => {
                let secret = shown(view, &view.namespaces[namespace], &truth.namespaces[namespace], name);
                put(view.namespaces.entry(namespace.clone()).or_default(), name, secret);
            }
        }
    }

    /// The write arrives, and its reply, or what is read after a conflict, comes back.
    fn land(&mut self) {
        let Some(key) = self.arrive() else {
            return;
        };
        let truth = self.server.world.clone();
        let Some(view) = &mut self.view else {
            return;
        };
        match key {
            Key::Secret(namespace, name) => {
                let now = truth.namespaces[&namespace].secrets.get(name.as_str()).cloned();
                put(view.namespaces.entry(namespace).or_default(), &name, now);
            }
            Key::Account(namespace, _) => {
                let accounts = truth.namespaces[&namespace].accounts.clone();
                view.namespaces.entry(namespace).or_default().accounts = accounts;
            }
        }
    }

    /// The write arrives. These properties hold after any write.
    fn arrive(&mut self) -> Option<Key> {
        let (key, action) = self.in_flight.take()?;
        let before = self.truth().clone();
        let result = self.server.apply(&key, &action);
        if matches!(result, Err(Refusal::NotFound | Refusal::Terminating)) {
            assert_eq!(before.namespaces, self.truth().namespaces);
        }
        for (namespace, was) in &before.namespaces {
            let is = &self.truth().namespaces[namespace];
            for (name, secret) in was.secrets.iter() {
                if ownership(&secret.traits) == Ownership::Foreign {
                    assert_eq!(
                        is.secrets.get(name),
                        Some(secret),
                        "a foreign secret was touched by {action:?}"
                    );
                }
            }
            for (name, account) in was.accounts.iter() {
                let kept = |account: &Account| {
                    let theirs = account.entries.iter().filter(|entry| !recorded(account, entry.name()));
                    theirs.cloned().collect::<Vec<_>>()
                };
                assert_eq!(
                    kept(account),
                    kept(&is.accounts[name]),
                    "entries of others changed by {action:?}"
                );
            }
        }
        Some(key)
    }

    /// Removes the finalizer if, by the view, no cleanup is pending. Then garbage collection runs.
    ///
    /// If the view of a namespace and a copy is current, it deletes no copy that an object wants.
    fn disarm(&mut self) {
        let Some(view) = &mut self.view else {
            return;
        };
        let done: Vec<Arc<str>> = view
            .objects
            .iter()
            .filter(|object| object.lifecycle == Lifecycle::Deleting && !is_owed(view, &object.name))
            .map(|object| Arc::clone(&object.name))
            .collect();
        view.objects.retain(|object| !done.contains(&object.name));
        self.server.world.objects.retain(|object| !done.contains(&object.name));
        let objects: Vec<_> = self
            .server
            .world
            .objects
            .iter()
            .map(|object| object.uid.clone())
            .collect();
        for (namespace, facts) in &mut self.server.world.namespaces {
            let seen = &view.namespaces[namespace];
            let selected = [&seen.labels, &facts.labels].map(|labels| labels.get("pull")) == [Some("yes"); 2];
            facts.secrets.retain(|name, secret| {
                let owners = &secret.traits.owners;
                let stays = owners.is_empty() || owners.iter().any(|owner| objects.contains(&owner.uid));
                let mut names = view.objects.iter().map(|object| object.spec.secret_name.as_ref());
                let wanted =
                    selected && seen.secrets.get(name) == Some(secret) && names.any(|wanted| wanted == name.as_ref());
                assert!(stays || !wanted, "garbage collection takes {namespace}/{name}");
                stays
            });
        }
    }

    /// Ends all disturbance: delivers all events, and lets the operator work until it plans no write.
    fn rest(mut self) -> Self {
        self.arm();
        for _ in 0..WRITES_TO_REST {
            if self.in_flight.is_some() && self.view.is_some() {
                self.land();
            }
            let view = self.view.get_or_insert_with(|| listed(&self.server.world)).clone();
            for news in self.news(&view) {
                self.deliver(&news);
            }
            self.disarm();
            let view = self.view.clone().unwrap_or_default();
            let planned = planned(&view);
            match planned.into_iter().next() {
                Some(write) => self.in_flight = Some(write),
                None if self.news(&view).is_empty() => return self,
                None => {}
            }
        }
        panic!("does not come to rest: {:#?}", self.truth());
    }

    /// Hashes what decides about all later states: whether versions differ, but not by how much.
    fn fingerprint(&self) -> u64 {
        let mut versions: BTreeMap<String, usize> = BTreeMap::new();
        let mut hasher = DefaultHasher::new();
        let mut number = |text: String| {
            let next = versions.len();
            *versions.entry(text).or_insert(next)
        };
        for world in [Some(self.truth()), self.view.as_ref()] {
            world.is_some().hash(&mut hasher);
            for object in world.iter().flat_map(|world| &world.objects) {
                let held = object.payload.as_ref().map(|payload| Arc::clone(payload.digest()));
                (&object.name, format!("{:?}", object.lifecycle), held).hash(&mut hasher);
            }
            for (name, facts) in world.iter().flat_map(|world| &world.namespaces) {
                (name, &facts.labels).hash(&mut hasher);
                for (name, secret) in facts.secrets.iter() {
                    let version = &secret.version;
                    let numbers = (
                        number(version.uid.to_string()),
                        number(version.resource_version.to_string()),
                    );
                    (name, numbers, &secret.digest, &secret.traits).hash(&mut hasher);
                }
                for account in facts.accounts.values() {
                    let number = number(account.version.resource_version.to_string());
                    (number, format!("{:?}{:?}", account.entries, account.attached)).hash(&mut hasher);
                }
            }
        }
        self.server.ownership().hash(&mut hasher);
        // The version within tells a stale write from a current one.
        if let Some((key, action)) = &self.in_flight {
            let version = planned_from(action).map(|version| number(version.resource_version.to_string()));
            (
                format!("{key:?}"),
                version,
                format!("{:?}", std::mem::discriminant(action)),
            )
                .hash(&mut hasher);
            content_of(action).hash(&mut hasher);
        }
        (self.others, self.crashes, self.declarations, self.successor.is_some()).hash(&mut hasher);
        hasher.finish()
    }
}

/// What a watch has to tell.
#[derive(Clone, Debug)]
enum News {
    Objects,
    Labels(String),
    Account(String),
    Secret(String, String),
}

/// Returns the Secrets that the operator sees: copies by their label, foreign ones if it met them before.
///
/// With managed names it sees all of them.
fn shown(view: &World, seen: &Namespace, truth: &Namespace, name: &str) -> Option<Secret> {
    let is_copy = |secret: &Secret| secret.traits.labels.get(LABEL_OBJECT).is_some();
    let followed = seen.secrets.get(name).is_some_and(|secret| !is_copy(secret));
    truth
        .secrets
        .get(name)
        .filter(|secret| view.managed.is_some() || followed || is_copy(secret))
        .cloned()
}

fn put(facts: &mut Namespace, name: &str, secret: Option<Secret>) {
    match secret {
        Some(secret) => drop(facts.secrets.insert(name.into(), secret)),
        None => drop(facts.secrets.remove(name)),
    }
}

fn recorded(account: &Account, name: &str) -> bool {
    account.attached.iter().any(|held| held.as_ref() == name)
}

/// What may be written now; a copy that waits for its references may have waited long enough.
fn planned(view: &World) -> Vec<(Key, Action)> {
    let mut planned = common::server::planned(view, Duration::ZERO);
    for late in common::server::planned(view, REFERENCES_FIRST) {
        if !planned.contains(&late) {
            planned.push(late);
        }
    }
    planned
}

fn planned_from(action: &Action) -> Option<&Version> {
    use plan::action::SecretAction::{Assign, Create, Delete, Empty, Reclaim, Release, Update};
    match action {
        Action::Account(action) => Some(&action.version),
        Action::Secret(Create(_)) => None,
        Action::Secret(
            Update { version, .. }
            | Reclaim { version, .. }
            | Assign { version, .. }
            | Release { version, .. }
            | Delete { version }
            | Empty { version },
        ) => Some(version),
    }
}

fn content_of(action: &Action) -> String {
    use plan::action::SecretAction::{Create, Update};
    match action {
        Action::Account(action) => format!("{:?}{:?}", action.entries, action.attached),
        Action::Secret(Create(content) | Update { content, .. }) => {
            let rotated = *content.payload.digest() == digest("rotated");
            format!("{:?}{:?}{rotated}", content.labels, content.owners)
        }
        Action::Secret(action) => format!("{action:?}").chars().take(6).collect(),
    }
}

fn is_owed(view: &World, object: &str) -> bool {
    let cluster = view.cluster();
    view.namespaces.iter().any(|(namespace, facts)| {
        let scope = cluster.scope(namespace, facts);
        let secrets = scope
            .secret_names()
            .into_iter()
            .flat_map(|name| secret::decide(&scope, name, Context::default()).pending_cleanup);
        let accounts = facts.accounts.iter().flat_map(|(name, seen)| {
            service_account::decide(&scope, name, seen, service_account::Context::default()).pending_cleanup
        });
        secrets.chain(accounts).any(|owed| owed.name.as_ref() == object)
    })
}

/// Checks the one expected state, independent of the plan.
fn assert_right(state: &State) {
    for (namespace, facts) in &state.truth().namespaces {
        let selected = facts.labels.get("pull") == Some("yes");
        let mut deciders: BTreeMap<&str, &Arc<Object>> = BTreeMap::new();
        for object in state.truth().objects.iter().filter(|_| selected) {
            assert_eq!(object.lifecycle, Lifecycle::Active, "a deleted object stays");
            // The objects are oldest first.
            deciders.entry(object.spec.secret_name.as_ref()).or_insert(object);
        }
        let squatted = |name: &str| {
            facts
                .secrets
                .get(name)
                .is_some_and(|secret| ownership(&secret.traits) == Ownership::Foreign)
        };
        for (name, secret) in facts.secrets.iter().filter(|(name, _)| !squatted(name)) {
            // The operator deletes only a Secret with our label. One that lost the label before stays until garbage
            // collection deletes it with its owner.
            if ownership(&secret.traits) == Ownership::Stripped && !deciders.contains_key(name.as_ref()) {
                continue;
            }
            let decider = deciders
                .get(name.as_ref())
                .unwrap_or_else(|| panic!("{namespace}/{name} is left"));
            assert_eq!(secret.traits.labels.get(LABEL_OBJECT), Some(decider.name.as_ref()));
            assert_eq!(
                secret.digest,
                decider.payload.as_ref().map(|payload| Arc::clone(payload.digest()))
            );
        }
        let account = facts.accounts.get("default").expect("nobody deletes the account");
        for name in deciders.keys().filter(|name| !squatted(name)) {
            assert!(facts.secrets.contains_key(*name), "{namespace}/{name} is missing");
            assert_eq!(
                account.entries.iter().filter(|entry| entry.name() == *name).count(),
                1,
                "{name} in {namespace}"
            );
        }
        for name in account.attached.iter() {
            let wanted = deciders.contains_key(name.as_ref()) && !squatted(name);
            assert!(wanted, "{namespace} still refers to {name}: {account:?}");
        }
    }
}

fn explore(start: State) {
    let mut seen = BTreeSet::from([start.fingerprint()]);
    let mut queue = VecDeque::from([start]);
    while let Some(state) = queue.pop_front() {
        let end = state.clone().rest();
        assert_right(&end);
        for next in state.next() {
            if seen.insert(next.fingerprint()) {
                queue.push_back(next);
            }
        }
    }
    println!("{} states", seen.len());
    assert!(
        seen.len() > 1_000,
        "the exploration did not get anywhere: {} states",
        seen.len()
    );
}

/// From every state of the exploration.
#[test]
fn two_separate_objects_always_converge() {
    explore(two_objects(false));
}

/// From every state of the exploration.
#[test]
fn two_objects_of_one_name_always_converge() {
    explore(two_objects(true));
}

/// From every state of the exploration.
#[test]
fn renamed_objects_take_over_their_copies() {
    explore(renamed());
}

/// From every state of the exploration.
#[test]
fn two_objects_of_managed_names_always_converge() {
    explore(watched(cluster_of_two(false).managing(&["one", "two"])));
}
