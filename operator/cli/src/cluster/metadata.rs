//! The metadata of an object, as far as it matters for writes.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;
use std::hash::{BuildHasher as _, RandomState};
use std::sync::LazyLock;

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
    #[serde(default)]
    labels: Texts,
    #[serde(default)]
    annotations: Texts,
    /// Who wrote which part.
    #[serde(default)]
    managed_fields: Vec<Managed>,
}

/// Labels or annotations. The keys are kept, and of the values a hash under a key of this process. `Debug` shows the keys.
#[derive(Clone, Default, PartialEq, Eq)]
struct Texts {
    keys: BTreeSet<String>,
    hash: u64,
}

static HASHES: LazyLock<RandomState> = LazyLock::new(RandomState::new);

impl<'de> Deserialize<'de> for Texts {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let entries = BTreeMap::<String, String>::deserialize(deserializer)?;
        let hash = HASHES.hash_one(&entries);
        let keys = entries.into_keys().collect();
        Ok(Self { keys, hash })
    }
}

impl fmt::Debug for Texts {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.keys.fmt(f)
    }
}

#[derive(Clone, Debug, Default, PartialEq, Eq, Deserialize)]
struct Managed {
    #[serde(default)]
    manager: String,
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
        let applied = |metadata: &Self| metadata.managers().any(|manager| manager == FIELD_MANAGER);
        // The times of managed fields do not count: an apply after a write of the status may change that alone.
        self.resource_version == before.resource_version
            || (self.generation.is_some()
                && self.generation == before.generation
                && (&self.uid, &self.labels, &self.annotations) == (&before.uid, &before.labels, &before.annotations)
                && applied(before))
    }

    /// Returns whether the annotation of `kubectl apply` is there, which repeats the whole object.
    pub fn repeats_the_object(&self) -> bool {
        self.annotations.keys.contains(LAST_APPLIED)
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
        let metadata = |version: &str, generation: Option<i64>, label: &str| -> Metadata {
            let managed = json!([{"manager": "other", "subresource": "status"}, {"manager": FIELD_MANAGER}]);
            let metadata = json!({"uid": "u", "resourceVersion": version, "generation": generation,
                "labels": {"a": label}, "managedFields": managed});
            serde_json::from_value(metadata).unwrap()
        };
        let before = metadata("1", Some(1), "x");
        assert!(metadata("1", Some(1), "x").is_unchanged_since(&before));
        assert!(metadata("2", Some(1), "x").is_unchanged_since(&before));
        assert!(!metadata("2", Some(2), "x").is_unchanged_since(&before));
        assert!(!metadata("2", Some(1), "y").is_unchanged_since(&before));
        // A Secret has no generation, and its versions change with its data alone.
        assert!(!metadata("2", None, "x").is_unchanged_since(&metadata("1", None, "x")));
        // The first apply makes this tool a manager.
        let mut foreign = before.clone();
        foreign.managed_fields.pop();
        assert!(!metadata("2", Some(1), "x").is_unchanged_since(&foreign));
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
