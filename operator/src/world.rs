//! The compact map: what was seen of the cluster, and what the plan makes of it.
//!
//! Every change goes the same way: the keys that it may touch are surveyed before and after, the difference goes to
//! the [`Board`], and the keys that now need a write come out as [`Work`].
//!
//! # Invariants
//!
//! - Nothing is planned before every kind was listed once ([`World::start`]), and a re-list replaces what is held of
//!   its kind only when it is complete.
//! - An event older than what is held of an object is passed over, so the echo of our own write costs nothing.
//!
//! # Not here
//!
//! No client and no clock. Times are since the process started.

use std::collections::{BTreeMap, HashMap, HashSet};
use std::sync::Arc;
use std::time::Duration;

use crd::FailureReason;
use plan::action::{AccountAction, SecretAction};
use plan::backoff::Backoff;
use plan::contention::Contention;
use plan::copy::{Ownership, ownership};
use plan::object::{Object, Standing};
use plan::observed::{Account, Namespace, Secret, Shape};
use plan::scope::{Cluster, Scope};
use plan::verdict::{Decision, Failure, State};
use plan::{account, copy};

use crate::apply::{Outcome, Setback};
use crate::board::{Board, Entry};
use crate::queue::Lane;

/// A Secret or an account: what one write is about.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Key {
    /// Where.
    pub namespace: Arc<str>,
    /// What.
    pub target: Target,
}

/// See [`Key`].
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Target {
    /// A Secret of this name.
    Secret(Arc<str>),
    /// A `ServiceAccount` of this name.
    Account(Arc<str>),
}

impl Key {
    /// Of a Secret.
    pub fn secret(namespace: &Arc<str>, name: &str) -> Self {
        Self { namespace: Arc::clone(namespace), target: Target::Secret(name.into()) }
    }

    /// Of an account.
    pub fn account(namespace: &Arc<str>, name: &str) -> Self {
        Self { namespace: Arc::clone(namespace), target: Target::Account(name.into()) }
    }
}

/// A key that needs a write, or is to be looked at again.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Work {
    /// What about.
    pub key: Key,
    /// How urgent.
    pub lane: Lane,
    /// Not before this time; at once when none.
    pub at: Option<Duration>,
}

/// The write that a key needs now.
#[derive(Clone, Debug, PartialEq)]
pub enum Action {
    /// Of a Secret.
    Secret(SecretAction),
    /// Of an account.
    Account(AccountAction),
}

/// The kinds that are watched into the world.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Kind {
    /// Namespaces.
    Namespace,
    /// `ServiceAccount`s.
    Account,
    /// Secrets with our label.
    Copy,
}

/// An event of a watch, in facts.
#[derive(Clone, Debug)]
pub enum Seen<T> {
    /// It is there, like this.
    There(T),
    /// The one with this uid is gone.
    Gone(plan::identity::Uid),
}

/// What made a key be surveyed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Cause {
    /// Somebody changed the cluster.
    Watched,
    /// We did, or tried to. `made`: the write was made.
    Replied { made: bool },
    /// An object changed. `urgent`: it is a new edition of it.
    Declared { urgent: bool },
}

/// What came of our last attempts at a key.
#[derive(Clone, Debug, Default)]
struct Trouble {
    /// In a row.
    attempts: u32,
    /// To be told; none while it may pass by itself.
    failure: Option<Failure>,
    /// Since when the server does not want it.
    refused_since: Option<Duration>,
    retry_at: Duration,
}

/// A write that a policy, a quota or a missing right refuses is tried again ever more rarely.
const REFUSED: Backoff = Backoff::new(Duration::from_secs(1), Duration::from_secs(60));
/// No answer: the server is busy or gone, and comes back.
const UNANSWERED: Backoff = Backoff::new(Duration::from_millis(100), Duration::from_secs(10));
/// A lost race: the next attempt knows more, so the first ones come at once.
const RACED: Backoff = Backoff::new(Duration::from_millis(20), Duration::from_secs(2));
const RACES_AT_ONCE: u32 = 3;
/// So many calls without an answer in a row are told as a failure of the namespace.
const UNANSWERED_UNTIL_TOLD: u32 = 4;

#[derive(Debug, Default)]
struct Place {
    /// The namespace itself was seen; else only something in it.
    known: bool,
    facts: Namespace,
}

