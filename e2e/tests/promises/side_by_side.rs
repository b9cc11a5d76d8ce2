//! Two objects for the same namespaces and accounts.

use e2e::scene::Scene;
use serde_json::json;

#[tokio::test]
async fn two_objects_serve_the_same_account_and_one_goes_without_the_other() {
    let first = Scene::shared("pair-1").await;
    let second = first.beside("pair-2").await;
    let (one, two) = (first.login("first"), second.login("second"));
    first.set_up(&["a"], &one).await;
    second.source(&two).await;
    let mut object = second.object();
    object["spec"]["namespaces"] = json!({"selectors": [first.selector()]});
    second.apply(&object).await;
    let mut expected = second.expected(&["a"], &two);
    expected.holders = first.expected(&["a"], &one).holders;
    second.holds("the second object is carried out", &expected).await;
    first
        .holds("the first one still is", &first.expected(&["a"], &one))
        .await;

    first.kubectl(&["delete", "cps", "pair-1"]).await;
    first.gone("nothing of the first is left").await;
    second.holds("the second one still is", &expected).await;
}

#[tokio::test]
async fn of_two_objects_with_one_secret_name_the_older_decides_and_the_younger_takes_over() {
    let older = Scene::shared("heir-1").await;
    let younger = older.beside("heir-2").await;
    let (one, two) = (older.login("first"), younger.login("second"));
    older.set_up(&["a"], &one).await;
    let uid = older.uids().await["heir-1-a"].clone();
    younger.source(&two).await;
    let mut object = younger.object();
    object["spec"]["namespaces"] = json!({"selectors": [older.selector()]});
    object["spec"]["secret"] = json!({"name": "heir-1"});
    younger.apply(&object).await;
    younger.says("Ready", "False", "NamespacesFailed").await;
    let failure = younger.current().await["status"]["failures"][0].clone();
    assert_eq!(failure["reason"], "SecretConflict", "{failure}");
    assert!(
        failure["message"].as_str().unwrap_or_default().contains("heir-1"),
        "{failure}"
    );

    older.kubectl(&["delete", "cps", "heir-1"]).await;
    let mut expected = younger.expected(&["a"], &two);
    expected.secret = "heir-1".to_owned();
    expected.holders = older.expected(&["a"], &one).holders;
    younger.holds("the younger one has taken over", &expected).await;
    assert_eq!(younger.uids().await["heir-1-a"], uid, "the same Secret");
}
