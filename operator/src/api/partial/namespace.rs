//! Namespaces.

use k8s_openapi::apimachinery::pkg::apis::meta::v1::ObjectMeta;
use kube::core::ClusterResourceScope;
use plan::labels::Labels;
use serde::Deserialize;

use super::meta::LeanMeta;
use crate::wanted::{Wanted, prune};

/// A namespace, of which only metadata is read.
#[derive(Clone, Debug, Deserialize)]
#[serde(from = "WireNamespace")]
pub struct PartialNamespace {
    metadata: ObjectMeta,
    labels: Labels,
    terminating: bool,
}
partial_resource!(PartialNamespace: "Namespace", "", "v1", "namespaces", ClusterResourceScope, metadata only: true);

#[derive(Deserialize)]
struct WireNamespace {
    metadata: LeanMeta,
}

impl From<WireNamespace> for PartialNamespace {
    fn from(WireNamespace { metadata }: WireNamespace) -> Self {
        Self {
            labels: metadata.labels(),
            terminating: metadata.deletion_timestamp.is_some(),
            metadata: metadata.identity(),
        }
    }
}

impl PartialNamespace {
    /// Keeps only the labels that an object selects by.
    pub fn prune(&mut self, keys: &Wanted) {
        prune(&mut self.labels, keys);
    }

    /// The labels of the namespace.
    pub fn labels(&self) -> Labels {
        self.labels.clone()
    }

    /// Whether the namespace has a deletionTimestamp.
    pub fn is_terminating(&self) -> bool {
        self.terminating
    }
}
