//! What the status says.

use crd::ConditionType;
use plan::decision::State as Found;
use plan::registries::{LastGood, merge};
use plan::status::{Facts, Late, report};

use super::*;
use crate::tally::{Entry, Tally};
use crate::work::{Key, Target};

#[test]
fn foreign_status_fields_are_removed_with_backoff() {
    let foreign = |version: u32| {
        let stalled = json!({"type": "Stalled", "status": "True", "reason": "Theirs", "message": "",
            "lastTransitionTime": "2026-01-01T00:00:00Z"});
        seen(
            version,
            &json!({}),
            &json!({"conditions": [stalled], "registriesReady": "9/9", "failures": [
            {"namespace": "x", "reason": "Forbidden", "message": ""}]}),
        )
    };
    let both = || sources(vec![source("a")], true);
    let mut case = Case::new(&json!({}), &json!({}), &both()).summarised(Summary::default());
    let saved = case.object.credentials.merged().unwrap().last_good.clone();
    let content = last_good::Content::new(saved, None).to_json();
    let data = json!({"registries.json": k8s_openapi::ByteString(content)});
    let state: SourceSecret = serde_json::from_value(json!({
        "metadata": {"name": "pullsecrets-state-u", "resourceVersion": "6"}, "type": crd::names::STATE_TYPE, "data": data,
    }))
    .unwrap();
    case.resolve(&sources(vec![source("a"), state], true));
    let mut writes = 0;
    for second in 0..120 {
        case.object.see(foreign(20 + second));
        let Next::Write(step) = case.after(1) else { continue };
        let Step::Object(ObjectStep::PatchStatus { status, gone }) = &step else {
            panic!("{} instead of a report", step.kind());
        };
        let stalled = status.condition(ConditionType::Stalled);
        assert!(stalled.is_none_or(|stalled| stalled.reason != "Theirs"));
        assert_eq!(gone, &["failures"], "an apply would leave it in");
        case.object.begin(&step, case.now);
        case.object.succeeded(StepKind::PatchStatus, true, case.now);
        writes += 1;
    }
    assert!(writes <= 12, "{writes} writes of the status in two minutes");
}

/// A status names only some failures. Those of accounts may not be among them.
#[test]
fn failed_accounts_are_reported_as_accounts() {
    let object: Arc<str> = "company".into();
    let mut tally = Tally::default();
    let mut fail = |namespace: &str, target: Target, reason: FailureReason, message: &str| {
        let key = Key {
            namespace: namespace.into(),
            target,
        };
        let entry = Entry {
            object: object.clone(),
            state: Found::Failed(Failure::new(reason, message)),
            leaves: false,
        };
        tally.update(&key, &[], &[entry], Duration::ZERO, false);
    };
    for at in 0..30 {
        let secret = Target::Secret("company".into());
        fail(&format!("a{at:02}"), secret, FailureReason::Contended, "of a secret");
    }
    fail(
        "b",
        Target::Account("default".into()),
        FailureReason::Forbidden,
        "of an account",
    );
    let said = |tally: &Tally| {
        let summary = tally.summary("company").unwrap();
        let credentials = merge(&[], &LastGood::default());
        let status = report(&Facts {
            installation: "pullsecrets-system/pullsecrets",
            remark: None,
            generation: 1,
            secret_name: "company",
            previous: &ClusterPullSecretStatus::default(),
            unreadable: None,
            attaches: true,
            left_out: &[],
            credentials: Some(&credentials),
            lasting_problem: false,
            summary: Some(&summary),
            blocked: None,
            deleting: false,
            unread: None,
            state_secret: None,
            late: Late::default(),
            pods: None,
            requested_at: None,
            now: &Time(jiff::Timestamp::UNIX_EPOCH),
        });
        ["SecretsSynced", "ServiceAccountsSynced"].map(|type_| {
            let condition = status.conditions.iter().find(|one| one.type_ == type_).unwrap();
            (condition.reason.clone(), condition.message.clone())
        })
    };
    let [secrets, accounts] = said(&tally);
    assert_eq!(secrets.1, "30 of 30 namespaces failed, a00: of a secret");
    let expected = r#"1 of 1 service accounts failed, b: service account "default": of an account"#;
    assert_eq!(accounts, ("ServiceAccountsFailed".to_owned(), expected.to_owned()));
}
