//! Metadata without the fields that do not matter.

use std::collections::BTreeMap;
use std::fmt;

use crd::names::ANNOTATION_ATTACHED;
use k8s_openapi::apimachinery::pkg::apis::meta::v1::{ObjectMeta, OwnerReference, Time};
use plan::identity::Version;
use plan::labels::Labels;
use serde::de::{IgnoredAny, MapAccess, Visitor};
use serde::{Deserialize, Deserializer};

use super::managed_fields::ListedByUs;

/// `ObjectMeta` without `managedFields`, which are most of it. `M` keeps what it needs of them.
#[derive(Deserialize)]
#[serde(rename_all = "camelCase", bound = "M: Deserialize<'de> + Default")]
pub(super) struct WireMeta<M = IgnoredAny> {
    name: Option<String>,
    namespace: Option<String>,
    uid: Option<String>,
    resource_version: Option<String>,
    generation: Option<i64>,
    creation_timestamp: Option<Time>,
    deletion_timestamp: Option<Time>,
    labels: Option<BTreeMap<String, String>>,
    annotations: Option<BTreeMap<String, String>>,
    owner_references: Option<Vec<OwnerReference>>,
    finalizers: Option<Vec<String>>,
    #[serde(default)]
    managed_fields: M,
}

impl<M> WireMeta<M> {
    pub(super) fn split(self) -> (ObjectMeta, M) {
        let meta = ObjectMeta {
            name: self.name,
            namespace: self.namespace,
            uid: self.uid,
            resource_version: self.resource_version,
            generation: self.generation,
            creation_timestamp: self.creation_timestamp,
            deletion_timestamp: self.deletion_timestamp,
            labels: self.labels,
            annotations: self.annotations,
            owner_references: self.owner_references,
            finalizers: self.finalizers,
            ..ObjectMeta::default()
        };
        (meta, self.managed_fields)
    }
}

/// Decodes metadata without `managedFields`.
pub(super) fn object_meta<'de, D: Deserializer<'de>>(deserializer: D) -> Result<ObjectMeta, D::Error> {
    let wire: WireMeta = WireMeta::deserialize(deserializer)?;
    Ok(wire.split().0)
}

/// Uid and resourceVersion of an object.
pub fn version(meta: &ObjectMeta) -> Version {
    Version::new(
        meta.uid.as_deref().unwrap_or_default(),
        meta.resource_version.as_deref().unwrap_or_default(),
    )
}

/// Only the fields that identify the object; the rest of the metadata is dropped.
pub(super) fn identity(meta: ObjectMeta) -> ObjectMeta {
    ObjectMeta {
        name: meta.name,
        namespace: meta.namespace,
        uid: meta.uid,
        resource_version: meta.resource_version,
        ..ObjectMeta::default()
    }
}

/// The metadata of a namespace or account that matters. Tenants may write any amount of other metadata, so decoding
/// skips it.
#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct LeanMeta {
    name: Option<String>,
    namespace: Option<String>,
    uid: Option<String>,
    resource_version: Option<String>,
    pub(super) deletion_timestamp: Option<IgnoredAny>,
    labels: Option<BTreeMap<String, String>>,
    #[serde(default)]
    pub(super) annotations: Attached,
    #[serde(default)]
    pub(super) managed_fields: ListedByUs,
}

impl LeanMeta {
    /// Only the fields that identify the object.
    pub(super) fn identity(&self) -> ObjectMeta {
        ObjectMeta {
            name: self.name.clone(),
            namespace: self.namespace.clone(),
            uid: self.uid.clone(),
            resource_version: self.resource_version.clone(),
            ..ObjectMeta::default()
        }
    }

    pub(super) fn labels(&self) -> Labels {
        self.labels.iter().flatten().collect()
    }
}

/// The one annotation that records which references we added.
#[derive(Default)]
pub(super) struct Attached(pub(super) Option<String>);

impl<'de> Deserialize<'de> for Attached {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Annotations;
        impl<'de> Visitor<'de> for Annotations {
            type Value = Attached;
            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("annotations")
            }
            fn visit_unit<E>(self) -> Result<Attached, E> {
                Ok(Attached(None))
            }
            fn visit_map<A: MapAccess<'de>>(self, mut all: A) -> Result<Attached, A::Error> {
                let mut attached = None;
                while let Some(key) = all.next_key::<String>()? {
                    if key == ANNOTATION_ATTACHED {
                        attached = Some(all.next_value()?);
                    } else {
                        all.next_value::<IgnoredAny>()?;
                    }
                }
                Ok(Attached(attached))
            }
        }
        deserializer.deserialize_any(Annotations)
    }
}
