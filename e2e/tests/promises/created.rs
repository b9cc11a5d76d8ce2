//! What the status of a new object says.

use e2e::scene::Scene;
use serde_json::json;

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
    assert_eq!(status["secretName"], scene.name());
    for kind in ["namespaces", "serviceAccounts"] {
        for (count, expected) in [("selected", 2), ("ready", 2), ("failed", 0)] {
            assert_eq!(status[kind][count], expected, "{kind} {count}: {status}");
        }
    }
    let shown = scene.kubectl(&["get", "cps", scene.name(), "--no-headers"]).await;
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
