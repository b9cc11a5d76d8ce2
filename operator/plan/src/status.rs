//! What the status of an object says. The same facts give the same status, but for the times of conditions.

use crd::status::{MAX_MESSAGE, MAX_NAME, MAX_REGISTRIES, cut_to};
use crd::{
    ClusterPullSecretStatus, ConditionStatus, ConditionType, Counts, Failure, FailureReason, Reason, RegistryState,
    remove_condition, set_condition,
};
use k8s_openapi::apimachinery::pkg::apis::meta::v1::Time;

use crate::registries::Merged;
use crate::summary::{Count, Left, Summary};

#[cfg(test)]
mod tests;

/// All that a status is made of.
#[derive(Clone, Debug)]
pub struct Facts<'a> {
    /// `metadata.generation`.
    pub generation: i64,
    /// This installation, which acts for the object.
    pub installation: &'a str,
    /// How the message of `Ready` ends in any case.
    pub remark: Option<&'a str>,
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
    /// How its namespaces stand; none before they were listed.
    pub summary: Option<&'a Summary>,
    /// A write to the object itself, or to its state, that fails: no new login is handed out before it succeeds.
    pub blocked: Option<&'a Blocked>,
    /// It is being deleted, and waits.
    pub deleting: bool,
    /// A source namespace could not be listed.
    pub unread: Option<Unread<'a>>,
    /// The Secret that remembers its last good logins, if there is one.
    pub state_secret: Option<String>,
    /// Namespaces or accounts are not ready that should be by now.
    pub late: Late,
    /// The annotation that asks for another look.
    pub requested_at: Option<&'a str>,
    /// For conditions that change.
    pub now: &'a Time,
}

/// A source namespace that could not be listed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Unread<'a> {
    /// The operator's own, of this name: the credentials wait for it.
    Own(&'a str),
    /// Another one: the registries that read there wait for it.
    Another,
}

/// What should be ready by now and is not.
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
    /// It is about the Secret that remembers the last good logins.
    pub state: bool,
    /// What fails, and why.
    pub message: String,
    /// It does not pass by itself.
    pub needs_person: bool,
}

/// How the message of `Ready` begins while a deletion waits.
pub const DELETION_WAITS: &str = "being deleted, and waits: ";

