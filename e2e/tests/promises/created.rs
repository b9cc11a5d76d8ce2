//! An object is created: every selected namespace is served, and nothing else changes.

use e2e::scene::Scene;
use serde_json::json;

#[tokio::test]
async fn each_selected_namespace_gets_one_copy_and_one_reference_and_nothing_else_changes() {
    let scene = Scene::shared("created").await;
    let login = scene.login("first");
    scene.namespaces(&["a", "b", "c"]).await;
    scene.unselected_namespaces(&["outside"]).await;
    scene.wait_for_accounts(&scene.in_scene(&["a", "b", "c"])).await;
    scene
        .kubectl(&[
            "create",
            "secret",
            "generic",
            "theirs",
            "-n",
            "created-a",
            "--from-literal=k=v",
        ])
        .await;
    let patch = r#"{"imagePullSecrets":[{"name":"theirs"}],"metadata":{"annotations":{"theirs":"kept"}}}"#;
    scene
        .kubectl(&["patch", "serviceaccount", "default", "-n", "created-a", "-p", patch])
        .await;
    scene
        .kubectl(&["create", "serviceaccount", "another", "-n", "created-b"])
        .await;
    let foreign = scene.foreign(&["a", "b", "c", "outside"]).await;

    scene.source(&login).await;
    scene.apply(&scene.object()).await;

    scene
        .holds("each namespace is served", &scene.expected(&["a", "b", "c"], &login))
        .await;
    scene.says("Ready", "True", "Synced").await;
    foreign.check_unchanged(scene.client()).await.unwrap();
}

#[tokio::test]
async fn the_status_counts_what_is_served() {
    let scene = Scene::shared("counted").await;
    let login = scene.login("first");
    scene.set_up(&["a", "b"], &login).await;
    scene.counts(2).await;
    for condition in ["CredentialsReady", "SecretsSynced", "ServiceAccountsSynced", "Ready"] {
        let seen = scene.reaches(condition, "True").await;
        assert_ne!(seen.reason, "", "{condition}");
    }
    let status = scene.current().await["status"].clone();
    assert_eq!(status["secretName"], "counted");
    for kind in ["namespaces", "serviceAccounts"] {
        for (count, expected) in [("selected", 2), ("ready", 2), ("failed", 0)] {
            assert_eq!(status[kind][count], expected, "{kind} {count}: {status}");
        }
    }
    let shown = scene.kubectl(&["get", "cps", "counted", "--no-headers"]).await;
    assert!(shown.contains("2/2"), "{shown}");
}

#[tokio::test]
async fn an_object_that_selects_nothing_is_ready_and_says_so() {
    let scene = Scene::shared("nothing").await;
    scene.source(&scene.login("first")).await;
    scene.apply(&scene.object()).await;
    scene.says("Ready", "True", "NoNamespaceSelected").await;
}

#[tokio::test]
async fn mode_none_writes_copies_and_touches_no_service_account() {
    let scene = Scene::shared("copies-only").await;
    let login = scene.login("first");
    scene.namespaces(&["a"]).await;
    scene.source(&login).await;
    let mut object = scene.object();
    object["spec"]["serviceAccounts"] = json!({"mode": "None"});
    scene.apply(&object).await;
    let mut expected = scene.expected(&["a"], &login);
    expected
        .holders
        .values_mut()
        .for_each(std::collections::BTreeSet::clear);
    scene.holds("the copy is there, the reference is not", &expected).await;
    scene.says("ServiceAccountsSynced", "True", "NotRequested").await;
}
