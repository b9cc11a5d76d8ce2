//! A Secret of the same name that is not ours.

use e2e::oracle::Login;
use e2e::scene::{SOON, Scene};
use e2e::wait::eventually;

#[tokio::test]
async fn a_squatter_stays_untouched_its_namespace_is_reported_and_heals_when_it_goes() {
    let scene = Scene::shared("squatted").await;
    let login = Login::new("robot", "first");
    scene.namespaces(&["a", "b"]).await;
    let squat = [
        "create",
        "secret",
        "generic",
        "squatted",
        "-n",
        "squatted-b",
        "--from-literal=theirs=kept",
    ];
    scene.kubectl(&squat).await;
    let foreign = scene.foreign(&["b"]).await;

    scene.source(&login).await;
    scene.apply(&scene.object()).await;

    scene
        .holds("only the free namespace is served", &scene.expected(&["a"], &login))
        .await;
    scene.says("Ready", "False", "NamespacesFailed").await;
    let failures = scene.current().await["status"]["failures"].clone();
    assert_eq!(failures[0]["namespace"], "squatted-b", "{failures}");
    assert_eq!(failures[0]["reason"], "SecretConflict", "{failures}");
    foreign.check_unchanged(scene.client()).await.unwrap();

    scene
        .kubectl(&["delete", "secret", "squatted", "-n", "squatted-b"])
        .await;
    scene
        .holds("the other is served now", &scene.expected(&["a", "b"], &login))
        .await;
    scene.says("Ready", "True", "Synced").await;
}

#[tokio::test]
async fn a_squatter_with_our_very_bytes_is_not_taken_over() {
    let scene = Scene::shared("twin").await;
    let login = Login::new("robot", "first");
    scene.set_up(&["a"], &login).await;
    scene.unselected_namespaces(&["b"]).await;
    let path = "jsonpath={.data.\\.dockerconfigjson}";
    let data = scene
        .kubectl(&["get", "secret", "twin", "-n", "twin-a", "-o", path])
        .await;
    scene
        .apply(&serde_json::json!({
            "apiVersion": "v1", "kind": "Secret", "type": "kubernetes.io/dockerconfigjson",
            "metadata": {"name": "twin", "namespace": "twin-b"}, "data": {".dockerconfigjson": data},
        }))
        .await;
    let foreign = scene.foreign(&["b"]).await;
    scene.kubectl(&["label", "namespace", "twin-b", "scene=twin"]).await;
    eventually("the conflict is reported", SOON, async || {
        let failures = scene.current().await["status"]["failures"].clone();
        if failures[0]["reason"] == "SecretConflict" {
            Ok(())
        } else {
            Err(failures.to_string())
        }
    })
    .await;
    foreign.check_unchanged(scene.client()).await.unwrap();
}
