//! What `managedFields` show: which manager wrote, and which fields.

use crd::names::{FIELD_MANAGER, FIELD_MANAGER_UNPROVEN};
use serde::de::IgnoredAny;
use serde::{Deserialize, Deserializer};
use serde_json::Value;

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

/// When the last of all managers wrote, in seconds since 1970.
///
/// Each manager chooses its time, and the server keeps any year up to 9999. One that no timestamp can hold is left out:
/// otherwise one entry would make the whole object unreadable.
#[derive(Default)]
pub(super) struct LastChange(pub(super) Option<i64>);

impl<'de> Deserialize<'de> for LastChange {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        #[derive(Deserialize)]
        struct Entry {
            time: Option<String>,
        }
        let entries = Option::<Vec<Entry>>::deserialize(deserializer)?.unwrap_or_default();
        let times = entries.into_iter().filter_map(|entry| entry.time?.parse().ok());
        Ok(Self(times.map(|time: jiff::Timestamp| time.as_second()).max()))
    }
}

/// An object, reduced to its `managedFields`.
#[derive(Deserialize)]
pub struct Managed {
    metadata: Entries,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Entries {
    #[serde(default)]
    managed_fields: Vec<Entry>,
}

#[derive(Deserialize)]
struct Entry {
    #[serde(default)]
    manager: String,
    /// In UTC, and of one length: the order of the texts is that of the times, also of those that no timestamp can hold.
    #[serde(default)]
    time: String,
    #[serde(rename = "fieldsV1", default)]
    fields: Value,
}

impl Managed {
    /// The field manager that last wrote the fields for which `owns` holds, unless it is ours.
    pub fn last_writer(self, owns: impl Fn(&Value) -> bool) -> Option<String> {
        let is_ours = |entry: &Entry| matches!(&*entry.manager, FIELD_MANAGER | FIELD_MANAGER_UNPROVEN);
        let entries = self.metadata.managed_fields.into_iter();
        let theirs = entries.filter(|entry| !is_ours(entry) && owns(&entry.fields));
        let last = theirs.max_by(|one, other| one.time.cmp(&other.time))?;
        Some(last.manager).filter(|manager| !manager.is_empty())
    }
}
