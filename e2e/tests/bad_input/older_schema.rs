//! Objects from an older, looser schema: they are stored, but today's schema would refuse them. They affect no other
//! object, each reports its problem, and each can be deleted.

use e2e::oracle;
use e2e::scenario::{SOON, Scenario};
use e2e::wait::eventually;
use e2e::workspace;
use futures::future::join_all;
use serde_json::{Value, json};

use crate::bad_input::cases::object;

/// An object that names one server twice, in two spellings.
const TWO_SPELLINGS: &str = "old-two-spellings";

/// An object that only an older schema accepts, and its report.
struct Row {
    name: &'static str,
    /// The fields of its spec that differ from a good one.
    spec: Value,
    /// The condition that reports the problem.
    condition: &'static str,
    reason: &'static str,
    words: &'static str,
}

fn row(name: &'static str, spec: Value, (condition, reason, words): (&'static str, &'static str, &'static str)) -> Row {
    Row {
        name,
        spec,
        condition,
        reason,
        words,
    }
}

/// Returns unreadable objects. The operator adds and removes no copy for them.
fn unreadable() -> Vec<Row> {
    let row = |name, spec, words| row(name, spec, ("Ready", "InvalidSpec", words));
    let selector = json!([{"matchExpressions": [{"key": "a", "operator": "Equals"}]}]);
    vec![
        row(
            "old-empty",
            json!({"registries": null, "namespaces": null}),
            "spec: missing field `registries`",
        ),
        row(
            "old-policy",
            json!({"deletionPolicy": "Keep"}),
            "spec.deletionPolicy: unknown variant `Keep`",
        ),
        row(
            "old-glob",
            json!({"namespaces": {"names": ["Team_[a]"]}}),
            "spec.namespaces.names",
        ),
        row(
            "old-operator",
            json!({"namespaces": {"selectors": selector}}),
            "spec.namespaces.selectors",
        ),
        row(
            "old-no-credentials",
            json!({"registries": [{"server": "r.io"}]}),
            "spec.registries[0]: missing field `credentials`",
        ),
    ]
}

/// Returns objects with a registry, or a secret, that the operator cannot serve.
fn unservable() -> Vec<Row> {
    let basic = || json!({"basicAuth": {"secretRef": {"name": "older"}}});
    let row = |name, server: Option<&str>, credentials: Value, words| {
        let mut registry = json!({"credentials": credentials});
        registry["server"] = server.map_or(Value::Null, Value::from);
        row(
            name,
            json!({"registries": [registry]}),
            ("CredentialsReady", "InvalidSpec", words),
        )
    };
    let both = json!({"basicAuth": {"secretRef": {"name": "older"}}, "dockerConfig": {"secretRef": {"name": "older"}}});
    let one_source = "spec.registries[0].credentials: exactly one of basicAuth and dockerConfig";
    let refused = ("SecretsSynced", "NamespacesFailed", "refused by the API server (422");
    vec![
        row("old-two-sources", Some("r.io"), both, one_source),
        row("old-no-source", Some("r.io"), json!({}), one_source),
        row("old-no-server", None, basic(), "spec.registries[0].server: required"),
        row(
            "old-server",
            Some("R.io/app:1.0"),
            basic(),
            "spec.registries[0].server: \"R.io/app:1.0\": ",
        ),
        row(
            "old-long-server",
            Some(&format!("R{}", ".a".repeat(2000))),
            basic(),
            "spec.registries[0].server: \"R.a.a",
        ),
        self::row("old-secret", json!({"secret": {"name": "Not_A_Name"}}), refused),
        self::row("old-long-secret", json!({"secret": {"name": "a".repeat(300)}}), refused),
    ]
}

/// Returns objects that only an older schema accepts, and that work.
fn of_use() -> Vec<Row> {
    let registry =
        |at| json!({"server": format!("r{at}.io"), "credentials": {"basicAuth": {"secretRef": {"name": "older"}}}});
    let many: Vec<Value> = (0..20).map(registry).collect();
    let spelled = |server: &str| {
        let mut registry = registry(0);
        registry["server"] = json!(server);
        registry
    };
    let marked = |name, labels| {
        let left_out = (
            "Ready",
            "Synced",
            "new copies do not take these keys of spec.secret.labels",
        );
        row(name, json!({"secret": {"labels": labels}}), left_out)
    };
    vec![
        row(
            "old-many",
            json!({"registries": many}),
            ("CredentialsReady", "Resolved", "20 of 20 registries"),
        ),
        row(
            TWO_SPELLINGS,
            json!({"registries": [spelled("r.io/v1/team"), spelled("https://r.io/v2/team")]}),
            ("CredentialsReady", "Resolved", "2 of 2 registries"),
        ),
        marked("old-no-label", json!({"a b": "c"})),
        marked("old-labels", json!({"owner": "helm", "kapp.k14s.io/app": "1"})),
    ]
}

