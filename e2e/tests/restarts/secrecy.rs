//! Credentials are in copies, in the state Secret and in their source, and nowhere else.

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use e2e::SYSTEM_NAMESPACE;
use e2e::operator::{self, Options};
use e2e::oracle::Login;
use e2e::scene::Scene;
use serde_json::json;

#[tokio::test]
async fn no_credential_is_in_the_log_at_any_level_nor_in_any_object_but_secrets() {
    let options = Options {
        log: "trace".to_owned(),
        ..Options::default()
    };
    let scene = Scene::own_with("secrecy", options).await;
    let (first, second) = (
        Login::new("canary-user", "canary-one"),
        Login::new("canary-user", "canary-two"),
    );
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
    let squatter = [
        "create",
        "secret",
        "generic",
        "secrecy",
        "-n",
        "secrecy-c",
        "--from-literal=k=canary-theirs",
    ];
    scene.kubectl(&squatter).await;
    scene
        .kubectl(&["label", "namespace", "secrecy-c", "scene=secrecy"])
        .await;
    scene.reaches("Ready", "False").await;
    let broken = json!({"auths": {"registry.example.com": {"auth": STANDARD.encode("canary-without-colon")}}});
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

    let kinds = "events,serviceaccounts,namespaces,clusterpullsecrets,configmaps,leases";
    let objects = scene.kubectl(&["get", kinds, "-A", "-o", "yaml"]).await;
    scene.kubectl(&["delete", "cps", "secrecy"]).await;
    scene.stop_operator();
    let log = operator::logged(scene.cluster()).unwrap();

    assert!(log.contains("TRACE"), "the log is not at its most talkative");
    for canary in canaries() {
        assert!(!log.contains(&canary), "the log holds {canary}");
        assert!(!objects.contains(&canary), "an object that is no Secret holds {canary}");
    }
}

/// What the credentials have in common, as it is and in base64 at each of its three alignments, once and twice encoded.
fn canaries() -> Vec<String> {
    let plain = "canary-";
    let mut all = vec![plain.to_owned()];
    for before in ["", "x", "xx"] {
        // Only the characters that do not depend on what stands before and after.
        let once = STANDARD.encode(format!("{before}{plain}"));
        let inner = once.trim_end_matches('=');
        let skipped = if before.is_empty() { 0 } else { before.len() + 1 };
        all.push(inner[skipped..inner.len() - 1].to_owned());
    }
    all
}

#[test]
fn the_canaries_are_found_at_every_alignment() {
    for before in ["", "1", "12", "123", "user:"] {
        let encoded = STANDARD.encode(format!("{before}canary-one"));
        assert!(
            canaries().iter().any(|canary| encoded.contains(canary)),
            "{before}: {encoded}"
        );
    }
}
