//! What the operator reports.

use crd::{
    ClusterPullSecretStatus, Condition, ConditionStatus, ConditionType, Counts, Failure, FailureReason, Reason,
    RegistryState, RegistryStatus, remove_condition, set_condition,
    status::{MAX_FAILURES, MAX_MESSAGE, MAX_NAME, MAX_REGISTRIES},
};
use k8s_openapi::{apimachinery::pkg::apis::meta::v1::Time, jiff::Timestamp};
use serde_json::Value;

fn at(milliseconds: i64) -> Time {
    Time(Timestamp::from_millisecond(milliseconds).expect("a time in range"))
}

fn set(conditions: &mut Vec<Condition>, type_: ConditionType, status: ConditionStatus, now: Time) {
    set_condition(conditions, type_, status, Reason::Progressing, "working", 1, now);
}

fn types(conditions: &[Condition]) -> Vec<&str> {
    conditions.iter().map(|condition| condition.type_.as_str()).collect()
}

#[test]
fn condition_times_stay_while_statuses_do() {
    let mut conditions = Vec::new();
    set(&mut conditions, ConditionType::Ready, ConditionStatus::False, at(1_000));
    set_condition(
        &mut conditions,
        ConditionType::Ready,
        ConditionStatus::False,
        Reason::NamespacesFailed,
        "one failed",
        2,
        at(9_000),
    );
    assert_eq!(conditions.len(), 1);
    assert_eq!(conditions[0].last_transition_time, at(1_000));
    assert_eq!(conditions[0].reason, "NamespacesFailed");
    assert_eq!(conditions[0].message, "one failed");
    assert_eq!(conditions[0].observed_generation, Some(2));
}

#[test]
fn condition_times_move_with_statuses() {
    let mut conditions = Vec::new();
    set(&mut conditions, ConditionType::Ready, ConditionStatus::False, at(1_000));
    set(&mut conditions, ConditionType::Ready, ConditionStatus::True, at(9_000));
    assert_eq!(conditions[0].last_transition_time, at(9_000));
}

#[test]
fn setting_the_same_again_changes_nothing() {
    let mut conditions = Vec::new();
    set(&mut conditions, ConditionType::Ready, ConditionStatus::True, at(1_000));
    let before = conditions.clone();
    set(&mut conditions, ConditionType::Ready, ConditionStatus::True, at(9_000));
    assert_eq!(conditions, before);
}

#[test]
fn conditions_survive_a_round_trip() {
    let mut conditions = Vec::new();
    set(&mut conditions, ConditionType::Ready, ConditionStatus::True, at(1_999));
    let written = serde_json::to_string(&conditions).expect("conditions are JSON");
    let read: Vec<Condition> = serde_json::from_str(&written).expect("what was written can be read");
    assert_eq!(read, conditions);
}

#[test]
fn conditions_keep_one_order() {
    let mut conditions = Vec::new();
    for type_ in ConditionType::ALL.into_iter().rev() {
        set(&mut conditions, type_, ConditionStatus::Unknown, at(0));
    }
    assert_eq!(types(&conditions), ConditionType::ALL.map(ConditionType::as_str));
}

#[test]
fn a_condition_of_another_writer_stays_behind_ours() {
    let mut conditions = Vec::new();
    set(&mut conditions, ConditionType::Stalled, ConditionStatus::True, at(0));
    conditions.push(Condition {
        type_: "Audited".to_owned(),
        ..conditions[0].clone()
    });
    set(&mut conditions, ConditionType::Ready, ConditionStatus::False, at(0));
    assert_eq!(types(&conditions), ["Ready", "Stalled", "Audited"]);
}

#[test]
fn removed_conditions_leave_the_others() {
    let mut conditions = Vec::new();
    set(&mut conditions, ConditionType::Ready, ConditionStatus::True, at(0));
    set(
        &mut conditions,
        ConditionType::Reconciling,
        ConditionStatus::True,
        at(0),
    );
    remove_condition(&mut conditions, ConditionType::Reconciling);
    remove_condition(&mut conditions, ConditionType::Stalled);
    assert_eq!(types(&conditions), ["Ready"]);
}

#[test]
fn long_messages_are_cut_between_characters() {
    for (given, kept) in [
        (MAX_MESSAGE, MAX_MESSAGE),
        (MAX_MESSAGE + 1, MAX_MESSAGE),
        (3 * MAX_MESSAGE, MAX_MESSAGE),
    ] {
        let long = "é".repeat(given);
        let mut conditions = Vec::new();
        set_condition(
            &mut conditions,
            ConditionType::Ready,
            ConditionStatus::False,
            Reason::Progressing,
            long.clone(),
            1,
            at(0),
        );
        let failure = Failure::new("a", FailureReason::Forbidden, long.clone());
        let registry = RegistryStatus::new(None, RegistryState::NotReady, Reason::SourceInvalid, Some(long));
        let messages = [
            conditions[0].message.as_str(),
            &failure.message,
            registry.message.as_deref().unwrap_or_default(),
        ];
        for message in messages {
            assert_eq!(message.chars().count(), kept);
            assert_eq!(message.ends_with('…'), given > kept);
        }
    }
}

#[test]
fn servers_longer_than_the_schema_are_cut() {
    let long = Some("a".repeat(4000));
    let registry = RegistryStatus::new(long, RegistryState::Ready, Reason::Resolved, None);
    assert_eq!(registry.server.map(|server| server.chars().count()), Some(MAX_NAME));
}

#[test]
fn counts_carry_what_the_printer_shows() {
    assert_eq!(Counts::new(812, 811, 1).summary, "811/812");
    assert_eq!(Counts::new(0, 0, 0).summary, "0/0");
    assert_eq!(Counts::new(1, -1, -1), Counts::new(1, 0, 0));
}

#[test]
fn an_empty_status_is_an_empty_object() {
    let written = serde_json::to_string(&ClusterPullSecretStatus::default()).expect("a status is JSON");
    assert_eq!(written, "{}");
}

#[test]
fn code_and_schema_have_equal_bounds() {
    let crd = serde_json::to_value(crd::manifest::crd()).expect("a definition is JSON");
    let status = &crd["spec"]["versions"][0]["schema"]["openAPIV3Schema"]["properties"]["status"]["properties"];
    assert_eq!(status["failures"]["maxItems"], MAX_FAILURES);
    assert_eq!(status["registries"]["maxItems"], MAX_REGISTRIES);
    assert_eq!(status["secretName"]["maxLength"], MAX_NAME);
    assert_eq!(
        status["registries"]["items"]["properties"]["server"]["maxLength"],
        MAX_NAME
    );
    for list in ["conditions", "failures", "registries"] {
        assert_eq!(
            status[list]["items"]["properties"]["message"]["maxLength"], MAX_MESSAGE,
            "{list}"
        );
    }
}

#[test]
fn failure_reasons_match_the_schema() {
    use FailureReason::{
        AdmissionDenied, Contended, Forbidden, NameNotPermitted, QuotaExceeded, SecretConflict, ServerError,
        SourceName, TooLarge,
    };
    for reason in [
        SecretConflict,
        Forbidden,
        QuotaExceeded,
        AdmissionDenied,
        NameNotPermitted,
        SourceName,
        Contended,
        TooLarge,
        ServerError,
    ] {
        assert_eq!(
            serde_json::to_value(reason).expect("a reason is JSON"),
            Value::from(reason.as_str())
        );
    }
}
