//! Several registries in one copy.

use std::collections::BTreeMap;

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use e2e::SYSTEM_NAMESPACE;
use e2e::scenario::{SERVER, Scenario};
use serde_json::json;

/// The logins of all registries are merged, and a declared server beats a config taken whole.
#[tokio::test]
async fn logins_are_merged_and_declared_servers_win() {
    let scenario = Scenario::shared("merged").await;
    scenario.namespaces(&["a"]).await;
    let declared = scenario.login("declared");
    scenario.source(&declared).await;
    let (loser, one, hub) = (scenario.login("loser"), scenario.login("one"), scenario.login("hub"));
    let auth = STANDARD.encode(format!("{}:{}", hub.username, hub.password));
    let config = json!({"auths": {
        SERVER: {"username": loser.username, "password": loser.password},
        "one.example.com": {"username": one.username, "password": one.password, "email": "no@example.com"},
        "https://index.docker.io/v1/": {"auth": auth},
    }});
    scenario
        .apply(&json!({
            "apiVersion": "v1", "kind": "Secret", "type": "kubernetes.io/dockerconfigjson",
            "metadata": {"name": "merged-config", "namespace": SYSTEM_NAMESPACE},
            "stringData": {".dockerconfigjson": config.to_string()},
        }))
        .await;
    let mut object = scenario.object();
    let whole = json!({"credentials": {"dockerConfig": {"secretRef": {"name": "merged-config"}}}});
    object["spec"]["registries"].as_array_mut().unwrap().insert(0, whole);
    scenario.apply(&object).await;

    let mut expected = scenario.expected(&["a"], &declared);
    expected.logins = BTreeMap::from([
        (SERVER.to_owned(), declared),
        ("one.example.com".to_owned(), one),
        ("https://index.docker.io/v1/".to_owned(), hub),
    ]);
    scenario.holds("the copy holds all three", &expected).await;
}

/// Docker Hub in any spelling is the entry that kubelets look for.
#[tokio::test]
async fn docker_hub_spellings_become_the_kubelets_entry() {
    let scenario = Scenario::shared("hub").await;
    scenario.namespaces(&["a"]).await;
    let login = scenario.login("first");
    scenario.source(&login).await;
    for spelling in ["docker.io", "https://index.docker.io/v1/", "registry-1.docker.io"] {
        let mut object = scenario.object();
        object["spec"]["registries"][0]["server"] = json!(spelling);
        scenario.apply(&object).await;
        let mut expected = scenario.expected(&["a"], &login);
        expected.logins = BTreeMap::from([("https://index.docker.io/v1/".to_owned(), login.clone())]);
        scenario.holds(spelling, &expected).await;
        scenario.reaches("Ready", "True").await;
    }
}
