//! What the answer to a dry run shows.

use kube::core::Status;
use plan::restraint::Round;

use crate::api::refusal;
use crate::outcome::ApiError;

/// Returns what the answer to a dry run shows of the policy. Without an object there is no dry run, and no doubt.
pub(super) fn judge(tried: &str, policy: &str, answer: kube::Result<Option<()>>) -> Round {
    match answer {
        Ok(None) => Round::Refused,
        Ok(Some(())) => Round::Accepted(
            format!(
                "the API server accepted {tried}, which ValidatingAdmissionPolicy {policy:?} must refuse: apply the policy and its \
                 binding, for example with config/admission/operator"
            )
            .into(),
        ),
        Err(kube::Error::Api(status)) if is_refused_by(&status, policy) => Round::Refused,
        Err(error) => unclear(tried, &reason(&ApiError::from(&error))),
    }
}

/// Whether the policy refused the request: code and cause are those that the server writes for a policy.
pub(super) fn is_refused_by(status: &Status, policy: &str) -> bool {
    let caused = |details: &kube::core::response::StatusDetails| {
        details
            .causes
            .iter()
            .any(|cause| refusal::validating_policy(&cause.message) == Some(policy))
    };
    status.code == 422 && refusal::policy_of(status) == Some(policy) && status.details.as_ref().is_some_and(caused)
}

/// Says what the server answered instead.
fn reason(error: &ApiError) -> String {
    match error {
        ApiError::Refused(failure) if failure.reason == crd::FailureReason::Forbidden => {
            "RBAC does not allow it (403), so the policy could not refuse it: compare the operator's rights with config/rbac"
                .to_owned()
        }
        ApiError::Refused(failure) | ApiError::Postponed { failure, .. } => failure.message.to_string(),
        ApiError::NotFound => "it does not exist (404)".to_owned(),
        ApiError::Conflict => "the server reported a conflict (409)".to_owned(),
        ApiError::NamespaceTerminating => "the namespace is being deleted".to_owned(),
        ApiError::Throttled(_) => "the server asks for less (429)".to_owned(),
        ApiError::Unavailable(why) => why.clone(),
    }
}

/// Returns a round that is no proof.
pub(super) fn unclear(tried: &str, why: &str) -> Round {
    Round::Unclear(format!("{tried} proved nothing: {why}").into())
}
