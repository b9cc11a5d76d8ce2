//! Secrets in the namespaces of sources.

use std::collections::BTreeMap;
use std::fmt;

use crd::names::LABEL_OBJECT;
use k8s_openapi::ByteString;
use k8s_openapi::apimachinery::pkg::apis::meta::v1::ObjectMeta;
use kube::core::NamespaceResourceScope;
use plan::observed::MAX_NAME_BYTES;
use plan::registries::{ShownKeys, Source, is_confined};
use serde::Deserialize;

use super::managed_fields::LastChange;
use super::meta::{WireMeta, identity};
use crate::wanted::{Wanted, word};

/// A Secret in a namespace of sources. It is the only type that keeps data, and keeps only what an object reads.
#[derive(Clone, Deserialize)]
#[serde(from = "Wire")]
pub struct SourceSecret {
    metadata: ObjectMeta,
    type_: String,
    data: BTreeMap<String, ByteString>,
    /// The keys of all data, as messages show them. Known from the first [`SourceSecret::prune`] on.
    keys: ShownKeys,
    changed_at: Option<i64>,
}

#[derive(Deserialize)]
struct Wire {
    metadata: WireMeta<LastChange>,
    #[serde(rename = "type", default)]
    type_: String,
    #[serde(default)]
    data: BTreeMap<String, ByteString>,
}

impl From<Wire> for SourceSecret {
    fn from(wire: Wire) -> Self {
        let (metadata, LastChange(last)) = wire.metadata.split();
        let created = metadata.creation_timestamp.as_ref().map(|time| time.0.as_second());
        Self {
            metadata,
            type_: wire.type_,
            data: wire.data,
            keys: ShownKeys::default(),
            changed_at: last.or(created),
        }
    }
}
partial_resource!(SourceSecret: "Secret", "", "v1", "secrets", NamespaceResourceScope, metadata only: false);

impl fmt::Debug for SourceSecret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("SourceSecret")
            .field("name", &self.metadata.name)
            .finish_non_exhaustive()
    }
}

impl SourceSecret {
    /// Whether an object uses it as a source, or it holds the saved state of one.
    pub fn is_wanted(&self, wanted: &Wanted) -> bool {
        self.metadata.name.as_deref().is_some_and(|name| wanted.has(name))
    }

    /// Drops all but the name of an unwanted Secret, and the unread keys of a wanted one. A tenant with access to the
    /// namespace may keep a thousand Secrets of a megabyte there.
    pub fn prune(&mut self, wanted: &Wanted) {
        if !self.is_wanted(wanted) {
            self.data.clear();
            self.metadata = identity(std::mem::take(&mut self.metadata));
            self.type_.clear();
            return;
        }
        let name = self.metadata.name.clone().unwrap_or_default();
        // A Secret is pruned again when the cache takes it. It has fewer keys by then.
        if self.keys == ShownKeys::default() {
            self.keys = ShownKeys::of(self.data.keys().map(String::as_str));
        }
        self.data.retain(|key, _| wanted.has(&word(&name, key)));
        self.metadata.annotations = None;
        self.metadata.owner_references = None;
        if let Some(labels) = &mut self.metadata.labels {
            labels.retain(|key, _| key == LABEL_OBJECT);
        }
        // The types that matter are shorter.
        self.type_.truncate(self.type_.floor_char_boundary(MAX_NAME_BYTES));
    }

    /// Returns the Secret after [`SourceSecret::prune`].
    #[must_use]
    pub fn pruned(mut self, wanted: &Wanted) -> Self {
        self.prune(wanted);
        self
    }

    /// The time of the last change, in seconds since 1970.
    pub fn changed_at(&self) -> Option<i64> {
        self.changed_at
    }

    /// Turns the Secret into a source for the plan.
    pub fn into_source(self) -> Source {
        let data = if is_confined(&self.type_) {
            BTreeMap::new()
        } else {
            self.data
        };
        Source {
            labels: self.metadata.labels.iter().flatten().collect(),
            data: data.into_iter().map(|(key, value)| (key, value.0)).collect(),
            keys: self.keys,
            type_: self.type_,
        }
    }
}
