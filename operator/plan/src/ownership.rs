//! Whose a Secret is: by what it carries, by its owners and by its name.

use std::sync::Arc;

use crd::names::{ANNOTATION_RETAINED, LABEL_MANAGED_BY, LABEL_OBJECT, MANAGED_BY, STATE_NAME_PREFIX};
use crd::{ConflictPolicy, DeletionPolicy, FailureReason};

use crate::decision::Failure;
use crate::object::{Lifecycle, Object};
use crate::observed::{MAX_OWNERS, Owner, Secret, SecretTraits};
use crate::scope::Scope;

/// Whose a Secret is, by what it carries.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Ownership<'a> {
    /// It carries our label: it is the copy of the object of this name.
    Copy(&'a str),
    /// The label is gone, but the operator applied the data. The operator may update it, and never deletes it.
    Stripped,
    /// The operator left it to the namespace on behalf of this object. An object that wants the name takes it back.
    Retained(&'a str),
    /// It belongs to another party.
    Foreign,
}

/// Returns whose the Secret is. The label decides first, then the mark of a retained copy, then managedFields.
pub fn ownership(traits: &SecretTraits) -> Ownership<'_> {
    if let Some(object) = traits.labels.get(LABEL_OBJECT) {
        Ownership::Copy(object)
    } else if let Some(object) = traits.annotations.get(ANNOTATION_RETAINED) {
        Ownership::Retained(object)
    } else if traits.applied_by_us {
        Ownership::Stripped
    } else {
        Ownership::Foreign
    }
}

/// Returns whether the namespace has no copy under this name and gets none.
///
/// Either the Secret there belongs to another party, or the operator must not write under the name. The operator adds no
/// reference to such a Secret.
pub(crate) fn is_in_conflict(scope: &Scope<'_>, name: &str, decider: &Object) -> bool {
    if scope.cluster.is_unreadable(name) || !scope.cluster.is_permitted(name) {
        return true;
    }
    match scope.seen.secrets.get(name) {
        Some(seen) => obstacle(scope, name, seen, decider).is_some(),
        None => reserved(scope, name).is_some(),
    }
}

/// Returns whether the name is reserved for a source or for the operator, and no copy has it.
///
/// A reference to it leads to the source or to a missing Secret. The operator does not add such a reference, and does not
/// remove it while an object wants it.
pub(crate) fn is_reserved(scope: &Scope<'_>, name: &str) -> bool {
    let seen = scope.seen.secrets.get(name);
    let is_copy = seen.is_some_and(|seen| matches!(ownership(&seen.traits), Ownership::Copy(_)));
    !is_copy && reserved(scope, name).is_some()
}

/// Returns why the operator must not create or take over a Secret of this name here.
///
/// An object calls that Secret a source, whether it exists or not, or the name is one of the operator's own.
pub(crate) fn reserved(scope: &Scope<'_>, name: &str) -> Option<Failure> {
    let message = if let Some(object) = scope.cluster.source_of(scope.name, name) {
        format!(
            "secret {name:?} is a source of ClusterPullSecret {:?} in this namespace, so the operator makes no copy \
             of that name here: exclude the namespace, or create an object with another spec.secret.name",
            object.name
        )
    } else if name.starts_with(STATE_NAME_PREFIX) {
        format!(
            "secret name {name:?} is reserved for the operator, because it starts with {STATE_NAME_PREFIX:?}: create an \
             object with another spec.secret.name"
        )
    } else {
        return None;
    };
    Some(Failure::new(FailureReason::SourceName, message))
}

/// Returns why the Secret that exists cannot be, or become, the decider's copy.
pub(crate) fn obstacle(scope: &Scope<'_>, name: &str, seen: &Secret, decider: &Object) -> Option<Failure> {
    let conflict = |what: &str| {
        Some(Failure::new(
            FailureReason::SecretConflict,
            format!("secret {name:?} {what}"),
        ))
    };
    let ownership = ownership(&seen.traits);
    if !matches!(ownership, Ownership::Copy(_))
        && let Some(reserved) = reserved(scope, name)
    {
        return Some(reserved);
    }
    match ownership {
        Ownership::Copy(_) => None,
        Ownership::Stripped | Ownership::Retained(_) if seen.traits.is_repairable() => None,
        _ if decider.spec.conflict_policy == ConflictPolicy::Fail => {
            conflict("exists and is not managed by pullsecrets: delete it, or set spec.secret.conflictPolicy to Adopt")
        }
        _ if !seen.traits.docker_config_type => {
            conflict("has another type than kubernetes.io/dockerconfigjson and cannot be adopted: delete it")
        }
        _ if seen.traits.immutable => conflict("is immutable and cannot be adopted: delete it"),
        _ if seen.traits.controlled => {
            conflict("has a controller and cannot be adopted: delete it, or exclude the namespace")
        }
        _ => None,
    }
}

