//! An object that is suspended: it looks and tells, and writes nothing but its status.

use e2e::oracle;
use e2e::scene::{SOON, Scene};
use e2e::wait::eventually;
use serde_json::json;

#[tokio::test]
async fn while_suspended_nothing_is_written_and_afterwards_everything_is_caught_up() {
    let scene = Scene::shared("suspended").await;
    let login = scene.login("first");
    scene.set_up(&["a"], &login).await;
    let mut object = scene.object();
    object["spec"]["suspend"] = json!(true);
    scene.apply(&object).await;
    scene.reaches("Ready", "True").await;

    scene.namespaces(&["b"]).await;
    ready_becomes(&scene, 1).await;
    scene.source(&scene.login("second")).await;
    ready_becomes(&scene, 0).await;
    oracle::check(scene.client(), &scene.expected(&["a"], &login))
        .await
        .unwrap();

    scene.apply(&scene.object()).await;
    let second = scene.login("second");
    scene
        .holds("it is caught up", &scene.expected(&["a", "b"], &second))
        .await;
}

#[tokio::test]
async fn a_suspended_object_can_be_deleted_and_leaves_nothing() {
    let scene = Scene::shared("suspended-deleted").await;
    scene.set_up(&["a"], &scene.login("first")).await;
    let mut object = scene.object();
    object["spec"]["suspend"] = json!(true);
    scene.apply(&object).await;
    scene.kubectl(&["delete", "cps", "suspended-deleted"]).await;
    scene.gone("nothing of the object is left").await;
}

/// Of the two selected namespaces; the status tells what is seen, suspended or not.
async fn ready_becomes(scene: &Scene, ready: usize) {
    eventually("the status tells what waits", SOON, async || {
        let seen = scene.current().await["status"]["namespaces"].clone();
        if seen["selected"] == 2 && seen["ready"] == ready {
            Ok(())
        } else {
            Err(seen.to_string())
        }
    })
    .await;
}
