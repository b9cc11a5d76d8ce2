//! What the status says. Pure: the same facts give the same status, and one that says the same but for the time is
//! not written.

use crd::status::{MAX_MESSAGE, MAX_NAME, MAX_REGISTRIES, cut_to};
use crd::{
    ClusterPullSecretStatus, ConditionStatus, ConditionType, Counts, Failure, FailureReason, Reason, RegistryState,
    remove_condition, set_condition,
};
use k8s_openapi::apimachinery::pkg::apis::meta::v1::Time;
use plan::registries::Merged;

use crate::board::{Count, Summary};

#[cfg(test)]
mod tests;

/// All that a status is made of.
#[derive(Clone, Debug)]
pub struct Facts<'a> {
    /// `metadata.generation`.
    pub generation: i64,
    /// The name of the copies.
    pub secret_name: &'a str,
    /// What the last status said: it keeps the times of conditions that did not change.
    pub previous: &'a ClusterPullSecretStatus,
    /// Why nothing is done for the object: it cannot be read.
    pub unreadable: Option<&'a str>,
    /// References are put on accounts.
    pub attaches: bool,
    /// Labels and annotations of the spec that only an older schema let through: new copies do not take them.
    pub left_out: &'a [&'a str],
    /// The credentials; none while sources were not listed, or when the spec cannot be read.
    pub credentials: Option<&'a Merged>,
    /// The problem of the credentials has lasted so long that a person must act.
    pub lasting_problem: bool,
    /// How its namespaces stand.
    pub summary: &'a Summary,
    /// Namespaces or accounts are not ready that should be by now.
    pub late: Late,
    /// The annotation that asks for another look.
    pub requested_at: Option<&'a str>,
    /// For conditions that change.
    pub now: &'a Time,
}

/// What should be ready by now and is not.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Late {
    /// A copy.
    pub namespaces: bool,
    /// A reference.
    pub accounts: bool,
}

/// One condition before it is set.
struct Finding {
    status: ConditionStatus,
    reason: Reason,
    message: String,
}

impl Finding {
    fn good(reason: Reason, message: impl Into<String>) -> Self {
        Self {
            status: ConditionStatus::True,
            reason,
            message: message.into(),
        }
    }

    fn bad(reason: Reason, message: impl Into<String>) -> Self {
        Self {
            status: ConditionStatus::False,
            reason,
            message: message.into(),
        }
    }

    fn is_good(&self) -> bool {
        self.status == ConditionStatus::True
    }
}

/// The status that tells these facts.
pub fn report(facts: &Facts<'_>) -> ClusterPullSecretStatus {
    let mut status = ClusterPullSecretStatus {
        observed_generation: Some(facts.generation),
        secret_name: Some(cut_to(MAX_NAME, facts.secret_name.to_owned())),
        conditions: facts.previous.conditions.clone(),
        last_handled_reconcile_at: facts.requested_at.map(|text| text.chars().take(MAX_MESSAGE).collect()),
        ..ClusterPullSecretStatus::default()
    };
    if let Some(why) = facts.unreadable {
        frozen(&mut status, facts, why);
        return status;
    }
    let (namespaces, accounts) = (facts.summary.namespaces, facts.summary.accounts);
    status.namespaces = Some(counts(namespaces));
    status.service_accounts = Some(counts(accounts));
    let failure = |(namespace, failure): &(std::sync::Arc<str>, plan::verdict::Failure)| {
        Failure::new(namespace.as_ref(), failure.reason, failure.message.as_ref())
    };
    status.failures = facts.summary.failures.iter().map(failure).collect();
    if let Some(credentials) = facts.credentials {
        let ready = credentials
            .registries
            .iter()
            .filter(|registry| registry.state == RegistryState::Ready)
            .count();
        status.registries_ready = Some(format!("{ready}/{}", credentials.registries.len()));
        status.registries = credentials.registries.iter().take(MAX_REGISTRIES).cloned().collect();
    }

    let credentials = credentials_ready(facts);
    let secrets = secrets_synced(facts);
    let references = accounts_synced(facts);
    let ready = ready(facts, &credentials, &secrets, &references);
    let stalled = stalled(facts, &ready);
    let present = |present: bool| present.then(|| Finding::good(ready.reason, ready.message.clone()));
    let (stalled, reconciling) = (present(stalled), present(!stalled && !ready.is_good()));
    for (type_, finding) in [
        (ConditionType::Ready, Some(&ready)),
        (ConditionType::CredentialsReady, Some(&credentials)),
        (ConditionType::SecretsSynced, Some(&secrets)),
        (ConditionType::ServiceAccountsSynced, Some(&references)),
        (ConditionType::Stalled, stalled.as_ref()),
        (ConditionType::Reconciling, reconciling.as_ref()),
    ] {
        set(&mut status, facts, type_, finding);
    }
    status
}

