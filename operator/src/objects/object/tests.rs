//! Stories of one object: what it needs next, and what its status and its Events say.

use crd::{ConditionStatus, ConditionType, FailureReason, RegistryState};
use kube::runtime::watcher::Event;
use plan::decision::{Failure, State as Found};
use plan::object::Lifecycle;
use plan::registries::{LastGood, merge};
use plan::status::{Facts, Late, report};
use serde_json::json;

use super::*;
use crate::api::partial::SourceSecret;
use crate::objects::attempts::FAILED_UNTIL_REPORTED;
use crate::tally::{Entry, Tally};
use crate::work::{Key, Target};

#[test]
fn a_changed_spec_is_parsed_again() {
    let seen = |version: u64, label: &str| -> RawClusterPullSecret {
        let selector = json!([{"matchLabels": {label: "yes"}}]);
        serde_json::from_value(json!({
            "metadata": {"name": "company", "uid": "u", "resourceVersion": version.to_string()},
            "spec": {"registries": [], "namespaces": {"selectors": selector}},
        }))
        .unwrap()
    };
    let mut object = ObjectState::new(seen(1, "first"), OWN);
    let keys = |object: &ObjectState| -> Vec<String> {
        let keys = object.selection().unwrap().namespace_keys();
        keys.map(str::to_owned).collect()
    };
    assert_eq!(keys(&object), ["first"]);
    object.see(seen(2, "second"));
    assert_eq!(keys(&object), ["second"]);
}

#[test]
fn an_object_reads_sources_and_state() {
    let source = |namespace: Option<&str>, name: &str| {
        let reference = namespace.map_or_else(
            || json!({"name": name}),
            |namespace| json!({"name": name, "namespace": namespace}),
        );
        json!({"server": format!("{name}.example.com"), "credentials": {"basicAuth": {"secretRef": reference}}})
    };
    let seen = serde_json::from_value(json!({
        "metadata": {"name": "company", "uid": "u-company"},
        "spec": {
            "registries": [source(None, "robot"), source(Some("logins"), "ghcr")],
            "namespaces": {"selectors": [{}]},
        },
    }));
    let object = ObjectState::new(seen.unwrap(), OWN);
    for (namespace, secret, reads) in [
        ("pullsecrets-system", "robot", true),
        ("logins", "ghcr", true),
        ("logins", "robot", false),
        ("pullsecrets-system", "ghcr", false),
        ("pullsecrets-system", "another", false),
        ("pullsecrets-system", "pullsecrets-state-u-company", true),
        ("pullsecrets-system", "pullsecrets-state-u-another", false),
    ] {
        assert_eq!(object.reads(namespace, secret), reads, "{namespace}/{secret}");
    }
}

const OWN: &str = "pullsecrets-system";

fn seen(version: u32, metadata: &Value, status: &Value) -> RawClusterPullSecret {
    let mut seen = json!({
        "metadata": {"name": "company", "uid": "u", "generation": 3, "resourceVersion": version.to_string(),
            "finalizers": [FINALIZER]},
        "spec": {
            "registries": [
                {"server": "a.example.com", "credentials": {"basicAuth": {"secretRef": {"name": "a"}}}},
                {"server": "b.example.com", "credentials": {"basicAuth": {"secretRef": {"name": "b", "namespace": "logins"}}}},
            ],
            "namespaces": {"selectors": [{}]},
        },
        "status": status,
    });
    // Recorded already, where a case does not say otherwise.
    if seen["status"].get("installation").is_none() {
        seen["status"]["installation"] = "pullsecrets-system/pullsecrets".into();
    }
    for (field, value) in metadata.as_object().unwrap() {
        seen["metadata"][field] = value.clone();
    }
    serde_json::from_value(seen).unwrap()
}

fn source(name: &str) -> SourceSecret {
    serde_json::from_value(json!({
        "metadata": {"name": name, "resourceVersion": "5"}, "type": "kubernetes.io/basic-auth",
        "data": {"username": "cm9ib3Q=", "password": "c2VjcmV0"},
    }))
    .unwrap()
}

fn state() -> SourceSecret {
    serde_json::from_value(json!({
        "metadata": {"name": "pullsecrets-state-u", "resourceVersion": "6"}, "type": crd::names::STATE_TYPE,
        "data": {"registries.json": "e30="},
    }))
    .unwrap()
}

/// These Secrets in the operator's namespace; the namespace `logins` is empty, or was not listed.
fn sources(own: Vec<SourceSecret>, listed: bool) -> Sources {
    let mut sources = Sources::new(OWN, &["logins".to_owned()].into());
    let words = |name: &str| {
        let keys = ["username", "password"].map(|key| crate::wanted::word(name, key));
        keys.into_iter().chain([name.to_owned()]).collect()
    };
    let words = [(OWN.to_owned(), words("a")), ("logins".to_owned(), words("b"))];
    sources.want(&"company".into(), &words.into(), Some("pullsecrets-state-u"), true);
    sources.take(OWN, Event::Init, u64::MAX);
    for secret in own {
        sources.take(OWN, Event::InitApply(secret), u64::MAX);
    }
    sources.take(OWN, Event::InitDone, u64::MAX);
    if listed {
        sources.take("logins", Event::Init, u64::MAX);
        sources.take("logins", Event::InitDone, u64::MAX);
    }
    sources
}

struct Case {
    object: ObjectState,
    now: Duration,
}

const SECOND: Duration = Duration::from_secs(1);

