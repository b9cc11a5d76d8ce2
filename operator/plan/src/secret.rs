//! The decision about one Secret: whether it is ours, what it should hold, and when it may go.

mod context;
mod drift;
mod finalizer;
mod handover;
mod unwanted;
mod wanted;

use crd::FailureReason;

use crate::action::SecretAction;
use crate::decision::{Decision, Failure, State};
use crate::scope::Scope;
use handover::hand_over;
use unwanted::unwanted;
use wanted::wanted;

pub use context::Context;
pub use handover::HANDOVER_GRACE;
pub use unwanted::{REFERENCES_FIRST, owner_of_unlabelled};

/// Decides about the Secret `name` of a namespace.
///
/// # Guarantees
///
/// - A Secret that is not ours is in no action, unless `conflictPolicy: Adopt` allows it.
/// - Under the name of a source the operator creates no Secret, and touches only what carries our label.
/// - The operator never adds to a terminating namespace.
/// - A copy is deleted only if it carries our label and no object wants it. If no object has the name in the label, the
///   caller confirms that first ([`crate::ownership::presumed_gone`]).
/// - What a frozen object has stays as it is. It passes to that object from one that is being deleted.
/// - Under a name that is not permitted there is no action.
pub fn decide<'a>(scope: &Scope<'a>, name: &'a str, context: Context<'_>) -> Decision<'a, SecretAction> {
    if !scope.cluster.is_permitted(name) {
        return not_permitted(scope, name);
    }
    if scope.cluster.is_unreadable(name) {
        return unreadable(scope, name, context);
    }
    let seen = scope.seen.secrets.get(name);
    let mut decision = match scope.claimants(name).first() {
        Some(decider) => wanted(scope, name, seen, decider, context),
        None => seen.map_or_else(Decision::default, |seen| unwanted(scope, name, seen, context)),
    };
    // An object that waits for a write reports what prevents it.
    let state = State::outstanding(context.obstruction());
    for object in &decision.pending_cleanup {
        if !decision.removals.iter().any(|(waiting, _)| waiting == object) {
            decision.removals.push((object, state.clone()));
        }
    }
    decision
}

/// An object that cannot be read may want this Secret here, so all other claimants must wait.
fn unreadable<'a>(scope: &Scope<'a>, name: &'a str, context: Context<'_>) -> Decision<'a, SecretAction> {
    let message = format!(
        "secret {name:?} may belong to a ClusterPullSecret that the operator cannot read: fix the object that reports \
         InvalidSpec"
    );
    let failure = Failure::new(FailureReason::SecretConflict, message);
    let claimants = scope.claimants(name).iter();
    let states = claimants.map(|object| (*object, State::Failed(failure.clone())));
    let mut decision = Decision {
        states: states.collect(),
        ..Decision::default()
    };
    if let Some(seen) = scope.seen.secrets.get(name) {
        hand_over(scope, name, seen, context, &mut decision);
    }
    decision
}

/// The installation has no rights on Secrets of this name.
fn not_permitted<'a>(scope: &Scope<'a>, name: &str) -> Decision<'a, SecretAction> {
    let message = format!(
        "secret name {name:?} is not one of --managed-secret-names: add it to config/named/names.yaml and apply \
         config/named, or replace the object by one whose spec.secret.name is listed there"
    );
    let failure = Failure::new(FailureReason::NameNotPermitted, message);
    let claimants = scope.claimants(name).iter().filter(|_| !scope.seen.terminating);
    Decision {
        states: claimants
            .map(|object| (*object, State::Failed(failure.clone())))
            .collect(),
        ..Decision::default()
    }
}
