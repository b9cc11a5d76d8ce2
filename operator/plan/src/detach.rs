//! When a reference that the operator recorded leaves a `ServiceAccount`.

use std::sync::Arc;

use crd::DeletionPolicy;

use crate::object::{Lifecycle, Object};
use crate::observed::Secret;
use crate::ownership::{Ownership, is_orphan, is_reserved, labelled, ownership};
use crate::scope::Scope;

/// Returns whether a recorded reference to this Secret may be removed where no object wants it.
///
/// The name must be ours: an object has it, or a copy outlived its object. The object that decides must be active or
/// deleting, and must not retain. An object that wants a retained copy takes it back and gives it up; no other object
/// decides about it.
pub(crate) fn may_detach(scope: &Scope<'_>, secret: &str) -> bool {
    goes(scope, secret, is_frozen)
}

/// Returns whether only frozen objects keep such a reference. The operator removes it when they are active again.
pub(crate) fn is_kept_by_frozen(scope: &Scope<'_>, secret: &str) -> bool {
    !goes(scope, secret, is_frozen) && goes(scope, secret, |_| false)
}

/// `keeps` says of an object whether it keeps what it has.
fn goes(scope: &Scope<'_>, secret: &str, keeps: fn(&Arc<Object>) -> bool) -> bool {
    let cluster = scope.cluster;
    // The copy of a name that is not permitted is not seen. It may be in use as long as its object stays.
    if cluster.is_unreadable(secret)
        || !cluster.is_permitted(secret) && cluster.named(secret).any(|object| object.stays())
    {
        return false;
    }
    if let Some(decider) = scope.claimants(secret).first() {
        return !keeps(decider) && !is_reserved(scope, secret);
    }
    // Where no object selects the namespace any more, the label of the copy names the object that decides.
    if let Some(object) = labelled(scope, secret) {
        return !keeps(object) && !retains(object);
    }
    let copy = scope.seen.secrets.get(secret);
    copy.and_then(|seen| goes_with_its_copy(scope, secret, seen, keeps))
        .unwrap_or_else(|| goes_with_its_objects(scope, secret, copy.is_some(), keeps))
}

/// Returns whether the Secret decides, and how: references share the fate of the copy.
fn goes_with_its_copy(scope: &Scope<'_>, secret: &str, seen: &Secret, keeps: fn(&Arc<Object>) -> bool) -> Option<bool> {
    let has_owners = !seen.traits.owners.is_empty();
    match ownership(&seen.traits) {
        Ownership::Copy(_) if is_orphan(scope, seen) => Some(has_owners && !scope.cluster.named(secret).any(keeps)),
        Ownership::Retained(_) => Some(false),
        // It may be a retained copy that lost its mark.
        Ownership::Stripped if !has_owners && !seen.traits.was_labelled => Some(false),
        Ownership::Copy(_) | Ownership::Stripped | Ownership::Foreign => None,
    }
}

/// Returns whether the objects of this name let the reference go.
fn goes_with_its_objects(scope: &Scope<'_>, secret: &str, has_secret: bool, keeps: fn(&Arc<Object>) -> bool) -> bool {
    let named = || scope.cluster.named(secret);
    if named().next().is_none() || named().any(retains) {
        return false;
    }
    if named().all(|object| object.lifecycle == Lifecycle::Deleted) {
        return !has_secret;
    }
    // Without a Secret the reference leads nowhere, so only frozen objects alone keep it.
    if has_secret {
        !named().any(keeps)
    } else {
        !named().all(keeps)
    }
}

fn is_frozen(object: &Arc<Object>) -> bool {
    object.lifecycle == Lifecycle::Frozen
}

fn retains(object: &Arc<Object>) -> bool {
    object.spec.deletion_policy == DeletionPolicy::Retain
}

/// Returns whether an account of the namespace still has a recorded reference to this Secret that must go.
pub(crate) fn any_to_detach(scope: &Scope<'_>, secret: &str) -> bool {
    let has_reference = || {
        let mut accounts = scope.seen.accounts.values().filter(|account| !account.deleting);
        accounts.any(|account| account.refers_to(secret) && account.records(secret))
    };
    may_detach(scope, secret) && has_reference()
}
