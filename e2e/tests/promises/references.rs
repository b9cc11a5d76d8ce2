//! References are taken away by others, and put back beside what others put there.

use e2e::scene::Scene;

#[tokio::test]
async fn a_removed_entry_is_put_back() {
    let scene = Scene::shared("unreferenced").await;
    let login = scene.login("first");
    scene.set_up(&["a"], &login).await;
    let remove = r#"[{"op":"remove","path":"/imagePullSecrets"}]"#;
    patch_account(&scene, "unreferenced-a", "json", remove).await;
    scene.holds("the entry is back", &scene.expected(&["a"], &login)).await;
}

#[tokio::test]
async fn a_list_replaced_by_another_tool_keeps_its_entries_and_gets_ours_again() {
    let scene = Scene::shared("replaced").await;
    let login = scene.login("first");
    scene.set_up(&["a"], &login).await;
    let replace = r#"{"imagePullSecrets":[{"name":"theirs-1"},{"name":"theirs-2"}]}"#;
    patch_account(&scene, "replaced-a", "merge", replace).await;
    scene.holds("our entry is back", &scene.expected(&["a"], &login)).await;
    let path = "jsonpath={.imagePullSecrets[*].name}";
    let entries = scene
        .kubectl(&["get", "serviceaccount", "default", "-n", "replaced-a", "-o", path])
        .await;
    assert_eq!(entries, "theirs-1 theirs-2 replaced");
}

#[tokio::test]
async fn an_account_made_anew_is_served_again() {
    let scene = Scene::shared("remade").await;
    let login = scene.login("first");
    scene.set_up(&["a"], &login).await;
    scene
        .kubectl(&["delete", "serviceaccount", "default", "-n", "remade-a"])
        .await;
    scene
        .holds("the new account has the entry", &scene.expected(&["a"], &login))
        .await;
}

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
