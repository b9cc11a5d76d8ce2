//! Objects that another installation manages, or managed before.

use plan::object::Lifecycle;

use super::*;

const OTHER: Option<&str> = Some("other/pullsecrets");

const OURS: Option<&str> = Some("pullsecrets-system/pullsecrets");

/// An object with this record and annotation, as the installation of `OWN` sees it.
fn first_of(metadata: &Value, installation: Option<&str>, annotation: Option<&str>, own: Vec<SourceSecret>) -> Case {
    let mut metadata = metadata.clone();
    if let Some(annotation) = annotation {
        metadata["annotations"] = json!({ "pullsecrets.dev/installation": annotation });
    }
    // As the definition has it before the first visit.
    let unknown = json!({"type": "Ready", "status": "Unknown", "reason": "Progressing", "message": "",
        "lastTransitionTime": "1970-01-01T00:00:00Z"});
    let status = json!({ "installation": installation, "observedGeneration": -1, "conditions": [unknown] });
    Case::new(&metadata, &status, &sources(own, true)).summarised(Summary::default())
}

/// Each record and annotation, with and without a deletion: the first step, and the lifecycle.
#[test]
fn objects_of_other_installations_stay_untouched() {
    let deleted = json!({"deletionTimestamp": "2026-01-01T00:00:00Z"});
    let (unarmed, gone) = (
        json!({"finalizers": []}),
        json!({"deletionTimestamp": "2026-01-01T00:00:00Z", "finalizers": []}),
    );
    let typo = Some("other");
    let both = || vec![source("a"), state()];
    for (metadata, installation, annotation, own, first, lifecycle) in [
        (&unarmed, None, None, both(), "claim", Lifecycle::Frozen),
        (&unarmed, None, OTHER, both(), "nothing", Lifecycle::Frozen),
        (&unarmed, None, typo, both(), "claim", Lifecycle::Frozen),
        (&json!({}), None, None, both(), "look", Lifecycle::Frozen),
        (&json!({}), OTHER, None, both(), "nothing", Lifecycle::Frozen),
        (&json!({}), OTHER, OTHER, both(), "nothing", Lifecycle::Frozen),
        (&json!({}), OTHER, OURS, both(), "forget", Lifecycle::Frozen),
        (&json!({}), OTHER, OURS, vec![source("a")], "claim", Lifecycle::Frozen),
        (&json!({}), OURS, OTHER, both(), "nothing", Lifecycle::Frozen),
        (
            &json!({}),
            OURS,
            Some("third/pullsecrets"),
            both(),
            "nothing",
            Lifecycle::Frozen,
        ),
        (
            &json!({}),
            OURS,
            typo,
            vec![source("a")],
            "remember",
            Lifecycle::Waiting,
        ),
        (&deleted, OTHER, None, both(), "nothing", Lifecycle::Frozen),
        (&deleted, OURS, OTHER, both(), "nothing", Lifecycle::Frozen),
        (&deleted, OTHER, OURS, vec![], "claim", Lifecycle::Frozen),
        (&deleted, OURS, OURS, vec![], "disarm", Lifecycle::Deleting),
        (&gone, None, None, vec![], "nothing", Lifecycle::Frozen),
    ] {
        let mut case = first_of(metadata, installation, annotation, own);
        let which = format!("{metadata} {installation:?} {annotation:?}");
        assert_eq!(case.object.facts().lifecycle(), lifecycle, "{which}");
        assert_eq!(case.step(0), first, "{which}");
    }
}

#[test]
fn old_objects_are_read_before_the_claim() {
    let mut case = first_of(&json!({}), None, None, vec![source("a")]);
    assert_eq!(
        case.step(0),
        "look",
        "a watch from before the definition was replaced shows no installation"
    );
    case.object.succeeded(StepKind::ReadObject, false, case.now);
    assert_eq!(case.step(0), "claim");
    case.object.see(seen(11, &json!({}), &json!({"installation": OTHER})));
    case.object.succeeded(StepKind::ClaimObject, false, case.now);
    assert_eq!(case.step(0), "nothing", "the other was faster");
    let other = Some(("other/pullsecrets".to_owned(), false));
    assert_eq!(case.object.newly_elsewhere(), other);
    assert_eq!(case.object.newly_elsewhere(), None, "it is reported once");
}

#[test]
fn a_cleared_status_does_not_change_hands() {
    let cleared = || seen(20, &json!({}), &json!({"installation": null}));
    let mut theirs = first_of(&json!({}), OTHER, None, vec![source("a")]);
    theirs.object.see(cleared());
    assert_eq!(theirs.step(0), "nothing");
    let mut ours =
        Case::new(&json!({}), &json!({"installation": OURS}), &sources(vec![], true)).summarised(Summary::default());
    ours.object.see(cleared());
    assert_eq!(ours.status(0).installation.as_deref(), OURS);
}

#[test]
fn a_definition_without_record_blocks_no_write() {
    let unrecorded = |version| seen(version, &json!({}), &json!({"installation": null}));
    let mut case = Case::new(
        &json!({"finalizers": []}),
        &json!({"installation": null}),
        &sources(vec![], true),
    )
    .summarised(Summary::default());
    assert_eq!(case.step(0), "claim");
    case.object.see(unrecorded(11));
    case.object.succeeded(StepKind::ClaimObject, true, case.now);
    let mut dropped = serde_json::to_value(case.status(1)).unwrap();
    dropped["installation"] = Value::Null;
    case.object.see(seen(12, &json!({}), &dropped));
    case.object.succeeded(StepKind::PatchStatus, true, case.now);
    assert_eq!(
        case.step(10),
        "nothing",
        "what the definition drops is not written again and again"
    );
}

#[test]
fn a_useless_installation_annotation_is_reported() {
    let mut case = Case::new(
        &json!({"annotations": {"pullsecrets.dev/installation": "other"}}),
        &json!({}),
        &sources(vec![], true),
    )
    .summarised(Summary::default());
    let event = format!("{:?}", case.report(0).1.unwrap());
    for part in ["NotHandedOver", "pullsecrets.dev/installation", "NAMESPACE/pullsecrets"] {
        assert!(event.contains(part), "{event}");
    }
}

#[test]
fn sources_belong_to_the_acting_installation() {
    assert!(first_of(&json!({}), OTHER, None, vec![]).object.reads("other", "a"));
    assert!(first_of(&json!({}), OTHER, OURS, vec![]).object.reads(OWN, "a"));
    assert!(!first_of(&json!({}), OURS, OTHER, vec![]).object.reads(OWN, "a"));
}