/// See the module.
#[derive(Debug, Default)]
pub struct World {
    cluster: Cluster,
    places: BTreeMap<Arc<str>, Place>,
    shapes: HashSet<Arc<Shape>>,
    troubles: HashMap<Key, Trouble>,
    leaving: HashMap<Key, Duration>,
    contentions: HashMap<Key, Contention>,
    /// Objects that are gone although writes for their deletion are owed: their finalizer was taken off by hand.
    departed: HashSet<Arc<str>>,
    relists: HashMap<Kind, HashSet<Key>>,
    listed: HashSet<Kind>,
    started: bool,
    /// What is to be said of the objects.
    pub board: Board,
}

/// What a change may touch.
enum Touch<'a> {
    Whole,
    Secret(&'a str),
    Account(&'a str),
}

/// A key as the plan sees it, without the write itself.
struct Surveyed {
    entries: Vec<Entry>,
    owed_to: Vec<Arc<str>>,
    lane: Option<Lane>,
    again_after: Option<Duration>,
    leaving: bool,
}

impl World {
    /// Nothing seen yet. `protected` as in [`Cluster::new`].
    pub fn new(protected: impl IntoIterator<Item = String>) -> Self {
        Self { cluster: Cluster::new(protected), ..Self::default() }
    }

    /// Whether every kind was listed once.
    pub fn is_listed(&self) -> bool {
        [Kind::Namespace, Kind::Account, Kind::Copy].iter().all(|kind| self.listed.contains(kind))
    }

    /// Everything was listed once, objects too: from here on it is planned.
    pub fn start(&mut self, now: Duration) -> Vec<Work> {
        self.started = true;
        let names: Vec<Arc<str>> = self.places.keys().cloned().collect();
        let mut work = Vec::new();
        for namespace in names {
            let after = self.survey(&self.cluster, &namespace, &Touch::Whole, now);
            work.extend(self.settle(BTreeMap::new(), after, Cause::Declared { urgent: false }, now));
        }
        work
    }

    /// Whether [`World::start`] was called.
    pub fn is_started(&self) -> bool {
        self.started
    }

    /// A list of this kind begins: what it does not hold at its end is gone.
    pub fn begin_list(&mut self, kind: Kind) {
        // The first list has nothing to replace.
        if self.listed.contains(&kind) {
            self.relists.insert(kind, HashSet::new());
        }
    }

    /// The list of this kind is complete.
    pub fn end_list(&mut self, kind: Kind, now: Duration) -> Vec<Work> {
        self.listed.insert(kind);
        let Some(listed) = self.relists.remove(&kind) else {
            return Vec::new();
        };
        let mut work = Vec::new();
        for key in self.held(kind) {
            if !listed.contains(&key) {
                work.extend(self.drop_held(kind, &key, now));
            }
        }
        work
    }

    fn held(&self, kind: Kind) -> Vec<Key> {
        let keys = self.places.iter().flat_map(|(namespace, place)| match kind {
            Kind::Namespace => place.known.then(|| namespace_key(namespace)).into_iter().collect(),
            Kind::Account => place.facts.accounts.keys().map(|name| Key::account(namespace, name)).collect(),
            Kind::Copy => place.facts.secrets.keys().map(|name| Key::secret(namespace, name)).collect::<Vec<_>>(),
        });
        keys.collect()
    }

    fn drop_held(&mut self, kind: Kind, key: &Key, now: Duration) -> Vec<Work> {
        let namespace = &key.namespace;
        match (kind, &key.target) {
            (Kind::Namespace, _) => self.forget_namespace(namespace, now),
            (_, Target::Account(name)) => self.change(namespace, &Touch::Account(name), Cause::Watched, now, |world| {
                if let Some(place) = world.places.get_mut(namespace) {
                    place.facts.accounts.remove(name.as_ref());
                }
            }),
            (_, Target::Secret(name)) => self.change(namespace, &Touch::Whole, Cause::Watched, now, |world| {
                if let Some(place) = world.places.get_mut(namespace) {
                    place.facts.secrets.remove(name.as_ref());
                }
            }),
        }
    }

    fn mark_listed(&mut self, kind: Kind, key: Key) {
        if let Some(listed) = self.relists.get_mut(&kind) {
            listed.insert(key);
        }
    }

    /// A namespace was seen.
    pub fn see_namespace(
        &mut self,
        name: &str,
        labels: plan::labels::Labels,
        terminating: bool,
        now: Duration,
    ) -> Vec<Work> {
        let namespace = self.intern(name);
        self.mark_listed(Kind::Namespace, namespace_key(&namespace));
        let place = self.places.get(&namespace);
        if place.is_some_and(|place| {
            place.known && place.facts.labels == labels && place.facts.terminating == terminating
        }) {
            return Vec::new();
        }
        self.change(&namespace, &Touch::Whole, Cause::Watched, now, |world| {
            let place = world.places.entry(Arc::clone(&namespace)).or_default();
            place.known = true;
            place.facts.labels = labels;
            place.facts.terminating = terminating;
        })
    }

    /// A namespace is gone, with all that was in it.
    pub fn forget_namespace(&mut self, name: &str, now: Duration) -> Vec<Work> {
        let namespace = self.intern(name);
        self.change(&namespace, &Touch::Whole, Cause::Watched, now, |world| {
            world.places.remove(&namespace);
        })
    }

    /// An account was seen, or was seen to be gone.
    pub fn see_account(&mut self, namespace: &str, name: &str, seen: Seen<Account>, now: Duration) -> Vec<Work> {
        let namespace = self.intern(namespace);
        self.mark_listed(Kind::Account, Key::account(&namespace, name));
        self.take_account(&namespace, name, seen, Cause::Watched, now)
    }

    fn take_account(
        &mut self,
        namespace: &Arc<str>,
        name: &str,
        seen: Seen<Account>,
        cause: Cause,
        now: Duration,
    ) -> Vec<Work> {
        let held = self.places.get(namespace).and_then(|place| place.facts.accounts.get(name));
        let news = match (&seen, held) {
            (Seen::There(new), Some(held)) => is_news(&new.version, &held.version) && new != held,
            (Seen::There(_), None) => true,
            (Seen::Gone(uid), held) => held.is_some_and(|held| held.version.uid == *uid),
        };
        if !news && cause == Cause::Watched {
            return Vec::new();
        }
        self.change(namespace, &Touch::Account(name), cause, now, |world| {
            if !news {
                return;
            }
            let place = world.places.entry(Arc::clone(namespace)).or_default();
            match seen {
                Seen::There(account) => {
                    place.facts.accounts.insert(name.into(), account);
                }
                Seen::Gone(_) => {
                    place.facts.accounts.remove(name);
                }
            }
        })
    }

    /// A Secret with our label was seen, or was seen to be gone, or to have lost the label.
    pub fn see_secret(&mut self, namespace: &str, name: &str, seen: Seen<Secret>, now: Duration) -> Vec<Work> {
        let namespace = self.intern(namespace);
        self.mark_listed(Kind::Copy, Key::secret(&namespace, name));
        self.take_secret(&namespace, name, seen, Cause::Watched, now)
    }

    fn take_secret(
        &mut self,
        namespace: &Arc<str>,
        name: &str,
        seen: Seen<Secret>,
        cause: Cause,
        now: Duration,
    ) -> Vec<Work> {
        let held = self.places.get(namespace).and_then(|place| place.facts.secrets.get(name));
        let news = match (&seen, held) {
            (Seen::There(new), Some(held)) => is_news(&new.version, &held.version) && new != held,
            (Seen::There(_), None) => true,
            (Seen::Gone(uid), held) => held.is_some_and(|held| held.version.uid == *uid),
        };
        if !news && cause == Cause::Watched {
            return Vec::new();
        }
        // A Secret that is not ours bears on the references too.
        let ours = |secret: &Secret| matches!(ownership(&secret.shape), Ownership::Copy(_));
        let plain = held.is_none_or(ours) && !matches!(&seen, Seen::There(secret) if !ours(secret));
        let touch = if plain { Touch::Secret(name) } else { Touch::Whole };
        self.change(namespace, &touch, cause, now, |world| {
            if !news {
                return;
            }
            match seen {
                Seen::There(mut secret) => {
                    secret.shape = world.share(secret.shape);
                    let place = world.places.entry(Arc::clone(namespace)).or_default();
                    place.facts.secrets.insert(name.into(), secret);
                }
                Seen::Gone(_) => {
                    if let Some(place) = world.places.get_mut(namespace) {
                        place.facts.secrets.remove(name);
                    }
                }
            }
        })
    }

    /// The Secrets that are there under a name of ours and are not our copies: nothing tells when those go but a
    /// look at each.
    pub fn is_squatted(&self, key: &Key) -> bool {
        let Target::Secret(name) = &key.target else {
            return false;
        };
        let held = self.places.get(&key.namespace).and_then(|place| place.facts.secrets.get(name.as_ref()));
        held.is_some_and(|secret| !matches!(ownership(&secret.shape), Ownership::Copy(_)))
    }

    /// An object, in whatever standing. `revision` comes back in its [`crate::board::Summary`].
    pub fn declare(&mut self, object: Arc<Object>, revision: u64, urgent: bool, now: Duration) -> Vec<Work> {
        self.departed.remove(&object.name);
        self.board.revise(&object.name, revision);
        let mut cluster = self.cluster.clone();
        let old = cluster.remove(&object.name);
        cluster.insert(Arc::clone(&object));
        self.redeclare(cluster, old.as_ref(), Some(&object), urgent, now)
    }

    /// The object is gone. What is owed to its deletion is done all the same.
    pub fn forget_object(&mut self, name: &str, now: Duration) -> Vec<Work> {
        let Some(object) = self.cluster.object(name).cloned() else {
            return Vec::new();
        };
        let departed = Arc::new(Object { standing: Standing::Deleting, ..(*object).clone() });
        let mut cluster = self.cluster.clone();
        cluster.insert(Arc::clone(&departed));
        let mut work = self.redeclare(cluster, Some(&object), Some(&departed), false, now);
        self.departed.insert(Arc::clone(&departed.name));
        work.extend(self.sweep(now));
        work
    }

    /// Drops departed objects to which nothing is owed any more.
    pub fn sweep(&mut self, now: Duration) -> Vec<Work> {
        let done: Vec<Arc<str>> =
            self.departed.iter().filter(|name| self.board.owed(name) == 0).cloned().collect();
        let mut work = Vec::new();
        for name in done {
            self.departed.remove(&name);
            let mut cluster = self.cluster.clone();
            let old = cluster.remove(&name);
            work.extend(self.redeclare(cluster, old.as_ref(), None, false, now));
            self.board.forget(&name);
        }
        work
    }

    fn redeclare(
        &mut self,
        cluster: Cluster,
        old: Option<&Arc<Object>>,
        new: Option<&Arc<Object>>,
        urgent: bool,
        now: Duration,
    ) -> Vec<Work> {
        let before_cluster = std::mem::replace(&mut self.cluster, cluster);
        if !self.started {
            return Vec::new();
        }
        let objects: Vec<&Arc<Object>> = old.into_iter().chain(new).collect();
        let names: Vec<Arc<str>> = self
            .places
            .iter()
            .filter(|(name, place)| objects.iter().any(|object| may_concern(object, name, &place.facts)))
            .map(|(name, _)| Arc::clone(name))
            .collect();
        let mut work = Vec::new();
        for namespace in names {
            let before = self.survey(&before_cluster, &namespace, &Touch::Whole, now);
            let after = self.survey(&self.cluster, &namespace, &Touch::Whole, now);
            work.extend(self.settle(before, after, Cause::Declared { urgent }, now));
        }
        work
    }

    /// The write that the key needs now, planned anew.
    pub fn action(&self, key: &Key, now: Duration) -> Option<Action> {
        let place = self.places.get(&key.namespace).filter(|place| place.known)?;
        let scope = self.cluster.scope(&key.namespace, &place.facts);
        match &key.target {
            Target::Secret(name) => self.decide_secret(&scope, key, name, now).action.map(Action::Secret),
            Target::Account(name) => {
                let seen = place.facts.accounts.get(name.as_ref())?;
                self.decide_account(&scope, key, name, seen, now).action.map(Action::Account)
            }
        }
    }

    /// Asks the plan of a key again because its time has come. Work that is still to wait comes out anew.
    pub fn revisit(&mut self, key: &Key, now: Duration) -> Vec<Work> {
        let namespace = Arc::clone(&key.namespace);
        let touch = match &key.target {
            Target::Secret(name) => Touch::Secret(name),
            Target::Account(name) => Touch::Account(name),
        };
        self.change(&namespace, &touch, Cause::Replied { made: false }, now, |_| {})
    }

    /// A write of a Secret has ended.
    pub fn wrote_secret(&mut self, key: &Key, outcome: Outcome<Secret>, now: Duration) -> Vec<Work> {
        let Target::Secret(name) = key.target.clone() else {
            return Vec::new();
        };
        match outcome {
            Outcome::Done(secret) => {
                self.troubles.remove(key);
                self.replied_secret(key, &name, secret, true, now)
            }
            Outcome::Changed(secret) => {
                self.raced(key, now);
                self.replied_secret(key, &name, secret, false, now)
            }
            Outcome::Failed(setback) => self.failed(key, setback, now),
        }
    }

    /// A write of an account has ended.
    pub fn wrote_account(&mut self, key: &Key, outcome: Outcome<Account>, now: Duration) -> Vec<Work> {
        let Target::Account(name) = key.target.clone() else {
            return Vec::new();
        };
        match outcome {
            Outcome::Done(account) => {
                self.troubles.remove(key);
                self.replied_account(key, &name, account, true, now)
            }
            Outcome::Changed(account) => {
                self.raced(key, now);
                self.replied_account(key, &name, account, false, now)
            }
            Outcome::Failed(setback) => self.failed(key, setback, now),
        }
    }

    fn replied_secret(&mut self, key: &Key, name: &str, reply: Option<Secret>, made: bool, now: Duration) -> Vec<Work> {
        self.mark_listed(Kind::Copy, key.clone());
        let held = self.places.get(&key.namespace).and_then(|place| place.facts.secrets.get(name));
        let seen = match (reply, held) {
            (Some(secret), _) => Seen::There(secret),
            (None, Some(held)) => Seen::Gone(held.version.uid.clone()),
            (None, None) => return self.revisit(key, now),
        };
        self.take_secret(&key.namespace, name, seen, Cause::Replied { made }, now)
    }

    fn replied_account(
        &mut self,
        key: &Key,
        name: &str,
        reply: Option<Account>,
        made: bool,
        now: Duration,
    ) -> Vec<Work> {
        let held = self.places.get(&key.namespace).and_then(|place| place.facts.accounts.get(name));
        let seen = match (reply, held) {
            (Some(account), _) => Seen::There(account),
            (None, Some(held)) => Seen::Gone(held.version.uid.clone()),
            (None, None) => return Vec::new(),
        };
        self.take_account(&key.namespace, name, seen, Cause::Replied { made }, now)
    }

    fn raced(&mut self, key: &Key, now: Duration) {
        let trouble = self.troubles.entry(key.clone()).or_default();
        let late = trouble.attempts.checked_sub(RACES_AT_ONCE);
        trouble.attempts += 1;
        trouble.retry_at = late.map_or(now, |late| now + RACED.delay(late));
    }

    /// A write has failed.
    pub fn failed(&mut self, key: &Key, setback: Setback, now: Duration) -> Vec<Work> {
        if setback == Setback::NamespaceTerminating {
            let namespace = Arc::clone(&key.namespace);
            return self.change(&namespace, &Touch::Whole, Cause::Replied { made: false }, now, |world| {
                if let Some(place) = world.places.get_mut(&namespace) {
                    place.facts.terminating = true;
                }
            });
        }
        let mut trouble = self.troubles.get(key).cloned().unwrap_or_default();
        let delay = match setback {
            Setback::Refused(failure) => {
                trouble.refused_since = trouble.refused_since.or(Some(now));
                trouble.failure = Some(failure);
                REFUSED.delay(trouble.attempts)
            }
            // The pause of the whole queue is the delay.
            Setback::Throttled(_) => Duration::ZERO,
            Setback::Conflict | Setback::NotFound | Setback::NamespaceTerminating => {
                trouble.refused_since = None;
                RACED.delay(trouble.attempts)
            }
            Setback::Unavailable(text) => {
                trouble.refused_since = None;
                if trouble.attempts >= UNANSWERED_UNTIL_TOLD {
                    trouble.failure = Some(Failure::new(FailureReason::ServerError, text));
                }
                UNANSWERED.delay(trouble.attempts)
            }
        };
        trouble.attempts += 1;
        trouble.retry_at = now + delay;
        let namespace = Arc::clone(&key.namespace);
        let touch = match &key.target {
            Target::Secret(name) => Touch::Secret(name),
            Target::Account(name) => Touch::Account(name),
        };
        self.change(&namespace, &touch, Cause::Replied { made: false }, now, |world| {
            world.troubles.insert(key.clone(), trouble);
        })
    }

    /// Makes a change and finds what came of it.
    fn change(
        &mut self,
        namespace: &Arc<str>,
        touch: &Touch<'_>,
        cause: Cause,
        now: Duration,
        change: impl FnOnce(&mut Self),
    ) -> Vec<Work> {
        if !self.started {
            change(self);
            return Vec::new();
        }
        let before = self.survey(&self.cluster, namespace, touch, now);
        change(self);
        let after = self.survey(&self.cluster, namespace, touch, now);
        if self.places.get(namespace).is_some_and(|place| !place.known && is_empty(&place.facts)) {
            self.places.remove(namespace);
        }
        self.settle(before, after, cause, now)
    }

    fn survey(
        &self,
        cluster: &Cluster,
        namespace: &Arc<str>,
        touch: &Touch<'_>,
        now: Duration,
    ) -> BTreeMap<Key, Surveyed> {
        let mut found = BTreeMap::new();
        let Some(place) = self.places.get(namespace).filter(|place| place.known) else {
            return found;
        };
        let scope = cluster.scope(namespace, &place.facts);
        let secrets: Vec<&str> = match touch {
            Touch::Secret(name) => vec![name],
            // The last reference that goes lets a copy go.
            Touch::Account(_) if self.leaving.is_empty() => Vec::new(),
            Touch::Account(_) | Touch::Whole => scope.secret_names().into_iter().collect(),
        };
        for name in secrets {
            let key = Key::secret(namespace, name);
            let decision = self.decide_secret(&scope, &key, name, now);
            let lane = decision.action.as_ref().map(|action| match action {
                SecretAction::Update { .. } => Lane::Bulk,
                SecretAction::Create(_)
                | SecretAction::Reclaim { .. }
                | SecretAction::Release { .. }
                | SecretAction::Delete { .. } => Lane::Fresh,
            });
            found.insert(key, surveyed(decision, lane));
        }
        let accounts: Vec<(&str, &Account)> = match touch {
            Touch::Secret(_) => Vec::new(),
            Touch::Account(name) => place.facts.accounts.get(*name).map(|seen| (*name, seen)).into_iter().collect(),
            Touch::Whole => place.facts.accounts.iter().map(|(name, seen)| (name.as_ref(), seen)).collect(),
        };
        for (name, seen) in accounts {
            let key = Key::account(namespace, name);
            let decision = self.decide_account(&scope, &key, name, seen, now);
            let lane = decision.action.as_ref().map(|_| Lane::Fresh);
            found.insert(key, surveyed(decision, lane));
        }
        found
    }

    fn decide_secret<'a>(
        &self,
        scope: &Scope<'a>,
        key: &Key,
        name: &'a str,
        now: Duration,
    ) -> Decision<'a, SecretAction> {
        let leaving_for = self.leaving.get(key).map_or(Duration::ZERO, |&since| now.saturating_sub(since));
        scope.secret(name, &copy::Circumstances { trouble: self.failure(key), leaving_for })
    }

    fn decide_account<'a>(
        &self,
        scope: &Scope<'a>,
        key: &Key,
        name: &str,
        seen: &Account,
        _now: Duration,
    ) -> Decision<'a, AccountAction> {
        scope.account(name, seen, &account::Circumstances { trouble: self.failure(key) })
    }

    fn failure(&self, key: &Key) -> Option<&Failure> {
        self.troubles.get(key).and_then(|trouble| trouble.failure.as_ref())
    }

    /// Takes the difference to the board, and finds the work.
    fn settle(
        &mut self,
        mut before: BTreeMap<Key, Surveyed>,
        after: BTreeMap<Key, Surveyed>,
        cause: Cause,
        now: Duration,
    ) -> Vec<Work> {
        let urgent = cause == Cause::Declared { urgent: true };
        let mut work = Vec::new();
        for (key, after) in after {
            let before = before.remove(&key);
            let was = before.as_ref().map_or(&[] as &[Entry], |before| &before.entries);
            self.board.exchange(&key, was, &after.entries, now, urgent);
            let refused_since = self.troubles.get(&key).and_then(|trouble| trouble.refused_since);
            for object in &after.owed_to {
                self.board.owe(object, &key, Some(refused_since));
            }
            self.settle_debts(&key, before.as_ref(), &after.owed_to);
            if after.leaving {
                self.leaving.entry(key.clone()).or_insert(now);
            } else {
                self.leaving.remove(&key);
            }
            if let Some(lane) = after.lane {
                let at = self.not_before(&key, before.as_ref(), &after, cause, now);
                work.push(Work { key, lane, at });
            } else if let Some(delay) = after.again_after {
                work.push(Work { key, lane: Lane::Fresh, at: Some(now + delay) });
            } else {
                self.troubles.remove(&key);
            }
        }
        for (key, before) in before {
            self.board.exchange(&key, &before.entries, &[], now, urgent);
            self.settle_debts(&key, Some(&before), &[]);
            self.troubles.remove(&key);
            self.leaving.remove(&key);
        }
        work
    }

    fn settle_debts(&mut self, key: &Key, before: Option<&Surveyed>, owed_to: &[Arc<str>]) {
        for object in before.iter().flat_map(|before| &before.owed_to) {
            if !owed_to.contains(object) {
                self.board.owe(object, key, None);
            }
        }
    }

    /// When the write of a key may be tried: at once, after the backoff of the last attempt, or, where another writer
    /// keeps undoing it, ever later.
    fn not_before(
        &mut self,
        key: &Key,
        before: Option<&Surveyed>,
        after: &Surveyed,
        cause: Cause,
        now: Duration,
    ) -> Option<Duration> {
        let undone = match cause {
            // It was as declared, and no longer is, although nothing else was declared.
            Cause::Watched => before.is_some_and(|before| {
                before.lane.is_none() && before.entries.iter().any(|entry| entry.state == State::Ready)
            }),
            // The server took the write, and yet it is not as declared.
            Cause::Replied { made } => made && !after.leaving && before.is_some(),
            Cause::Declared { .. } => false,
        };
        if undone {
            let contention = self.contentions.entry(key.clone()).or_default();
            let delay = contention.restore(now);
            if contention.is_contended(now) {
                let message = "another writer keeps undoing what is declared";
                let trouble = self.troubles.entry(key.clone()).or_default();
                trouble.failure = Some(Failure::new(FailureReason::Contended, message));
                trouble.retry_at = now + delay;
            }
        }
        let retry_at = self.troubles.get(key).map(|trouble| trouble.retry_at);
        retry_at.filter(|&at| at > now && !matches!(cause, Cause::Declared { .. }))
    }

    fn intern(&self, namespace: &str) -> Arc<str> {
        self.places.get_key_value(namespace).map_or_else(|| namespace.into(), |(name, _)| Arc::clone(name))
    }

    /// One shape for all copies that look alike.
    fn share(&mut self, shape: Arc<Shape>) -> Arc<Shape> {
        if let Some(held) = self.shapes.get(&shape) {
            return Arc::clone(held);
        }
        if self.shapes.len() >= 64 && self.shapes.len().is_power_of_two() {
            self.shapes.retain(|held| Arc::strong_count(held) > 1);
        }
        self.shapes.insert(Arc::clone(&shape));
        shape
    }
}

