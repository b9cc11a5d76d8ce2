//! A Secret of the same name that is not ours.

use e2e::scene::Scene;
use serde_json::json;

#[tokio::test]
async fn a_squatter_stays_untouched_its_namespace_is_reported_and_heals_when_it_goes() {
    let scene = Scene::shared("squatted").await;
    let login = scene.login("first");
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
async fn a_squatter_is_adopted_in_place_when_the_object_says_so_and_it_is_a_pull_secret() {
    let scene = Scene::shared("adopted").await;
    let login = scene.login("first");
    scene.namespaces(&["a", "b"]).await;
    let pull = [
        "create",
        "secret",
        "docker-registry",
        "adopted",
        "-n",
        "adopted-a",
        "--docker-server=old.example.com",
    ];
    let pull: Vec<&str> = pull
        .into_iter()
        .chain(["--docker-username=u", "--docker-password=p"])
        .collect();
    scene.kubectl(&pull).await;
    scene
        .kubectl(&[
            "create",
            "secret",
            "generic",
            "adopted",
            "-n",
            "adopted-b",
            "--from-literal=theirs=kept",
        ])
        .await;
    let path = [
        "get",
        "secret",
        "adopted",
        "-n",
        "adopted-a",
        "-o",
        "jsonpath={.metadata.uid}",
    ];
    let uid = scene.kubectl(&path).await;
    let foreign = scene.foreign(&["b"]).await;
    scene.source(&login).await;
    let mut object = scene.object();
    object["spec"]["secret"] = json!({"conflictPolicy": "Adopt"});
    scene.apply(&object).await;
    scene
        .holds("the pull secret is ours now", &scene.expected(&["a"], &login))
        .await;
    assert_eq!(scene.uids().await["adopted-a"], uid, "in place");
    scene.says("Ready", "False", "NamespacesFailed").await;
    foreign.check_unchanged(scene.client()).await.unwrap();
}