/// Returns objects whose fields had another type. The API server accepts no write to them, of status or finalizer
/// either. They cannot report a problem, and must not affect other objects.
fn silent() -> Vec<Row> {
    let credentials = json!({"basicAuth": {"secretRef": {"name": "older"}}});
    let row = |name, spec| row(name, spec, ("", "", ""));
    vec![
        row("old-text", json!({"registries": "one"})),
        row(
            "old-number",
            json!({"registries": [{"server": 7, "credentials": credentials}]}),
        ),
    ]
}

/// An object from an older schema reports its problem and blocks no other object.
#[tokio::test]
async fn invalid_old_object_is_reported_and_blocks_none() {
    let scenario = Scenario::own("older").await;
    let (first, second) = (scenario.login("first"), scenario.login("second"));
    scenario.set_up(&["a"], &first).await;
    scenario.stop_operator().await;
    let all: Vec<Row> = [unreadable(), unservable(), of_use(), silent()]
        .into_iter()
        .flatten()
        .collect();
    store_with_a_looser_schema(&scenario, &all).await;

    scenario.start_operator().await;
    eventually("each says what is wrong", SOON, async || {
        let speaking = all.iter().filter(|row| !row.condition.is_empty());
        let said = join_all(speaking.map(|row| says(&scenario, row))).await;
        let wrong: Vec<String> = said.into_iter().filter_map(Result::err).collect();
        if wrong.is_empty() {
            Ok(())
        } else {
            Err(wrong.join("\n"))
        }
    })
    .await;
    let twice = oracle::object(scenario.client(), TWO_SPELLINGS).await.unwrap().unwrap();
    let registries = &twice.data["status"]["registries"];
    let reasons = [&registries[0]["reason"], &registries[1]["reason"]];
    assert_eq!(reasons, ["Resolved", "Superseded"], "{registries}");
    scenario.source(&second).await;
    scenario
        .holds("the good one is served as ever", &scenario.expected(&["a"], &second))
        .await;
    scenario.says("Ready", "True", "Synced").await;

    let names = all.iter().map(|row| row.name);
    let delete: Vec<&str> = ["delete", "cps", "--timeout=120s"].into_iter().chain(names).collect();
    scenario.kubectl(&delete).await;
    for Row { name, .. } in &all {
        let left = oracle::object(scenario.client(), name).await.unwrap();
        assert!(left.is_none(), "{name} is left");
    }
}

async fn store_with_a_looser_schema(scenario: &Scenario, rows: &[Row]) {
    let text = std::fs::read_to_string(workspace().join("config/crd/clusterpullsecrets.yaml")).unwrap();
    let strict: Value = serde_saphyr::from_str(&text).unwrap();
    let mut loose = strict.clone();
    loose["spec"]["versions"][0]["schema"]["openAPIV3Schema"]["properties"]["spec"] =
        json!({"type": "object", "x-kubernetes-preserve-unknown-fields": true});
    // A rule over a part without a schema does not compile.
    loose["spec"]["versions"][0]["schema"]["openAPIV3Schema"]["x-kubernetes-validations"].take();
    scenario.apply(&loose).await;
    for Row { name, spec, .. } in rows {
        let mut good = scenario.object()["spec"].clone();
        for (field, value) in spec.as_object().unwrap() {
            good[field] = value.clone();
        }
        let object = object(name, &good);
        // The server takes a moment to serve another schema.
        eventually("the looser schema lets it through", SOON, async || {
            scenario
                .cluster()
                .kubectl()
                .apply(&object.to_string())
                .await
                .map_err(|error| format!("{error:#}"))
        })
        .await;
    }
    scenario.apply(&strict).await;
    let bad = object(
        "old-refused",
        &json!({"registries": "one", "namespaces": {"names": ["a"]}}),
    )
    .to_string();
    eventually("the schema of now is in force", SOON, async || {
        let dry = scenario
            .cluster()
            .kubectl()
            .run(&["apply", "--dry-run=server", "-f", "-"], &bad)
            .await;
        dry.err().map(drop).ok_or_else(|| "a bad object is accepted".to_owned())
    })
    .await;
}

async fn says(scenario: &Scenario, row: &Row) -> Result<(), String> {
    let object = oracle::object(scenario.client(), row.name).await?.ok_or("no object")?;
    let status = &object.data["status"];
    let conditions = status["conditions"].as_array().into_iter().flatten();
    let told = conditions
        .into_iter()
        .find(|condition| condition["type"] == row.condition)
        .cloned()
        .unwrap_or_default();
    let message = told["message"].as_str().unwrap_or_default();
    if told["reason"] == row.reason && message.contains(row.words) {
        return Ok(());
    }
    let Row {
        name,
        condition,
        reason,
        words,
        ..
    } = row;
    Err(format!("{name} should say {condition} {reason} {words}: {status}"))
}
