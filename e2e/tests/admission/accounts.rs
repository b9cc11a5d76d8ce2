//! A new `ServiceAccount` has its reference from the start.

use std::collections::BTreeMap;

use e2e::oracle::{ATTACHED, objects};
use e2e::wait::eventually;
use kube::api::{DeleteParams, Patch, PatchParams};
use kube::{Client, ResourceExt};
use serde_json::{Value, json};

use crate::admission::bare::{self, SOON};

/// A test of the plan uses the same table, in `operator/plan/tests/selection.rs`.
const SELECTION: &str = include_str!("../../../operator/plan/tests/selection.json");

/// An account gets the reference where the table of the plan selects it.
#[tokio::test]
async fn accounts_get_references_as_the_plan_says() {
    let cluster = bare::shared().await;
    let client = cluster.admin().await.unwrap();
    let table: Value = serde_json::from_str(SELECTION).unwrap();
    for (name, labels) in table["namespaces"].as_object().unwrap() {
        let labels = labels.as_object().unwrap().iter();
        let labels: Vec<(&str, &str)> = labels
            .map(|(key, value)| (key.as_str(), value.as_str().unwrap()))
            .collect();
        bare::namespace(&client, name, &labels).await;
    }
    let cases = table["cases"].as_array().unwrap();
    let declared: Vec<Value> = cases.iter().enumerate().map(declared).collect();
    bare::apply(cluster, &declared).await;
    for (at, _) in cases.iter().enumerate().filter(|(_, case)| case["deleting"] == true) {
        delete_held(&client, &name_of(at)).await;
    }
    bare::wait_until_seen(cluster, &client, "zz-selection").await;

    for (at, case) in cases.iter().enumerate() {
        check(&client, case, &declared[at]).await;
    }
}

fn name_of(case: usize) -> String {
    format!("case-{case:03}")
}

fn declared((at, case): (usize, &Value)) -> Value {
    let fields = ["namespaces", "serviceAccounts", "secret", "suspend"];
    let spec: serde_json::Map<String, Value> = fields
        .iter()
        .filter_map(|&field| Some((field.to_owned(), case.get(field)?.clone())))
        .collect();
    bare::object(&name_of(at), &json!(spec))
}

/// Deletes an account that another party's finalizer holds.
async fn delete_held(client: &Client, name: &str) {
    let api = objects(client);
    let finalizer = json!({"metadata": {"finalizers": ["example.com/held"]}});
    api.patch(name, &PatchParams::default(), &Patch::Merge(finalizer))
        .await
        .unwrap();
    let deleted = api.delete(name, &DeleteParams::default()).await.unwrap();
    assert!(deleted.is_left(), "{name} is there until the finalizer goes");
}

/// Checks an account. Other objects add their own references, so only those of this case and the given ones count.
async fn check(client: &Client, case: &Value, object: &Value) {
    let secret = object["spec"]["secret"]["name"]
        .as_str()
        .or(object["metadata"]["name"].as_str());
    let secret = secret.unwrap();
    let listed = |field: &str| -> Vec<String> {
        let names = case["account"][field]
            .as_array()
            .into_iter()
            .flatten()
            .filter_map(Value::as_str);
        names
            .map(|name| if name == "OURS" { secret } else { name }.to_owned())
            .collect()
    };
    let (mut entries, mut recorded) = (listed("entries"), listed("attached"));
    let account = json!({
        "metadata": {
            "namespace": case["namespace"],
            "name": case["account"]["name"].as_str().unwrap_or("default"),
            "labels": case["account"]["labels"],
            "annotations": (!recorded.is_empty()).then(|| BTreeMap::from([(ATTACHED, recorded.join(","))])),
        },
        "imagePullSecrets": entries.iter().map(|name| json!({"name": name})).collect::<Vec<_>>(),
    });
    let made = bare::would_be(client, &account).await;
    let made = made.unwrap_or_else(|error| panic!("{}: {error}", case["says"]));
    let mine = |name: &str| name == secret || entries.iter().chain(&recorded).any(|given| given == name);
    let seen_recorded: Vec<String> = made
        .annotations()
        .get(ATTACHED)
        .into_iter()
        .flat_map(|text| text.split(','))
        .filter(|name| mine(name))
        .map(ToOwned::to_owned)
        .collect();
    let seen: Vec<String> = bare::names(made.image_pull_secrets)
        .into_iter()
        .filter(|name| mine(name))
        .collect();
    if case["reference"] == true {
        entries.push(secret.to_owned());
        recorded.extend((!recorded.iter().any(|name| name == secret)).then(|| secret.to_owned()));
    }
    assert_eq!((seen, seen_recorded), (entries, recorded), "{}", case["says"]);
}

