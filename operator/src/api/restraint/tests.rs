use kube::core::Status;
use kube::core::response::{StatusCause, StatusDetails};

use super::answer::is_refused_by;
use super::*;

const OURS: &str = "pullsecrets-operator-secrets";

/// An error of the server, with a text that its cause repeats.
fn answer(code: u16, message: &str) -> kube::Result<Option<()>> {
    let cause = message
        .split_once(" is forbidden: ")
        .map_or(message, |(_, words)| words);
    let details = StatusDetails {
        causes: vec![StatusCause {
            reason: String::new(),
            message: cause.to_owned(),
            field: String::new(),
        }],
        retry_after_seconds: 0,
        name: String::new(),
        group: String::new(),
        kind: String::new(),
        uid: String::new(),
    };
    let status = Status::failure(message, "Reason").with_code(code).with_details(details);
    Err(kube::Error::Api(Box::new(status)))
}

fn refusal(policy: &str) -> String {
    format!(r#"secrets "x" is forbidden: ValidatingAdmissionPolicy '{policy}' with binding 'b' denied request: CANARY"#)
}

#[test]
fn only_a_422_that_names_the_policy_counts() {
    assert_eq!(
        judge(&Probe::Secret.describe(None), OURS, answer(422, &refusal(OURS))),
        Round::Refused
    );
    assert!(matches!(
        judge(&Probe::Secret.describe(None), OURS, Ok(Some(()))),
        Round::Accepted(_)
    ));
    let webhook = |words: &str| format!(r#"admission webhook "hook.example.com" denied the request: {words}"#);
    for (code, message, expected) in [
        (
            403,
            refusal(OURS),
            r#"refused by policy "pullsecrets-operator-secrets", binding "b" (403)"#,
        ),
        (422, refusal("other"), r#"refused by policy "other", binding "b" (422)"#),
        (
            422,
            webhook(&refusal(OURS)),
            r#"refused by admission webhook "hook.example.com" (422)"#,
        ),
        (
            403,
            r#"secrets is forbidden: User "u" cannot create resource "secrets""#.to_owned(),
            "RBAC does not allow it (403), so the policy could not refuse it: compare the operator's rights with config/rbac",
        ),
        (
            403,
            r#"secrets "x" is forbidden: exceeded quota: small, requested: secrets=1"#.to_owned(),
            r#"quota "small" is used up"#,
        ),
        (404, "CANARY".to_owned(), "it does not exist (404)"),
        (503, "CANARY".to_owned(), "the API server answered 503"),
    ] {
        let Round::Unclear(why) = judge(&Probe::Secret.describe(None), OURS, answer(code, &message)) else {
            panic!("{code} {message}");
        };
        assert_eq!(
            *why,
            *format!("a dry run that creates an Opaque Secret proved nothing: {expected}")
        );
    }
}

#[test]
fn a_policy_that_only_the_cause_or_the_message_names_does_not_count() {
    let Err(kube::Error::Api(mut status)) = answer(422, &refusal(OURS)) else {
        panic!("no status");
    };
    assert!(is_refused_by(&status, OURS));
    status.details = None;
    assert!(!is_refused_by(&status, OURS));
    let Err(kube::Error::Api(mut status)) = answer(422, &refusal(OURS)) else {
        panic!("no status");
    };
    status.message = "CANARY".to_owned();
    assert!(!is_refused_by(&status, OURS));
}

#[test]
fn the_spec_of_an_object_is_read_as_it_came() {
    assert!(is_suspended(&json!({"suspend": true})));
    assert!(!is_suspended(&json!({"suspend": "yes"})) && !is_suspended(&Value::Null));
}