impl Case {
    /// The object has waited in vain for sources that are not listed.
    fn new(metadata: &Value, status: &Value, sources: &Sources) -> Self {
        let mut object = ObjectState::new(seen(10, metadata, status), OWN);
        let start = 10 * SECOND;
        object.resolve(sources, start, &wall_clock());
        object.resolve(sources, 2 * start, &wall_clock());
        object.declaration(1, 2 * start);
        Self {
            object,
            now: 100 * SECOND,
        }
    }

    fn summarised(mut self, summary: Summary) -> Self {
        self.object.summarise(Summary { revision: 1, ..summary });
        self
    }

    fn resolve(&mut self, sources: &Sources) {
        self.object.resolve(sources, self.now, &wall_clock());
    }

    fn after(&mut self, seconds: u32) -> Next {
        self.now += seconds * SECOND;
        self.object.next(self.now, &Time(jiff::Timestamp::UNIX_EPOCH))
    }

    fn step(&mut self, seconds: u32) -> &'static str {
        match self.after(seconds) {
            Next::Write(step) => {
                self.object.begin(&step, self.now);
                step.kind().as_str()
            }
            Next::At(at) if at > self.now => "later",
            Next::At(_) => "now",
            Next::Idle => "nothing",
        }
    }

    /// The report that is due, and its Event.
    fn report(&mut self, seconds: u32) -> (ClusterPullSecretStatus, Option<ObjectEvent>) {
        let Next::Write(step) = self.after(seconds) else {
            panic!("no report");
        };
        let event = self.object.begin(&step, self.now);
        match step {
            Step::Object(ObjectStep::PatchStatus { status, .. }) => (*status, event),
            step => panic!("{} instead of a report", step.kind()),
        }
    }

    fn status(&mut self, seconds: u32) -> ClusterPullSecretStatus {
        self.report(seconds).0
    }
}

fn wall_clock() -> Time {
    Time(jiff::Timestamp::now())
}

fn refusal() -> ApiError {
    ApiError::Refused(Failure::new(FailureReason::Forbidden, "the server forbids it (403)"))
}

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
            assert!(ready.message.contains(" cannot be "), "{}", ready.message);
            assert_eq!(status.observed_generation, Some(3));
            assert_eq!(case.step(5), step.as_str(), "and again");
        }
    }
}

#[test]
fn an_object_with_lost_state_gets_no_payload() {
    let reported = json!({"observedGeneration": 3, "secretName": "company"});
    let mut first = Case::new(&json!({}), &reported, &sources(vec![source("a")], true));
    assert_eq!(first.step(0), "remember", "it never had a state that could be lost");
    let lost = json!({"observedGeneration": 3, "secretName": "company", "stateSecretName": "pullsecrets-state-u"});
    let lost = Case::new(&json!({}), &lost, &sources(vec![source("a")], true));
    let payload = lost.object.credentials.payload();
    assert_eq!(payload, None, "its copies may be the only place of the other login");
}

#[test]
fn credentials_are_rendered_when_they_change() {
    let mut case = Case::new(&json!({}), &json!({}), &sources(vec![source("a"), state()], true));
    case.object.declared = None;
    let payload = |case: &Case| case.object.credentials.payload();
    let first = payload(&case).unwrap();
    case.resolve(&sources(vec![source("a"), state()], true));
    assert!(Arc::ptr_eq(&first, &payload(&case).unwrap()), "it is not made again");
    let rotated = serde_json::from_value(json!({
        "metadata": {"name": "a", "resourceVersion": "7"}, "type": "kubernetes.io/basic-auth",
        "data": {"username": "cm9ib3Q=", "password": "b3RoZXI="},
    }))
    .unwrap();
    case.resolve(&sources(vec![rotated, state()], true));
    assert_ne!(first, payload(&case).unwrap());
    case.resolve(&sources(vec![state()], true));
    assert_eq!(payload(&case), None, "it is gone, and no login is saved");
}

#[test]
fn unlisted_namespaces_block_only_their_registries() {
    let mut case = Case::new(&json!({}), &json!({}), &sources(vec![source("a")], false)).summarised(Summary::default());
    assert_eq!(case.step(0), "remember");
    case.resolve(&sources(vec![source("a"), state()], false));
    assert!(case.object.credentials.payload().is_some());
    case.object.failed(StepKind::SaveState, &refusal(), case.now);
    let registries = case.status(0).registries;
    assert_eq!(registries[0].state, RegistryState::Ready);
    let message = registries[1].message.as_deref().unwrap();
    assert!(
        message.contains("logins/b") && message.contains("cannot list secrets"),
        "{message}"
    );
}

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

const OTHER: Option<&str> = Some("other/pullsecrets");
const OURS: Option<&str> = Some("pullsecrets-system/pullsecrets");

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
        (&json!({}), OURS, typo, vec![source("a")], "remember", Lifecycle::Frozen),
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
    case.object.succeeded(StepKind::ReadObject, false);
    assert_eq!(case.step(0), "claim");
    case.object.see(seen(11, &json!({}), &json!({"installation": OTHER})));
    case.object.succeeded(StepKind::ClaimObject, false);
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
    case.object.succeeded(StepKind::ClaimObject, true);
    let mut dropped = serde_json::to_value(case.status(1)).unwrap();
    dropped["installation"] = Value::Null;
    case.object.see(seen(12, &json!({}), &dropped));
    case.object.succeeded(StepKind::PatchStatus, true);
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
        case.object.succeeded(StepKind::PatchStatus, true);
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
