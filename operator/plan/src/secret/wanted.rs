//! A Secret that objects want here.

use std::sync::Arc;

use crd::FailureReason;

use super::context::Context;
use super::drift::{Drift, create, repair};
use super::finalizer::held_up;
use super::handover::hand_over;
use crate::action::SecretAction;
use crate::decision::{Decision, Failure, State, restrained};
use crate::object::{Lifecycle, Object};
use crate::observed::Secret;
use crate::ownership::{departing_owners, labelled, obstacle};
use crate::scope::Scope;

/// Decides about a Secret that objects want here. `decider` is the oldest of them.
pub(super) fn wanted<'a>(
    scope: &Scope<'a>,
    name: &'a str,
    seen: Option<&Secret>,
    decider: &'a Arc<Object>,
    context: Context<'_>,
) -> Decision<'a, SecretAction> {
    let mut decision = Decision::default();
    if scope.seen.terminating {
        return decision;
    }
    let drift = match seen {
        None => create(scope, name, decider),
        Some(seen) => obstacle(scope, name, seen, decider).map_or_else(|| repair(scope, name, seen, decider), Err),
    };
    let held = seen.filter(|seen| seen.traits.deleting).map(|seen| held_up(name, seen));
    let restrained = restrained(decider);
    let state = match &drift {
        Err(conflict) => State::Failed(conflict.clone()),
        Ok(Drift::None) if held.is_none() => State::in_place(context.contention),
        Ok(_) => State::outstanding(restrained.as_ref().or(context.obstruction()).or(held.as_ref())),
    };
    decision.states = states(scope, name, decider, &state);
    match (drift, seen) {
        (Ok(Drift::Repairable(action)), seen) if decider.lifecycle == Lifecycle::Active => {
            decision.pending_cleanup = seen.map(|seen| departing_owners(scope, seen)).unwrap_or_default();
            decision.action = Some(action);
        }
        (_, Some(seen)) => hand_over(scope, name, seen, context, &mut decision),
        (_, None) => {}
    }
    let removal = left_behind(scope, name, decider, context, decision.action.is_some());
    decision.removals.extend(removal);
    decision
}

/// Returns the object whose copy this is if it no longer wants it here, with the state of the removal.
fn left_behind<'a>(
    scope: &Scope<'a>,
    name: &str,
    decider: &Object,
    context: Context<'_>,
    is_replaced: bool,
) -> Option<(&'a Arc<Object>, State)> {
    let former = labelled(scope, name).filter(|object| object.stays() && !scope.is_claimed_by(name, object))?;
    let message = format!(
        "secret {name:?} still has the login of this object, because ClusterPullSecret {:?} wants it here and cannot \
         write it: see the status of that object, or exclude the namespace there",
        decider.name
    );
    let conflict = Failure::new(FailureReason::SecretConflict, message);
    let conflict = (!is_replaced).then_some(&conflict);
    let obstruction = context.obstruction().or(conflict);
    Some((former, State::outstanding(obstruction.filter(|_| former.removes()))))
}

/// The decider has the state of the copy. All younger objects that want the name are in conflict with it.
fn states<'a>(
    scope: &Scope<'a>,
    name: &'a str,
    decider: &'a Arc<Object>,
    state: &State,
) -> Vec<(&'a Arc<Object>, State)> {
    let superseded = |object: &&'a Arc<Object>| {
        let message = format!(
            "secret {name:?} belongs to the older ClusterPullSecret {:?}: exclude the namespace in one of the two, or create \
             an object with another spec.secret.name",
            decider.name
        );
        let failure = Failure::new(FailureReason::SecretConflict, message);
        (*object, State::Failed(failure))
    };
    let younger = scope.claimants(name).iter().skip(1).map(superseded);
    std::iter::once((decider, state.clone())).chain(younger).collect()
}
