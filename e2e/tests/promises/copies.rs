//! Copies are tampered with, and restored.

use e2e::oracle::LABEL;
use e2e::scene::{SOON, Scene};
use e2e::wait::eventually;
use serde_json::json;

#[tokio::test]
async fn an_edited_copy_is_restored_in_place() {
    let scene = Scene::shared("edited").await;
    let login = scene.login("first");
    scene.set_up(&["a", "b"], &login).await;
    let before = scene.uids().await;
    let edit = r#"{"data":{".dockerconfigjson":"eyJhdXRocyI6e319"}}"#; // {"auths":{}}
    scene
        .kubectl(&["patch", "secret", "edited", "-n", "edited-a", "-p", edit])
        .await;
    scene
        .holds("the copy is restored", &scene.expected(&["a", "b"], &login))
        .await;
    assert_eq!(scene.uids().await, before, "in place");
}

#[tokio::test]
async fn a_copy_whose_label_is_stripped_or_changed_is_restored_in_place() {
    let scene = Scene::shared("relabelled").await;
    let login = scene.login("first");
    scene.set_up(&["a", "b"], &login).await;
    let before = scene.uids().await;
    for change in [
        format!("{LABEL}-"),
        format!("{LABEL}=nobody"),
        "app.kubernetes.io/managed-by=Helm".to_owned(),
    ] {
        scene
            .kubectl(&[
                "label",
                "--overwrite",
                "secret",
                "relabelled",
                "-n",
                "relabelled-a",
                &change,
            ])
            .await;
        let what = format!("the copy is restored after {change}");
        scene.holds(&what, &scene.expected(&["a", "b"], &login)).await;
    }
    assert_eq!(scene.uids().await, before, "in place");
}

#[tokio::test]
async fn a_copy_that_loses_its_owner_gets_it_back() {
    let scene = Scene::shared("disowned").await;
    let login = scene.login("first");
    scene.set_up(&["a"], &login).await;
    let disown = r#"{"metadata":{"ownerReferences":null}}"#;
    scene
        .kubectl(&[
            "patch",
            "secret",
            "disowned",
            "-n",
            "disowned-a",
            "--type=merge",
            "-p",
            disown,
        ])
        .await;
    scene.holds("the owner is back", &scene.expected(&["a"], &login)).await;
}

#[tokio::test]
async fn a_deleted_copy_is_created_again() {
    let scene = Scene::shared("removed").await;
    let login = scene.login("first");
    scene.set_up(&["a", "b"], &login).await;
    let before = scene.uids().await;
    scene.kubectl(&["delete", "secret", "removed", "-n", "removed-a"]).await;
    scene
        .holds("there is a copy again", &scene.expected(&["a", "b"], &login))
        .await;
    let after = scene.uids().await;
    assert_ne!(after["removed-a"], before["removed-a"], "it was deleted");
    assert_eq!(after["removed-b"], before["removed-b"], "the other one is let be");
}

#[tokio::test]
async fn a_copy_made_immutable_is_replaced_and_follows_its_source_again() {
    let scene = Scene::shared("immutable").await;
    scene.set_up(&["a"], &scene.login("first")).await;
    scene
        .kubectl(&[
            "patch",
            "secret",
            "immutable",
            "-n",
            "immutable-a",
            "-p",
            r#"{"immutable":true}"#,
        ])
        .await;
    let second = scene.login("second");
    scene.source(&second).await;
    scene
        .holds("the copy has the new login", &scene.expected(&["a"], &second))
        .await;
}

#[tokio::test]
async fn labels_and_keys_that_others_add_to_a_copy_are_let_be() {
    let scene = Scene::shared("decorated").await;
    let login = scene.login("first");
    scene.set_up(&["a"], &login).await;
    let add = r#"{"metadata":{"labels":{"theirs":"kept"},"annotations":{"theirs":"kept"}}}"#;
    scene
        .kubectl(&["patch", "secret", "decorated", "-n", "decorated-a", "-p", add])
        .await;
    let second = scene.login("second");
    scene.source(&second).await;
    scene
        .holds("the copy has the new login", &scene.expected(&["a"], &second))
        .await;
    let path = "jsonpath={.metadata.labels.theirs} {.metadata.annotations.theirs}";
    let theirs = scene
        .kubectl(&["get", "secret", "decorated", "-n", "decorated-a", "-o", path])
        .await;
    assert_eq!(theirs, "kept kept");
}

#[tokio::test]
async fn declared_labels_come_and_go_with_the_spec_and_those_of_others_stay() {
    let scene = Scene::shared("declared").await;
    let login = scene.login("first");
    scene.namespaces(&["a"]).await;
    scene.source(&login).await;
    let mut object = scene.object();
    object["spec"]["secret"] = json!({"labels": {"team": "x"}, "annotations": {"note": "y"}});
    scene.apply(&object).await;
    marks_become(&scene, "x y ").await;
    scene
        .kubectl(&["label", "secret", "declared", "-n", "declared-a", "theirs=kept"])
        .await;
    scene.apply(&scene.object()).await;
    marks_become(&scene, "  kept").await;
    scene.holds("the copy is right", &scene.expected(&["a"], &login)).await;
}

async fn marks_become(scene: &Scene, marks: &str) {
    let path = "jsonpath={.metadata.labels.team} {.metadata.annotations.note} {.metadata.labels.theirs}";
    let get = [
        "get",
        "secret",
        "declared",
        "-n",
        "declared-a",
        "--ignore-not-found",
        "-o",
        path,
    ];
    eventually("the copy is marked as declared", SOON, async || {
        let seen = scene.kubectl(&get).await;
        if seen == marks { Ok(()) } else { Err(seen) }
    })
    .await;
}
