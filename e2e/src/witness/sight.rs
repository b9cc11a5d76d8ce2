//! What the witness has seen, and since when it has seen that something is missing.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;
use std::time::Duration;

use jiff::Timestamp;
use k8s_openapi::api::core::v1::{Namespace, ServiceAccount};
use kube::ResourceExt;
use kube::api::DynamicObject;
use kube::runtime::watcher::Event;
use serde_json::Value;

use super::{News, selection};

/// The field manager of the status.
const MANAGER: &str = "pullsecrets";

/// A status that said `Ready=True` while something had been missing for too long, as far as was seen.
#[derive(Debug, Clone)]
pub(super) struct Claim {
    pub(super) object: String,
    pub(super) secret: String,
    pub(super) namespace: String,
    /// The account whose entry was missing; none where it was the copy.
    pub(super) account: Option<String>,
    /// When the status was written.
    pub(super) written: Timestamp,
    since: Timestamp,
}

impl fmt::Display for Claim {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self {
            object,
            namespace,
            account,
            written,
            since,
            ..
        } = self;
        let what = account
            .as_ref()
            .map_or("a copy".to_owned(), |account| format!("the reference on {account}"));
        write!(
            formatter,
            "{object} said Ready=True at {written}, and {namespace} had lacked {what} since {since}"
        )
    }
}

/// A namespace, or an account in it.
type Place = (String, Option<String>);

struct Seen {
    spec: Value,
    secret: String,
    going: bool,
    /// What is asked for and not there, and since when.
    missing: BTreeMap<Place, Timestamp>,
}

/// See the module.
pub(super) struct Sight {
    patience: Duration,
    sources: BTreeSet<String>,
    objects: BTreeMap<String, Seen>,
    namespaces: BTreeMap<String, Namespace>,
    copies: BTreeSet<(String, String)>,
    accounts: BTreeMap<String, BTreeMap<String, ServiceAccount>>,
}

/// Whether the account has the entry.
pub(super) fn refers(account: &ServiceAccount, secret: &str) -> bool {
    account
        .image_pull_secrets
        .iter()
        .flatten()
        .any(|entry| entry.name == secret)
}

impl Sight {
    pub(super) fn new(patience: Duration, sources: Vec<String>) -> Self {
        Self {
            patience,
            sources: sources.into_iter().collect(),
            objects: BTreeMap::new(),
            namespaces: BTreeMap::new(),
            copies: BTreeSet::new(),
            accounts: BTreeMap::new(),
        }
    }

    /// Whether the object, as last seen, selects the namespace, and that is not going.
    pub(super) fn is_selected(&self, object: &str, namespace: &Namespace) -> bool {
        let selects =
            |seen: &Seen| selection::namespace(&seen.spec, &namespace.name_any(), namespace.labels(), &self.sources);
        namespace.metadata.deletion_timestamp.is_none() && self.objects.get(object).is_some_and(selects)
    }

    /// Whether the object, as last seen, asks for an entry on the account.
    pub(super) fn asks_for(&self, object: &str, account: &ServiceAccount) -> bool {
        let selects = |seen: &Seen| selection::account(&seen.spec, &account.name_any(), account.labels());
        account.metadata.deletion_timestamp.is_none() && self.objects.get(object).is_some_and(selects)
    }

