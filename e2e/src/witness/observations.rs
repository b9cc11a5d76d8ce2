//! Observations of the witness, and since when it has seen each deviation from what a status may claim.

mod bytes;
mod memory;
mod violation;

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use jiff::Timestamp;
use k8s_openapi::api::core::v1::{Namespace, Secret, ServiceAccount};
use kube::ResourceExt;
use kube::api::DynamicObject;
use kube::runtime::watcher::Event;

use super::News;
use crate::oracle::declared::sources;
use crate::oracle::{Declared, Place, selection};
use bytes::Held;
use violation::{says_ready, written};

pub(super) use memory::Memory;
pub(super) use violation::{Thing, Violation};

/// A namespace, and a deviation in it.
type Spot = (String, Thing);

struct Seen {
    declared: Declared,
    going: bool,
    /// The `auth` of each login that its copies must hold, as far as its sources are simple.
    logins: BTreeSet<String>,
    /// All earlier ones too.
    ever: BTreeSet<String>,
    /// Deviations, and since when.
    wrong: BTreeMap<Spot, Timestamp>,
}

/// Observations of the witness; see the module.
pub(super) struct Observations {
    patience: Duration,
    sources: BTreeSet<String>,
    objects: BTreeMap<String, Seen>,
    namespaces: BTreeMap<String, Namespace>,
    secrets: BTreeMap<Place, Held>,
    memory: Memory,
    accounts: BTreeMap<String, BTreeMap<String, ServiceAccount>>,
}

/// Returns whether the account has the entry.
pub(super) fn refers(account: &ServiceAccount, secret: &str) -> bool {
    account
        .image_pull_secrets
        .iter()
        .flatten()
        .any(|entry| entry.name == secret)
}

impl Observations {
    pub(super) fn new(patience: Duration, sources: Vec<String>, memory: Memory) -> Self {
        Self {
            patience,
            sources: sources.into_iter().collect(),
            objects: BTreeMap::new(),
            namespaces: BTreeMap::new(),
            secrets: BTreeMap::new(),
            memory,
            accounts: BTreeMap::new(),
        }
    }

    /// Returns whether the object, as last seen, selects the namespace, and whether that is not terminating.
    pub(super) fn is_selected(&self, object: &str, namespace: &Namespace) -> bool {
        let selects = |seen: &Seen| {
            let spec = &seen.declared.spec;
            selection::namespace(spec, &namespace.name_any(), namespace.labels(), &self.sources)
        };
        namespace.metadata.deletion_timestamp.is_none() && self.objects.get(object).is_some_and(selects)
    }

    /// Returns whether the object, as last seen, declares an entry on the account.
    pub(super) fn asks_for(&self, object: &str, account: &ServiceAccount) -> bool {
        let selects = |seen: &Seen| selection::account(&seen.declared.spec, &account.name_any(), account.labels());
        account.metadata.deletion_timestamp.is_none() && self.objects.get(object).is_some_and(selects)
    }

    /// Returns whether a Secret has the current content of the object's copies.
    pub(super) fn is_current(&self, object: &str, secret: &Secret) -> bool {
        let held = Held::of(secret);
        self.objects
            .get(object)
            .is_none_or(|seen| held.is_copy_of(&seen.logins))
    }

    /// Returns whether a Secret of the object's name is an unintended leftover, in a namespace that the object does not
    /// select.
    pub(super) fn is_leftover(&self, object: &str, namespace: &Namespace, secret: &Secret) -> bool {
        let others = |name: &String| name != object && self.is_selected(name, namespace);
        let of_others = self.objects.iter().any(|(name, seen)| {
            let same = seen.declared.secret == secret.name_any();
            same && (seen.declared.retains || others(name))
        });
        let place = (namespace.name_any(), secret.name_any());
        let is_source = self
            .objects
            .values()
            .any(|seen| sources(&seen.declared.spec).any(|source| source == place));
        let seen = self.objects.get(object);
        let stays = namespace.metadata.deletion_timestamp.is_some() || of_others || is_source;
        !stays && seen.is_some_and(|seen| Held::of(secret).has_any(&seen.ever))
    }

    /// Adds an observation. It misses what a list leaves out, which can only hide a violation.
    pub(super) fn observe(&mut self, news: News) -> Vec<Violation> {
        match news {
            News::Object(Event::Apply(object) | Event::InitApply(object)) => {
                let violations = self.object(&object);
                self.memory.shows(&object.metadata);
                return violations;
            }
            News::Object(Event::Delete(object)) => {
                self.objects.remove(&object.name_any());
                self.memory.is_gone(&object.uid().unwrap_or_default());
                self.memory.shows_deletion(&object.metadata);
            }
            News::Namespace(Event::Apply(namespace) | Event::InitApply(namespace)) => {
                let (name, meta) = (namespace.name_any(), namespace.metadata.clone());
                self.namespaces.insert(name.clone(), namespace);
                self.look_everywhere(&name);
                self.memory.shows(&meta);
            }
            News::Namespace(Event::Delete(namespace)) => {
                self.namespaces.remove(&namespace.name_any());
                self.look_everywhere(&namespace.name_any());
                self.memory.shows_deletion(&namespace.metadata);
            }
            News::Secret(Event::Apply(secret) | Event::InitApply(secret)) => {
                let place = (secret.namespace().unwrap_or_default(), secret.name_any());
                self.secrets.insert(place.clone(), Held::of(&secret));
                self.secret(&place);
            }
            News::Secret(Event::Delete(secret)) => {
                let place = (secret.namespace().unwrap_or_default(), secret.name_any());
                self.secrets.remove(&place);
                self.secret(&place);
            }
            News::Account(Event::Apply(account) | Event::InitApply(account)) => {
                let namespace = account.namespace().unwrap_or_default();
                self.accounts
                    .entry(namespace.clone())
                    .or_default()
                    .insert(account.name_any(), account);
                self.look_everywhere(&namespace);
            }
            News::Account(Event::Delete(account)) => {
                let namespace = account.namespace().unwrap_or_default();
                self.accounts
                    .entry(namespace.clone())
                    .or_default()
                    .remove(&account.name_any());
                self.look_everywhere(&namespace);
            }
            // The beginning and the end of a list.
            News::Object(_) | News::Namespace(_) | News::Secret(_) | News::Account(_) => {}
        }
        Vec::new()
    }

