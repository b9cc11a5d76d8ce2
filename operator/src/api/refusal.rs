//! Who refused a write: parses the messages of API servers 1.33 to 1.36 that name a webhook, policy or quota.
//!
//! It takes only names, and only from the place where the server itself writes them. A webhook chooses the rest of its
//! message, which may quote the object or imitate another refusal.

use crd::FailureReason;
use kube::core::Status;
use plan::decision::Failure;

/// Parses a reply in which the server names who refused. It ignores the code: a webhook chooses its own, and an
/// unreachable webhook yields 500.
pub(super) fn named(status: &Status) -> Option<Failure> {
    let words = admission(&status.message).unwrap_or(&status.message);
    by_webhook(words, status.code)
        .or_else(|| by_policy(words, status.code))
        .or_else(|| by_quota(words))
}

/// Describes a reply with the code of a refusal, even if the server does not name who refused.
pub(super) fn of(status: &Status) -> Failure {
    let code = status.code;
    if let Some(failure) = named(status) {
        return failure;
    }
    let admission = admission(&status.message).filter(|words| !words.starts_with("User \""));
    match code {
        // Admission plugins also answer 403. A missing right reads `User "…" cannot …`.
        403 if admission.is_some() => Failure::new(
            FailureReason::AdmissionDenied,
            "refused by an admission plugin of the API server (403)",
        ),
        401 | 403 => Failure::new(
            FailureReason::Forbidden,
            format!("the API server forbids the request ({code}): compare the operator's rights with config/rbac"),
        ),
        _ => Failure::new(
            FailureReason::AdmissionDenied,
            format!("refused by the API server ({code} {})", status.reason),
        ),
    }
}

/// Returns the name of the validating policy that refused the request, in the words of the server.
pub(super) fn policy_of(status: &Status) -> Option<&str> {
    validating_policy(admission(&status.message)?)
}

/// Returns the name of the validating policy in the text of a refusal.
pub(super) fn validating_policy(words: &str) -> Option<&str> {
    let (name, rest) = quoted(words, "ValidatingAdmissionPolicy '", '\'')?;
    let rest = quoted(rest, " with binding '", '\'').map_or(rest, |(_, rest)| rest);
    rest.starts_with(" denied").then_some(name)
}

/// The text of an admission plugin, without the server's prefix.
fn admission(message: &str) -> Option<&str> {
    if let Some(words) = message.strip_prefix("Internal error occurred: ") {
        return Some(words);
    }
    let (object, words) = message.split_once(" is forbidden: ")?;
    // The prefix is `secrets "company"`, or the resource alone. A longer one belongs to another message.
    (object.split(' ').count() <= 2).then_some(words)
}

fn by_webhook(words: &str, code: u16) -> Option<Failure> {
    if let Some((name, _)) = quoted(words, "admission webhook \"", '"') {
        return Some(denied(format!("refused by admission webhook {name:?} ({code})")));
    }
    let down = quoted(words, "failed calling webhook \"", '"');
    let (name, _) = down.or_else(|| {
        quoted(words, "ValidatingAdmissionWebhook/", ' ').filter(|(_, rest)| rest.starts_with("has panicked"))
    })?;
    Some(denied(format!(
        "admission webhook {name:?} cannot be called ({code}): repair it, or exempt the operator from it"
    )))
}

/// The server writes `policy` alone for a mutating policy, and for any policy that it cannot set up.
fn by_policy(words: &str, code: u16) -> Option<Failure> {
    let (name, rest) = quoted(words, "ValidatingAdmissionPolicy '", '\'')
        .or_else(|| quoted(words, "policy '", '\''))
        .or_else(|| quoted(words, "policy \"", '"'))?;
    let binding = quoted(rest, " with binding '", '\'');
    let (by, rest) = match binding {
        Some((binding, rest)) => (format!("policy {name:?}, binding {binding:?}"), rest),
        None => (format!("policy {name:?}"), rest),
    };
    rest.starts_with(" denied")
        .then(|| denied(format!("refused by {by} ({code})")))
}

fn by_quota(words: &str) -> Option<Failure> {
    let exceeded = |message: String| Some(Failure::new(FailureReason::QuotaExceeded, message));
    if let Some((name, _)) = quoted(words, "exceeded quota: ", ',') {
        return exceeded(format!("quota {name:?} is used up"));
    }
    if let Some((name, _)) = quoted(words, "status unknown for quota: ", ',') {
        return exceeded(format!("the usage of quota {name:?} is not known yet"));
    }
    let failed = quoted(words, "failed quota: ", ':').or_else(|| quoted(words, "error matching scopes of quota ", ','));
    if let Some((name, _)) = failed {
        return exceeded(format!("quota {name:?} does not admit the secret"));
    }
    // The server limits what no quota allows, and gives no name then.
    words.starts_with("insufficient quota to ").then(|| {
        Failure::new(
            FailureReason::QuotaExceeded,
            "the API server requires a quota for this, and no quota of the namespace allows it",
        )
    })
}

