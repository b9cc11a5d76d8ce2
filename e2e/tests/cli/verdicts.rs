//! One workload for each verdict.

use e2e::scenario::Scenario;
use serde_json::{Value, json};

use crate::cli::tool::{Tool, reasons};

/// The registry of the scenario. The tool never calls it.
pub(crate) const SERVER: &str = "r.example.com";

/// Creates a Secret with a docker config.
pub(crate) async fn secret(scenario: &Scenario, namespace: &str, name: &str, config: &Value) {
    scenario
        .apply(&json!({
            "apiVersion": "v1", "kind": "Secret", "type": "kubernetes.io/dockerconfigjson",
            "metadata": {"name": name, "namespace": namespace},
            "stringData": {".dockerconfigjson": config.to_string()},
        }))
        .await;
}

/// A docker config with a login for one key.
pub(crate) fn config(scenario: &Scenario, key: &str) -> Value {
    let login = scenario.login("docker config");
    json!({"auths": {key: {"username": login.username, "password": login.password}}})
}

/// Creates an account that refers to these Secrets.
pub(crate) async fn account(scenario: &Scenario, namespace: &str, name: &str, secrets: &[&str]) {
    let references: Vec<Value> = secrets.iter().map(|name| json!({"name": name})).collect();
    scenario
        .apply(&json!({
            "apiVersion": "v1", "kind": "ServiceAccount", "imagePullSecrets": references,
            "metadata": {"name": name, "namespace": namespace},
        }))
        .await;
}

/// A template of a Pod.
pub(crate) fn template(account: &str, image: &str) -> Value {
    json!({
        "metadata": {"labels": {"app": account}},
        "spec": {"serviceAccountName": account, "containers": [{"name": "main", "image": image}]},
    })
}

/// Creates a Deployment without Pods.
pub(crate) async fn deployment(scenario: &Scenario, namespace: &str, name: &str, template: &Value) {
    let labels = &template["metadata"]["labels"];
    scenario
        .apply(&json!({
            "apiVersion": "apps/v1", "kind": "Deployment",
            "metadata": {"name": name, "namespace": namespace},
            "spec": {"replicas": 0, "selector": {"matchLabels": labels}, "template": template},
        }))
        .await;
}

/// Creates a bare Pod.
pub(crate) async fn pod(scenario: &Scenario, namespace: &str, name: &str, template: &Value) {
    let mut pod = template.clone();
    pod["apiVersion"] = json!("v1");
    pod["kind"] = json!("Pod");
    pod["metadata"] = json!({"name": name, "namespace": namespace});
    scenario.apply(&pod).await;
}

/// Creates a namespace with a workload that is ready.
pub(crate) async fn prepared(name: &str) -> (Scenario, String) {
    let scenario = Scenario::shared(name).await;
    scenario.unselected_namespaces(&["a"]).await;
    let namespace = scenario.in_scenario(&["a"]).remove(0);
    secret(&scenario, &namespace, "company", &config(&scenario, SERVER)).await;
    account(&scenario, &namespace, "ready", &["company"]).await;
    let template = template("ready", &format!("{SERVER}/app"));
    deployment(&scenario, &namespace, "ready", &template).await;
    (scenario, namespace)
}

/// Creates the account `reader`, which has all rights until [`forget_reader`].
pub(crate) async fn create_reader(scenario: &Scenario, namespace: &str) {
    scenario
        .kubectl(&["create", "serviceaccount", "reader", "-n", namespace])
        .await;
    let subject = format!("--serviceaccount={namespace}:reader");
    let binding = binding_of_reader(namespace);
    let role = "--clusterrole=cluster-admin";
    scenario
        .kubectl(&["create", "clusterrolebinding", &binding, role, &subject])
        .await;
}

/// Takes the rights of the reader away.
pub(crate) async fn forget_reader(scenario: &Scenario, namespace: &str) {
    let binding = binding_of_reader(namespace);
    scenario.kubectl(&["delete", "clusterrolebinding", &binding]).await;
}

fn binding_of_reader(namespace: &str) -> String {
    format!("reader-{namespace}")
}

