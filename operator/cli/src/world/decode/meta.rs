//! The metadata of objects.

use std::collections::BTreeMap;

use serde::Deserialize;

use super::ItemError;
use crate::world::shared::Shared;
use crate::world::workload::WorkloadId;

/// The annotation of static Pods.
pub(super) const MIRROR: &str = "kubernetes.io/config.mirror";

/// The namespace of an object that names none, as in files that people write.
const DEFAULT_NAMESPACE: &str = "default";

/// An object of which only the metadata is decoded.
#[derive(Default, Deserialize)]
pub(super) struct Named {
    #[serde(default)]
    pub(super) metadata: Meta,
}

#[derive(Default, Deserialize)]
#[serde(default, rename_all = "camelCase")]
pub(super) struct Meta {
    pub(super) name: Option<String>,
    pub(super) namespace: Option<String>,
    pub(super) labels: Option<BTreeMap<String, String>>,
    annotations: Option<BTreeMap<String, String>>,
    owner_references: Option<Vec<Owner>>,
    creation_timestamp: Option<String>,
    pub(super) deletion_timestamp: Option<String>,
}

#[derive(Default, Deserialize)]
#[serde(default)]
struct Owner {
    kind: String,
    name: String,
    controller: Option<bool>,
}

impl Meta {
    pub(super) fn name(&self) -> Result<&str, ItemError> {
        self.name
            .as_deref()
            .filter(|name| !name.is_empty())
            .ok_or(ItemError::NoName)
    }

    pub(super) fn namespace(&self) -> &str {
        self.namespace
            .as_deref()
            .filter(|name| !name.is_empty())
            .unwrap_or(DEFAULT_NAMESPACE)
    }

    pub(super) fn label(&self, key: &str) -> Option<&str> {
        self.labels.as_ref()?.get(key).map(String::as_str)
    }

    pub(super) fn annotation(&self, key: &str) -> Option<&str> {
        self.annotations.as_ref()?.get(key).map(String::as_str)
    }

    pub(super) fn controller(&self, shared: &mut Shared) -> Option<WorkloadId> {
        let mut owners = self.owner_references.iter().flatten();
        let owner = owners.find(|owner| owner.controller == Some(true))?;
        Some(shared.workload(&owner.kind, &owner.name))
    }

    /// The time of creation in seconds of Unix time. A time that cannot be parsed is the earliest.
    pub(super) fn created(&self) -> i64 {
        let time = self.creation_timestamp.as_deref().unwrap_or_default();
        time.parse().map_or(0, |time: jiff::Timestamp| time.as_second())
    }
}
