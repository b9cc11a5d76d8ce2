//! Rules for each step from one version to the next.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use k8s_openapi::api::core::v1::{Secret, ServiceAccount};
use kube::ResourceExt;
use serde_json::Value;
use tokio::time::Instant;

use super::content::{Held, held, passwords, place_of, records, refers, theirs};
use super::{Change, Object};
use crate::verdict::{Oracle, Wrong};
use e2e::oracle::{LABEL, Login};

/// Type of the state Secrets.
pub(super) const STATE: &str = "pullsecrets.dev/state";

/// A party that blocks the removal of a reference must not keep the credential for more than ten seconds.
const REFERENCE_FIRST: Duration = Duration::from_secs(9);

/// The rules of a run.
pub struct Rules<'a> {
    /// The names of copies.
    pub names: &'a [&'a str],
    /// The logins in the order of their declaration.
    pub logins: &'a [Login],
    /// Copies that must exist in the end, by namespace and name.
    pub copies: BTreeSet<(String, String)>,
    /// References that must exist in the end, by namespace, account and name.
    pub references: BTreeSet<(String, String, String)>,
    /// The version of the store at which users began to act, and its time.
    pub begun: (u64, Instant),
    /// Whether users edit the operator's objects. Only foreign objects are checked then.
    pub edited: bool,
    /// Whether another writer may edit a foreign Secret too.
    pub concurrent_edit: bool,
    /// Whether a fault hides objects from the operator.
    pub blind: bool,
}

type Reference = (String, String, String);

/// The store so far.
#[derive(Default)]
pub(super) struct Seen {
    /// Copies, by namespace and name, with their uids.
    copies: BTreeMap<(String, String), (String, Held)>,
    /// Foreign Secrets under a name of copies, by uid.
    squatters: BTreeSet<String>,
    /// Copies of an earlier run, in a terminating namespace, by uid.
    leftovers: BTreeSet<String>,
    /// What each object remembers or has remembered, by its name.
    remembered: BTreeMap<String, Vec<Held>>,
    /// By namespace and name.
    accounts: BTreeMap<(String, String), ServiceAccount>,
    /// References that existed when users began to act, by namespace, account and name.
    references_before: BTreeSet<Reference>,
    /// Copies and references that existed then and must exist in the end.
    steady: Option<Steady>,
}

struct Steady {
    /// By namespace and name.
    copies: BTreeSet<(String, String)>,
    references: BTreeSet<Reference>,
}

impl Seen {
    pub(super) fn observe(&mut self, change: &Change, rules: &Rules<'_>) -> Result<(), Wrong> {
        if change.version > rules.begun.0 && self.steady.is_none() {
            self.begin(rules);
        }
        match &change.object {
            Object::Secret(secret) => self.secret(secret, change, rules),
            Object::Account(account) => self.account(account, change.gone, rules),
        }
    }

    /// Records that users begin to act.
    fn begin(&mut self, rules: &Rules<'_>) {
        let copies = rules.copies.iter().filter(|copy| self.copies.contains_key(*copy));
        for ((namespace, name), account) in &self.accounts {
            let names = rules.names.iter().filter(|secret| refers(account, secret));
            let reference = |secret: &&str| (namespace.clone(), name.clone(), (*secret).to_owned());
            self.references_before.extend(names.map(reference));
        }
        let references = self.references_before.intersection(&rules.references);
        self.steady = Some(Steady {
            copies: copies.cloned().collect(),
            references: references.cloned().collect(),
        });
    }

