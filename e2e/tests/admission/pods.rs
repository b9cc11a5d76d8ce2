//! A Pod with references of its own gets the operator's reference where it needs it.

use std::collections::BTreeSet;

use k8s_openapi::api::core::v1::{Pod, ServiceAccount};
use kube::api::PostParams;
use kube::{Api, Client};
use serde_json::{Value, json};

use crate::admission::bare;

/// A test of the plan's kubelet rules uses the same table, in `operator/plan/tests/selection.rs`.
const IMAGES: &str = include_str!("../../../operator/plan/tests/images.json");

/// Objects in the namespaces `pods*`, Pods there, and the references added to each.
const PODS: &str = include_str!("pods.json");

/// A Pod gets the reference for the images that the table of the plan lists.
#[tokio::test]
async fn pods_get_references_as_the_plan_says() {
    let cluster = bare::shared().await;
    let client = cluster.admin().await.unwrap();
    account(&client, "images").await;
    let rows: Vec<Value> = serde_json::from_str(IMAGES).unwrap();
    let servers: BTreeSet<&str> = rows.iter().map(|row| row["server"].as_str().unwrap()).collect();
    let servers: Vec<&str> = servers.into_iter().collect();
    let objects: Vec<Value> = servers
        .iter()
        .enumerate()
        .map(|(at, server)| {
            let credentials = json!({"basicAuth": {"secretRef": {"name": "any"}}});
            let registries = json!([{"server": server, "credentials": credentials}]);
            bare::object(
                &format!("server-{at}"),
                &json!({"registries": registries, "namespaces": {"names": ["images"]}}),
            )
        })
        .collect();
    bare::apply(cluster, &objects).await;
    bare::wait_until_seen(cluster, &client, "zz-images").await;

    for row in &rows {
        let at = servers.iter().position(|server| row["server"] == *server).unwrap();
        let pod = json!({"containers": [{"name": "a", "image": row["image"]}], "imagePullSecrets": [{"name": "own"}]});
        let entries = references(&client, "images", &json!({}), &pod).await;
        assert_eq!(entries[0], "own", "{row}");
        assert_eq!(
            row["served"],
            entries.contains(&format!("server-{at}")),
            "{row}: {entries:?}"
        );
    }
}

/// A Pod that must not have the reference, or has it, is admitted unchanged.
#[tokio::test]
async fn other_pods_are_admitted_unchanged() {
    let cluster = bare::shared().await;
    let client = cluster.admin().await.unwrap();
    account(&client, "pods").await;
    account(&client, "pods-elsewhere").await;
    let table: Value = serde_json::from_str(PODS).unwrap();
    let declared = table["objects"].as_object().unwrap().iter();
    let objects = declared.map(|(name, fields)| {
        let server =
            json!({"server": "r.example.com", "credentials": {"dockerConfig": {"secretRef": {"name": "any"}}}});
        let mut spec = json!({
            "registries": [server],
            "namespaces": {"names": ["pods*"], "excluded": ["pods-elsewhere"]},
        });
        let fields = fields.as_object().unwrap().clone();
        spec.as_object_mut().unwrap().extend(fields);
        bare::object(name, &spec)
    });
    bare::apply(cluster, &objects.collect::<Vec<_>>()).await;
    bare::wait_until_seen(cluster, &client, "zz-pods").await;

    for row in table["pods"].as_array().unwrap() {
        let namespace = row["namespace"].as_str().unwrap();
        let seen = references(&client, namespace, &row["labels"], &row["spec"]).await;
        let own = named(&row["spec"]["imagePullSecrets"]);
        assert_eq!(seen[..own.len()], own, "{}: its own stay in front", row["says"]);
        // The server may return objects in any order, and other tests have their own.
        let added = seen[own.len()..].iter().map(String::as_str);
        let added: BTreeSet<&str> = added.filter(|name| name.starts_with("pods-")).collect();
        let listed = row["added"].as_array().unwrap().iter();
        let expected: BTreeSet<&str> = listed.filter_map(Value::as_str).collect();
        assert_eq!(added, expected, "{}", row["says"]);
    }
}

/// Returns the names in a list of a manifest.
fn named(entries: &Value) -> Vec<&str> {
    let entries = entries.as_array().into_iter().flatten();
    entries.filter_map(|entry| entry["name"].as_str()).collect()
}

/// Creates two accounts without references, in a namespace of that name.
async fn account(client: &Client, namespace: &str) {
    bare::namespace(client, namespace, &[]).await;
    let api: Api<ServiceAccount> = Api::namespaced(client.clone(), namespace);
    for name in ["default", "other"] {
        let labels = json!({"pullsecrets.dev/exclude": "true"});
        let account = json!({"metadata": {"name": name, "labels": labels}});
        let account = serde_json::from_value(account).unwrap();
        api.create(&PostParams::default(), &account).await.unwrap();
    }
}

/// Returns the references of a Pod as it would be created, by a dry run.
async fn references(client: &Client, namespace: &str, labels: &Value, spec: &Value) -> Vec<String> {
    let pod: Pod = serde_json::from_value(json!({"metadata": {"name": "a", "labels": labels}, "spec": spec})).unwrap();
    let params = PostParams {
        dry_run: true,
        ..PostParams::default()
    };
    let made = Api::<Pod>::namespaced(client.clone(), namespace)
        .create(&params, &pod)
        .await
        .unwrap();
    bare::names(made.spec.unwrap().image_pull_secrets)
}
