//! Every state of an object, produced for real, and the expected view of each tool.

use std::collections::BTreeSet;

use e2e::SYSTEM_NAMESPACE;
use e2e::operator::Options;
use e2e::oracle::Login;
use e2e::scenario::{SOON, Scenario};
use serde_json::{Value, json};

use crate::gitops::judges::{Verdict, Words, judge};
use crate::gitops::record::{Record, holds, is_observed, ready_is};
use crate::gitops::rules;

/// Work is outstanding.
const WORKING: Words = [
    "Progressing",
    "Progressing",
    "InProgress",
    "InProgress",
    "InProgress",
    "Unhealthy",
    "False",
    "unhealthy",
    "transitioning",
];
/// All that is declared is in place.
pub(crate) const READY: Words = [
    "Healthy", "Healthy", "Current", "Current", "Current", "Healthy", "True", "healthy", "active",
];
/// A person must act.
const FAILED: Words = [
    "Degraded",
    "Degraded",
    "Failed",
    "Failed",
    "Failed",
    "Unhealthy",
    "False",
    "unhealthy",
    "error",
];
/// The author wants no work. Readers with rules of ours do not wait for an object that says so.
const SUSPENDED_EARLY: Words = [
    "Suspended",
    "Suspended",
    "Current",
    "InProgress",
    "InProgress",
    "Healthy",
    "True",
    "healthy",
    "transitioning",
];
/// The author wants no more work, and none is outstanding.
const SUSPENDED: Words = [
    "Suspended",
    "Suspended",
    "Current",
    "Current",
    "Current",
    "Healthy",
    "True",
    "healthy",
    "active",
];
/// The object is being deleted.
const GOING: Words = [
    "Progressing",
    "Progressing",
    "InProgress",
    "Terminating",
    "Terminating",
    "Unhealthy",
    "False",
    "unhealthy",
    "transitioning",
];

/// The states, and what each of them means to the readers.
const TABLE: [(&str, Words); 17] = [
    ("new, and no operator", WORKING),
    ("new and suspended, and no operator", WORKING),
    ("changed, and no operator", WORKING),
    ("working", WORKING),
    ("synced", READY),
    ("nothing selected", READY),
    ("one namespace failed", FAILED),
    ("healed", READY),
    ("source missing", WORKING),
    ("source missing for 30 s", FAILED),
    ("source came", READY),
    ("source invalid", FAILED),
    ("suspended before its work", SUSPENDED_EARLY),
    ("suspended after its work", SUSPENDED),
    ("an unknown field", FAILED),
    ("its own again", READY),
    ("going", GOING),
];

/// Enough that one write at a time takes longer than the operator reports as progress.
pub(crate) const MANY: usize = 400;

