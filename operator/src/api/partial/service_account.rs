//! `ServiceAccount`s.

use std::fmt;

use k8s_openapi::apimachinery::pkg::apis::meta::v1::ObjectMeta;
use kube::core::NamespaceResourceScope;
use plan::observed::{Account, Entry, MAX_ENTRIES, MAX_ENTRIES_BYTES, parse_attached};
use serde::de::{IgnoredAny, SeqAccess, Visitor};
use serde::{Deserialize, Deserializer};

use super::meta::{LeanMeta, version};
use crate::wanted::{Wanted, prune};

#[cfg(test)]
mod tests;

/// A `ServiceAccount`, reduced while it is decoded.
#[derive(Clone, Debug, Deserialize)]
#[serde(from = "WireServiceAccount")]
pub struct PartialServiceAccount {
    metadata: ObjectMeta,
    facts: Account,
}
partial_resource! {
    PartialServiceAccount: "ServiceAccount", "", "v1", "serviceaccounts", NamespaceResourceScope,
    metadata only: false
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct WireServiceAccount {
    metadata: LeanMeta,
    #[serde(default)]
    image_pull_secrets: Entries,
}

impl From<WireServiceAccount> for PartialServiceAccount {
    fn from(wire: WireServiceAccount) -> Self {
        let metadata = wire.metadata.identity();
        let Entries { entries, too_large } = wire.image_pull_secrets;
        let attached = wire.metadata.annotations.0.as_deref();
        // Field ownership does not matter once a record exists.
        let listed_by_us = attached.is_none() && wire.metadata.managed_fields.0;
        let facts = Account {
            version: version(&metadata),
            labels: wire.metadata.labels(),
            attached: attached
                .map(|text| parse_attached(text, &entries).into())
                .unwrap_or_default(),
            deleting: wire.metadata.deletion_timestamp.is_some(),
            entries: entries.into(),
            too_large,
            listed_by_us,
            hidden: None,
        };
        Self { metadata, facts }
    }
}

impl PartialServiceAccount {
    /// Keeps only the labels that an object selects by. In a long list, keeps only names that copies have.
    pub fn prune(&mut self, keys: &Wanted, copies: &Wanted) {
        prune(&mut self.facts.labels, keys);
        self.facts.compact(|name| copies.has(name));
    }

    /// Turns the account into facts for the plan.
    pub fn facts(self) -> Account {
        self.facts
    }
}

/// `imagePullSecrets`, decoded element by element. Of a list that is too large, no element is kept.
#[derive(Default)]
struct Entries {
    entries: Vec<Entry>,
    too_large: bool,
}

impl<'de> Deserialize<'de> for Entries {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct List;
        impl<'de> Visitor<'de> for List {
            type Value = Entries;
            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("a list")
            }
            fn visit_unit<E>(self) -> Result<Entries, E> {
                Ok(Entries::default())
            }
            fn visit_seq<A: SeqAccess<'de>>(self, mut all: A) -> Result<Entries, A::Error> {
                let mut list = Entries::default();
                let mut bytes = 0;
                while let Some(element) = all.next_element::<serde_json::Value>()? {
                    let entry = entry(&element);
                    bytes += entry.name().len() + entry.raw_json().map_or(0, str::len);
                    if list.entries.len() >= MAX_ENTRIES || bytes > MAX_ENTRIES_BYTES {
                        while all.next_element::<IgnoredAny>()?.is_some() {}
                        return Ok(Entries {
                            entries: Vec::new(),
                            too_large: true,
                        });
                    }
                    list.entries.push(entry);
                }
                Ok(list)
            }
        }
        deserializer.deserialize_any(List)
    }
}

fn entry(element: &serde_json::Value) -> Entry {
    let name = element
        .get("name")
        .and_then(serde_json::Value::as_str)
        .unwrap_or_default();
    let only_a_name = !name.is_empty() && element.as_object().is_some_and(|fields| fields.len() == 1);
    if only_a_name {
        Entry::named(name)
    } else {
        Entry::raw(name, &element.to_string())
    }
}