    /// Takes it in; what a list leaves out is not noticed, which can only make a claim fall.
    pub(super) fn take(&mut self, news: News) -> Vec<Claim> {
        match news {
            News::Object(Event::Apply(object) | Event::InitApply(object)) => return self.object(&object),
            News::Object(Event::Delete(object)) => {
                self.objects.remove(&object.name_any());
            }
            News::Namespace(Event::Apply(namespace) | Event::InitApply(namespace)) => {
                let name = namespace.name_any();
                self.namespaces.insert(name.clone(), namespace);
                self.look_everywhere(&name);
            }
            News::Namespace(Event::Delete(namespace)) => {
                self.namespaces.remove(&namespace.name_any());
                self.look_everywhere(&namespace.name_any());
            }
            News::Copy(Event::Apply(copy) | Event::InitApply(copy)) => {
                let namespace = copy.namespace().unwrap_or_default();
                self.copies.insert((namespace.clone(), copy.name_any()));
                self.look_everywhere(&namespace);
            }
            News::Copy(Event::Delete(copy)) => {
                let namespace = copy.namespace().unwrap_or_default();
                self.copies.remove(&(namespace.clone(), copy.name_any()));
                self.look_everywhere(&namespace);
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
            News::Object(_) | News::Namespace(_) | News::Copy(_) | News::Account(_) => {}
        }
        Vec::new()
    }

    fn object(&mut self, object: &DynamicObject) -> Vec<Claim> {
        let name = object.name_any();
        let spec = object.data["spec"].clone();
        let known = self.objects.remove(&name);
        let same = known.as_ref().is_some_and(|known| known.spec == spec);
        let secret = spec["secret"]["name"].as_str().unwrap_or(&name).to_owned();
        let missing = known.map(|known| known.missing).unwrap_or_default();
        let going = object.metadata.deletion_timestamp.is_some();
        self.objects.insert(
            name.clone(),
            Seen {
                spec,
                secret,
                going,
                missing,
            },
        );
        if !same {
            let namespaces: Vec<String> = self.namespaces.keys().cloned().collect();
            for namespace in namespaces {
                self.look(&name, &namespace);
            }
        }
        self.claims(&name, object)
    }

    fn look_everywhere(&mut self, namespace: &str) {
        let names: Vec<String> = self.objects.keys().cloned().collect();
        for name in names {
            self.look(&name, namespace);
        }
    }

    /// Brings up to date what of one namespace is missing to one object.
    fn look(&mut self, object: &str, namespace: &str) {
        let missing = self.missing_now(object, namespace);
        let Some(seen) = self.objects.get_mut(object) else {
            return;
        };
        let now = Timestamp::now();
        let from = (namespace.to_owned(), None);
        let known: Vec<Place> = seen
            .missing
            .range(from..)
            .map(|(place, _)| place.clone())
            .take_while(|place| place.0 == namespace)
            .collect();
        for place in known {
            if !missing.contains(&place) {
                seen.missing.remove(&place);
            }
        }
        for place in missing {
            seen.missing.entry(place).or_insert(now);
        }
    }

    fn missing_now(&self, object: &str, namespace: &str) -> BTreeSet<Place> {
        let (Some(seen), Some(found)) = (self.objects.get(object), self.namespaces.get(namespace)) else {
            return BTreeSet::new();
        };
        if !self.is_selected(object, found) {
            return BTreeSet::new();
        }
        let copy = !self.copies.contains(&(namespace.to_owned(), seen.secret.clone()));
        let copy = copy.then(|| (namespace.to_owned(), None));
        let accounts = self.accounts.get(namespace).into_iter().flatten();
        let entries = accounts
            .filter(|(_, account)| self.asks_for(object, account) && !refers(account, &seen.secret))
            .map(|(name, _)| (namespace.to_owned(), Some(name.clone())));
        copy.into_iter().chain(entries).collect()
    }

    /// What the status must not have said.
    fn claims(&self, name: &str, object: &DynamicObject) -> Vec<Claim> {
        let Some(seen) = self.objects.get(name).filter(|seen| !seen.going && says_ready(object)) else {
            return Vec::new();
        };
        let Some(written) = written(object) else {
            return Vec::new();
        };
        let too_long =
            |since: Timestamp| Duration::try_from(written.duration_since(since)).is_ok_and(|age| age > self.patience);
        let claim = |((namespace, account), &since): (&Place, &Timestamp)| Claim {
            object: name.to_owned(),
            secret: seen.secret.clone(),
            namespace: namespace.clone(),
            account: account.clone(),
            written,
            since,
        };
        seen.missing
            .iter()
            .filter(|&(_, &since)| too_long(since))
            .map(claim)
            .collect()
    }
}

fn says_ready(object: &DynamicObject) -> bool {
    let status = &object.data["status"];
    let conditions = status["conditions"].as_array().into_iter().flatten();
    let ready = conditions
        .into_iter()
        .any(|one| one["type"] == "Ready" && one["status"] == "True");
    ready && status["observedGeneration"].as_i64() == object.metadata.generation
}

/// When the status was last written, as the server has it: in whole seconds, and so never too late.
fn written(object: &DynamicObject) -> Option<Timestamp> {
    let entries = object.managed_fields().iter();
    let of_status = entries
        .filter(|entry| entry.subresource.as_deref() == Some("status") && entry.manager.as_deref() == Some(MANAGER));
    of_status
        .filter_map(|entry| entry.time.as_ref().map(|time| time.0))
        .max()
}
