//! Credentials are in copies, in the state Secret and in their source, and nowhere else, whatever the operator has to say.
//! Every scene looks for them at its end; this one makes the operator say as much as it can.

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use e2e::SYSTEM_NAMESPACE;
use e2e::operator::{self, Options};
use e2e::scene::Scene;
use serde_json::json;

#[tokio::test]
async fn no_credential_is_in_the_log_at_any_level_nor_in_any_object_but_secrets() {
    let options = Options {
        log: "trace".to_owned(),
        ..Options::default()
    };
    let scene = Scene::own_with("secrecy", options).await;
    let (first, second) = (scene.login("first"), scene.login("second"));
    scene.set_up(&["a", "b"], &first).await;
    scene.says("Ready", "True", "Synced").await;

    // Everything that makes the operator speak of a Secret: a rotation, an edit, a squatter, a broken source.
    scene.source(&second).await;
    scene.holds("rotated", &scene.expected(&["a", "b"], &second)).await;
    let edit = r#"{"data":{".dockerconfigjson":"eyJhdXRocyI6e319"}}"#; // {"auths":{}}
    scene
        .kubectl(&["patch", "secret", "secrecy", "-n", "secrecy-a", "-p", edit])
        .await;
    scene.holds("restored", &scene.expected(&["a", "b"], &second)).await;
    scene.unselected_namespaces(&["c"]).await;
    let theirs = format!("--from-literal=k={}", scene.canary().core());
    let squatter = ["create", "secret", "generic", "secrecy", "-n", "secrecy-c", &theirs];
    scene.kubectl(&squatter).await;
    scene
        .kubectl(&["label", "namespace", "secrecy-c", "scene=secrecy"])
        .await;
    scene.reaches("Ready", "False").await;
    let broken = json!({"auths": {"registry.example.com": {"auth": STANDARD.encode(scene.canary().core())}}});
    scene
        .apply(&json!({
            "apiVersion": "v1", "kind": "Secret", "type": "kubernetes.io/dockerconfigjson",
            "metadata": {"name": "broken", "namespace": SYSTEM_NAMESPACE},
            "stringData": {".dockerconfigjson": broken.to_string()},
        }))
        .await;
    let mut object = scene.object();
    object["spec"]["registries"][0]["credentials"] = json!({"dockerConfig": {"secretRef": {"name": "broken"}}});
    scene.apply(&object).await;
    scene.says("CredentialsReady", "False", "SourceInvalid").await;

    let log = operator::logged(scene.cluster()).unwrap();
    assert!(log.contains("TRACE"), "the log is not at its most talkative");
}