/// How the message of `Ready` ends where the annotation that hands the object over is of no use.
pub const NOT_HANDED_OVER: &str = "; annotation pullsecrets.dev/installation does not name an installation and is passed over: \
    set it to NAMESPACE/pullsecrets, or take it off";

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

    fn unknown(message: &str) -> Self {
        Self {
            status: ConditionStatus::Unknown,
            reason: Reason::Progressing,
            message: message.to_owned(),
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
        installation: Some(facts.installation.to_owned()),
        secret_name: Some(cut_to(MAX_NAME, facts.secret_name.to_owned())),
        conditions: facts.previous.conditions.clone(),
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
    status.namespaces = Some(counts(summary.namespaces, summary.copies_left));
    status.service_accounts = Some(counts(summary.accounts, summary.references_left));
    let failure = |(namespace, failure): &(std::sync::Arc<str>, crate::decision::Failure)| {
        Failure::new(namespace.as_ref(), failure.reason, failure.message.as_ref())
    };
    status.failures = summary.failures.iter().map(failure).collect();
    if facts.summary.is_none() {
        status.namespaces.clone_from(&facts.previous.namespaces);
        status.service_accounts.clone_from(&facts.previous.service_accounts);
        status.failures.clone_from(&facts.previous.failures);
    }
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
    let secrets = secrets_synced(facts, summary);
    let references = accounts_synced(facts, summary);
    let ready = if facts.deleting {
        waiting(facts, summary, &secrets, &references)
    } else {
        ready(facts, summary, &credentials, &secrets, &references)
    };
    let stalled = stalled(facts, summary, &ready);
    let present = |present: bool| present.then(|| Finding::good(ready.reason, ready.message.clone()));
    let (stalled, reconciling) = (present(stalled), present(!stalled && !ready.is_good()));
    for (type_, finding) in [
        (ConditionType::Ready, Some(&ready)),
        (
            ConditionType::CredentialsReady,
            Some(&credentials).filter(|_| !facts.deleting),
        ),
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

/// Sets the condition, or takes it out where there is nothing to be said.
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

/// A removal that fails counts as well: each failure is counted, and each that is counted is named.
fn counts(count: Count, left: Left) -> Counts {
    Counts::new(count.selected + left.failed, count.ready, count.failed + left.failed)
}

fn credentials_ready(facts: &Facts<'_>) -> Finding {
    if let Some(blocked) = facts.blocked.filter(|blocked| blocked.state) {
        return Finding::bad(Reason::StateNotWritten, blocked.message.clone());
    }
    match facts.credentials {
        None => {
            let message = match facts.unread {
                Some(Unread::Own(own)) => format!(
                    "the secrets of namespace {own:?}, the operator's own, cannot be listed: compare the rights with \
                     config/rbac"
                ),
                Some(Unread::Another) | None => "the sources were not read yet".to_owned(),
            };
            Finding::bad(Reason::Progressing, message)
        }
        Some(Merged {
            problem: Some(problem), ..
        }) => Finding::bad(problem.reason, problem.message.clone()),
        Some(Merged { registries, .. }) => Finding::good(
            Reason::Resolved,
            format!("{} of {0} registries resolved", registries.len()),
        ),
    }
}

const UNLISTED: &str =
    "namespaces, service accounts or copies were not listed yet: if this stays, see the operator's log";

fn secrets_synced(facts: &Facts<'_>, summary: &Summary) -> Finding {
    if facts.summary.is_none() {
        return Finding::unknown(UNLISTED);
    }
    let Count {
        selected,
        ready,
        failed,
    } = summary.namespaces;
    let left = summary.copies_left;
    if failed > 0 || left.failed > 0 {
        let first = shown(summary.secret_failure.as_ref());
        let message = if failed > 0 {
            format!("{failed} of {selected} namespaces failed{first}")
        } else {
            format!("{} copies that are to go cannot be removed{first}", left.failed)
        };
        return Finding::bad(Reason::NamespacesFailed, message);
    }
    if facts.late.namespaces {
        return Finding::bad(
            Reason::Progressing,
            format!("{ready} of {selected} namespaces have the secret"),
        );
    }
    if left.due > 0 && facts.late.copies_left {
        return Finding::bad(
            Reason::Progressing,
            format!("{} copies are still to be removed", left.due),
        );
    }
    let mut finding = served(summary.namespaces, ["namespaces", "has the secret", "have it"]);
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

fn accounts_synced(facts: &Facts<'_>, summary: &Summary) -> Finding {
    let left = summary.references_left;
    if !facts.attaches && left.due == 0 {
        return Finding::good(Reason::NotRequested, "serviceAccounts.mode is None");
    }
    if facts.summary.is_none() {
        return Finding::unknown(UNLISTED);
    }
    let Count {
        selected,
        ready,
        failed,
    } = summary.accounts;
    if failed > 0 || left.failed > 0 {
        let failure = summary.account_failure.as_ref();
        let reason = match failure {
            Some((_, failure)) if failure.reason == FailureReason::Contended => Reason::Contended,
            _ => Reason::ServiceAccountsFailed,
        };
        let first = shown(failure);
        let message = if failed > 0 {
            format!("{failed} of {selected} service accounts failed{first}")
        } else {
            format!("{} references that are to go cannot be removed{first}", left.failed)
        };
        return Finding::bad(reason, message);
    }
    if facts.late.accounts {
        return Finding::bad(
            Reason::Progressing,
            format!("{ready} of {selected} service accounts have the reference"),
        );
    }
    if left.due > 0 && facts.late.references_left {
        return Finding::bad(
            Reason::Progressing,
            format!("{} references are still to be removed", left.due),
        );
    }
    served(summary.accounts, ["service accounts", "has the reference", "have it"])
}

fn shown(failure: Option<&(std::sync::Arc<str>, crate::decision::Failure)>) -> String {
    failure.map_or_else(String::new, |(namespace, failure)| {
        format!(", {namespace}: {}", failure.message)
    })
}

/// What a deletion waits for.
fn waiting(facts: &Facts<'_>, summary: &Summary, secrets: &Finding, references: &Finding) -> Finding {
    let worst = [secrets, references].into_iter().find(|finding| !finding.is_good());
    let (reason, what) = match (facts.blocked, worst) {
        (Some(blocked), _) => (Reason::Progressing, blocked.message.clone()),
        (None, Some(worst)) if worst.reason == Reason::Contended => {
            (Reason::ServiceAccountsFailed, worst.message.clone())
        }
        (None, Some(worst)) => (worst.reason, worst.message.clone()),
        (None, None) if summary.owed > 0 => (
            Reason::Progressing,
            format!(
                "{} writes into namespaces are still to be made or have no answer",
                summary.owed
            ),
        ),
        (None, None) => (
            Reason::Progressing,
            "the operator's own writes are under way".to_owned(),
        ),
    };
    Finding::bad(reason, format!("{DELETION_WAITS}{what}"))
}

/// The worst of the rest.
fn ready(
    facts: &Facts<'_>,
    summary: &Summary,
    credentials: &Finding,
    secrets: &Finding,
    accounts: &Finding,
) -> Finding {
    if let Some(blocked) = facts.blocked.filter(|blocked| !blocked.state) {
        return Finding::bad(Reason::Progressing, blocked.message.clone());
    }
    if !credentials.is_good() {
        let reason = match credentials.reason {
            Reason::Progressing => Reason::Progressing,
            _ => Reason::CredentialsNotReady,
        };
        return Finding::bad(reason, credentials.message.clone());
    }
    if facts.summary.is_none() {
        return Finding::unknown(UNLISTED);
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
    if summary.namespaces.selected == 0 {
        return Finding::good(Reason::NoNamespaceSelected, "no namespace is selected");
    }
    Finding::good(Reason::Synced, secrets.message.clone())
}

/// A person must act: what is wrong does not pass by itself. A source that is missing may still come with the next
/// object of the same commit, so that has to last first.
fn stalled(facts: &Facts<'_>, summary: &Summary, ready: &Finding) -> bool {
    let problem = facts.credentials.and_then(|credentials| credentials.problem.as_ref());
    let may_pass = |reason: Reason| reason == Reason::SourceNotFound || facts.unread.is_some();
    let credentials = match problem {
        Some(problem) => !may_pass(problem.reason) || facts.lasting_problem,
        None => facts.credentials.is_none() && facts.lasting_problem,
    };
    let blocked = facts.blocked.is_some_and(|blocked| blocked.needs_person);
    let credentials = credentials && !facts.deleting;
    ready.status == ConditionStatus::False && (credentials || blocked || summary.needs_person)
}