/// Each verdict that needs no registry, at a Deployment with 0 replicas, and a Pod that was admitted too early.
#[tokio::test]
async fn each_verdict_has_a_workload() {
    let scenario = Scenario::shared("verdicts").await;
    scenario.unselected_namespaces(&["a"]).await;
    let namespace = scenario.in_scenario(&["a"]).remove(0);
    let image = format!("{SERVER}/team/app:1");
    secret(&scenario, &namespace, "right", &config(&scenario, SERVER)).await;
    secret(
        &scenario,
        &namespace,
        "port",
        &config(&scenario, &format!("{SERVER}:443")),
    )
    .await;
    secret(&scenario, &namespace, "other", &config(&scenario, "other.example.com")).await;
    let broken = json!({"auths": {"other.example.com": {"auth": "no base64!"}}});
    secret(&scenario, &namespace, "broken", &broken).await;
    for (name, secrets) in [
        ("ready", &["right"][..]),
        ("unreadable", &["right", "broken"]),
        ("missing", &["gone"]),
        ("port", &["port"]),
        ("bare", &[]),
        ("masked", &["right"]),
        ("early", &[]),
    ] {
        account(&scenario, &namespace, name, secrets).await;
        let mut template = template(name, &image);
        if name == "masked" {
            template["spec"]["imagePullSecrets"] = json!([{"name": "other"}]);
        }
        match name {
            "early" => pod(&scenario, &namespace, name, &template).await,
            _ => deployment(&scenario, &namespace, name, &template).await,
        }
    }
    account(&scenario, &namespace, "early", &["right"]).await;

    let tool = Tool::new(scenario.cluster().kubeconfig_path()).await;
    let (code, report) = tool.json(&["audit", SERVER, "-n", &namespace]).await;
    let expected = [
        ("Deployment/bare", "NoReference NextPod"),
        ("Deployment/masked", "Masked NextPod"),
        ("Deployment/missing", "SecretMissing NextPod"),
        ("Deployment/port", "NoKey NextPod"),
        ("Deployment/unreadable", "Unreadable NextPod"),
        ("Pod/early", "TooEarly Now"),
    ];
    let expected = expected.map(|(workload, reason)| (workload.to_owned(), reason.to_owned()));
    assert_eq!(reasons(&report), expected.into(), "{report:#}");
    assert_eq!((code, &report["complete"]), (Some(1), &json!(true)), "{report:#}");
    let near = report["findings"]
        .as_array()
        .unwrap()
        .iter()
        .find(|finding| finding["reason"] == "NoKey")
        .unwrap();
    assert_eq!(near["images"][0]["near"]["entry"], format!("{SERVER}:443"), "{near:#}");
    exit_codes(&tool, &namespace).await;
}

/// The level, the flag and the ignore file change the exit code.
async fn exit_codes(tool: &Tool, namespace: &str) {
    let ignored = std::env::temp_dir().join(format!("{namespace}.ignore"));
    std::fs::write(&ignored, format!("{namespace}/*/*  # all of it\n")).unwrap();
    let ignored = ignored.display().to_string();
    for (arguments, expected) in [
        (&["--fail-on", "now"][..], 1),
        (&["--exit-zero"], 0),
        (&["--ignore-file", &ignored], 0),
        (&["-l", "app=nothing"], 0),
    ] {
        let arguments = [&["audit", SERVER, "-n", namespace], arguments].concat();
        let ran = tool.run(&arguments).await;
        assert_eq!(ran.code, Some(expected), "{arguments:?} {ran:#?}");
    }
    std::fs::remove_file(ignored).unwrap();
    let clean = tool.run(&["audit", "unused.example.com", "-n", namespace]).await;
    assert_eq!((clean.code, clean.err.as_str()), (Some(0), ""), "{clean:#?}");
    assert_eq!(tool.run(&["audit", "--no-such-flag"]).await.code, Some(2));
    let names = tool.run(&["audit", SERVER, "-n", namespace, "-o", "name"]).await;
    assert!(
        names.out.contains(&format!("/{namespace}/Deployment/bare\n")),
        "{names:#?}"
    );
}
