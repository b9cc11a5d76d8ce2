//! The metadata of a Secret that the plan decides by.

use std::collections::{BTreeMap, BTreeSet};

use crd::names::{ANNOTATION_DECLARED, ANNOTATION_RETAINED, GROUP, LABEL_MANAGED_BY, LABEL_OBJECT};
use k8s_openapi::apimachinery::pkg::apis::meta::v1::{ObjectMeta, OwnerReference};
use plan::labels::Labels;
use plan::observed::{MAX_NAME_BYTES, MAX_OWNERS, Owner, SecretTraits, brief};

/// The version of the API that the operator writes in ownerReferences.
pub const API_VERSION: &str = "pullsecrets.dev/v1alpha1";

/// Longest uid that is kept. The uid of a server is a UUID of 36 characters.
const LONGEST_UID: usize = 64;

/// Whether the object carries our label.
pub(super) fn is_labelled(meta: &ObjectMeta) -> bool {
    meta.labels
        .as_ref()
        .is_some_and(|labels| labels.contains_key(LABEL_OBJECT))
}

/// Whether the owner is a `ClusterPullSecret` of any version.
pub(super) fn is_ours(reference: &OwnerReference) -> bool {
    reference.kind == "ClusterPullSecret" && reference.api_version.split('/').next() == Some(GROUP)
}

/// Most labels and annotations together that the schema allows.
pub(in crate::api::partial) const DECLARED: usize = 32;

/// Extracts our own marks, and the values of keys that were declared last. Others may write a megabyte of labels on a
/// copy, so the rest is dropped.
pub(super) fn traits(meta: &ObjectMeta) -> SecretTraits {
    let references = meta.owner_references.as_deref().unwrap_or_default();
    let mut owners: Vec<Owner> = references
        .iter()
        .filter(|reference| is_ours(reference))
        .map(owner)
        .collect();
    owners.sort_unstable();
    owners.dedup();
    owners.truncate(MAX_OWNERS);
    owners.shrink_to_fit();
    let labelled = is_labelled(meta);
    let annotation = |key: &str| meta.annotations.as_ref().and_then(|all| all.get(key));
    let declared: BTreeSet<&str> = annotation(ANNOTATION_DECLARED)
        .filter(|_| labelled)
        .map(|keys| keys.split(',').take(DECLARED).collect())
        .unwrap_or_default();
    let held = |all: Option<&BTreeMap<String, String>>, ours: [&str; 2]| -> Labels {
        let held = |(key, _): &(&String, &String)| ours.contains(&key.as_str()) || declared.contains(key.as_str());
        let bounded = |(key, value): (&String, &String)| {
            let named = [LABEL_OBJECT, ANNOTATION_RETAINED].contains(&key.as_str()) && value.len() <= MAX_NAME_BYTES;
            let value = if named { value.into() } else { brief(value) };
            (brief(key).into_owned(), value.into_owned())
        };
        all.into_iter().flatten().filter(held).map(bounded).collect()
    };
    let labels = meta.labels.as_ref().filter(|_| labelled);
    SecretTraits {
        deleting: meta.deletion_timestamp.is_some(),
        finalizer: holder(meta),
        labels: held(labels, [LABEL_OBJECT, LABEL_MANAGED_BY]),
        annotations: held(meta.annotations.as_ref(), [ANNOTATION_RETAINED, ANNOTATION_DECLARED]),
        controlled: references.iter().any(|reference| reference.controller == Some(true)),
        owners,
        bent_owners: references
            .iter()
            .any(|reference| is_ours(reference) && !is_plain(reference)),
        ..SecretTraits::default()
    }
}

/// Whether the reference has the form that the operator writes. `controller` would keep other controllers from the copy,
/// a block would hold up the deletion of its owner, and garbage collection does not know other versions.
fn is_plain(reference: &OwnerReference) -> bool {
    reference.api_version == API_VERSION
        && reference.controller != Some(true)
        && reference.block_owner_deletion != Some(true)
}

/// Reads one owner. The server bounds neither name nor uid, so an owner that no object can be is kept as a foreign one.
fn owner(reference: &OwnerReference) -> Owner {
    let can_be = reference.name.len() <= MAX_NAME_BYTES && reference.uid.len() <= LONGEST_UID;
    let (uid, name) = if can_be {
        (reference.uid.as_str(), reference.name.as_str())
    } else {
        ("", "")
    };
    Owner {
        uid: uid.into(),
        name: name.into(),
    }
}

/// The first finalizer of a Secret that is being deleted. The server bounds its length.
fn holder(meta: &ObjectMeta) -> Option<Box<str>> {
    meta.deletion_timestamp.as_ref()?;
    meta.finalizers.as_ref()?.first().map(|name| name.as_str().into())
}
