//! The object is deleted: nothing of it is left, and everything else is.

use e2e::scene::{SOON, Scene};
use e2e::wait::eventually;
use serde_json::json;

#[tokio::test]
async fn in_the_background_nothing_is_left_and_foreign_entries_stay() {
    nothing_is_left_after("deleted-background", "background").await;
}

#[tokio::test]
async fn in_the_foreground_nothing_is_left_and_foreign_entries_stay() {
    nothing_is_left_after("deleted-foreground", "foreground").await;
}

#[tokio::test]
async fn with_orphans_asked_for_nothing_is_left_and_foreign_entries_stay() {
    nothing_is_left_after("deleted-orphan", "orphan").await;
}

async fn nothing_is_left_after(name: &'static str, cascade: &str) {
    let scene = Scene::shared(name).await;
    scene.set_up(&["a", "b"], &scene.login("first")).await;
    let namespace = format!("{name}-a");
    let around = format!(r#"{{"imagePullSecrets":[{{"name":"before"}},{{"name":"{name}"}},{{"name":"after"}}]}}"#);
    let patch = [
        "patch",
        "serviceaccount",
        "default",
        "-n",
        &namespace,
        "--type=merge",
        "-p",
        &around,
    ];
    scene.kubectl(&patch).await;
    scene
        .kubectl(&[
            "create",
            "secret",
            "generic",
            "theirs",
            "-n",
            &namespace,
            "--from-literal=k=v",
        ])
        .await;
    let foreign = scene.foreign(&["a", "b"]).await;

    scene
        .kubectl(&["delete", "cps", name, &format!("--cascade={cascade}")])
        .await;

    scene.gone("nothing of the object is left").await;
    foreign.check_unchanged(scene.client()).await.unwrap();
}

#[tokio::test]
async fn a_namespace_that_is_going_does_not_hold_the_object_back() {
    let scene = Scene::shared("going").await;
    scene.set_up(&["a", "b"], &scene.login("first")).await;
    scene.kubectl(&["delete", "namespace", "going-a", "--wait=false"]).await;
    scene.kubectl(&["delete", "cps", "going"]).await;
    scene.gone("nothing of the object is left").await;
}

#[tokio::test]
async fn retained_copies_and_references_stay_and_are_marked() {
    let scene = Scene::shared("retained").await;
    scene.namespaces(&["a"]).await;
    let login = scene.login("first");
    scene.source(&login).await;
    let mut object = scene.object();
    object["spec"]["deletionPolicy"] = json!("Retain");
    scene.apply(&object).await;
    scene.reaches("Ready", "True").await;
    scene.kubectl(&["delete", "cps", "retained"]).await;
    eventually("the copy stays and says whose it was", SOON, async || {
        let path = "jsonpath={.metadata.annotations.pullsecrets\\.dev/retained} {.metadata.ownerReferences}";
        let marks = scene
            .kubectl(&["get", "secret", "retained", "-n", "retained-a", "-o", path])
            .await;
        if marks.trim_end() == "retained" {
            Ok(())
        } else {
            Err(marks)
        }
    })
    .await;
    let path = "jsonpath={.imagePullSecrets[*].name}";
    let entries = scene
        .kubectl(&["get", "serviceaccount", "default", "-n", "retained-a", "-o", path])
        .await;
    assert_eq!(entries, "retained");
}