/// The largest object that the schema accepts stays within the cost limit of an expression.
#[tokio::test]
async fn largest_object_is_within_the_expression_cost() {
    let cluster = bare::shared().await;
    let client = cluster.admin().await.unwrap();
    let labels: Vec<(String, &str)> = (0..32).map(|at| (format!("l{at}"), "v")).collect();
    let labels: Vec<(&str, &str)> = labels.iter().map(|(key, value)| (key.as_str(), *value)).collect();
    bare::namespace(&client, "largest", &labels).await;
    let globs = |first: char| -> Vec<String> {
        (0..64)
            .map(|at| format!("{first}{at:02}{}z", "*a".repeat(124)))
            .collect()
    };
    // Every expression except the last one holds; the very last selector holds.
    let mut expressions = vec![json!({"key": "l0", "operator": "NotIn", "values": ["a", "b"]}); 16];
    expressions.push(json!({"key": "absent", "operator": "Exists"}));
    let all: BTreeMap<&str, &str> = labels.iter().copied().collect();
    let mut selectors = vec![json!({"matchLabels": all, "matchExpressions": expressions}); 63];
    selectors.push(json!({"matchLabels": {"l31": "v"}}));
    let selection = json!({"selectors": selectors, "names": globs('a'), "excluded": globs('b')});
    let spec = json!({"namespaces": selection, "serviceAccounts": selection});
    bare::apply(cluster, &[bare::object("largest", &spec)]).await;
    bare::wait_until_seen(cluster, &client, "zz-largest").await;

    let account = json!({"metadata": {"namespace": "largest", "name": "a".repeat(253), "labels": all}});
    let made = bare::would_be(&client, &account).await.unwrap();
    assert!(bare::names(made.image_pull_secrets).contains(&"largest".to_owned()));
}

/// An account that asks for a generated name is created, and the operator serves it.
#[tokio::test]
async fn account_with_generated_name_is_left_to_operator() {
    let cluster = bare::shared().await;
    let client = cluster.admin().await.unwrap();
    bare::wait_until_seen(cluster, &client, "zz-generated").await;
    let account = json!({"metadata": {"namespace": "default", "generateName": "builder-"}});
    let made = bare::would_be(&client, &account).await.unwrap();
    assert_eq!(made.image_pull_secrets, None);
}

/// A writer that applies its account again removes no reference.
#[tokio::test]
async fn account_applied_again_keeps_the_reference() {
    let cluster = bare::shared().await;
    let client = cluster.admin().await.unwrap();
    bare::wait_until_seen(cluster, &client, "zz-applied").await;
    let account = json!({"apiVersion": "v1", "kind": "ServiceAccount",
        "metadata": {"name": "applied", "namespace": "default", "labels": {"team": "x"}}});
    for _ in 0..2 {
        bare::apply(cluster, std::slice::from_ref(&account)).await;
        let api: kube::Api<k8s_openapi::api::core::v1::ServiceAccount> =
            kube::Api::namespaced(client.clone(), "default");
        let stored = api.get("applied").await.unwrap();
        let recorded = stored.annotations().get(ATTACHED).cloned().unwrap_or_default();
        assert!(recorded.split(',').any(|name| name == "zz-applied"), "{recorded}");
        assert!(bare::names(stored.image_pull_secrets).contains(&"zz-applied".to_owned()));
    }
}

/// An object on which an expression fails blocks no account.
#[tokio::test]
async fn failing_expression_blocks_no_account() {
    let cluster = bare::shared().await;
    let client = cluster.admin().await.unwrap();
    bare::namespace(&client, "broken", &[("broken", "true")]).await;
    // An object without the label `breaks` breaks this one.
    let shipped = bare::manifest("accounts").replace("name: pullsecrets-accounts", "name: broken");
    let broken = shipped
        .replace("policyName: pullsecrets-accounts", "policyName: broken")
        .replace(
            "orValue(params.metadata.name)",
            "orValue(params.metadata.labels['breaks'])",
        )
        .replace(
            "    namespaceSelector:\n      matchExpressions:\n",
            "    namespaceSelector:\n      matchExpressions:\n      - {key: broken, operator: Exists}\n",
        );
    bare::wait_until_seen(cluster, &client, "zz-broken").await;
    let account = json!({"metadata": {"namespace": "broken", "name": "builder"}});

    let fails = broken.replace("failurePolicy: Ignore", "failurePolicy: Fail");
    cluster.kubectl().apply(&fails).await.unwrap();
    eventually("it fails, as it is meant to", SOON, async || {
        match bare::would_be(&client, &account).await {
            Err(error) if error.contains("broken") => Ok(()),
            seen => Err(format!("{seen:?}")),
        }
    })
    .await;
    cluster.kubectl().apply(&broken).await.unwrap();
    eventually("as shipped, it blocks no account", SOON, async || {
        bare::would_be(&client, &account).await.map(|_| ())
    })
    .await;
}
