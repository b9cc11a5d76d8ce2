//! Failed steps, and how the status reports them.

use super::*;
use crate::objects::attempts::FAILED_UNTIL_REPORTED;

/// Each step, each way to fail, with and without a summary: a report of this generation says so, and then the step is
/// tried again.
#[test]
fn every_failed_step_is_reported() {
    let unarmed = json!({"finalizers": []});
    let deleted = json!({"deletionTimestamp": "2026-01-01T00:00:00Z"});
    let serving = json!({"observedGeneration": 3, "conditions": [{"type": "Ready", "status": "True", "reason": "Synced",
        "message": "", "lastTransitionTime": "2026-01-01T00:00:00Z"}]});
    let none = json!({"observedGeneration": -1});
    let errors = || {
        let unavailable = ApiError::Unavailable("the server answered 500".to_owned());
        [
            refusal(),
            unavailable,
            ApiError::Conflict,
            ApiError::NotFound,
            ApiError::Throttled(Duration::from_secs(1)),
        ]
    };
    for (metadata, own, step) in [
        (unarmed, vec![source("a")], StepKind::AddFinalizer),
        (json!({}), vec![source("a")], StepKind::SaveState),
        (deleted.clone(), vec![state()], StepKind::DeleteState),
        (deleted, vec![], StepKind::RemoveFinalizer),
    ] {
        for (error, status, known) in errors().into_iter().flat_map(|error| {
            let with = |status: &Value, known| (error.clone(), status.clone(), known);
            [with(&none, true), with(&serving, true), with(&serving, false)]
        }) {
            let mut case = Case::new(&metadata, &status, &sources(own.clone(), true));
            if known || metadata.get("deletionTimestamp").is_some() {
                case = case.summarised(Summary::default());
            }
            for _ in 0..FAILED_UNTIL_REPORTED {
                assert_eq!(case.step(5), step.as_str(), "{error:?}");
                case.object.failed(step, &error, case.now);
            }
            let status = case.status(0);
            let ready = status.ready().unwrap();
            assert_ne!(ready.status, ConditionStatus::True, "{step} {error:?}");
            assert!(ready.message.contains("the operator cannot "), "{}", ready.message);
            assert_eq!(status.observed_generation, Some(3));
            assert_eq!(case.step(5), step.as_str(), "and again");
        }
    }
}
