//! Definitions of other versions: this one applied again during work, and a newer one with fields that this version
//! does not know.

use std::time::Duration;

use e2e::audit::{Mark, Record};
use e2e::oracle::{self, Login};
use e2e::scenario::{SOON, Scenario};
use e2e::wait::{eventually, quiet};
use e2e::{OPERATOR_USER, workspace};
use futures::future::join_all;
use serde_json::{Value, json};

/// Returns this version's definition.
fn ours() -> Value {
    let text = std::fs::read_to_string(workspace().join("config/crd/clusterpullsecrets.yaml")).unwrap();
    serde_saphyr::from_str(&text).unwrap()
}

/// Returns a future definition, with more fields, more values of a field, and other descriptions.
fn newer() -> Value {
    let mut definition = ours();
    let spec = &mut definition["spec"]["versions"][0]["schema"]["openAPIV3Schema"]["properties"]["spec"]["properties"];
    let text = json!({"type": "string", "maxLength": 63});
    spec["verification"] = json!({"type": "object", "properties": {"policy": text}});
    spec["namespaces"]["properties"]["phase"] = text.clone();
    spec["registries"]["items"]["properties"]["refresh"] = json!({"type": "object", "properties": {"interval": text}});
    spec["deletionPolicy"]["enum"]
        .as_array_mut()
        .unwrap()
        .push(json!("Archive"));
    spec["suspend"]["description"] = json!("Said in another way.");
    definition
}

/// Applies a definition, and waits until the server uses it.
async fn apply(scenario: &Scenario, definition: &Value) {
    scenario.apply(definition).await;
    let fields = &definition["spec"]["versions"][0]["schema"]["openAPIV3Schema"]["properties"]["spec"]["properties"];
    let newer = fields.get("verification").is_some();
    let mut probe = scenario.object();
    probe["metadata"]["name"] = json!("probe");
    probe["spec"]["verification"] = json!({"policy": "Warn"});
    eventually("the definition is in force", SOON, async || {
        let arguments = [
            "create",
            "--dry-run=server",
            "--validate=ignore",
            "-o",
            "json",
            "-f",
            "-",
        ];
        let stored = scenario.cluster().kubectl().run(&arguments, &probe.to_string()).await;
        let stored: Value = serde_json::from_str(&stored.map_err(|error| format!("{error:#}"))?).unwrap();
        let kept = !stored["spec"]["verification"].is_null();
        (kept == newer).then_some(()).ok_or_else(|| stored["spec"].to_string())
    })
    .await;
}

/// A spec that only a newer schema accepts, and the words in which this version reports it.
struct Row {
    name: &'static str,
    patch: Value,
    words: &'static str,
    /// Whether an older schema drops the field on reads. A value of a known field stays.
    pruned: bool,
}

fn rows() -> Vec<Row> {
    let credentials = json!({"basicAuth": {"secretRef": {"name": "newer"}}});
    let registry =
        json!({"server": "registry.example.com", "refresh": {"interval": "12h"}, "credentials": credentials});
    let row = |name, patch, words, pruned| Row {
        name,
        patch,
        words,
        pruned,
    };
    vec![
        row(
            "newer-top",
            json!({"verification": {"policy": "Warn"}}),
            "spec.verification",
            true,
        ),
        row(
            "newer-nested",
            json!({"namespaces": {"phase": "Active"}}),
            "spec.namespaces.phase",
            true,
        ),
        row("newer-listed", json!({"registries": [registry]}), "refresh", true),
        row(
            "newer-value",
            json!({"deletionPolicy": "Archive"}),
            "spec.deletionPolicy",
            false,
        ),
    ]
}

impl Row {
    /// Creates a separate scenario on the cluster, with the same source.
    async fn scenario(&self, whole: &Scenario) -> Scenario {
        let part = whole.part(self.name).await;
        part.unselected_namespaces(&["left", "new"]).await;
        part.namespaces(&["a"]).await;
        let left = part.in_scenario(&["left"]).remove(0);
        whole
            .kubectl(&["label", "namespace", &left, &format!("scenario={}", self.name)])
            .await;
        let mut object = part.object();
        object["spec"]["registries"][0]["credentials"]["basicAuth"]["secretRef"]["name"] = json!(whole.name());
        part.apply(&object).await;
        part
    }

    async fn patch(&self, part: &Scenario) {
        let patch = json!({"spec": self.patch}).to_string();
        part.kubectl(&["patch", "cps", self.name, "--type=merge", "-p", &patch])
            .await;
    }

    async fn is_frozen(&self, part: &Scenario) {
        let message = part.says("Ready", "False", "InvalidSpec").await;
        assert!(message.contains(self.words), "{}: {message}", self.name);
        part.reaches("Stalled", "True").await;
    }
}

/// Checks that each of these namespaces is served. All rows share one login, so a single row cannot be checked further.
async fn holds(part: &Scenario, namespaces: &[&str], login: &Login) -> Result<(), String> {
    let expected = part.expected(namespaces, login);
    for namespace in expected.holders.keys() {
        oracle::check_in(part.client(), &expected, namespace).await?;
    }
    Ok(())
}

/// Makes changes that would all cause writes if the operator understood the object.
async fn a_lot_happens(part: &Scenario) {
    let (left, new) = (
        part.in_scenario(&["left"]).remove(0),
        part.in_scenario(&["new"]).remove(0),
    );
    part.kubectl(&["label", "namespace", &left, "scenario-"]).await;
    part.kubectl(&["label", "namespace", &new, &format!("scenario={}", part.name())])
        .await;
}