    fn object(&mut self, object: &DynamicObject) -> Vec<Violation> {
        let (name, declared) = (object.name_any(), Declared::by(object));
        let going = object.metadata.deletion_timestamp.is_some();
        let known = self
            .objects
            .remove(&name)
            .filter(|known| known.declared.uid == declared.uid);
        let same = known.as_ref().is_some_and(|known| known.declared.spec == declared.spec);
        let mut seen = known.unwrap_or_else(|| Seen {
            declared: declared.clone(),
            going,
            logins: BTreeSet::new(),
            ever: BTreeSet::new(),
            wrong: BTreeMap::new(),
        });
        let retains = seen.declared.retains || declared.retains;
        seen.declared = Declared { retains, ..declared };
        seen.going = going;
        self.memory.keep(&seen.declared);
        self.objects.insert(name.clone(), seen);
        if !same {
            self.look_at_all(&name);
        }
        self.violations(&name, object)
    }

    /// Handles a new, changed or deleted Secret: a copy, or a source.
    fn secret(&mut self, place: &Place) {
        let takes = |seen: &Seen| sources(&seen.declared.spec).any(|source| source == *place);
        let of_it = self.objects.iter().filter(|(_, seen)| takes(seen));
        let of_it: Vec<String> = of_it.map(|(name, _)| name.clone()).collect();
        for object in of_it {
            self.look_at_all(&object);
        }
        self.look_everywhere(&place.0);
    }

    /// Updates the deviations of one object.
    fn look_at_all(&mut self, object: &str) {
        if let Some(seen) = self.objects.get_mut(object) {
            seen.logins = bytes::logins(&seen.declared.spec, &self.secrets);
            seen.ever.extend(seen.logins.iter().cloned());
        }
        let namespaces: Vec<String> = self.namespaces.keys().cloned().collect();
        for namespace in namespaces {
            self.look(object, &namespace);
        }
    }

    fn look_everywhere(&mut self, namespace: &str) {
        let names: Vec<String> = self.objects.keys().cloned().collect();
        for name in names {
            self.look(&name, namespace);
        }
    }

    /// Updates the deviations of one object in one namespace.
    fn look(&mut self, object: &str, namespace: &str) {
        let wrong = self.wrong_now(object, namespace);
        let Some(seen) = self.objects.get_mut(object) else {
            return;
        };
        let now = Timestamp::now();
        let from = (namespace.to_owned(), Thing::Copy);
        let known: Vec<Spot> = seen
            .wrong
            .range(from..)
            .map(|(spot, _)| spot.clone())
            .take_while(|spot| spot.0 == namespace)
            .collect();
        for spot in known {
            if !wrong.contains(&spot.1) {
                seen.wrong.remove(&spot);
            }
        }
        for thing in wrong {
            seen.wrong.entry((namespace.to_owned(), thing)).or_insert(now);
        }
    }

    fn wrong_now(&self, object: &str, namespace: &str) -> BTreeSet<Thing> {
        let (Some(seen), Some(found)) = (self.objects.get(object), self.namespaces.get(namespace)) else {
            return BTreeSet::new();
        };
        let held = self.secrets.get(&(namespace.to_owned(), seen.declared.secret.clone()));
        if !self.is_selected(object, found) {
            // The check of the status decides whether it is a leftover.
            let leftover = held.is_some_and(|held| held.is_written_by_operator() && held.has_any(&seen.ever));
            return leftover.then_some(Thing::Leftover).into_iter().collect();
        }
        self.memory.selected(&seen.declared.uid, namespace);
        let copy = held.is_some_and(|held| held.is_copy_of(&seen.logins));
        let accounts = self.accounts.get(namespace).into_iter().flatten();
        let entries = accounts
            .filter(|(_, account)| self.asks_for(object, account) && !refers(account, &seen.declared.secret))
            .map(|(name, _)| Thing::Reference(name.clone()));
        entries.chain((!copy).then_some(Thing::Copy)).collect()
    }

    /// Returns the violations of the status.
    fn violations(&self, name: &str, object: &DynamicObject) -> Vec<Violation> {
        let Some(seen) = self.objects.get(name).filter(|seen| !seen.going && says_ready(object)) else {
            return Vec::new();
        };
        let Some(written) = written(object) else {
            return Vec::new();
        };
        let too_long =
            |since: Timestamp| Duration::try_from(written.duration_since(since)).is_ok_and(|age| age > self.patience);
        let violation = |((namespace, thing), &since): (&Spot, &Timestamp)| Violation {
            object: name.to_owned(),
            secret: seen.declared.secret.clone(),
            namespace: namespace.clone(),
            thing: thing.clone(),
            written,
            since,
        };
        seen.wrong
            .iter()
            .filter(|&(_, &since)| too_long(since))
            .map(violation)
            .collect()
    }
}
