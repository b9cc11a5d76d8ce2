//! Copies that pass from an object being deleted to another object of their name.

use std::sync::Arc;
use std::time::Duration;

use super::context::Context;
use crate::action::SecretAction;
use crate::decision::Decision;
use crate::observed::{Owner, Secret};
use crate::ownership::{Ownership, departing_owners, owners, ownership, owning, successors};
use crate::scope::Scope;

/// How long a deletion waits for the successor to write its own credentials, so that one write does both.
///
/// A successor that cannot write, because it is frozen or has no source, then gets the copy as it is.
pub const HANDOVER_GRACE: Duration = Duration::from_secs(5);

/// Passes a copy to its successor before garbage collection removes it with its last owner.
///
/// The copy passes as it is if the successor's own credentials do not come in time. A copy stays while an owner stays.
pub(super) fn hand_over<'a>(
    scope: &Scope<'a>,
    name: &'a str,
    seen: &Secret,
    context: Context<'_>,
    decision: &mut Decision<'a, SecretAction>,
) {
    let departing = departing_owners(scope, seen);
    let stays = |owner: &Owner| owning(scope, owner).is_some_and(|object| object.stays());
    let is_copy = matches!(ownership(&seen.traits), Ownership::Copy(_));
    let goes = !departing.is_empty() && !seen.traits.owners.iter().any(stays);
    if !is_copy || !goes || seen.traits.deleting {
        return;
    }
    let Some(successor) = successors(scope, name).next() else {
        return;
    };
    decision.removal_pending = true;
    decision.pending_cleanup = departing;
    let left = HANDOVER_GRACE.saturating_sub(context.removal_pending_for);
    if left > Duration::ZERO {
        decision.requeue_after = Some(left);
    } else {
        decision.action = Some(SecretAction::Assign {
            version: seen.version.clone(),
            object: Arc::clone(&successor.name),
            owners: owners(scope, name),
        });
    }
}
