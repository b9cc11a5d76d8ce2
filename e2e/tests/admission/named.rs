//! `config/named`: its manifests, and objects whose names it does not list.

use e2e::cluster::{Cluster, named_overlay};
use e2e::operator::Options;
use e2e::oracle::Login;
use e2e::scenario::{SOON, Scenario};
use e2e::wait::eventually;
use serde_json::{Value, json};

use crate::admission::bare;

/// The names stand in one place, and all else is as in the default installation.
#[tokio::test]
async fn named_differs_from_default_in_names_only() {
    let cluster = bare::shared().await;
    let default = rendered(cluster, "config/default").await.unwrap();
    assert_eq!(
        names_taken_out(&mut rendered(cluster, "config/named").await.unwrap()),
        ["company"]
    );
    for count in [1, 2, 32] {
        let names: Vec<String> = (0..count).map(|number| format!("name-{number}.x")).collect();
        let mut rendered = rendered_with(cluster, &names).await.unwrap();
        assert_eq!(names_taken_out(&mut rendered), names);
        assert_eq!(rendered, default);
    }
}

/// Without any name kustomize renders no manifest, because the Role would give a right to every name.
#[tokio::test]
async fn named_without_names_renders_nothing() {
    let refused = rendered_with(bare::shared().await, &[]).await.unwrap_err();
    assert!(refused.to_string().contains("names.0"), "{refused}");
}

async fn rendered_with(cluster: &Cluster, names: &[String]) -> anyhow::Result<Value> {
    let copy = cluster.folder().join(format!("config-with-{}-names", names.len()));
    let folder = named_overlay(&copy, names)?;
    rendered(cluster, folder.to_str().unwrap()).await
}

/// Returns all applied objects, by kind and name.
async fn rendered(cluster: &Cluster, folder: &str) -> anyhow::Result<Value> {
    let apply = ["apply", "-k", folder, "--dry-run=server", "-o", "json"];
    let list: Value = serde_json::from_str(&cluster.kubectl().run(&apply, "").await?)?;
    let mut found = json!({});
    for item in list["items"].as_array().unwrap() {
        let key = format!("{} {}", item["kind"], item["metadata"]["name"]);
        let mut item = item.clone();
        // Fields that the server adds, and kubectl's copy of the manifest.
        for field in [
            "uid",
            "resourceVersion",
            "creationTimestamp",
            "generation",
            "managedFields",
            "annotations",
        ] {
            item["metadata"].as_object_mut().unwrap().remove(field);
        }
        item.as_object_mut().unwrap().remove("status");
        assert!(found.get(&key).is_none(), "{key} twice");
        found[key] = item;
    }
    Ok(found)
}

/// Returns the names, which must be the same in both places that need them, and removes their holders from the
/// manifests.
fn names_taken_out(rendered: &mut Value) -> Vec<String> {
    let texts = |list: Value| -> Vec<String> { serde_json::from_value(list).unwrap() };
    let rules = rendered["\"ClusterRole\" \"pullsecrets\""]["rules"]
        .as_array_mut()
        .unwrap();
    let confined: Vec<&mut Value> = rules
        .iter_mut()
        .filter(|rule| rule.get("resourceNames").is_some())
        .collect();
    let [rule] = confined.try_into().unwrap();
    assert_eq!(rule["resources"], json!(["secrets"]));
    let confined = texts(rule.as_object_mut().unwrap().remove("resourceNames").unwrap());
    let deployment = &mut rendered["\"Deployment\" \"pullsecrets\""];
    let container = deployment["spec"]["template"]["spec"]["containers"][0]
        .as_object_mut()
        .unwrap();
    let command = container.remove("command").unwrap();
    assert_eq!(command, json!(["/pullsecrets", "--managed-secret-names"]));
    assert_eq!(texts(container.remove("args").unwrap()), confined);
    confined
}

