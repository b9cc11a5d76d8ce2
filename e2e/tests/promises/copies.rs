//! Copies are tampered with, and restored.

use e2e::scene::Scene;

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
