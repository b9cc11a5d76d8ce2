//! History: every version of every Secret and account during a run, in the order of the store, and the rules for each
//! step.
//!
//! The end of a run may be right although a moment before was wrong. Examples are a copy that was deleted and
//! recreated, an old password that came back, and a foreign entry that was missing for a while.

use std::collections::{BTreeMap, BTreeSet};
use std::pin::pin;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use anyhow::Context;
use futures::StreamExt;
use k8s_openapi::api::core::v1::{Secret, ServiceAccount};
use kube::api::{ListParams, WatchEvent, WatchParams};
use kube::{Api, Client, Resource, ResourceExt};
use serde::de::DeserializeOwned;
use serde_json::Value;
use tokio::task::JoinSet;
use tokio::time::Instant;

use crate::verdict::{Oracle, Wrong};
use e2e::faults::proxy::lock;
use e2e::oracle::{ATTACHED, DATA_KEY, LABEL, Login};

/// Type of the state Secrets.
const STATE: &str = "pullsecrets.dev/state";
/// A party that blocks the removal of a reference must not keep the credential for more than ten seconds.
const REFERENCE_FIRST: Duration = Duration::from_secs(9);

/// The history of a run; see the module. It watches until it is dropped.
pub struct History {
    client: Client,
    changes: Arc<Mutex<Vec<Change>>>,
    _watches: JoinSet<()>,
}

/// One version of an object, or its deletion.
struct Change {
    version: u64,
    at: Instant,
    /// Whether it existed when the watch began.
    listed: bool,
    gone: bool,
    object: Object,
}

enum Object {
    Secret(Secret),
    Account(ServiceAccount),
}

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

impl History {
    /// Begins with the current state.
    ///
    /// # Errors
    ///
    /// The error of the API server.
    pub async fn begin(client: &Client) -> anyhow::Result<Self> {
        let changes = Arc::default();
        let mut watches = JoinSet::new();
        follow(client, &changes, &mut watches, Object::Secret).await?;
        follow(client, &changes, &mut watches, Object::Account).await?;
        Ok(Self {
            client: client.clone(),
            changes,
            _watches: watches,
        })
    }

    /// Returns the current version of the store.
    ///
    /// # Errors
    ///
    /// The error of the API server.
    pub async fn version(&self) -> anyhow::Result<u64> {
        let secrets: Api<Secret> = Api::all(self.client.clone());
        let list = secrets.list_metadata(&ListParams::default().limit(1)).await?;
        number(list.metadata.resource_version.as_deref())
    }

    /// Checks all versions against the rules.
    ///
    /// # Errors
    ///
    /// The first violation.
    pub fn judge(&self, rules: &Rules<'_>) -> Result<(), Wrong> {
        let mut changes = lock(&self.changes);
        changes.sort_by_key(|change| change.version);
        let mut seen = Seen::default();
        changes.iter().try_for_each(|change| seen.take(change, rules))
    }
}

fn number(version: Option<&str>) -> anyhow::Result<u64> {
    version.unwrap_or_default().parse().context("a resourceVersion")
}

async fn follow<K>(
    client: &Client,
    changes: &Arc<Mutex<Vec<Change>>>,
    watches: &mut JoinSet<()>,
    wrap: fn(K) -> Object,
) -> anyhow::Result<()>
where
    K: Resource<DynamicType = ()> + Clone + std::fmt::Debug + DeserializeOwned + Send + 'static,
{
    let api: Api<K> = Api::all(client.clone());
    let list = api.list(&ListParams::default()).await?;
    let put = move |changes: &Mutex<Vec<Change>>, object: K, listed: bool, gone: bool| {
        let version = object.resource_version().and_then(|version| version.parse().ok());
        lock(changes).push(Change {
            version: version.unwrap_or_default(),
            at: Instant::now(),
            listed,
            gone,
            object: wrap(object),
        });
        version
    };
    let mut from = number(list.metadata.resource_version.as_deref())?;
    for object in list.items {
        put(changes, object, true, false);
    }
    let changes = Arc::clone(changes);
    watches.spawn(async move {
        loop {
            if let Ok(events) = api.watch(&WatchParams::default(), &from.to_string()).await {
                let mut events = pin!(events);
                while let Some(Ok(event)) = events.next().await {
                    let version = match event {
                        WatchEvent::Added(object) | WatchEvent::Modified(object) => put(&changes, object, false, false),
                        WatchEvent::Deleted(object) => put(&changes, object, false, true),
                        WatchEvent::Bookmark(_) | WatchEvent::Error(_) => None,
                    };
                    from = version.unwrap_or(from);
                }
            }
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    });
    Ok(())
}

/// The last content of a copy: the index of one of the logins, or none for any other content.
type Held = Option<usize>;

type Reference = (String, String, String);

/// The store so far.
#[derive(Default)]
struct Seen {
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
    standing: BTreeSet<Reference>,
    /// Copies and references that existed then and must exist in the end.
    steady: Option<Steady>,
}

struct Steady {
    /// By namespace and name.
    copies: BTreeSet<(String, String)>,
    references: BTreeSet<Reference>,
}

impl Seen {
    fn take(&mut self, change: &Change, rules: &Rules<'_>) -> Result<(), Wrong> {
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
            self.standing.extend(names.map(reference));
        }
        let references = self.standing.intersection(&rules.references);
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
            holder == namespace && self.standing.contains(&reference) && records(seen, name) && refers(seen, name)
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

/// Returns the foreign entries and annotations.
fn theirs(account: &ServiceAccount, names: &[&str]) -> BTreeSet<String> {
    let entries = account.image_pull_secrets.iter().flatten();
    let entries = entries.filter(|entry| !names.contains(&entry.name.as_str()));
    let annotations = account.annotations().keys().filter(|key| *key != ATTACHED);
    entries
        .map(|entry| format!("the entry {}", entry.name))
        .chain(annotations.map(|key| format!("the annotation {key}")))
        .collect()
}

fn refers(account: &ServiceAccount, secret: &str) -> bool {
    account
        .image_pull_secrets
        .iter()
        .flatten()
        .any(|entry| entry.name == secret)
}

fn records(account: &ServiceAccount, secret: &str) -> bool {
    let names = account.annotations().get(ATTACHED).map_or("", String::as_str);
    names.split(',').any(|name| name == secret)
}

fn held(secret: &Secret, logins: &[Login]) -> Held {
    let bytes = &secret.data.as_ref()?.get(DATA_KEY)?.0;
    let config: Value = serde_json::from_slice(bytes).ok()?;
    place_of(passwords(&config).first()?, logins)
}

fn place_of(password: &str, logins: &[Login]) -> Held {
    logins.iter().position(|login| login.password == password)
}

/// Returns the values of every field `password`, at any depth.
fn passwords(value: &Value) -> Vec<String> {
    match value {
        Value::Object(fields) => {
            let own = fields.get("password").and_then(Value::as_str).map(str::to_owned);
            own.into_iter().chain(fields.values().flat_map(passwords)).collect()
        }
        Value::Array(elements) => elements.iter().flat_map(passwords).collect(),
        _ => Vec::new(),
    }
}

#[cfg(test)]
mod tests;