fn denied(message: String) -> Failure {
    Failure::new(FailureReason::AdmissionDenied, message)
}

/// Splits off the name between `start` and `end` at the beginning of the text. Returns it with the remaining text, if
/// it can be the name of an object.
fn quoted<'a>(text: &'a str, start: &str, end: char) -> Option<(&'a str, &'a str)> {
    let (name, rest) = text.strip_prefix(start)?.split_once(end)?;
    is_object_name(name).then_some((name, rest))
}

/// Whether the text can be the name of an object. No other text is ever taken from a server's message.
fn is_object_name(text: &str) -> bool {
    !text.is_empty()
        && text.len() <= 253
        && text
            .bytes()
            .all(|byte| byte.is_ascii_lowercase() || byte.is_ascii_digit() || b".-".contains(&byte))
}

#[cfg(test)]
mod tests {
    use FailureReason::{AdmissionDenied, Forbidden, QuotaExceeded};

    use super::*;
    use crate::outcome::ApiError;

    /// Code and message of the server, and the failure to report. The messages come from `k8s.io/apiserver`
    /// (`webhook/errors`, `util/webhook`, `policy/validating`, `policy/generic`, `resourcequota`).
    const WORDINGS: &[(u16, &str, FailureReason, &str)] = &[
        (
            400,
            r#"admission webhook "hook.example.com" denied the request: CANARY"#,
            AdmissionDenied,
            r#"refused by admission webhook "hook.example.com" (400)"#,
        ),
        (
            403,
            r#"admission webhook "hook.example.com" denied the request without explanation"#,
            AdmissionDenied,
            r#"refused by admission webhook "hook.example.com" (403)"#,
        ),
        // A webhook chooses the code, even one that otherwise means another error.
        (
            409,
            r#"admission webhook "hook.example.com" denied the request: CANARY"#,
            AdmissionDenied,
            r#"refused by admission webhook "hook.example.com" (409)"#,
        ),
        (
            404,
            r#"admission webhook "hook.example.com" denied the request: CANARY"#,
            AdmissionDenied,
            r#"refused by admission webhook "hook.example.com" (404)"#,
        ),
        (
            503,
            r#"admission webhook "hook.example.com" denied the request: CANARY"#,
            AdmissionDenied,
            r#"refused by admission webhook "hook.example.com" (503)"#,
        ),
        (
            400,
            r#"admission webhook "hook.example.com" does not support dry run"#,
            AdmissionDenied,
            r#"refused by admission webhook "hook.example.com" (400)"#,
        ),
        (
            500,
            r#"Internal error occurred: admission webhook "hook.example.com" attempted to modify the object, which is not supported for this operation"#,
            AdmissionDenied,
            r#"refused by admission webhook "hook.example.com" (500)"#,
        ),
        (
            500,
            r#"Internal error occurred: failed calling webhook "hook.example.com": failed to call webhook: Post "https://CANARY/": dial tcp 10.0.0.1:443: connect: connection refused"#,
            AdmissionDenied,
            r#"admission webhook "hook.example.com" cannot be called (500): repair it, or exempt the operator from it"#,
        ),
        (
            500,
            r#"Internal error occurred: failed calling webhook "hook.example.com"; no further details available"#,
            AdmissionDenied,
            r#"admission webhook "hook.example.com" cannot be called (500): repair it, or exempt the operator from it"#,
        ),
        (
            500,
            "Internal error occurred: ValidatingAdmissionWebhook/hook.example.com has panicked: CANARY",
            AdmissionDenied,
            r#"admission webhook "hook.example.com" cannot be called (500): repair it, or exempt the operator from it"#,
        ),
        (
            422,
            r#"serviceaccounts "d" is forbidden: ValidatingAdmissionPolicy 'no.dice' with binding 'b' denied request: CANARY"#,
            AdmissionDenied,
            r#"refused by policy "no.dice", binding "b" (422)"#,
        ),
        (
            413,
            r#"secrets "d" is forbidden: ValidatingAdmissionPolicy 'no.dice' denied request: failed expression: CANARY"#,
            AdmissionDenied,
            r#"refused by policy "no.dice" (413)"#,
        ),
        (
            401,
            r#"secrets "d" is forbidden: ValidatingAdmissionPolicy 'no.dice' with binding 'b' denied request: CANARY"#,
            AdmissionDenied,
            r#"refused by policy "no.dice", binding "b" (401)"#,
        ),
        (
            403,
            "policy 'no.dice' with binding 'b' denied request: expression 'CANARY' resulted in error: no such key: CANARY",
            AdmissionDenied,
            r#"refused by policy "no.dice", binding "b" (403)"#,
        ),
        (
            403,
            r#"policy "no.dice" denied request: failed to configure policy: CANARY"#,
            AdmissionDenied,
            r#"refused by policy "no.dice" (403)"#,
        ),
        (
            403,
            r#"secrets "x" is forbidden: exceeded quota: small, requested: secrets=1, used: secrets=1, limited: secrets=1"#,
            QuotaExceeded,
            r#"quota "small" is used up"#,
        ),
        (
            403,
            r#"secrets "x" is forbidden: status unknown for quota: small, resources: count/secrets"#,
            QuotaExceeded,
            r#"the usage of quota "small" is not known yet"#,
        ),
        (
            403,
            r#"secrets "x" is forbidden: failed quota: small: must specify CANARY"#,
            QuotaExceeded,
            r#"quota "small" does not admit the secret"#,
        ),
        (
            500,
            "error matching scopes of quota small, err: CANARY",
            QuotaExceeded,
            r#"quota "small" does not admit the secret"#,
        ),
        (
            403,
            r#"secrets "x" is forbidden: insufficient quota to consume: count/secrets"#,
            QuotaExceeded,
            "the API server requires a quota for this, and no quota of the namespace allows it",
        ),
        // Here the server gives no name: a webhook's condition failed, or one of its own plugins refused.
        (
            403,
            r#"secrets "x" is forbidden: expression 'CANARY' resulted in error: no such key: CANARY"#,
            AdmissionDenied,
            "refused by an admission plugin of the API server (403)",
        ),
        (
            403,
            r#"secrets "x" is forbidden: cannot set an ownerRef on a resource you can't delete: CANARY"#,
            AdmissionDenied,
            "refused by an admission plugin of the API server (403)",
        ),
        (
            403,
            r#"secrets "x" is forbidden: User "u" cannot patch resource "secrets" in API group "" in the namespace "a""#,
            Forbidden,
            "the API server forbids the request (403): compare the operator's rights with config/rbac",
        ),
        (
            403,
            r#"secrets is forbidden: User "u" cannot list resource "secrets" in API group "" at the cluster scope"#,
            Forbidden,
            "the API server forbids the request (403): compare the operator's rights with config/rbac",
        ),
        (
            401,
            "Unauthorized",
            Forbidden,
            "the API server forbids the request (401): compare the operator's rights with config/rbac",
        ),
        (422, "CANARY", AdmissionDenied, "refused by the API server (422 Reason)"),
    ];

