//! The findings about an object, which become its conditions.

use std::sync::Arc;

use crd::{ConditionStatus, ConditionType, FailureReason, Reason};

use super::{DELETION_WAITS, Facts, Unread};
use crate::decision::Failure;
use crate::registries::Merged;
use crate::summary::{Count, Left, Summary};

/// A condition before it is set.
pub(super) struct Finding {
    pub(super) status: ConditionStatus,
    pub(super) reason: Reason,
    pub(super) message: String,
}

impl Finding {
    pub(super) fn good(reason: Reason, message: impl Into<String>) -> Self {
        Self {
            status: ConditionStatus::True,
            reason,
            message: message.into(),
        }
    }

    pub(super) fn bad(reason: Reason, message: impl Into<String>) -> Self {
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

/// Returns the finding for each condition that may be set. Without one the condition is absent.
pub(super) fn all(facts: &Facts<'_>, summary: &Summary) -> [(ConditionType, Option<Finding>); 6] {
    let credentials = credentials_ready(facts);
    let secrets = secrets_synced(facts, summary);
    let references = accounts_synced(facts, summary);
    let ready = if facts.deleting {
        waiting(facts, summary, &secrets, &references)
    } else {
        ready(facts, summary, &credentials, &secrets, &references)
    };
    let is_stalled = stalled(facts, summary, &ready);
    let present = |present: bool| present.then(|| Finding::good(ready.reason, ready.message.clone()));
    let (stalled, reconciling) = (present(is_stalled), present(!is_stalled && !ready.is_good()));
    [
        (ConditionType::Ready, Some(ready)),
        (
            ConditionType::CredentialsReady,
            Some(credentials).filter(|_| !facts.deleting),
        ),
        (ConditionType::SecretsSynced, Some(secrets)),
        (ConditionType::ServiceAccountsSynced, Some(references)),
        (ConditionType::Stalled, stalled),
        (ConditionType::Reconciling, reconciling),
    ]
}

fn credentials_ready(facts: &Facts<'_>) -> Finding {
    if let Some(blocked) = facts.blocked.filter(|blocked| blocked.state) {
        return Finding::bad(Reason::StateNotWritten, blocked.message.clone());
    }
    match facts.credentials {
        None => {
            let message = match facts.unread {
                Some(Unread::Own(own)) => format!(
                    "the operator cannot list the secrets of its own namespace {own:?}, where sources are: compare its \
                     rights with config/rbac"
                ),
                Some(Unread::Another) | None => {
                    "the operator has not read the source secrets yet: if this stays, see its log".to_owned()
                }
            };
            Finding::bad(Reason::Progressing, message)
        }
        Some(Merged {
            problem: Some(problem), ..
        }) => Finding::bad(problem.reason, problem.message.clone()),
        Some(Merged { registries, .. }) => Finding::good(
            Reason::Resolved,
            format!("{} of {0} registries have a login", registries.len()),
        ),
    }
}

const UNLISTED: &str =
    "the operator has not listed all namespaces, service accounts and copies yet: if this stays, see its log";

/// Copies or references: how many are selected and how many must go, with their words in messages.
struct SyncCounts<'a> {
    count: Count,
    left: Left,
    /// Selected ones are missing for longer than the grace period, and so are removals.
    late: bool,
    left_late: bool,
    failure: Option<&'a (Arc<str>, Failure)>,
    /// `namespaces` of copies.
    what: &'static str,
    have_it: &'static str,
    /// `copies` that must go.
    going: &'static str,
}

impl SyncCounts<'_> {
    /// Returns the finding. `reason` is that of failures.
    fn finding(&self, reason: Reason) -> Finding {
        let Count {
            selected,
            ready,
            failed,
        } = self.count;
        let (what, going, left) = (self.what, self.going, self.left);
        if failed > 0 || left.failed > 0 {
            let first = shown(self.failure);
            let message = if failed > 0 {
                format!("{failed} of {selected} {what} failed{first}")
            } else {
                format!("{} {going} must be removed and cannot be{first}", left.failed)
            };
            return Finding::bad(reason, message);
        }
        if self.late {
            let message = format!("{ready} of {selected} {what} {}", self.have_it);
            return Finding::bad(Reason::Progressing, message);
        }
        if left.due > 0 && self.left_late {
            let message = format!("{} {going} are still to be removed", left.due);
            return Finding::bad(Reason::Progressing, message);
        }
        // What is not ready yet has waited for so short a time that it does not count.
        let message = if ready == selected {
            format!("{ready} of {selected} {what} {}", self.have_it)
        } else {
            format!(
                "{ready} of {selected} {what} {}; the others have been waiting for less than 5 s",
                self.have_it
            )
        };
        Finding::good(Reason::Synced, message)
    }
}

