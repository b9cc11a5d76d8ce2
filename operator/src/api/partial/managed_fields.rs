//! What `managedFields` show: which manager wrote, and which fields.

use crd::names::{FIELD_MANAGER, FIELD_MANAGER_UNPROVEN};
use k8s_openapi::apimachinery::pkg::apis::meta::v1::ObjectMeta;
use serde::de::IgnoredAny;
use serde::{Deserialize, Deserializer};

/// Whether `managedFields` name our manager as owner of `imagePullSecrets`.
#[derive(Default)]
pub(super) struct ListedByUs(pub(super) bool);

impl<'de> Deserialize<'de> for ListedByUs {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        #[derive(Deserialize)]
        struct Entry {
            #[serde(default)]
            manager: String,
            #[serde(rename = "fieldsV1")]
            fields: Option<Fields>,
        }
        #[derive(Deserialize)]
        struct Fields {
            #[serde(rename = "f:imagePullSecrets")]
            list: Option<IgnoredAny>,
        }
        let entries = Option::<Vec<Entry>>::deserialize(deserializer)?.unwrap_or_default();
        let ours =
            |entry: Entry| entry.manager == FIELD_MANAGER && entry.fields.is_some_and(|fields| fields.list.is_some());
        Ok(Self(entries.into_iter().any(ours)))
    }
}

/// Whether `managedFields` show that we applied the data. A copy that lost its label is recognized by this alone.
#[derive(Default)]
pub(super) struct AppliedByUs(pub(super) bool);

impl<'de> Deserialize<'de> for AppliedByUs {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        #[derive(Deserialize)]
        struct Entry {
            #[serde(default)]
            manager: String,
            #[serde(default)]
            operation: String,
            #[serde(rename = "fieldsV1")]
            fields: Option<Fields>,
        }
        #[derive(Deserialize)]
        struct Fields {
            #[serde(rename = "f:data")]
            data: Option<Data>,
        }
        #[derive(Deserialize)]
        struct Data {
            #[serde(rename = "f:.dockerconfigjson")]
            docker_config: Option<IgnoredAny>,
        }
        let entries = Option::<Vec<Entry>>::deserialize(deserializer)?.unwrap_or_default();
        let ours = |entry: Entry| {
            let data = entry.fields.and_then(|fields| fields.data);
            entry.manager == FIELD_MANAGER
                && entry.operation == "Apply"
                && data.is_some_and(|data| data.docker_config.is_some())
        };
        Ok(Self(entries.into_iter().any(ours)))
    }
}

/// The field manager that last wrote the fields for which `owns` holds, unless it is ours.
pub fn last_writer(meta: &ObjectMeta, owns: impl Fn(&serde_json::Value) -> bool) -> Option<String> {
    let entries = meta.managed_fields.iter().flatten();
    let theirs = entries.filter(|entry| {
        !matches!(entry.manager.as_deref(), Some(FIELD_MANAGER | FIELD_MANAGER_UNPROVEN))
            && entry.fields_v1.as_ref().is_some_and(|fields| owns(&fields.0))
    });
    theirs.max_by_key(|entry| entry.time.clone())?.manager.clone()
}
