//! From the JSON of the API to the snapshot. Only this file and [`Content`] see data of Secrets.

mod meta;
mod workload;

use std::borrow::Cow;
use std::collections::BTreeMap;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use crd::ClusterPullSecret;
use crd::names::{ANNOTATION_ATTACHED, DOCKER_CONFIG_KEY, GROUP, LEGACY_CONFIG_KEY};
use plan::observed::{Entry, parse_attached};
use serde::Deserialize;
use serde_json::Value;

use super::content::Content;
use super::leftovers::{Account, Custom, Leftovers, Meta, Namespace, Secret};
use crate::world::{Data, ItemError, PageError, objects, page};
use meta::{Named, WireMeta};
use workload::{lease, workload};

/// It has no `Debug`, because it holds credentials.
#[derive(Deserialize)]
struct WireSecret<'a> {
    metadata: WireMeta,
    #[serde(default, rename = "type", borrow)]
    type_: Option<Cow<'a, str>>,
    #[serde(default, borrow)]
    data: Option<Data<'a>>,
    #[serde(default)]
    immutable: Option<bool>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct WireAccount {
    metadata: WireMeta,
    #[serde(default)]
    image_pull_secrets: Option<Vec<Reference>>,
}

#[derive(Deserialize)]
struct Reference {
    #[serde(default)]
    name: Option<String>,
}

impl Leftovers {
    /// Adds a page of the list of a kind. Returns the token of the next page.
    pub fn add_page(&mut self, group: &str, kind: &str, body: &[u8]) -> Result<Option<String>, PageError> {
        Ok(page(body, |json| self.add(group, kind, json))?.next)
    }

    /// Adds all objects of a file from `kubectl get -o json`. `file` names it in problems. The time is that of the last
    /// heartbeat in it.
    pub fn add_dump(&mut self, file: &str, text: &str) {
        let read = objects(file, text, |version, kind, json| {
            let group = version.split_once('/').map_or("", |(group, _)| group);
            self.add(group, kind, json);
        });
        self.unread.extend(read.err());
    }

    /// Adds one object. One that cannot be decoded hides no other.
    fn add(&mut self, group: &str, kind: &str, json: &str) {
        if let Err(error) = self.added(group, kind, json) {
            let named: Named = serde_json::from_str(json).unwrap_or_default();
            let place = Meta::from(named.metadata).place();
            self.unread.push(format!("{kind} {place}: {error}"));
        }
    }

    fn added(&mut self, group: &str, kind: &str, json: &str) -> Result<(), ItemError> {
        match (group, kind) {
            ("", "Secret") => {
                let secret = self.secret_of(json)?;
                let place = (secret.meta.namespace.clone(), secret.meta.name.clone());
                self.secrets.insert(place, secret);
            }
            ("", "ServiceAccount") => {
                let account = Account::of(json)?;
                let place = (account.meta.namespace.clone(), account.meta.name.clone());
                self.accounts.insert(place, account);
            }
            ("", "Namespace") => {
                let named: Named = serde_json::from_str(json)?;
                let meta = Meta::from(named.metadata);
                self.namespaces.insert(meta.name.clone(), Namespace { meta });
            }
            ("apps", "Deployment" | "StatefulSet" | "DaemonSet") | ("batch", "CronJob") => {
                let object: Value = serde_json::from_str(json)?;
                self.workloads.push(workload(kind, &object));
            }
            ("coordination.k8s.io", "Lease") => {
                let object: Value = serde_json::from_str(json)?;
                self.leases.push(lease(&object));
            }
            (GROUP, "ClusterPullSecret") => {
                let mut object: ClusterPullSecret = serde_json::from_str(json)?;
                object.metadata.managed_fields = None;
                let name = object.metadata.name.clone().unwrap_or_default();
                self.objects.insert(name, object);
            }
            _ if super::CUSTOMS
                .iter()
                .any(|(known, _, of)| *known == group && *of == kind) =>
            {
                let custom = custom(group, kind, json)?;
                self.customs.push(custom);
            }
            _ => {}
        }
        Ok(())
    }

    /// Decodes one Secret, as a request for it returns it.
    pub fn secret_of(&self, json: &str) -> Result<Secret, ItemError> {
        let wire: WireSecret<'_> = serde_json::from_str(json)?;
        let type_ = wire.type_.unwrap_or(Cow::Borrowed("Opaque")).into_owned();
        let data = wire.data.unwrap_or_default();
        let value = |key: &str| {
            let encoded = match key {
                DOCKER_CONFIG_KEY => data.config.as_deref(),
                LEGACY_CONFIG_KEY => data.legacy.as_deref(),
                _ => None,
            };
            STANDARD.decode(encoded?.as_bytes()).ok()
        };
        Ok(Secret {
            content: Content::read(&type_, value, &self.key),
            meta: wire.metadata.into(),
            type_,
            immutable: wire.immutable.unwrap_or_default(),
        })
    }
}

impl Account {
    /// Decodes one account, as a request for it returns it.
    pub fn of(json: &str) -> Result<Self, ItemError> {
        let wire: WireAccount = serde_json::from_str(json)?;
        let references = wire.image_pull_secrets.into_iter().flatten();
        let entries: Vec<String> = references.map(|reference| reference.name.unwrap_or_default()).collect();
        let listed: Vec<Entry> = entries.iter().map(|name| Entry::named(name)).collect();
        let meta = Meta::from(wire.metadata);
        let attached = meta.annotation(ANNOTATION_ATTACHED).unwrap_or_default();
        let attached = parse_attached(attached, &listed);
        Ok(Self {
            attached: attached.iter().map(ToString::to_string).collect(),
            entries,
            meta,
        })
    }
}

fn custom(group: &str, kind: &str, json: &str) -> Result<Custom, ItemError> {
    #[derive(Deserialize)]
    struct Wire {
        metadata: WireMeta,
        #[serde(default)]
        spec: Value,
        #[serde(default)]
        status: Value,
    }
    let wire: Wire = serde_json::from_str(json)?;
    Ok(Custom {
        group: group.to_owned(),
        kind: kind.to_owned(),
        meta: wire.metadata.into(),
        spec: pruned(wire.spec),
        status: pruned(wire.status),
    })
}

/// Takes out what may hold data of a Secret: policies and templates may have it inline.
fn pruned(mut value: Value) -> Value {
    let mut parts = vec![&mut value];
    while let Some(part) = parts.pop() {
        match part {
            Value::Array(elements) => parts.extend(elements),
            Value::Object(fields) => {
                for inline in ["data", "stringData", DOCKER_CONFIG_KEY, LEGACY_CONFIG_KEY] {
                    if let Some(found) = fields.get_mut(inline) {
                        *found = Value::Bool(true);
                    }
                }
                parts.extend(fields.values_mut());
            }
            Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) => {}
        }
    }
    value
}

/// The data of the copied Secret, for [`super::write::source`]. It has no `Debug`.
pub(super) fn docker_config(json: &str) -> Option<BTreeMap<String, String>> {
    let wire: WireSecret<'_> = serde_json::from_str(json).ok()?;
    let value = wire.data?.config?.into_owned();
    Some(BTreeMap::from([(DOCKER_CONFIG_KEY.to_owned(), value)]))
}
