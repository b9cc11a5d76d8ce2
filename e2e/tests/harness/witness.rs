//! The witness reports false statuses, and only those. No operator runs here.

use std::time::Duration;

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use e2e::cluster::{Cluster, Options};
use e2e::kubectl::Kubectl;
use e2e::wait::{eventually, quiet};
use e2e::witness::Witness;
use serde_json::json;

use super::SOON;

use crate::MACHINE;

/// The patience of this witness. The server's times are whole seconds.
const PATIENCE: Duration = Duration::from_secs(1);
const LONGER: Duration = Duration::from_secs(3);

/// The witness reports a false `Ready`, and no true one.
#[tokio::test]
async fn false_ready_is_seen_true_ready_is_not() {
    let _beside = MACHINE.read().await;
    let cluster = Cluster::start(Options::default()).await.unwrap();
    cluster.install().await.unwrap();
    let kubectl = cluster.kubectl();
    let witness = Witness::start(cluster.kubeconfig_path(), PATIENCE, Vec::new()).unwrap();
    let silent = async |what: &str| {
        quiet(what, LONGER, async || match witness.violations().first() {
            None => Ok(()),
            Some(violation) => Err(violation.clone()),
        })
        .await;
    };
    serve_one_of_two(&kubectl).await;

    silent("no status was written").await;
    say_ready(&kubectl, "it is so").await;
    silent("it is so").await;
    kubectl
        .run(&["label", "namespace", "young", "pulls=company"], "")
        .await
        .unwrap();
    say_ready(&kubectl, "it was selected a moment ago").await;
    silent("it was selected a moment ago").await;

    say_ready(&kubectl, "it is not so").await;
    tells(&witness, "young had lacked a copy").await;
    tells(&witness, "young had lacked the reference on default").await;
    let young = witness.violations();
    assert!(young.iter().all(|violation| violation.contains("young")), "{young:?}");

    kubectl
        .run(&["label", "namespace", "young", "pulls-"], "")
        .await
        .unwrap();
    write_source(&kubectl, "second").await;
    say_ready(&kubectl, "the password is a moment old").await;
    eventually_says(&kubectl, &witness, "served had lacked a copy with the logins of now").await;
    write_copy(&kubectl, "second").await;
    kubectl
        .run(&["label", "namespace", "served", "pulls-"], "")
        .await
        .unwrap();
    // Even without a mark, it is a login.
    eventually_says(&kubectl, &witness, "served had kept a login").await;
}

/// Creates two namespaces. The object selects one of them, which has copy and reference.
async fn serve_one_of_two(kubectl: &Kubectl) {
    for namespace in ["served", "young"] {
        let labels = json!({"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": namespace}});
        kubectl.apply(&labels.to_string()).await.unwrap();
    }
    kubectl
        .run(&["label", "namespace", "served", "pulls=company"], "")
        .await
        .unwrap();
    write_source(kubectl, "first").await;
    write_copy(kubectl, "first").await;
    let entry = r#"{"imagePullSecrets":[{"name":"company"}]}"#;
    eventually("the account is there", SOON, async || {
        let patch = ["patch", "serviceaccount", "default", "-n", "served", "-p", entry];
        kubectl.run(&patch, "").await.map_err(|error| format!("{error:#}"))
    })
    .await;
    let object = json!({
        "apiVersion": "pullsecrets.dev/v1alpha1", "kind": "ClusterPullSecret", "metadata": {"name": "company"},
        "spec": {
            "registries": [{"server": "r.example.com", "credentials": {"basicAuth": {"secretRef": {"name": "company"}}}}],
            "namespaces": {"selectors": [{"matchLabels": {"pulls": "company"}}]},
        },
    });
    kubectl.apply(&object.to_string()).await.unwrap();
}

/// Writes a ready status again and again, until the witness reports it.
async fn eventually_says(kubectl: &Kubectl, witness: &Witness, violation: &str) {
    eventually(violation, SOON, async || {
        say_ready(kubectl, &format!("{violation}? {}", rand::random::<u32>())).await;
        told(witness, violation)
    })
    .await;
}

async fn tells(witness: &Witness, violation: &str) {
    eventually(violation, SOON, async || told(witness, violation)).await;
}

fn told(witness: &Witness, violation: &str) -> Result<(), String> {
    let violations = witness.violations();
    let there = violations.iter().any(|told| told.contains(violation));
    there.then_some(()).ok_or_else(|| format!("{violations:?}"))
}

async fn write_source(kubectl: &Kubectl, password: &str) {
    let source = json!({
        "apiVersion": "v1", "kind": "Secret", "type": "kubernetes.io/basic-auth",
        "metadata": {"name": "company", "namespace": "pullsecrets-system"},
        "stringData": {"username": "robot", "password": password},
    });
    kubectl.apply(&source.to_string()).await.unwrap();
}

/// Writes a copy as the operator does, but without its marks.
async fn write_copy(kubectl: &Kubectl, password: &str) {
    let auth = STANDARD.encode(format!("robot:{password}"));
    let copy = json!({
        "apiVersion": "v1", "kind": "Secret", "type": "kubernetes.io/dockerconfigjson",
        "metadata": {"name": "company", "namespace": "served"},
        "stringData": {".dockerconfigjson": json!({"auths": {"r.example.com": {"auth": auth}}}).to_string()},
    });
    let apply = [
        "apply",
        "--server-side",
        "--force-conflicts",
        "--field-manager=pullsecrets",
        "-f",
        "-",
    ];
    kubectl.run(&apply, &copy.to_string()).await.unwrap();
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
