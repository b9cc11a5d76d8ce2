//! The metadata of objects.

use std::collections::BTreeMap;

use serde::Deserialize;
use serde_json::Value;

use super::super::keys::{STOPS, WITH_LOGINS, is_known};
use super::super::leftovers::{Meta, Owner};

#[derive(Default, Deserialize)]
#[serde(default, rename_all = "camelCase")]
pub(super) struct WireMeta {
    namespace: Option<String>,
    name: String,
    uid: String,
    resource_version: String,
    labels: Option<BTreeMap<String, String>>,
    annotations: Option<BTreeMap<String, String>>,
    owner_references: Option<Vec<Owner>>,
    managed_fields: Option<Vec<ManagedFields>>,
    deletion_timestamp: Option<String>,
}

#[derive(Default, Deserialize)]
#[serde(default, rename_all = "camelCase")]
struct ManagedFields {
    manager: Option<String>,
    time: Option<String>,
    fields_v1: Option<Value>,
}

/// An object of which only the metadata is decoded.
#[derive(Default, Deserialize)]
pub(super) struct Named {
    #[serde(default)]
    pub(super) metadata: WireMeta,
}

impl From<WireMeta> for Meta {
    fn from(wire: WireMeta) -> Self {
        let mut annotations = wire.annotations.unwrap_or_default();
        annotations.retain(|key, _| is_known(key));
        for key in WITH_LOGINS {
            if let Some(value) = annotations.get_mut(key) {
                value.clear();
            }
        }
        let fields = wire.managed_fields.unwrap_or_default();
        Self {
            namespace: wire.namespace.unwrap_or_default(),
            name: wire.name,
            uid: wire.uid,
            version: wire.resource_version,
            labels: wire.labels.unwrap_or_default(),
            stopped_at: stopped_at(&annotations, &fields),
            annotations,
            owners: wire.owner_references.unwrap_or_default(),
            managers: fields.into_iter().filter_map(|fields| fields.manager).collect(),
            deleting: wire.deletion_timestamp.is_some(),
        }
    }
}

/// When each annotation that stops a tool was last written. The server cuts times to the second.
fn stopped_at(annotations: &BTreeMap<String, String>, fields: &[ManagedFields]) -> BTreeMap<String, i64> {
    let mut times = BTreeMap::new();
    for key in STOPS.into_iter().filter(|key| annotations.contains_key(*key)) {
        let wrote = |fields: &&ManagedFields| {
            let all = fields.fields_v1.as_ref();
            let annotations = all.and_then(|all| all.get("f:metadata")?.get("f:annotations"));
            annotations.is_some_and(|annotations| annotations.get(format!("f:{key}")).is_some())
        };
        let time = fields
            .iter()
            .filter(wrote)
            .filter_map(|fields| seconds(fields.time.as_deref()?));
        if let Some(last) = time.max() {
            times.insert(key.to_owned(), last);
        }
    }
    times
}

pub(super) fn seconds(time: &str) -> Option<i64> {
    let time: jiff::Timestamp = time.parse().ok()?;
    Some(time.as_second())
}
