//! Copies that are being deleted and that a finalizer holds.

use crd::FailureReason;

use crate::decision::Failure;
use crate::observed::Secret;

/// Names the finalizer that holds up the deletion of this copy, and says what becomes of its login.
pub(super) fn held_up(name: &str, seen: &Secret) -> Failure {
    let holder = seen.traits.finalizer.as_deref().unwrap_or("unknown");
    let fixed = if seen.digest.is_none() {
        "; the secret has no login any more"
    } else if !seen.traits.is_repairable() {
        "; its login stays until then, because the secret is immutable"
    } else {
        ""
    };
    let message =
        format!("secret {name:?} is being deleted and finalizer {holder:?} holds it: remove that finalizer{fixed}");
    Failure::new(FailureReason::HeldByFinalizer, message)
}
