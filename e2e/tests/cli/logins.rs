//! Logins that are tried at a real registry.

use e2e::image::Image;
use e2e::registry::Registry;
use e2e::scenario::Scenario;
use serde_json::{Value, json};

use crate::cli::tool::{Tool, reasons};
use crate::cli::verdicts::{account, config, deployment, pod, secret, template};

/// The same login and image, while the registry accepts the login, while it refuses it, and after the registry has ended.
#[tokio::test]
async fn a_real_registry_accepts_and_refuses_logins() {
    let mut registry = Registry::start().await.unwrap();
    let scenario = Scenario::shared("accepted").await;
    let login = scenario.login("docker config");
    registry.set_password(&login.username, &login.password).unwrap();
    let image = Image::new(&[("name", 0o444, b"accepted".as_slice())], &json!({}));
    let image = registry.push("team/app", "1", &image).await.unwrap();
    scenario.unselected_namespaces(&["a"]).await;
    let namespace = scenario.in_scenario(&["a"]).remove(0);
    let server = registry.address().to_owned();
    secret(&scenario, &namespace, "right", &config(&scenario, &server)).await;
    account(&scenario, &namespace, "app", &["right"]).await;
    deployment(&scenario, &namespace, "app", &template("app", &image)).await;

    let tool = Tool::new(scenario.cluster().kubeconfig_path()).await;
    let source = format!("{namespace}/right");
    let audit = ["audit", &server, "-n", &namespace, "--login", &source];
    let outcome = |report: &Value| report["contexts"][0]["logins"][0]["outcome"].clone();
    let (code, report) = tool.json(&audit).await;
    assert_eq!((code, outcome(&report)), (Some(0), json!("Accepted")), "{report:#}");
    assert!(reasons(&report).is_empty(), "{report:#}");

    registry.set_password(&login.username, "another").unwrap();
    let (code, report) = tool.json(&audit).await;
    assert_eq!((code, outcome(&report)), (Some(1), json!("Refused")), "{report:#}");
    assert_eq!(reasons(&report)["Deployment/app"], "LoginRefused NextPod", "{report:#}");

    drop(registry);
    let (_, report) = tool.json(&audit).await;
    assert_eq!(outcome(&report), json!("Unknown"), "{report:#}");
    assert_eq!(reasons(&report).get("Deployment/app"), None, "{report:#}");
}

/// The registry refuses a wrong login, and a request without one.
#[tokio::test]
async fn refused_logins_and_node_logins_are_found() {
    let mut registry = Registry::start().await.unwrap();
    let scenario = Scenario::shared("trials").await;
    let login = scenario.login("docker config");
    registry.set_password(&login.username, "another").unwrap();
    scenario.unselected_namespaces(&["a"]).await;
    let namespace = scenario.in_scenario(&["a"]).remove(0);
    let server = registry.address().to_owned();
    let image = format!("{server}/team/app:1");
    secret(&scenario, &namespace, "wrong", &config(&scenario, &server)).await;
    account(&scenario, &namespace, "wrong", &["wrong"]).await;
    account(&scenario, &namespace, "node", &[]).await;
    deployment(&scenario, &namespace, "wrong", &template("wrong", &image)).await;
    pod(&scenario, &namespace, "node", &template("node", &image)).await;
    let runs = json!({"status": {"phase": "Running", "containerStatuses": [{
        "name": "main", "image": image, "imageID": "x", "ready": true, "restartCount": 0, "started": true,
        "state": {"running": {"startedAt": "2026-01-01T00:00:00Z"}},
    }]}});
    let patch = [
        "patch",
        "pod",
        "node",
        "-n",
        &namespace,
        "--subresource=status",
        "--type=merge",
        "-p",
        &runs.to_string(),
    ];
    scenario.kubectl(&patch).await;

    let tool = Tool::new(scenario.cluster().kubeconfig_path()).await;
    let source = format!("{namespace}/wrong");
    let audit = ["audit", &server, "-n", &namespace, "--login", &source, "--probe"];
    let (code, report) = tool.json(&audit).await;
    let found = reasons(&report);
    assert!(found["Deployment/wrong"].starts_with("LoginRefused"), "{report:#}");
    assert!(found["Pod/node"].contains("NodeOnly"), "{report:#}");
    assert_eq!(code, Some(1), "{report:#}");

    // A registry that cannot be reached is no refusal.
    drop(registry);
    let (_, report) = tool.json(&audit).await;
    assert_eq!(reasons(&report).get("Deployment/wrong"), None, "{report:#}");
}
