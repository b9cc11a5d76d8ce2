//! References are taken away by others, and put back beside what others put there.

use e2e::scene::Scene;

#[tokio::test]
async fn an_entry_that_was_there_before_us_is_not_ours_to_take_away() {
    let scene = Scene::shared("earlier").await;
    scene.namespaces(&["a"]).await;
    scene.wait_for_accounts(&scene.in_scene(&["a"])).await;
    patch_account(
        &scene,
        "earlier-a",
        "merge",
        r#"{"imagePullSecrets":[{"name":"earlier"}]}"#,
    )
    .await;
    scene.source(&scene.login("first")).await;
    scene.apply(&scene.object()).await;
    scene.reaches("Ready", "True").await;
    scene.kubectl(&["delete", "cps", "earlier"]).await;
    let path = "jsonpath={.imagePullSecrets[*].name}";
    let entries = scene
        .kubectl(&["get", "serviceaccount", "default", "-n", "earlier-a", "-o", path])
        .await;
    assert_eq!(entries, "earlier");
}

async fn patch_account(scene: &Scene, namespace: &str, kind: &str, patch: &str) {
    let kind = format!("--type={kind}");
    scene
        .kubectl(&[
            "patch",
            "serviceaccount",
            "default",
            "-n",
            namespace,
            &kind,
            "-p",
            patch,
        ])
        .await;
}
