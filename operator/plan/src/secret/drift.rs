//! How a Secret differs from what is declared, and the write that repairs it.

use std::collections::BTreeMap;
use std::sync::Arc;

use crd::names::{ANNOTATION_DECLARED, LABEL_MANAGED_BY, LABEL_OBJECT, MANAGED_BY, is_copy_key};

use crate::action::{Content, SecretAction};
use crate::decision::Failure;
use crate::labels::Labels;
use crate::object::Object;
use crate::observed::{Secret, SecretTraits, brief};
use crate::ownership::{Ownership, owners, ownership, reserved};
use crate::payload::Payload;
use crate::scope::Scope;

/// How a Secret differs from what is declared.
pub(super) enum Drift {
    /// It is as declared.
    None,
    /// This write repairs it.
    Repairable(SecretAction),
    /// No write of ours repairs it: credentials were never resolved, or a finalizer holds up a deletion.
    Blocked,
}

/// Returns the drift of a Secret that does not exist.
pub(super) fn create(scope: &Scope<'_>, name: &str, decider: &Object) -> Result<Drift, Failure> {
    if let Some(reserved) = reserved(scope, name) {
        return Err(reserved);
    }
    Ok(decider.payload_for(None).map_or(Drift::Blocked, |payload| {
        Drift::Repairable(SecretAction::Create(content(scope, name, decider, payload, None)))
    }))
}

/// Returns the drift of a Secret that is, or can become, the decider's copy.
pub(super) fn repair(scope: &Scope<'_>, name: &str, seen: &Secret, decider: &Object) -> Result<Drift, Failure> {
    let traits = &seen.traits;
    let version = seen.version.clone();
    let digest = seen.digest.as_deref();
    let Some(payload) = decider.payload_for(digest) else {
        return Ok(Drift::Blocked);
    };
    if traits.deleting && (!traits.is_repairable() || ownership(traits) == Ownership::Foreign) {
        return Ok(Drift::Blocked);
    }
    if let Ownership::Retained(_) = ownership(traits) {
        return Ok(Drift::Repairable(SecretAction::Reclaim {
            version,
            object: Arc::clone(&decider.name),
        }));
    }
    if !traits.is_repairable() {
        // A reserved name gets no new copy, and a new copy gets no tied login. So neither is replaced.
        return match reserved(scope, name) {
            Some(reserved) => Err(reserved),
            None if decider.tied.as_ref().is_some_and(|tied| tied.is_in(digest)) => Ok(Drift::Blocked),
            None => Ok(Drift::Repairable(SecretAction::Delete { version })),
        };
    }
    if traits.bent_owners && matches!(ownership(traits), Ownership::Copy(_)) {
        // An apply keeps what another manager owns of an owner, and the admission policy may deny the mixture.
        return Ok(Drift::Repairable(SecretAction::Assign {
            version,
            object: Arc::clone(&decider.name),
            owners: owners(scope, name),
        }));
    }
    let mut content = content(scope, name, decider, payload, Some(traits));
    if !content.annotations.contains_key(ANNOTATION_DECLARED) && traits.annotations.get(ANNOTATION_DECLARED).is_some() {
        // An annotation that another writer owns, such as a restored backup, survives an apply that leaves it out.
        content
            .annotations
            .insert(ANNOTATION_DECLARED.to_owned(), String::new());
    }
    Ok(if is_in_place(seen, &content) {
        Drift::None
    } else {
        Drift::Repairable(SecretAction::Update { version, content })
    })
}

/// Compares the fields that we declare. The operator leaves alone what other writers add.
///
/// All ownerReferences to our kind are ours, because a wrong one makes garbage collection delete or keep the wrong copy.
fn is_in_place(seen: &Secret, content: &Content) -> bool {
    let traits = &seen.traits;
    let has_all = |labels: &Labels, declared: &BTreeMap<String, String>| {
        declared.iter().all(|(key, value)| has(labels, key, value))
    };
    !traits.partial
        && !traits.bent_owners
        && seen.digest.as_ref() == Some(content.payload.digest())
        && has_all(&traits.labels, &content.labels)
        && has_all(&traits.annotations, &content.annotations)
        && traits.owners == content.owners
}

fn content(
    scope: &Scope<'_>,
    name: &str,
    decider: &Object,
    payload: Arc<Payload>,
    seen: Option<&SecretTraits>,
) -> Content {
    let spec = &decider.spec;
    let mut labels = accepted(&spec.labels, seen.map(|traits| &traits.labels));
    let mut annotations = accepted(&spec.annotations, seen.map(|traits| &traits.annotations));
    let declared: Vec<&str> = labels.keys().chain(annotations.keys()).map(String::as_str).collect();
    let declared = declared.join(",");
    labels.insert(LABEL_OBJECT.to_owned(), decider.name.to_string());
    labels.insert(LABEL_MANAGED_BY.to_owned(), MANAGED_BY.to_owned());
    if !declared.is_empty() {
        annotations.insert(ANNOTATION_DECLARED.to_owned(), declared);
    }
    Content {
        labels,
        annotations,
        owners: owners(scope, name),
        payload,
    }
}

/// Returns whether the labels hold this value. Our own are kept literally, all others as [`brief`] keeps them.
fn has(labels: &Labels, key: &str, value: &str) -> bool {
    labels
        .get(&brief(key))
        .is_some_and(|found| found == value || found == brief(value))
}

/// Returns the labels or annotations of the spec that a copy accepts.
///
/// An older schema let others through. They stay on a copy that has them, and come onto no other copy, because the
/// admission policy on the operator denies that.
fn accepted(declared: &BTreeMap<String, String>, present: Option<&Labels>) -> BTreeMap<String, String> {
    let stays = |key: &str, value: &str| present.is_some_and(|present| has(present, key, value));
    declared
        .iter()
        .filter(|(key, value)| is_copy_key(key) || stays(key, value))
        .map(|(key, value)| (key.clone(), value.clone()))
        .collect()
}
