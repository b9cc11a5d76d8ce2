//! The Events about the proof.

use plan::restraint::Restraint;

use crate::api::events::ObjectEvent;

/// Returns the Event about a new state, for the Lease of the operator in `namespace`.
pub(super) fn describe(namespace: &str, state: &Restraint) -> ObjectEvent {
    let (reason, note) = match state {
        Restraint::Unproven(why) => (
            "RestraintNotProven",
            format!("the operator in {namespace} writes nothing until the admission policies on it are proven: {why}"),
        ),
        Restraint::Lost(why) => (
            "RestraintLost",
            format!(
                "the operator in {namespace} neither adds nor rotates logins, because the admission policies on it are no longer \
                 in force: {why}"
            ),
        ),
        Restraint::Proven => (
            "RestraintProven",
            format!("the admission policies on the operator in {namespace} are in force"),
        ),
    };
    ObjectEvent {
        warning: !matches!(state, Restraint::Proven),
        reason: reason.to_owned(),
        note,
    }
}
