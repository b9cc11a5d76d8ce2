//! A Secret that no object wants here.

use std::sync::Arc;
use std::time::Duration;

use crd::DeletionPolicy;

use super::context::Context;
use super::finalizer::held_up;
use crate::action::SecretAction;
use crate::decision::{Decision, State};
use crate::detach::any_to_detach;
use crate::object::{Lifecycle, Object};
use crate::observed::Secret;
use crate::ownership::{Ownership, departing_owners, existing, is_orphan, ownership};
use crate::scope::Scope;

/// How long a copy that must go waits until the references to it are gone.
///
/// A writer that keeps adding a reference, or a policy that denies its removal, keeps the credential no longer than this.
pub const REFERENCES_FIRST: Duration = Duration::from_secs(10);

/// Decides about a Secret that no object wants here: a copy goes after the references to it, or is retained.
pub(super) fn unwanted<'a>(
    scope: &Scope<'a>,
    name: &'a str,
    seen: &Secret,
    context: Context<'_>,
) -> Decision<'a, SecretAction> {
    let mut decision = Decision::default();
    let label = match ownership(&seen.traits) {
        Ownership::Copy(label) => label,
        Ownership::Stripped if seen.traits.was_labelled => return unlabelled(scope, name, seen, context),
        Ownership::Stripped | Ownership::Retained(_) | Ownership::Foreign => return decision,
    };
    let owner = existing(scope, label);
    match fate(scope, name, seen, owner) {
        Fate::Goes => {}
        Fate::Waits(object) => {
            decision.removals.push((object, State::Pending));
            return decision;
        }
        Fate::Stays => return decision,
    }
    let version = seen.version.clone();
    let deleting = seen.traits.deleting;
    if is_retained_by(owner, seen) {
        if deleting {
            return decision;
        }
        let object = owner.map_or_else(|| label.into(), |object| Arc::clone(&object.name));
        decision.action = Some(SecretAction::Release { version, object });
    } else if deleting && seen.digest.is_none() {
        // It holds no login any more and goes with the finalizer, so no deletion waits for it.
        let held = State::Failed(held_up(name, seen));
        decision.removals.extend(owner.map(|object| (object, held)));
        return decision;
    } else {
        decision.removal_pending = true;
        let left = REFERENCES_FIRST.saturating_sub(context.removal_pending_for);
        if left > Duration::ZERO && any_to_detach(scope, name) {
            decision.requeue_after = Some(left);
        } else if !deleting {
            decision.action = Some(SecretAction::Delete { version });
        } else if !seen.traits.immutable {
            decision.action = Some(SecretAction::Empty { version });
        }
    }
    decision.pending_cleanup = departing_owners(scope, seen);
    if let Some(object) = owner {
        if object.lifecycle == Lifecycle::Deleting && !decision.pending_cleanup.contains(&object) {
            decision.pending_cleanup.push(object);
        }
        // Reported at every time, so that the state does not depend on it: the login cannot be removed.
        let held = (deleting && seen.traits.immutable).then(|| held_up(name, seen));
        let state = State::outstanding(context.obstruction().or(held.as_ref()));
        decision.removals.push((object, state));
    }
    decision
}

/// What becomes of a copy that no object wants.
enum Fate<'a> {
    /// It goes, or is retained.
    Goes,
    /// It stays until this object is no longer frozen.
    Waits(&'a Arc<Object>),
    /// The operator leaves it alone.
    Stays,
}

/// Returns what becomes of the copy. `owner` is the object that its label names.
fn fate<'a>(scope: &Scope<'_>, name: &str, seen: &Secret, owner: Option<&'a Arc<Object>>) -> Fate<'a> {
    match owner {
        // The copies of that object have another name: a person copied this one by hand.
        Some(object) if object.spec.secret_name.as_ref() != name => Fate::Stays,
        // A frozen object has no say about the copies of others.
        Some(object) if object.lifecycle == Lifecycle::Frozen => Fate::Waits(object),
        None if scope.cluster.is_frozen(name) || !is_orphan(scope, seen) => Fate::Stays,
        Some(_) | None => Fate::Goes,
    }
}

/// Decides about a copy that another writer took our label from while it must go. The label comes back first, because
/// only that permits the deletion.
fn unlabelled<'a>(scope: &Scope<'a>, name: &'a str, seen: &Secret, context: Context<'_>) -> Decision<'a, SecretAction> {
    let mut decision = Decision::default();
    let Some(object) = owner_of_unlabelled(scope, name).filter(|_| !scope.seen.terminating) else {
        return decision;
    };
    if object.lifecycle == Lifecycle::Frozen {
        decision.removals.push((object, State::Pending));
        return decision;
    }
    decision.action = Some(SecretAction::Reclaim {
        version: seen.version.clone(),
        object: Arc::clone(&object.name),
    });
    decision.removal_pending = true;
    if object.lifecycle == Lifecycle::Deleting {
        decision.pending_cleanup.push(object);
    }
    decision
        .removals
        .push((object, State::outstanding(context.obstruction())));
    decision
}

/// Returns the object on whose behalf a copy without label goes from a namespace where no object wants it.
///
/// That is the oldest one of its name. A copy stays if one of them retains: then it may be a retained one.
pub fn owner_of_unlabelled<'a>(scope: &Scope<'a>, name: &str) -> Option<&'a Arc<Object>> {
    let named = || {
        scope
            .cluster
            .named(name)
            .filter(|object| object.lifecycle != Lifecycle::Deleted)
    };
    let retains = |object: &Arc<Object>| object.spec.deletion_policy == DeletionPolicy::Retain;
    let stays = scope.is_claimed(name) || scope.cluster.is_unreadable(name) || named().any(retains);
    named().next().filter(|_| !stays)
}

/// Returns whether a copy that no object wants is retained.
///
/// A copy without object is retained if it has no owner, because an object with policy Delete leaves one.
fn is_retained_by(owner: Option<&Arc<Object>>, seen: &Secret) -> bool {
    owner.map_or(seen.traits.owners.is_empty(), |object| {
        object.spec.deletion_policy == DeletionPolicy::Retain
    })
}