type Seen = Vec<(&'static str, Value)>;

/// Every tool shows every state as the table expects, and no status breaks a rule.
#[tokio::test]
async fn tools_judge_every_state_as_tabled() {
    let options = Options {
        flags: vec!["--concurrency=1".to_owned()],
        ..Options::default()
    };
    let scenario = Scenario::own_with("states", options).await;
    let record = Record::of(&scenario);
    let mut seen: Seen = working(&scenario, &record).await;
    seen.extend(without_an_operator(&scenario, &record).await);
    let (failed, source, suspended, unknown) = tokio::join!(
        failed(scenario.beside("failed").await, &record),
        source(scenario.beside("source").await, &record),
        suspended(scenario.beside("suspended").await, &record),
        unknown_field(scenario.beside("unknown").await, &record),
    );
    seen.extend(failed.into_iter().chain(source).chain(suspended).chain(unknown));
    seen.extend(others(&scenario, &record).await);

    let reached: BTreeSet<&str> = seen.iter().map(|(state, _)| *state).collect();
    let missing: Vec<_> = TABLE.iter().filter(|row| !reached.contains(row.0)).collect();
    assert!(missing.is_empty(), "not brought about: {missing:?}");
    let objects: Vec<Value> = seen.iter().map(|(_, object)| object.clone()).collect();
    let wrong: Vec<String> = judge(&objects)
        .await
        .into_iter()
        .zip(seen)
        .filter_map(|(verdict, (state, object))| wrongly_seen(state, &verdict, &object))
        .collect();
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
    rules::check(&record).await;
}

fn wrongly_seen(state: &str, verdict: &Verdict, object: &Value) -> Option<String> {
    let (_, words) = TABLE.into_iter().find(|row| row.0 == state)?;
    (!verdict.is(words)).then(|| format!("{state}: {verdict:?} of {}", object["status"]))
}

/// Limits the operator to one call at a time, so that most of the namespaces wait.
async fn working(scenario: &Scenario, record: &Record) -> Seen {
    let parts: Vec<String> = (0..MANY).map(|number| number.to_string()).collect();
    scenario
        .namespaces(&parts.iter().map(String::as_str).collect::<Vec<_>>())
        .await;
    scenario.source(&Login::new("robot", "first")).await;
    scenario.apply(&scenario.object()).await;
    let progressing = |object: &Value| ready_is(object, "False", "Progressing") && holds(object, "Reconciling");
    let working = record.first("states", "at work", SOON, progressing).await;
    let synced = record
        .first("states", "synced", SOON * 4, |object| {
            ready_is(object, "True", "Synced")
        })
        .await;
    vec![("working", working), ("synced", synced)]
}

async fn without_an_operator(scenario: &Scenario, record: &Record) -> Seen {
    scenario.stop_operator().await;
    let (fresh, quiet) = (scenario.beside("fresh").await, scenario.beside("fresh-suspended").await);
    fresh.source(&Login::new("robot", "first")).await;
    fresh.apply(&fresh.object()).await;
    let new = record.first("fresh", "new", SOON, |_| true).await;
    quiet.source(&Login::new("robot", "first")).await;
    quiet.apply(&suspend(&quiet)).await;
    let suspended = record.first("fresh-suspended", "new", SOON, |_| true).await;

    let mut object = scenario.object();
    object["spec"]["namespaces"]["excluded"] = json!(["states-1"]);
    scenario.apply(&object).await;
    let changed = record.first("states", "changed", SOON, |object| {
        object["metadata"]["generation"] == 2 && !is_observed(object)
    });
    let changed = changed.await;
    scenario.start_operator().await;
    record
        .first("states", "synced again", SOON, |object| {
            object["metadata"]["generation"] == 2 && ready_is(object, "True", "Synced")
        })
        .await;
    let nothing = record.first("fresh", "served", SOON, |object| {
        ready_is(object, "True", "NoNamespaceSelected")
    });
    vec![
        ("new, and no operator", new),
        ("new and suspended, and no operator", suspended),
        ("changed, and no operator", changed),
        ("nothing selected", nothing.await),
    ]
}

async fn failed(scenario: Scenario, record: &Record) -> Seen {
    scenario.namespaces(&["a", "b"]).await;
    let squatter = [
        "create",
        "secret",
        "generic",
        "failed",
        "-n",
        "failed-b",
        "--from-literal=theirs=kept",
    ];
    scenario.kubectl(&squatter).await;
    scenario.source(&Login::new("robot", "first")).await;
    scenario.apply(&scenario.object()).await;
    let failed = record
        .first("failed", "failed", SOON, |object| {
            ready_is(object, "False", "NamespacesFailed")
        })
        .await;
    assert!(holds(&failed, "Stalled"), "{}", failed["status"]);
    scenario
        .kubectl(&["delete", "secret", "failed", "-n", "failed-b"])
        .await;
    let healed = record
        .first("failed", "healed", SOON, |object| ready_is(object, "True", "Synced"))
        .await;
    vec![("one namespace failed", failed), ("healed", healed)]
}

async fn source(scenario: Scenario, record: &Record) -> Seen {
    scenario.namespaces(&["a"]).await;
    scenario.apply(&scenario.object()).await;
    let not_ready = |object: &Value| ready_is(object, "False", "CredentialsNotReady");
    let missing = record.first("source", "without its source", SOON, not_ready).await;
    assert!(
        holds(&missing, "Reconciling"),
        "not at once a failure: {}",
        missing["status"]
    );
    let stalled = |object: &Value| not_ready(object) && holds(object, "Stalled");
    let lasting = record.first("source", "stalled", SOON * 2, stalled).await;
    scenario.source(&Login::new("robot", "first")).await;
    let came = record
        .first("source", "served", SOON, |object| ready_is(object, "True", "Synced"))
        .await;
    scenario
        .kubectl(&[
            "patch",
            "secret",
            "source",
            "-n",
            SYSTEM_NAMESPACE,
            "-p",
            r#"{"data":{"password":null}}"#,
        ])
        .await;
    let invalid = record.first("source", "with an invalid source", SOON, |object| {
        stalled(object) && object["status"]["registries"][0]["reason"] == "SourceInvalid"
    });
    vec![
        ("source missing", missing),
        ("source missing for 30 s", lasting),
        ("source came", came),
        ("source invalid", invalid.await),
    ]
}

fn suspend(scenario: &Scenario) -> Value {
    let mut object = scenario.object();
    object["spec"]["suspend"] = json!(true);
    object
}

async fn suspended(scenario: Scenario, record: &Record) -> Seen {
    scenario.namespaces(&["a"]).await;
    scenario.source(&Login::new("robot", "first")).await;
    scenario.apply(&suspend(&scenario)).await;
    let before = record.first("suspended", "suspended from the start", SOON, |object| {
        ready_is(object, "False", "Progressing")
    });
    let before = before.await;
    scenario.apply(&scenario.object()).await;
    record
        .first("suspended", "synced", SOON, |object| ready_is(object, "True", "Synced"))
        .await;
    scenario.apply(&suspend(&scenario)).await;
    let after = record.first("suspended", "suspended again", SOON, |object| {
        object["metadata"]["generation"] == 3 && ready_is(object, "True", "Synced")
    });
    vec![
        ("suspended before its work", before),
        ("suspended after its work", after.await),
    ]
}

/// Creates the state after a downgrade: the definition has a field that this operator does not know.
async fn unknown_field(scenario: Scenario, record: &Record) -> Seen {
    let add = json!([{
        "op": "add", "value": {"type": "string"},
        "path": "/spec/versions/0/schema/openAPIV3Schema/properties/spec/properties/novelty",
    }]);
    let definition = "clusterpullsecrets.pullsecrets.dev";
    scenario
        .kubectl(&["patch", "crd", definition, "--type=json", "-p", &add.to_string()])
        .await;
    scenario.namespaces(&["a"]).await;
    scenario.source(&Login::new("robot", "first")).await;
    let mut object = scenario.object();
    object["spec"]["novelty"] = json!("yes");
    // The server takes a moment to serve the wider definition. Until then kubectl refuses the field.
    let applied = e2e::wait::eventually("the field is taken", SOON, async || {
        let kubectl = scenario.cluster().kubectl();
        kubectl
            .apply(&object.to_string())
            .await
            .map_err(|error| format!("{error:#}"))
    });
    applied.await;
    let frozen = record
        .first("unknown", "frozen", SOON, |object| {
            ready_is(object, "False", "InvalidSpec")
        })
        .await;
    scenario.apply(&scenario.object()).await;
    let again = record
        .first("unknown", "synced", SOON, |object| ready_is(object, "True", "Synced"))
        .await;
    vec![("an unknown field", frozen), ("its own again", again)]
}

/// Deletes an object that another party's finalizer holds.
async fn others(scenario: &Scenario, record: &Record) -> Seen {
    let scenario = scenario.beside("going").await;
    scenario.set_up(&["a"], &Login::new("robot", "first")).await;
    scenario.reaches("Ready", "True").await;
    let hold = r#"[{"op":"add","path":"/metadata/finalizers/-","value":"example.com/hold"}]"#;
    scenario
        .kubectl(&["patch", "cps", "going", "--type=json", "-p", hold])
        .await;
    scenario.kubectl(&["delete", "cps", "going", "--wait=false"]).await;
    let only_theirs = |object: &Value| object["metadata"]["finalizers"] == json!(["example.com/hold"]);
    let going = record
        .first("going", "held up by another finalizer", SOON, only_theirs)
        .await;
    let release = r#"{"metadata":{"finalizers":null}}"#;
    scenario
        .kubectl(&["patch", "cps", "going", "--type=merge", "-p", release])
        .await;
    scenario.gone("the object has left no trace").await;
    vec![("going", going)]
}
