//! What objects `ClusterPullSecret` report: a table of all over contexts, or the tree of one, with what a deletion waits for.

mod deletion;
mod list;
mod one;
mod tree;

use crd::{ClusterPullSecret, ClusterPullSecretStatus, ConditionStatus};
use serde::Serialize;

pub use deletion::{Deletion, deletion};
pub use list::overview;
pub(crate) use list::words;
pub use one::tree_of;

/// Everything that `status` knows of one object in one context.
#[derive(Clone, Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct ObjectState {
    /// The context.
    pub context: String,
    /// The object, without fields of others.
    pub object: ClusterPullSecret,
    /// What its deletion waits for, if it is being deleted.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub deletion: Option<Deletion>,
}

/// A context that could not be asked.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Unread {
    /// The context.
    pub context: String,
    /// Why.
    pub why: String,
}

/// What the tool knows of all contexts.
#[derive(Clone, Debug, Default, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct States {
    /// The version of this form.
    pub api_version: crate::audit::ApiVersion,
    /// `StatusReport`.
    pub kind: StatusKind,
    /// Everything that was asked for could be read.
    pub complete: bool,
    /// The objects by context and name.
    pub objects: Vec<ObjectState>,
    /// The contexts that could not be asked.
    pub unread: Vec<Unread>,
}

/// The kind of a report on status.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize)]
pub enum StatusKind {
    /// The report.
    #[default]
    StatusReport,
}

impl States {
    /// Sorts by context and name, and notes whether all was read.
    pub fn finish(&mut self) {
        self.objects
            .sort_by(|a, b| (&a.context, &a.object.metadata.name).cmp(&(&b.context, &b.object.metadata.name)));
        self.unread.sort_by(|a, b| a.context.cmp(&b.context));
        self.complete = self.unread.is_empty();
    }

    /// Returns whether an object is not ready, or waits to be gone.
    pub fn has_findings(&self) -> bool {
        self.objects
            .iter()
            .any(|state| state.deletion.is_some() || !is_ready(&state.object))
    }
}

/// Whether the object is ready in its current version.
pub(crate) fn is_ready(object: &ClusterPullSecret) -> bool {
    let status = object.status.as_ref();
    let ready = status.and_then(ClusterPullSecretStatus::ready);
    ready.is_some_and(|ready| ready.status == ConditionStatus::True) && is_observed(object)
}

/// Whether the operator has seen the current version.
pub(crate) fn is_observed(object: &ClusterPullSecret) -> bool {
    let status = object.status.as_ref();
    status.and_then(|status| status.observed_generation) == object.metadata.generation
}

#[cfg(test)]
mod tests;
