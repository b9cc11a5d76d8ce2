//! What the status of an object says. The same facts give the same status, but for the times of conditions.

mod conditions;
#[cfg(test)]
mod tests;
mod timing;

use std::sync::Arc;

use crd::status::{MAX_MESSAGE, MAX_NAME, MAX_REGISTRIES, cut_to};
use crd::{
    ClusterPullSecretStatus, Condition, ConditionStatus, ConditionType, Counts, Failure, PodCounts, Reason,
    RegistryState, RegistryStatus, remove_condition, set_condition,
};
use k8s_openapi::apimachinery::pkg::apis::meta::v1::Time;

use self::conditions::Finding;
pub(crate) use self::timing::age;
pub use self::timing::{Writes, changes_at, is_carried_out, says_the_same, stalls_at, unlisted_at};
use crate::registries::Merged;
use crate::summary::{Count, Left, Summary};

/// What a status says, and what decides about it.
#[derive(Clone, Debug)]
pub struct Facts<'a> {
    /// `metadata.generation`.
    pub generation: i64,
    /// This installation.
    pub installation: &'a str,
    /// The end of the message of `Ready`, whatever else it says.
    pub remark: Option<&'a str>,
    /// The name of the copies.
    pub secret_name: &'a str,
    /// The present status. Conditions that do not change keep their times.
    pub previous: &'a ClusterPullSecretStatus,
    /// Why the spec cannot be read, so that the operator neither adds nor removes.
    pub unreadable: Option<&'a str>,
    /// References are put on accounts.
    pub attaches: bool,
    /// Labels and annotations of the spec that new copies do not take. Only an older schema let them through.
    pub left_out: &'a [&'a str],
    /// The credentials, if the sources were listed and the spec can be read.
    pub credentials: Option<&'a Merged>,
    /// The problem of the credentials has lasted so long that a person must act.
    pub lasting_problem: bool,
    /// The summary of its namespaces, if they were listed.
    pub summary: Option<&'a Summary>,
    /// A write to the object, or to its state Secret, that fails. No new login is copied before it succeeds.
    pub blocked: Option<&'a Blocked>,
    /// The object is being deleted, and waits.
    pub deleting: bool,
    /// A source namespace could not be listed.
    pub unread: Option<Unread<'a>>,
    /// The name of its state Secret, if there is one.
    pub state_secret: Option<String>,
    /// Namespaces or accounts are not ready that should be by now.
    pub late: Late,
    /// Pods that came before the reference. `None` if the operator does not replace such Pods.
    pub pods: Option<PodCounts>,
    /// The annotation that requests a reconciliation.
    pub requested_at: Option<&'a str>,
    /// The wall clock, for conditions that change.
    pub now: &'a Time,
}

/// Which source namespace could not be listed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Unread<'a> {
    /// The operator's own, of this name. All credentials wait for it.
    Own(&'a str),
    /// Another one. The registries that read there wait for it.
    Another,
}

/// What should be ready by now. The counts say whether it is.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[expect(clippy::struct_excessive_bools, reason = "independent facts, each read by itself")]
pub struct Late {
    /// A copy.
    pub namespaces: bool,
    /// A reference.
    pub accounts: bool,
    /// The removal of a copy.
    pub copies_left: bool,
    /// The removal of a reference.
    pub references_left: bool,
}

/// A write that fails.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Blocked {
    /// It is a write of the state Secret.
    pub state: bool,
    /// What fails, and why.
    pub message: String,
    /// It fails until a person acts.
    pub needs_person: bool,
}

/// The start of the message of `Ready` while a deletion waits.
pub const DELETION_WAITS: &str = "being deleted, and waits: ";

/// The end of the message of `Ready` if the annotation that hands the object over names no installation.
pub const NOT_HANDED_OVER: &str = "; the operator ignores the annotation pullsecrets.dev/installation, because it does not \
    name an installation: set it to NAMESPACE/pullsecrets, or remove it";

/// Returns the status that says these facts.
pub fn report(facts: &Facts<'_>) -> ClusterPullSecretStatus {
    let mut status = ClusterPullSecretStatus {
        observed_generation: Some(facts.generation),
        installation: Some(facts.installation.to_owned()),
        secret_name: Some(cut_to(MAX_NAME, facts.secret_name.to_owned())),
        conditions: facts.previous.conditions.clone(),
        pods: facts.pods,
        state_secret_name: facts
            .state_secret
            .clone()
            .or_else(|| facts.previous.state_secret_name.clone()),
        last_handled_reconcile_at: facts.requested_at.map(|text| text.chars().take(MAX_MESSAGE).collect()),
        ..ClusterPullSecretStatus::default()
    };
    if let Some(why) = facts.unreadable.filter(|_| !facts.deleting) {
        frozen(&mut status, facts, why);
        return status;
    }
    let unlisted = Summary::default();
    let summary = facts.summary.unwrap_or(&unlisted);
    count(&mut status, facts, summary);
    for (type_, finding) in conditions::all(facts, summary) {
        set(&mut status, facts, type_, finding.as_ref());
    }
    status
}