    fn api_error(code: u16, message: &str) -> ApiError {
        ApiError::from(&Status::failure(message, "Reason").with_code(code))
    }

    #[test]
    fn each_wording_that_names_a_refuser_is_read() {
        for (code, message, reason, says) in WORDINGS {
            let expected = ApiError::Refused(Failure::new(*reason, *says));
            assert_eq!(api_error(*code, message), expected, "{message}");
        }
    }

    /// Text from a webhook, or from the object, comes after the place of the server's name.
    #[test]
    fn words_further_behind_name_nobody() {
        for (code, message, says) in [
            (
                400,
                r#"admission webhook "hook.example.com" denied the request: exceeded quota: mine, ValidatingAdmissionPolicy 'mine'"#,
                "hook.example.com",
            ),
            (
                422,
                r#"Secret "x" is invalid: data: Invalid value: "admission webhook \"mine\" denied the request""#,
                "refused by the API server (422",
            ),
        ] {
            let seen = format!("{:?}", api_error(code, message));
            assert!(seen.contains(says) && !seen.contains("mine"), "{seen}");
        }
    }

    #[test]
    fn names_are_bounded_and_of_few_characters() {
        let long = "a".repeat(254);
        for name in ["", "CANARY", "can ary", "can\nary", "can'ary\\", long.as_str()] {
            for message in [
                format!("admission webhook \"{name}\" denied the request"),
                format!("Internal error occurred: failed calling webhook \"{name}\": x"),
                format!("policy '{name}' with binding 'b' denied request: x"),
                format!("secrets \"x\" is forbidden: exceeded quota: {name}, requested: x"),
            ] {
                let seen = format!("{:?}", api_error(403, &message));
                let quoted = seen.contains("CAN") || seen.contains("can") || seen.contains(&long);
                assert!(!quoted, "{seen}");
            }
        }
    }

    /// A missing answer stays unknown: the write may or may not have happened.
    #[test]
    fn a_server_that_fails_refuses_nothing() {
        for (code, message) in [
            (500, "Internal error occurred: etcdserver: request timed out"),
            (500, "Internal error occurred: resource quota evaluation timed out"),
            (
                504,
                "Timeout: request did not complete within requested timeout - context deadline exceeded",
            ),
        ] {
            let seen = api_error(code, message);
            assert_eq!(seen, ApiError::Unavailable(format!("the API server answered {code}")));
        }
    }
}