/// An object that cannot be read: what was known of it before is not repeated, since nobody looks after it.
fn frozen(status: &mut ClusterPullSecretStatus, facts: &Facts<'_>, why: &str) {
    let message = format!("nothing is added or removed for this object: {why}");
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

/// Sets the condition, or takes it out where there is nothing to be said.
fn set(status: &mut ClusterPullSecretStatus, facts: &Facts<'_>, type_: ConditionType, finding: Option<&Finding>) {
    let conditions = &mut status.conditions;
    let Some(finding) = finding else {
        return remove_condition(conditions, type_);
    };
    let (message, now) = (finding.message.clone(), facts.now.clone());
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

fn counts(count: Count) -> Counts {
    Counts::new(count.selected, count.ready, count.failed)
}

fn credentials_ready(facts: &Facts<'_>) -> Finding {
    match facts.credentials {
        None => Finding::bad(Reason::Progressing, "the source namespaces were not read yet"),
        Some(Merged {
            problem: Some(problem), ..
        }) => Finding::bad(problem.reason, problem.message.clone()),
        Some(Merged { registries, .. }) => Finding::good(
            Reason::Resolved,
            format!("{} of {0} registries resolved", registries.len()),
        ),
    }
}

fn secrets_synced(facts: &Facts<'_>) -> Finding {
    let Count {
        selected,
        ready,
        failed,
    } = facts.summary.namespaces;
    if failed > 0 {
        let first = shown(facts.summary.secret_failure.as_ref());
        return Finding::bad(
            Reason::NamespacesFailed,
            format!("{failed} of {selected} namespaces failed{first}"),
        );
    }
    if facts.late.namespaces {
        return Finding::bad(
            Reason::Progressing,
            format!("{ready} of {selected} namespaces have the secret"),
        );
    }
    let mut finding = served(facts.summary.namespaces, ["namespaces", "has the secret", "have it"]);
    if !facts.left_out.is_empty() {
        let keys = facts.left_out.join(", ");
        let left_out = "new copies do not take these keys of spec.secret.labels and spec.secret.annotations";
        finding.message = format!(
            "{}; {left_out}: {keys}; rename them, as in pull-secret.example.com/team",
            finding.message
        );
    }
    finding
}

/// Nothing is wrong; what is not ready yet has been waiting for so short a time that it does not count.
fn served(count: Count, [what, has_it, have_it]: [&str; 3]) -> Finding {
    let Count { selected, ready, .. } = count;
    let message = if ready == selected {
        format!("every one of {selected} {what} {has_it}")
    } else {
        format!("{ready} of {selected} {what} {have_it}, the others have waited for less than 5 s")
    };
    Finding::good(Reason::Synced, message)
}

fn accounts_synced(facts: &Facts<'_>) -> Finding {
    if !facts.attaches {
        return Finding::good(Reason::NotRequested, "serviceAccounts.mode is None");
    }
    let Count {
        selected,
        ready,
        failed,
    } = facts.summary.accounts;
    if failed > 0 {
        let failure = facts.summary.account_failure.as_ref();
        let reason = match failure {
            Some((_, failure)) if failure.reason == FailureReason::Contended => Reason::Contended,
            _ => Reason::ServiceAccountsFailed,
        };
        let first = shown(failure);
        return Finding::bad(reason, format!("{failed} of {selected} service accounts failed{first}"));
    }
    if facts.late.accounts {
        return Finding::bad(
            Reason::Progressing,
            format!("{ready} of {selected} service accounts have the reference"),
        );
    }
    served(
        facts.summary.accounts,
        ["service accounts", "has the reference", "have it"],
    )
}

fn shown(failure: Option<&(std::sync::Arc<str>, plan::verdict::Failure)>) -> String {
    failure.map_or_else(String::new, |(namespace, failure)| {
        format!(", {namespace}: {}", failure.message)
    })
}

/// The worst of the rest.
fn ready(facts: &Facts<'_>, credentials: &Finding, secrets: &Finding, accounts: &Finding) -> Finding {
    if !credentials.is_good() {
        let reason = match credentials.reason {
            Reason::Progressing => Reason::Progressing,
            _ => Reason::CredentialsNotReady,
        };
        return Finding::bad(reason, credentials.message.clone());
    }
    if !secrets.is_good() {
        return Finding::bad(secrets.reason, secrets.message.clone());
    }
    if !accounts.is_good() {
        let reason = match accounts.reason {
            Reason::Progressing => Reason::Progressing,
            _ => Reason::ServiceAccountsFailed,
        };
        return Finding::bad(reason, accounts.message.clone());
    }
    if facts.summary.namespaces.selected == 0 {
        return Finding::good(Reason::NoNamespaceSelected, "no namespace is selected");
    }
    Finding::good(Reason::Synced, secrets.message.clone())
}

/// A person must act: what is wrong does not pass by itself. A source that is missing may still come with the next
/// object of the same commit, so that has to last first.
fn stalled(facts: &Facts<'_>, ready: &Finding) -> bool {
    let problem = facts.credentials.and_then(|credentials| credentials.problem.as_ref());
    let credentials = problem.is_some_and(|problem| problem.reason != Reason::SourceNotFound || facts.lasting_problem);
    !ready.is_good() && (credentials || facts.summary.needs_person)
}
