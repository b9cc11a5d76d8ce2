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
        422,
        r#"secrets "d" is forbidden: ValidatingAdmissionPolicy 'a-operator-secrets' with binding 'b' denied request: CANARY"#,
        AdmissionDenied,
        concat!(
            r#"refused by policy "a-operator-secrets", binding "b" (422), which limits the operator: a mutating webhook or "#,
            "policy may have added a label, annotation or field to the write; allow its keys by allowedKeys ",
            "(config/README.md), or exempt the operator from it"
        ),
    ),
    (
        422,
        concat!(
            r#"secrets "d" is forbidden: ValidatingAdmissionPolicy 'a-operator-secrets' with binding 'b' denied request: the "#,
            "operator may write only its own, such as example.com/Cost_center: if a mutating webhook or policy of this ",
            "cluster writes it, add it to allowedKeys, as config/README.md says"
        ),
        AdmissionDenied,
        concat!(
            r#"refused by policy "a-operator-secrets", binding "b" (422), which limits the operator: a mutating webhook or "#,
            r#"policy may have added the key "example.com/Cost_center" to the write; allow it by allowedKeys "#,
            "(config/README.md), or exempt the operator from it"
        ),
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

/// Only a policy on the operator names keys, and only what can be a key is taken.
#[test]
fn other_words_are_no_keys() {
    let refusal = |policy: &str, words: &str| {
        let by = format!("ValidatingAdmissionPolicy '{policy}' with binding 'b' denied request: {words}");
        format!(
            "{:?}",
            api_error(422, &format!(r#"secrets "x" is forbidden: {by}{ALLOWS_KEYS}"#))
        )
    };
    let long = format!("such as {}", "a".repeat(318));
    for words in [
        "such as hundreds of CANARY",
        "as CANARY",
        "such as CAN:ARY",
        "CANARY",
        long.as_str(),
        "such as ",
    ] {
        let seen = refusal("a-operator-secrets", &format!("only its own, {words}"));
        assert!(!seen.contains("CAN") && !seen.contains("aaa"), "{seen}");
    }
    let seen = refusal("theirs", "only its own, such as CANARY");
    assert!(!seen.contains("CAN"), "{seen}");
    let seen = refusal("a-operator-objects", "only its own, also not a/b");
    assert!(seen.contains(r#"the key \"a/b\""#), "{seen}");
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
