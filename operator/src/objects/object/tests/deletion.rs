//! The end of an object.

use super::*;

#[test]
fn a_stuck_deletion_ends_after_a_minute() {
    let deleted = json!({"deletionTimestamp": "2026-01-01T00:00:00Z"});
    let failure = Failure::new(FailureReason::Forbidden, "the server forbids it (403)");
    let stuck = Summary {
        copies_left: plan::summary::Left {
            due: 1,
            failed: 1,
            late_at: None,
        },
        pending_cleanup: 1,
        failures: vec![("b".into(), failure)],
        stuck_since: Some(Duration::from_secs(100)),
        stuck: vec!["secret b/company".to_owned()],
        ..Summary::default()
    };
    let mut case = Case::new(&deleted, &json!({}), &sources(vec![state()], true)).summarised(stuck);
    assert_eq!(case.step(0), "look", "the server is there");
    let event = case.report(0).1.unwrap();
    assert!(format!("{event:?}").contains("DeletionWaits"), "{event:?}");
    assert_eq!(case.step(59), "look");
    assert_eq!(case.step(1), "forget", "a minute is over");
    for _ in 0..61 {
        case.object.failed(StepKind::DeleteState, &refusal(), case.now);
        case.now += SECOND;
    }
    let Next::Write(last) = case.after(60) else {
        panic!("the object stays");
    };
    assert_eq!(last.kind(), StepKind::RemoveFinalizer);
    let left = format!("{:?}", case.object.begin(&last, case.now).unwrap());
    for named in [
        "secret b/company",
        "secret pullsecrets-system/pullsecrets-state-u",
        "403",
    ] {
        assert!(left.contains(named), "{left}");
    }
}

#[test]
fn quick_deletions_report_no_progress() {
    let deleted = json!({"deletionTimestamp": "2026-01-01T00:00:00Z"});
    let owing = Summary {
        pending_cleanup: 5,
        ..Summary::default()
    };
    let mut case = Case::new(&deleted, &json!({}), &sources(vec![], true)).summarised(owing);
    assert_eq!(case.step(0), "later");
    assert_eq!(case.step(1), "later");
    case = case.summarised(Summary::default());
    assert_eq!(case.step(0), "disarm");
}
