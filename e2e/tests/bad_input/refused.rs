//! What can be refused as it is applied, is, with a message that names the field.

use e2e::scene::Scene;
use serde_json::{Value, json};

#[tokio::test]
async fn what_can_never_work_is_refused_at_apply_and_the_field_is_named() {
    let scene = Scene::shared("refused").await;
    let credentials = || json!({"basicAuth": {"secretRef": {"name": "any"}}});
    let two = || json!({"basicAuth": {"secretRef": {"name": "a"}}, "dockerConfig": {"secretRef": {"name": "b"}}});
    let server = |server: &str| json!([{"server": server, "credentials": credentials()}]);
    let rows: [(&str, Value, &str); 15] = [
        ("/spec/registries", json!([]), "spec.registries"),
        (
            "/spec/registries",
            json!([{"server": "r.example.com", "credentials": two()}]),
            "exactly one",
        ),
        (
            "/spec/registries",
            json!([{"server": "r.example.com", "credentials": {}}]),
            "exactly one",
        ),
        (
            "/spec/registries",
            json!([{"credentials": credentials()}]),
            "server is required",
        ),
        ("/spec/registries", server("ftp://r.example.com"), "server"),
        ("/spec/registries", server("r.example.com/team:tag"), "server"),
        ("/spec/registries", server("r.example.com:*"), "server"),
        ("/spec/registries", server("r example.com"), "server"),
        ("/spec/namespaces", json!({}), "selectors: [{}] selects every namespace"),
        (
            "/spec/namespaces",
            json!({"names": ["Team_A"]}),
            "spec.namespaces.names",
        ),
        (
            "/spec/namespaces",
            json!({"selectors": [{"matchExpressions": [{"key": "a", "operator": "In"}]}]}),
            "at least one entry in values",
        ),
        (
            "/spec/namespaces",
            json!({"selectors": [{"matchExpressions": [{"key": "a", "operator": "Exists", "values": ["b"]}]}]}),
            "take no values",
        ),
        (
            "/spec/secret",
            json!({"labels": {"pullsecrets.dev/cluster-pull-secret": "x"}}),
            "reserved",
        ),
        ("/spec/deletionPolicy", json!("Keep"), "spec.deletionPolicy"),
        ("/metadata/name", json!("a".repeat(64)), "63"),
    ];
    for (path, value, word) in rows {
        let told = refusal(&scene, path, value.clone()).await;
        assert!(told.contains(word), "{path} {value}: {told}");
    }
}

#[tokio::test]
async fn the_name_of_the_secret_cannot_be_changed() {
    let scene = Scene::shared("renamed").await;
    scene.apply(&scene.object()).await;
    let told = refusal(&scene, "/spec/secret", json!({"name": "another"})).await;
    assert!(told.contains("spec.secret.name"), "{told}");
    // The name that it has anyway is no change.
    let mut same = scene.object();
    same["spec"]["secret"] = json!({"name": "renamed"});
    scene.apply(&same).await;
}

/// What kubectl says to the scene's object with `value` at the JSON pointer `path`.
async fn refusal(scene: &Scene, path: &str, value: Value) -> String {
    let mut object = scene.object();
    let (parent, key) = path.rsplit_once('/').unwrap();
    object.pointer_mut(parent).unwrap()[key] = value;
    let kubectl = scene.cluster().kubectl();
    let output = kubectl
        .output(&["apply", "--dry-run=server", "-f", "-"], &object.to_string())
        .await
        .unwrap();
    assert!(!output.status.success(), "{path}: accepted");
    String::from_utf8_lossy(&output.stderr).into_owned()
}
