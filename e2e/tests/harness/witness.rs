//! The witness sees a status that says more than is so, and none that does not. No operator runs here.

use std::time::Duration;

use e2e::cluster::{Cluster, Options};
use e2e::kubectl::Kubectl;
use e2e::wait::{eventually, quiet};
use e2e::witness::Witness;
use serde_json::json;

use super::SOON;

use crate::MACHINE;

/// What it grants here; the server's times are whole seconds.
const PATIENCE: Duration = Duration::from_secs(1);
const LONGER: Duration = Duration::from_secs(3);

#[tokio::test]
async fn ready_that_is_not_so_is_seen_and_ready_that_is_so_is_not() {
    let _beside = MACHINE.read().await;
    let cluster = Cluster::start(Options::default()).await.unwrap();
    cluster.install().await.unwrap();
    let kubectl = cluster.kubectl();
    let witness = Witness::start(cluster.kubeconfig_path(), PATIENCE, Vec::new()).unwrap();
    let silent = async |what: &str| {
        quiet(what, LONGER, async || match witness.lies().first() {
            None => Ok(()),
            Some(lie) => Err(lie.clone()),
        })
        .await;
    };
    for namespace in ["served", "young"] {
        let labels = json!({"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": namespace}});
        kubectl.apply(&labels.to_string()).await.unwrap();
    }
    kubectl
        .run(&["label", "namespace", "served", "pulls=company"], "")
        .await
        .unwrap();
    let copy = json!({
        "apiVersion": "v1", "kind": "Secret",
        "metadata": {
            "name": "company", "namespace": "served", "labels": {"pullsecrets.dev/cluster-pull-secret": "company"},
        },
    });
    kubectl.apply(&copy.to_string()).await.unwrap();
    let entry = r#"{"imagePullSecrets":[{"name":"company"}]}"#;
    eventually("the account is there", SOON, async || {
        let patch = ["patch", "serviceaccount", "default", "-n", "served", "-p", entry];
        kubectl.run(&patch, "").await.map_err(|error| format!("{error:#}"))
    })
    .await;
    let object = json!({
        "apiVersion": "pullsecrets.dev/v1alpha1", "kind": "ClusterPullSecret", "metadata": {"name": "company"},
        "spec": {
            "registries": [{"server": "r.example.com", "credentials": {"basicAuth": {"secretRef": {"name": "any"}}}}],
            "namespaces": {"selectors": [{"matchLabels": {"pulls": "company"}}]},
        },
    });
    kubectl.apply(&object.to_string()).await.unwrap();

    silent("nothing was said").await;
    say_ready(&kubectl, "it is so").await;
    silent("it is so").await;
    kubectl
        .run(&["label", "namespace", "young", "pulls=company"], "")
        .await
        .unwrap();
    say_ready(&kubectl, "it was selected a moment ago").await;
    silent("it was selected a moment ago").await;

    say_ready(&kubectl, "it is not so").await;
    let all = |lies: Vec<String>| {
        lies.iter().any(|lie| lie.contains("a copy")) && lies.iter().any(|lie| lie.contains("default"))
    };
    eventually("both lies are seen", SOON, async || {
        let lies = witness.lies();
        if all(lies.clone()) {
            Ok(())
        } else {
            Err(format!("{lies:?}"))
        }
    })
    .await;
    assert!(
        witness.lies().iter().all(|lie| lie.contains("young")),
        "{:?}",
        witness.lies()
    );
}

async fn say_ready(kubectl: &Kubectl, message: &str) {
    let ready = json!({
        "type": "Ready", "status": "True", "reason": "Synced", "message": message,
        "lastTransitionTime": "2026-01-01T00:00:00Z",
    });
    let patch = json!({"status": {"observedGeneration": 1, "conditions": [ready]}}).to_string();
    let as_the_operator = [
        "--subresource=status",
        "--type=merge",
        "--field-manager=pullsecrets",
        "-p",
        &patch,
    ];
    let arguments: Vec<&str> = ["patch", "cps", "company"].into_iter().chain(as_the_operator).collect();
    kubectl.run(&arguments, "").await.unwrap();
}
