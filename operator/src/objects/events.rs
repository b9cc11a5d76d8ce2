//! The Events of objects: one for each change of state, never one for each namespace.

use std::sync::Arc;

use crd::names::ANNOTATION_INSTALLATION;
use crd::{ClusterPullSecretStatus, ConditionStatus};
use k8s_openapi::api::core::v1::ObjectReference;
use plan::decision::Failure;
use plan::status::{DELETION_WAITS, NOT_HANDED_OVER};

use crate::api::events::{NOTE, ObjectEvent};
use crate::api::lease::{self, LEASE};

impl ObjectEvent {
    /// Returns the Event of a status that is about to be written, if `Ready` or its reason changes. Progress has none.
    pub fn of_report(before: &ClusterPullSecretStatus, after: &ClusterPullSecretStatus) -> Option<Self> {
        let (was, is) = (before.ready(), after.ready()?);
        let is_misnamed = |ready: &crd::Condition| ready.message.ends_with(NOT_HANDED_OVER);
        if is_misnamed(is) && !was.is_some_and(is_misnamed) {
            return Some(Self {
                warning: true,
                reason: "NotHandedOver".to_owned(),
                note: is.message.clone(),
            });
        }
        let same = was.is_some_and(|was| was.status == is.status && was.reason == is.reason);
        if same || is.is_progress() {
            return None;
        }
        let warning = is.status != ConditionStatus::True;
        Some(Self {
            warning,
            reason: is.reason.clone(),
            note: is.message.clone(),
        })
    }

    /// Returns the Event of the status of an object whose deletion waits, if it waits for another reason than before.
    pub fn of_waiting(before: &ClusterPullSecretStatus, after: &ClusterPullSecretStatus) -> Option<Self> {
        let (was, is) = (before.ready(), after.ready()?);
        let same = |was: &crd::Condition| was.reason == is.reason && was.message.starts_with(DELETION_WAITS);
        (!was.is_some_and(same)).then(|| Self {
            warning: !is.is_progress(),
            reason: "DeletionWaits".to_owned(),
            note: is.message.clone(),
        })
    }

    /// Makes the Event of an object that a person hands over from the installation in this namespace to another.
    pub fn handed_over(namespace: &str, object: &str, other: &str) -> Self {
        let note = format!(
            "handed over: {namespace}/{LEASE} writes no more for this object, and {other} does as soon as it runs; if there \
             is no such installation, take the object back: kubectl annotate cps {object} {ANNOTATION_INSTALLATION}-"
        );
        Self {
            warning: false,
            reason: "HandedOver".to_owned(),
            note,
        }
    }

    /// Makes the Event of an object that this installation takes over from another.
    pub fn taken_over(own: &str, before: &str) -> Self {
        Self {
            warning: false,
            reason: "TakenOver".to_owned(),
            note: format!("the installation {own} acts for this object from now on; before, {before} did"),
        }
    }

    /// Makes the Event of an object that goes although the cleanup failed.
    ///
    /// `left` names what stays, the most important first, and `unnamed` counts the rest of it. `failures` says why.
    pub fn left_behind(left: &[String], unnamed: usize, failures: &[(Arc<str>, Failure)]) -> Self {
        let mut named = String::new();
        let mut unnamed = left.len() + unnamed;
        for one in left {
            if !named.is_empty() && named.len() + one.len() > NOTE / 2 {
                break;
            }
            named += if named.is_empty() { "" } else { ", " };
            named += one;
            unnamed -= 1;
        }
        let more = match unnamed {
            0 => String::new(),
            _ => format!(" and {unnamed} more"),
        };
        let why: Vec<String> = failures
            .iter()
            .map(|(namespace, failure)| format!("{namespace}: {}", failure.message))
            .collect();
        let note = format!(
            "left behind, because every removal failed for a minute: {named}{more}. Garbage collection keeps trying to delete \
             secrets; remove entries of imagePullSecrets by hand. {}",
            why.join("; ")
        );
        Self {
            warning: true,
            reason: "LeftBehind".to_owned(),
            note,
        }
    }
}

/// Makes the Event about objects of another installation, with one of them as the example. It is about the operator's own
/// Lease.
pub fn installed_twice(namespace: &str, object: &str, other: &str) -> (ObjectReference, ObjectEvent) {
    let note = format!(
        "ClusterPullSecret {object:?} belongs to the installation {other}, so {namespace}/{LEASE} does not write for it, nor \
         for other objects of that installation; to hand it over: kubectl annotate cps {object} \
         {ANNOTATION_INSTALLATION}={namespace}/{LEASE} --overwrite",
    );
    let event = ObjectEvent {
        warning: true,
        reason: "InstalledTwice".to_owned(),
        note,
    };
    (lease::reference(namespace), event)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn leftovers_are_named_and_counted() {
        let named = |left: usize, more: usize| {
            let left: Vec<String> = (0..left).map(|number| format!("secret {number:0>300}")).collect();
            ObjectEvent::left_behind(&left, more, &[]).note
        };
        let few = named(1, 0);
        assert!(few.contains("secret 000") && !few.contains(" more"), "{few}");
        let many = named(20, 30);
        assert!(many.contains("secret 000") && many.contains(" and 49 more. "), "{many}");
        assert!(many.len() <= NOTE, "{}", many.len());
    }
}