/// Sets what is counted, and names the failures among it.
fn count(status: &mut ClusterPullSecretStatus, facts: &Facts<'_>, summary: &Summary) {
    status.namespaces = Some(counts(summary.namespaces, summary.copies_left));
    status.service_accounts = Some(counts(summary.accounts, summary.references_left));
    let failure = |(namespace, failure): &(Arc<str>, crate::decision::Failure)| {
        Failure::new(namespace.as_ref(), failure.reason, failure.message.as_ref())
    };
    status.failures = summary.failures.iter().map(failure).collect();
    if facts.summary.is_none() {
        status.namespaces.clone_from(&facts.previous.namespaces);
        status.service_accounts.clone_from(&facts.previous.service_accounts);
        status.failures.clone_from(&facts.previous.failures);
    }
    if let Some(credentials) = facts.credentials {
        let registries = &credentials.registries;
        let is_ready = |registry: &&RegistryStatus| registry.state == RegistryState::Ready;
        let ready = registries.iter().filter(is_ready).count();
        status.registries_ready = Some(format!("{ready}/{}", registries.len()));
        status.registries = registries.iter().take(MAX_REGISTRIES).cloned().collect();
    }
}

/// Freezes an object that cannot be read. What was known of it before is not repeated, because it is not kept true.
fn frozen(status: &mut ClusterPullSecretStatus, facts: &Facts<'_>, why: &str) {
    let message = format!("the operator adds and removes nothing for this object, because it cannot read it: {why}");
    status.namespaces = Some(Counts::new(0, 0, 0));
    status.service_accounts = Some(Counts::new(0, 0, 0));
    let (stalled, ready) = (
        Finding::good(Reason::InvalidSpec, message.clone()),
        Finding::bad(Reason::InvalidSpec, message),
    );
    for type_ in ConditionType::ALL {
        let finding = match type_ {
            ConditionType::Ready => Some(&ready),
            ConditionType::Stalled => Some(&stalled),
            _ => None,
        };
        set(status, facts, type_, finding);
    }
}

/// Sets the condition, or removes it without a finding.
fn set(status: &mut ClusterPullSecretStatus, facts: &Facts<'_>, type_: ConditionType, finding: Option<&Finding>) {
    let conditions = &mut status.conditions;
    let Some(finding) = finding else {
        return remove_condition(conditions, type_);
    };
    let (mut message, now) = (finding.message.clone(), facts.now.clone());
    if let Some(remark) = facts.remark.filter(|_| type_ == ConditionType::Ready) {
        message = cut_to(MAX_MESSAGE - remark.len(), message) + remark;
    }
    set_condition(
        conditions,
        type_,
        finding.status,
        finding.reason,
        message,
        facts.generation,
        now,
    );
}

/// Counts a removal that fails as well, so that the numbers agree with the failures that are named.
fn counts(count: Count, left: Left) -> Counts {
    Counts::new(count.selected + left.failed, count.ready, count.failed + left.failed)
}

/// Returns the conditions of an object that another installation, `before`, acted for until now. Its `Ready` is not
/// known yet.
pub fn taken_over(previous: &ClusterPullSecretStatus, before: &str, generation: i64, now: &Time) -> Vec<Condition> {
    let mut conditions = previous.conditions.clone();
    remove_condition(&mut conditions, ConditionType::Stalled);
    let message = format!("this installation took the object over from {before} and has not looked at it yet");
    for (type_, status) in [
        (ConditionType::Ready, ConditionStatus::Unknown),
        (ConditionType::Reconciling, ConditionStatus::True),
    ] {
        let (reason, message, now) = (Reason::Progressing, message.clone(), now.clone());
        set_condition(&mut conditions, type_, status, reason, message, generation, now);
    }
    conditions
}

/// Returns the fields of the present status that the new one does not have. A merge patch must remove them.
pub fn fields_gone(present: &ClusterPullSecretStatus, new: &ClusterPullSecretStatus) -> Vec<String> {
    let fields = |status: &ClusterPullSecretStatus| serde_json::to_value(status).unwrap_or_default();
    let (present, new) = (fields(present), fields(new));
    let present = present.as_object().into_iter().flat_map(serde_json::Map::keys);
    present.filter(|field| new.get(field).is_none()).cloned().collect()
}

/// Returns the reason, in one word, that a deletion waits for by this status.
pub fn deletion_waits_for(status: &ClusterPullSecretStatus) -> Option<&'static str> {
    let ready = status.ready()?;
    let failure = status.failures.first().map(|failure| failure.reason.as_str());
    let waits = ready.message.starts_with(DELETION_WAITS);
    waits.then(|| failure.unwrap_or(Reason::Progressing.as_str()))
}
