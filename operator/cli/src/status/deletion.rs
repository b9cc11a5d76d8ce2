//! What the deletion of an object waits for.

use crd::ClusterPullSecret;
use crd::names::{FINALIZER, LABEL_MANAGED_BY, LABEL_OBJECT, MANAGED_BY};
use serde::Serialize;

use crate::cluster::Connected;
use crate::world::Kind;

/// What a deletion waits for.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Deletion {
    /// When it was asked for.
    pub since: String,
    /// The finalizers that are left.
    pub finalizers: Vec<String>,
    /// Namespace and name of each copy that is left.
    pub copies: Vec<String>,
    /// Why the copies could not be listed.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub copies_unseen: Option<String>,
}

/// Returns what the deletion of this object waits for, if it is being deleted.
pub async fn deletion(connected: &Connected, object: &ClusterPullSecret) -> Option<Deletion> {
    let since = object.metadata.deletion_timestamp.as_ref()?;
    let name = object.metadata.name.as_deref().unwrap_or_default();
    let ours = format!("{LABEL_MANAGED_BY}={MANAGED_BY},{LABEL_OBJECT}={name}");
    let (copies, copies_unseen) = match connected.names(Kind::Secret, Some(&ours)).await {
        Ok(copies) => (
            copies
                .into_iter()
                .map(|(namespace, name)| format!("{namespace}/{name}"))
                .collect(),
            None,
        ),
        Err(failure) => (Vec::new(), Some(failure.to_string())),
    };
    Some(Deletion {
        since: since.0.to_string(),
        finalizers: object.metadata.finalizers.clone().unwrap_or_default(),
        copies,
        copies_unseen,
    })
}

impl Deletion {
    /// Returns what to do, in a sentence.
    pub(crate) fn advice(&self) -> String {
        let others: Vec<&str> = self
            .finalizers
            .iter()
            .map(String::as_str)
            .filter(|name| *name != FINALIZER)
            .collect();
        let is_ours = self.finalizers.iter().any(|name| name == FINALIZER);
        match (is_ours, others.as_slice()) {
            (true, _) if !self.copies.is_empty() => {
                format!("the operator removes {} copies, then its finalizer", self.copies.len())
            }
            (true, []) => "the operator has to remove the last references and its finalizer: is it running?".to_owned(),
            (_, []) => "no finalizer is left".to_owned(),
            (_, others) => format!("the finalizers of others: {}", others.join(", ")),
        }
    }
}
