//! Credentials are only in copies, in the state Secret and in their source, at every log level. Every scenario searches
//! for them at its end; this one makes the operator log as much as it can.

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use e2e::SYSTEM_NAMESPACE;
use e2e::operator::{self, Options};
use e2e::scenario::Scenario;
use serde_json::json;

/// No credential is in the log at any level, and none in an object other than a Secret.
#[tokio::test]
async fn no_credential_leaks_at_any_log_level() {
    let options = Options {
        log: "trace".to_owned(),
        ..Options::default()
    };
    let scenario = Scenario::own_with("secrecy", options).await;
    let (first, second) = (scenario.login("first"), scenario.login("second"));
    scenario.set_up(&["a", "b"], &first).await;
    scenario.says("Ready", "True", "Synced").await;

    // Each of these makes the operator log a Secret: a rotation, an edit, a squatter, a broken source.
    scenario.source(&second).await;
    scenario
        .holds("rotated", &scenario.expected(&["a", "b"], &second))
        .await;
    let edit = r#"{"data":{".dockerconfigjson":"eyJhdXRocyI6e319"}}"#; // {"auths":{}}
    scenario
        .kubectl(&["patch", "secret", "secrecy", "-n", "secrecy-a", "-p", edit])
        .await;
    scenario
        .holds("restored", &scenario.expected(&["a", "b"], &second))
        .await;
    scenario.unselected_namespaces(&["c"]).await;
    let theirs = format!("--from-literal=k={}", scenario.canary().core());
    let squatter = ["create", "secret", "generic", "secrecy", "-n", "secrecy-c", &theirs];
    scenario.kubectl(&squatter).await;
    scenario
        .kubectl(&["label", "namespace", "secrecy-c", "scenario=secrecy"])
        .await;
    scenario.reaches("Ready", "False").await;
    let broken = json!({"auths": {"registry.example.com": {"auth": STANDARD.encode(scenario.canary().core())}}});
    scenario
        .apply(&json!({
            "apiVersion": "v1", "kind": "Secret", "type": "kubernetes.io/dockerconfigjson",
            "metadata": {"name": "broken", "namespace": SYSTEM_NAMESPACE},
            "stringData": {".dockerconfigjson": broken.to_string()},
        }))
        .await;
    let mut object = scenario.object();
    object["spec"]["registries"][0]["credentials"] = json!({"dockerConfig": {"secretRef": {"name": "broken"}}});
    scenario.apply(&object).await;
    scenario.says("CredentialsReady", "False", "SourceInvalid").await;

    let log = operator::logged(scenario.cluster()).unwrap();
    assert!(log.contains("TRACE"), "the log is not at its most talkative");
}