fn secrets_synced(facts: &Facts<'_>, summary: &Summary) -> Finding {
    if facts.summary.is_none() {
        return Finding::unknown(UNLISTED);
    }
    let copies = SyncCounts {
        count: summary.namespaces,
        left: summary.copies_left,
        late: facts.late.namespaces,
        left_late: facts.late.copies_left,
        failure: summary.secret_failure.as_ref(),
        what: "namespaces",
        have_it: "have the secret",
        going: "copies",
    };
    let mut finding = copies.finding(Reason::NamespacesFailed);
    if finding.is_good() && !facts.left_out.is_empty() {
        let keys = facts.left_out.join(", ");
        let left_out = "new copies do not take these keys of spec.secret.labels and spec.secret.annotations, which the API \
                        no longer allows";
        finding.message = format!(
            "{}; {left_out}: {keys}; give them a prefix, as in pull-secret.example.com/team",
            finding.message
        );
    }
    finding
}

fn accounts_synced(facts: &Facts<'_>, summary: &Summary) -> Finding {
    let left = summary.references_left;
    if !facts.attaches && left.due == 0 {
        return Finding::good(
            Reason::NotRequested,
            "spec.serviceAccounts.mode is None, so no service account gets the reference",
        );
    }
    if facts.summary.is_none() {
        return Finding::unknown(UNLISTED);
    }
    let failure = summary.account_failure.as_ref();
    let references = SyncCounts {
        count: summary.accounts,
        left,
        late: facts.late.accounts,
        left_late: facts.late.references_left,
        failure,
        what: "service accounts",
        have_it: "have the reference",
        going: "references",
    };
    references.finding(match failure {
        Some((_, failure)) if failure.reason == FailureReason::Contended => Reason::Contended,
        _ => Reason::ServiceAccountsFailed,
    })
}

/// Returns the failure as the end of a message.
fn shown(failure: Option<&(Arc<str>, Failure)>) -> String {
    failure.map_or_else(String::new, |(namespace, failure)| {
        format!(", {namespace}: {}", failure.message)
    })
}

/// Returns the `Ready` of an object that is being deleted: what the deletion waits for.
fn waiting(facts: &Facts<'_>, summary: &Summary, secrets: &Finding, references: &Finding) -> Finding {
    let worst = [secrets, references].into_iter().find(|finding| !finding.is_good());
    let (reason, what) = match (facts.blocked, worst) {
        (Some(blocked), _) => (Reason::Progressing, blocked.message.clone()),
        (None, Some(worst)) if worst.reason == Reason::Contended => {
            (Reason::ServiceAccountsFailed, worst.message.clone())
        }
        (None, Some(worst)) => (worst.reason, worst.message.clone()),
        (None, None) if summary.pending_cleanup > 0 => (
            Reason::Progressing,
            format!(
                "{} writes into namespaces are outstanding, or the API server has not answered them",
                summary.pending_cleanup
            ),
        ),
        (None, None) => (
            Reason::Progressing,
            "the operator deletes its state secret of this object and removes its finalizer".to_owned(),
        ),
    };
    Finding::bad(reason, format!("{DELETION_WAITS}{what}"))
}

/// Returns the `Ready` of an object that is not being deleted: the first bad finding.
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
        return Finding::good(
            Reason::NoNamespaceSelected,
            "no namespace is selected: compare names and labels of namespaces with spec.namespaces",
        );
    }
    Finding::good(Reason::Synced, secrets.message.clone())
}

/// Returns whether a person must act. A missing source may still come with the next object of the same commit, so that
/// problem has to last first.
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