    fn secret(&mut self, secret: &Secret, change: &Change, rules: &Rules<'_>) -> Result<(), Wrong> {
        if secret.type_.as_deref() == Some(STATE) {
            self.remember(secret, change.gone, rules);
            return Ok(());
        }
        let place = (secret.namespace().unwrap_or_default(), secret.name_any());
        if !rules.names.contains(&place.1.as_str()) || !place.0.starts_with("fault-") {
            return Ok(());
        }
        let uid = secret.uid().unwrap_or_default();
        if change.listed {
            self.leftovers.insert(uid);
            return Ok(());
        }
        if self.leftovers.contains(&uid) {
            return Ok(());
        }
        let known = self.copies.get(&place).filter(|(known, _)| *known == uid).cloned();
        let told = format!("secret {}/{}", place.0, place.1);
        if known.is_none() && (self.squatters.contains(&uid) || !secret.labels().contains_key(LABEL)) {
            let changed = !self.squatters.insert(uid) && !change.gone && !rules.concurrent_edit;
            return fail_if(changed, Oracle::Foreign, || format!("{told} was written to"));
        }
        if change.gone {
            self.copies.remove(&place);
            return if rules.edited {
                Ok(())
            } else {
                self.may_go(&place, change, rules)
            };
        }
        let held = held(secret, rules.logins);
        let before = known.and_then(|(_, held)| held);
        self.copies.insert(place.clone(), (uid, held));
        if rules.edited {
            return Ok(());
        }
        // Another party's finalizer holds it, so its login goes instead.
        let deleted = secret.metadata.deletion_timestamp.is_some() && !rules.copies.contains(&place);
        if held.is_none() && deleted {
            return self.may_go(&place, change, rules);
        }
        fail_if(held.is_none(), Oracle::Gap, || {
            format!("{told} held no login for a moment")
        })?;
        fail_if(held < before, Oracle::Gap, || {
            format!("{told} went back to an older login")
        })?;
        let object = secret.labels().get(LABEL);
        let remembered = object.is_none_or(|object| {
            let all = self.remembered.get(object);
            all.is_some_and(|all| all.contains(&held))
        });
        fail_if(held != before && !remembered, Oracle::Order, || {
            format!("{told} was written before its login was remembered")
        })
    }

    fn may_go(&self, place: &(String, String), change: &Change, rules: &Rules<'_>) -> Result<(), Wrong> {
        let (namespace, name) = place;
        let steady = self.steady.as_ref().is_some_and(|steady| steady.copies.contains(place));
        fail_if(steady, Oracle::Gap, || {
            format!("secret {namespace}/{name} was deleted, and is to be there")
        })?;
        // An account created as its object is deleted may still get a reference.
        let refers = |((holder, account), seen): (&(String, String), &ServiceAccount)| {
            let reference = (holder.clone(), account.clone(), name.clone());
            holder == namespace
                && self.references_before.contains(&reference)
                && records(seen, name)
                && refers(seen, name)
        };
        let early = !rules.blind && change.at < rules.begun.1 + REFERENCE_FIRST;
        fail_if(early && self.accounts.iter().any(refers), Oracle::Order, || {
            format!("secret {namespace}/{name} went before the references to it")
        })
    }

    fn remember(&mut self, secret: &Secret, gone: bool, rules: &Rules<'_>) {
        let owner = secret.owner_references().first();
        let Some(object) = owner.map(|owner| owner.name.clone()) else {
            return;
        };
        // A login that was remembered once counts. A delayed write may arrive after the next login. The state of an
        // object of this name from an earlier run may also go during this one.
        if gone {
            return;
        }
        let values = secret.data.iter().flatten();
        let values = values.filter_map(|(_, bytes)| serde_json::from_slice::<Value>(&bytes.0).ok());
        let held: Vec<Held> = values
            .flat_map(|value| passwords(&value))
            .map(|password| place_of(&password, rules.logins))
            .collect();
        self.remembered.entry(object).or_default().extend(held);
    }

    fn account(&mut self, account: &ServiceAccount, gone: bool, rules: &Rules<'_>) -> Result<(), Wrong> {
        let place = (account.namespace().unwrap_or_default(), account.name_any());
        let before = self.accounts.remove(&place);
        if gone {
            if let Some(Steady { references, .. }) = &mut self.steady {
                references.retain(|(namespace, name, _)| (namespace, name) != (&place.0, &place.1));
            }
            return Ok(());
        }
        let told = format!("serviceaccount {}/{}", place.0, place.1);
        let same = before.filter(|before| before.uid() == account.uid());
        if let Some(before) = &same {
            let lost = theirs(before, rules.names)
                .difference(&theirs(account, rules.names))
                .next()
                .cloned();
            fail_if(lost.is_some(), Oracle::Foreign, || {
                format!("{told}: the foreign {} is lost", lost.unwrap_or_default())
            })?;
        }
        let steady = self.steady.iter().flat_map(|steady| &steady.references);
        let away = steady
            .filter(|(namespace, name, _)| (namespace, name) == (&place.0, &place.1))
            .any(|(_, _, secret)| !refers(account, secret));
        self.accounts.insert(place, account.clone());
        fail_if(away && !rules.edited, Oracle::Gap, || {
            format!("{told}: the reference was missing for a moment")
        })
    }
}

fn fail_if(wrong: bool, oracle: Oracle, what: impl FnOnce() -> String) -> Result<(), Wrong> {
    if wrong { Err(Wrong::new(oracle, what())) } else { Ok(()) }
}
