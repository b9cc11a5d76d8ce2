//! Status of a new object.

use e2e::scenario::Scenario;
use serde_json::json;

#[tokio::test]
async fn the_status_counts_what_is_served() {
    let scenario = Scenario::shared("counted").await;
    let login = scenario.login("first");
    scenario.set_up(&["a", "b"], &login).await;
    scenario.counts(2).await;
    for condition in ["CredentialsReady", "SecretsSynced", "ServiceAccountsSynced", "Ready"] {
        let seen = scenario.reaches(condition, "True").await;
        assert_ne!(seen.reason, "", "{condition}");
    }
    let status = scenario.current().await["status"].clone();
    assert_eq!(status["secretName"], scenario.name());
    for kind in ["namespaces", "serviceAccounts"] {
        for (count, expected) in [("selected", 2), ("ready", 2), ("failed", 0)] {
            assert_eq!(status[kind][count], expected, "{kind} {count}: {status}");
        }
    }
    let shown = scenario.kubectl(&["get", "cps", scenario.name(), "--no-headers"]).await;
    assert!(shown.contains("2/2"), "{shown}");
}

/// An object without selected namespaces is ready and reports that.
#[tokio::test]
async fn empty_selection_is_ready_and_says_so() {
    let scenario = Scenario::shared("nothing").await;
    scenario.source(&scenario.login("first")).await;
    scenario.apply(&scenario.object()).await;
    scenario.says("Ready", "True", "NoNamespaceSelected").await;
}

/// Mode `None` writes copies and changes no `ServiceAccount`.
#[tokio::test]
async fn mode_none_touches_no_service_account() {
    let scenario = Scenario::shared("copies-only").await;
    let login = scenario.login("first");
    scenario.namespaces(&["a"]).await;
    scenario.source(&login).await;
    let mut object = scenario.object();
    object["spec"]["serviceAccounts"] = json!({"mode": "None"});
    scenario.apply(&object).await;
    let mut expected = scenario.expected(&["a"], &login);
    expected
        .holders
        .values_mut()
        .for_each(std::collections::BTreeSet::clear);
    scenario
        .holds("the copy is there, the reference is not", &expected)
        .await;
    scenario.says("ServiceAccountsSynced", "True", "NotRequested").await;
}