/// Returns the object that the label of the copy names, unless it is deleted or its copies have another name.
pub(crate) fn labelled<'a>(scope: &Scope<'a>, secret: &str) -> Option<&'a Arc<Object>> {
    let seen = scope.seen.secrets.get(secret)?;
    let Ownership::Copy(label) = ownership(&seen.traits) else {
        return None;
    };
    let mut named = scope.cluster.named(secret);
    named.find(|object| object.name.as_ref() == label && object.lifecycle != Lifecycle::Deleted)
}

/// Returns the object of that name, unless it is deleted.
pub(crate) fn existing<'a>(scope: &Scope<'a>, name: &str) -> Option<&'a Arc<Object>> {
    let object = scope.cluster.object(name);
    object.filter(|object| object.lifecycle != Lifecycle::Deleted)
}

/// Returns whether the Secret is the copy of an object that no longer exists, because a person removed its finalizer.
///
/// Only our two labels identify such a copy, so it must carry both.
pub(crate) fn is_orphan(scope: &Scope<'_>, seen: &Secret) -> bool {
    orphan_of(scope, seen).is_some()
}

/// Returns the object that no longer exists, if the Secret is its orphan.
fn orphan_of<'a>(scope: &Scope<'_>, seen: &'a Secret) -> Option<&'a str> {
    let Ownership::Copy(label) = ownership(&seen.traits) else {
        return None;
    };
    let is_ours = seen.traits.labels.get(LABEL_MANAGED_BY) == Some(MANAGED_BY);
    (is_ours && existing(scope, label).is_none()).then_some(label)
}

/// Returns the object whose absence makes this Secret the copy of none, if the decision about it rests on that.
///
/// The caller confirms it with the server before a write. A watch of objects that lags behind the watch of copies does
/// not show an object for which another installation, or the leader before, has just written.
pub fn presumed_gone<'a>(scope: &Scope<'a>, secret: &str) -> Option<&'a str> {
    orphan_of(scope, scope.seen.secrets.get(secret)?)
}

/// Returns the object that this ownerReference names. An object of the same name and another uid does not count.
pub(crate) fn owning<'a>(scope: &Scope<'a>, owner: &Owner) -> Option<&'a Arc<Object>> {
    let object = scope.cluster.object(&owner.name);
    object.filter(|object| object.uid == owner.uid)
}

/// Returns the objects being deleted that the copy still has as owners. Garbage collection would follow them.
pub(crate) fn departing_owners<'a>(scope: &Scope<'a>, seen: &Secret) -> Vec<&'a Arc<Object>> {
    let owners = seen.traits.owners.iter();
    owners
        .filter_map(|owner| owning(scope, owner))
        .filter(|object| object.lifecycle == Lifecycle::Deleting)
        .collect()
}

/// Returns the objects that claim the copy of that name, oldest first.
///
/// These are the objects that want it here, and those that may want it, because their selection cannot be read.
pub(crate) fn successors<'a>(scope: &Scope<'a>, name: &'a str) -> impl Iterator<Item = &'a Arc<Object>> {
    let claims = |object: &&Arc<Object>| object.is_unreadable() || scope.is_claimed_by(name, object);
    scope.cluster.named(name).filter(claims)
}

/// Returns the ownerReferences of the copy: one for each successor, at most [`MAX_OWNERS`].
///
/// If one of them retains its copies there are none, because garbage collection does not know that policy.
pub(crate) fn owners(scope: &Scope<'_>, name: &str) -> Vec<Owner> {
    if successors(scope, name).any(|object| object.spec.deletion_policy == DeletionPolicy::Retain) {
        return Vec::new();
    }
    let owner = |object: &Arc<Object>| Owner {
        uid: object.uid.clone(),
        name: Arc::clone(&object.name),
    };
    let mut owners: Vec<Owner> = successors(scope, name).take(MAX_OWNERS).map(owner).collect();
    owners.sort_unstable();
    owners
}
