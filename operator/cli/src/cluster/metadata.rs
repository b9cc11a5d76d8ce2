//! The metadata of an object, as far as it matters for writes.

use std::collections::{BTreeSet, HashMap};

use serde::de::IgnoredAny;
use serde::{Deserialize, Deserializer};

use super::client::Connected;
use super::failure::Failure;
use crate::world::LAST_APPLIED;

/// The field manager of this tool.
pub const FIELD_MANAGER: &str = "kubectl-pullsecrets";

/// Metadata alone, so that the answer to a write of a login does not hold it.
pub(super) const METADATA: &str = "application/json;as=PartialObjectMetadata;g=meta.k8s.io;v=v1";

/// An answer with metadata alone.
#[derive(Deserialize)]
pub(super) struct Partial {
    pub(super) metadata: Metadata,
}

/// The metadata of an object, as far as it matters for writes. It has no values of annotations.
#[derive(Clone, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Metadata {
    /// The uid.
    #[serde(default)]
    pub uid: String,
    /// Changes with each write that changes something.
    #[serde(default)]
    pub resource_version: String,
    /// Changes with each write of the spec, in kinds that have one.
    #[serde(default)]
    generation: Option<i64>,
    /// The keys of the annotations.
    #[serde(default)]
    annotations: Keys,
    /// Who wrote which part.
    #[serde(default)]
    managed_fields: Vec<Managed>,
}

/// The keys of a map whose values are not kept.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
struct Keys(BTreeSet<String>);

impl<'de> Deserialize<'de> for Keys {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let entries = Vec::from_iter(HashMap::<String, IgnoredAny>::deserialize(deserializer)?);
        Ok(Self(entries.into_iter().map(|(key, _)| key).collect()))
    }
}

#[derive(Clone, Debug, Default, PartialEq, Eq, Deserialize)]
struct Managed {
    #[serde(default)]
    manager: String,
    #[serde(default)]
    time: String,
    #[serde(default)]
    subresource: String,
}

impl Connected {
    /// Returns the metadata of the object at the path, if it exists.
    pub async fn metadata(&self, path: &str) -> Result<Option<Metadata>, Failure> {
        let found: Option<Partial> = self.find(path, METADATA).await?;
        Ok(found.map(|found| found.metadata))
    }
}

impl Metadata {
    /// Returns whether an apply by this tool has changed nothing since. Another writer may have changed the status.
    pub fn is_unchanged_since(&self, before: &Self) -> bool {
        let own = |metadata: &Self| {
            let mut entries = metadata.managed_fields.iter();
            let entry = entries.find(|entry| entry.manager == FIELD_MANAGER);
            entry.map(|entry| entry.time.clone())
        };
        self.resource_version == before.resource_version
            || (self.generation.is_some()
                && self.generation == before.generation
                && own(self).is_some()
                && own(self) == own(before))
    }

    /// Returns whether the annotation of `kubectl apply` is there, which repeats the whole object.
    pub fn repeats_the_object(&self) -> bool {
        self.annotations.0.contains(LAST_APPLIED)
    }

    /// Returns the field managers that wrote the object itself, and not its status alone.
    pub fn managers(&self) -> impl Iterator<Item = &str> {
        let own = self.managed_fields.iter().filter(|entry| entry.subresource.is_empty());
        own.map(|entry| entry.manager.as_str())
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    /// The operator writes the status at any time.
    #[test]
    fn a_write_of_the_status_is_no_change() {
        let metadata = |version: &str, generation: Option<i64>, time: &str| -> Metadata {
            let managed = json!([{"manager": "other", "time": version}, {"manager": FIELD_MANAGER, "time": time}]);
            let metadata = json!({"resourceVersion": version, "generation": generation, "managedFields": managed});
            serde_json::from_value(metadata).unwrap()
        };
        let before = metadata("1", Some(1), "t1");
        assert!(metadata("1", Some(1), "t1").is_unchanged_since(&before));
        assert!(metadata("2", Some(1), "t1").is_unchanged_since(&before));
        assert!(!metadata("2", Some(2), "t1").is_unchanged_since(&before));
        assert!(!metadata("2", Some(1), "t2").is_unchanged_since(&before));
        // A Secret has no generation, and its versions change with its data alone.
        assert!(!metadata("2", None, "t1").is_unchanged_since(&metadata("1", None, "t1")));
    }

    /// What `kubectl apply` keeps in an annotation repeats the login.
    #[test]
    fn metadata_has_no_value_of_an_annotation() {
        let body = json!({"uid": "u", "resourceVersion": "7", "annotations": {LAST_APPLIED: "CANARY"},
            "managedFields": [{"manager": "helm"}, {"manager": "operator", "subresource": "status"}]});
        let metadata: Metadata = serde_json::from_value(body).unwrap();
        assert!(metadata.repeats_the_object() && !format!("{metadata:?}").contains("CANARY"));
        assert_eq!(metadata.managers().collect::<Vec<_>>(), ["helm"]);
    }
}
