//! `ClusterPullSecret`s.

use crd::names::GROUP;
use k8s_openapi::apimachinery::pkg::apis::meta::v1::ObjectMeta;
use kube::core::ClusterResourceScope;
use serde::Deserialize;

use super::meta::object_meta;

/// A `ClusterPullSecret` as the server sent it. One that this version cannot decode must not hide the others.
#[derive(Clone, Debug, Deserialize)]
pub struct RawClusterPullSecret {
    #[serde(deserialize_with = "object_meta")]
    metadata: ObjectMeta,
    /// The raw spec.
    #[serde(default)]
    pub spec: serde_json::Value,
    /// The raw status.
    #[serde(default)]
    pub status: serde_json::Value,
}
partial_resource! {
    RawClusterPullSecret: "ClusterPullSecret", GROUP, "v1alpha1", "clusterpullsecrets", ClusterResourceScope,
    metadata only: false
}