fn surveyed<A>(decision: Decision<'_, A>, lane: Option<Lane>) -> Surveyed {
    let entry = |(object, state): (&Arc<Object>, State)| Entry { object: Arc::clone(&object.name), state };
    Surveyed {
        entries: decision.states.into_iter().map(entry).collect(),
        owed_to: decision.owed_to.iter().map(|object| Arc::clone(&object.name)).collect(),
        lane,
        again_after: decision.again_after,
        leaving: decision.leaving,
    }
}

/// Equal versions are news too: the reply to our write does not show what admission made of the data.
fn is_news(new: &plan::identity::Version, held: &plan::identity::Version) -> bool {
    !new.resource_version.is_older_than(&held.resource_version)
}

fn is_empty(facts: &Namespace) -> bool {
    facts.secrets.is_empty() && facts.accounts.is_empty()
}

/// A key that stands for the namespace itself in a list.
fn namespace_key(namespace: &Arc<str>) -> Key {
    Key::account(namespace, "")
}

/// Whether anything in the namespace can depend on the object: it selects it, or has left something there.
fn may_concern(object: &Object, name: &str, facts: &Namespace) -> bool {
    let selects = object.spec.selection.as_ref().is_none_or(|selection| {
        selection.selects_namespace(name, &facts.labels, false) || selection.selects_namespace(name, &facts.labels, true)
    });
    let secret = object.spec.secret_name.as_ref();
    selects
        || facts.secrets.contains_key(secret)
        || facts.accounts.values().any(|account| account.attached.iter().any(|held| held.as_ref() == secret))
}