/// An object with an unlisted name reports it. The name can be listed, and removed from the list again.
#[tokio::test]
async fn unlisted_name_is_reported_and_can_be_listed() {
    let (other, both) = (["other".to_owned()], ["other".to_owned(), "unlisted".to_owned()]);
    let scenario = Scenario::own_named("unlisted", &other, Options::default()).await;
    let login = Login::new("robot", "first");
    scenario.namespaces(&["a", "b"]).await;
    scenario.wait_for_accounts(&scenario.in_scenario(&["a", "b"])).await;
    scenario.source(&login).await;
    let mark = scenario.mark().await;
    scenario.apply(&scenario.object()).await;
    says_that_the_name_is_not_listed(&scenario).await;
    let others = scenario.foreign(&["a", "b"]).await;

    // A deletion does not wait for objects that the operator may not write.
    scenario.kubectl(&["delete", "cps", "unlisted", "--timeout=120s"]).await;
    others.check_unchanged(scenario.client()).await.unwrap();
    let writes = scenario.writes_since(mark).await;
    let into_namespaces: Vec<_> = writes.iter().filter(|write| !write.namespace.is_empty()).collect();
    assert!(into_namespaces.is_empty(), "{into_namespaces:?}");

    // An object of another name may have a listed one for its copies.
    let mut renamed = scenario.object();
    renamed["metadata"]["name"] = json!("renamed");
    renamed["spec"]["secret"] = json!({"name": "other"});
    scenario.apply(&renamed).await;
    let wait = ["wait", "cps", "renamed", "--for=condition=Ready", "--timeout=120s"];
    scenario.kubectl(&wait).await;
    scenario.kubectl(&["delete", "cps", "renamed"]).await;

    scenario.apply(&scenario.object()).await;
    says_that_the_name_is_not_listed(&scenario).await;
    scenario.install_named(&both, Options::default()).await;
    scenario
        .holds("it is listed now", &scenario.expected(&["a", "b"], &login))
        .await;
    scenario.says("Ready", "True", "Synced").await;

    // Existing copies stay in use: the loss of a right removes no copy.
    let (uids, others) = (scenario.uids().await, scenario.foreign(&["a", "b"]).await);
    scenario.install_named(&other, Options::default()).await;
    says_that_the_name_is_not_listed(&scenario).await;
    scenario
        .kubectl(&["label", "namespace", "unlisted-b", "scenario-"])
        .await;
    eventually("one namespace is left", SOON, async || {
        let seen = scenario.current().await["status"]["namespaces"].clone();
        let right = seen["selected"] == 1 && seen["failed"] == 1;
        right.then_some(()).ok_or_else(|| seen.to_string())
    })
    .await;
    scenario
        .holds("copies and references stay", &scenario.expected(&["a", "b"], &login))
        .await;
    assert_eq!(scenario.uids().await, uids);
    others.check_unchanged(scenario.client()).await.unwrap();
    let uid = scenario.current().await["metadata"]["uid"].as_str().unwrap().to_owned();
    scenario.kubectl(&["delete", "cps", "unlisted", "--timeout=120s"]).await;
    references_are_out_and_copies_left_to_garbage_collection(&scenario, &uid).await;
}

/// Waits for the garbage collector. It learns of new kinds every half a minute, and backs off for kinds that it does
/// not know.
async fn references_are_out_and_copies_left_to_garbage_collection(scenario: &Scenario, owner: &str) {
    let items = async |kind: &str| -> Vec<Value> {
        let listed = scenario.kubectl(&["get", kind, "-A", "-o", "json"]).await;
        let listed: Value = serde_json::from_str(&listed).unwrap();
        let items = listed["items"].as_array().unwrap().iter();
        let here = items.filter(|item| item["metadata"]["namespace"].as_str().unwrap().starts_with("unlisted-"));
        here.cloned().collect()
    };
    for account in items("serviceaccounts").await {
        assert_eq!(account.get("imagePullSecrets"), None, "{account}");
        assert_eq!(account["metadata"].get("annotations"), None, "{account}");
    }
    for copy in items("secrets").await {
        let owners = copy["metadata"]["ownerReferences"].as_array().unwrap();
        let owners: Vec<&Value> = owners.iter().map(|reference| &reference["uid"]).collect();
        assert_eq!(owners, [owner], "{}", copy["metadata"]);
    }
}

async fn says_that_the_name_is_not_listed(scenario: &Scenario) {
    for (condition, status) in [("Ready", "False"), ("Stalled", "True")] {
        let message = scenario.says(condition, status, "NamespacesFailed").await;
        assert!(message.contains("config/named/names.yaml"), "{message}");
    }
    let failures = scenario.current().await["status"]["failures"].clone();
    for (failure, part) in failures.as_array().unwrap().iter().zip(["a", "b"]) {
        assert_eq!(failure["namespace"], format!("unlisted-{part}"));
        assert_eq!(failure["reason"], "NameNotPermitted");
        let message = failure["message"].as_str().unwrap();
        assert!(
            message.contains("\"unlisted\" is not one of --managed-secret-names"),
            "{message}"
        );
    }
}