/// Returns the operator's writes into namespaces and to its state, without those to its objects, Events and its Lease.
async fn writes(scenario: &Scenario, mark: Mark) -> Vec<Record> {
    scenario.mark().await;
    let writes = scenario.cluster().audit().writes_since(mark, OPERATOR_USER).unwrap();
    let mut objects = writes.objects;
    objects.retain(|write| write.resource != "clusterpullsecrets");
    objects
}

/// An object from a newer schema is frozen, reports it, can be deleted, and thaws.
#[tokio::test]
async fn object_of_newer_schema_is_frozen() {
    let scenario = Scenario::own("newer").await;
    let (first, second) = (scenario.login("first"), scenario.login("second"));
    scenario.source(&first).await;
    let rows = rows();
    let parts = join_all(rows.iter().map(|row| row.scenario(&scenario))).await;
    for part in &parts {
        part.holds("it is served", &part.expected(&["a", "left"], &first)).await;
        part.says("Ready", "True", "Synced").await;
    }
    apply(&scenario, &newer()).await;
    for (row, part) in rows.iter().zip(&parts) {
        row.patch(part).await;
        row.is_frozen(part).await;
    }

    // The newer definition stays. The operator adds and removes no copy, not after a restart either.
    let mark = scenario.mark().await;
    scenario.source(&second).await;
    for part in &parts {
        a_lot_happens(part).await;
    }
    scenario.stop_operator().await;
    scenario.start_operator().await;
    for (row, part) in rows.iter().zip(&parts) {
        row.is_frozen(part).await;
    }
    quiet("what is in place stays", Duration::from_secs(2), async || {
        for part in &parts {
            holds(part, &["a", "left"], &first).await?;
        }
        Ok(())
    })
    .await;
    let written = writes(&scenario, mark).await;
    assert!(written.is_empty(), "{written:#?}");
    scenario
        .kubectl(&["delete", "cps", rows[0].name, "--timeout=120s"])
        .await;
    parts[0].gone("its finalizer does its work").await;

    what_this_version_knows_thaws(&scenario, &rows, &parts, (&first, &second)).await;
    scenario.kubectl(&["delete", "cps", "--all", "--timeout=120s"]).await;
    for part in &parts {
        part.gone("the object has left no trace").await;
    }
}

/// Applies this version's definition again. The server drops unknown fields, and the operator serves the rest once it
/// sees the object.
async fn what_this_version_knows_thaws(
    scenario: &Scenario,
    rows: &[Row],
    parts: &[Scenario],
    (first, second): (&Login, &Login),
) {
    apply(scenario, &ours()).await;
    scenario
        .kubectl(&["annotate", "cps", "--all", "pullsecrets.dev/reconcile-requested-at=now"])
        .await;
    for (row, part) in rows.iter().zip(parts).skip(1) {
        if row.pruned {
            eventually("it is carried out", SOON, async || {
                holds(part, &["a", "new"], second).await
            })
            .await;
            part.says("Ready", "True", "Synced").await;
        } else {
            row.is_frozen(part).await;
            holds(part, &["a", "left"], first).await.unwrap();
        }
    }
}

/// The definition applied again while everything is at work costs no write and no gap.
#[tokio::test]
async fn definition_applied_again_costs_no_write() {
    let scenario = Scenario::own("reapplied").await;
    let (first, second) = (scenario.login("first"), scenario.login("second"));
    scenario.set_up(&["a", "b"], &first).await;
    scenario.says("Ready", "True", "Synced").await;
    let (mark, uids) = (scenario.mark().await, scenario.uids().await);
    let served = scenario.expected(&["a", "b"], &first);
    for definition in [ours(), newer(), ours(), newer(), ours()] {
        apply(&scenario, &definition).await;
        quiet("it stays served", Duration::from_millis(500), async || {
            oracle::check(scenario.client(), &served).await
        })
        .await;
    }
    let written = scenario.writes_since(mark).await;
    assert!(written.is_empty(), "{written:#?}");

    // The server ended the watch of each replaced definition.
    scenario.namespaces(&["c"]).await;
    scenario
        .holds(
            "a new namespace is served",
            &scenario.expected(&["a", "b", "c"], &first),
        )
        .await;
    let mut object = scenario.object();
    object["spec"]["namespaces"]["excluded"] = json!(["reapplied-b"]);
    scenario.apply(&object).await;
    scenario.source(&second).await;
    scenario
        .holds(
            "a changed object is carried out",
            &scenario.expected(&["a", "c"], &second),
        )
        .await;
    assert_eq!(scenario.uids().await["reapplied-a"], uids["reapplied-a"]);
}

/// A definition without the version that objects are stored in is refused.
#[tokio::test]
async fn definition_without_stored_version_is_refused() {
    let scenario = Scenario::own("stored").await;
    let login = scenario.login("first");
    scenario.set_up(&["a"], &login).await;
    let mut definition = ours();
    let versions = definition["spec"]["versions"].as_array_mut().unwrap();
    let mut next = versions[0].clone();
    next["name"] = json!("v1beta1");
    versions[0]["storage"] = json!(false);
    versions.push(next);
    scenario.apply(&definition).await;
    let kubectl = scenario.cluster().kubectl();
    eventually("objects are served in both versions", SOON, async || {
        let listed = kubectl
            .run(&["get", "clusterpullsecrets.v1beta1.pullsecrets.dev", "-o", "name"], "")
            .await;
        listed.map(drop).map_err(|error| format!("{error:#}"))
    })
    .await;
    let refused = kubectl.apply(&ours().to_string()).await.unwrap_err().to_string();
    assert!(refused.contains("status.storedVersions"), "{refused}");
    scenario.namespaces(&["b"]).await;
    scenario
        .holds("it goes on", &scenario.expected(&["a", "b"], &login))
        .await;
    scenario.counts(2).await;
}
