//! Several registries in one copy.

use std::collections::BTreeMap;

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use e2e::SYSTEM_NAMESPACE;
use e2e::oracle::Login;
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

/// The object names the key of a docker config in an `Opaque` Secret. The last good login belongs to that key.
#[tokio::test]
async fn docker_config_is_served_from_the_named_key() {
    let scenario = Scenario::shared("named-key").await;
    scenario.namespaces(&["a"]).await;
    let (first, second) = (scenario.login("first"), scenario.login("second"));
    let config = |login: &Login| {
        let entry = json!({"username": login.username, "password": login.password});
        json!({"auths": {SERVER: entry}}).to_string()
    };
    let data = json!({"auth.json": config(&second), "config.json": config(&first), "user": "any"});
    scenario
        .apply(&json!({
            "apiVersion": "v1", "kind": "Secret", "type": "Opaque",
            "metadata": {"name": scenario.name(), "namespace": SYSTEM_NAMESPACE}, "stringData": data,
        }))
        .await;
    let reads = async |key: Option<&str>| {
        let mut object = scenario.object();
        let mut source = json!({"secretRef": {"name": scenario.name()}});
        if let Some(key) = key {
            source["key"] = json!(key);
        }
        object["spec"]["registries"][0]["credentials"] = json!({"dockerConfig": source});
        scenario.apply(&object).await;
    };
    reads(None).await;
    let told = scenario.says("CredentialsReady", "False", "SourceInvalid").await;
    let missing = r#"key ".dockerconfigjson" is missing; the secret has "auth.json", "config.json", "user": add that key, or set dockerConfig.key to another one"#;
    assert!(told.contains(missing), "{told}");
    for (key, login) in [("config.json", &first), ("auth.json", &second)] {
        reads(Some(key)).await;
        scenario.holds(key, &scenario.expected(&["a"], login)).await;
        scenario.reaches("Ready", "True").await;
    }
    reads(Some("absent.json")).await;
    scenario.says("CredentialsReady", "False", "SourceInvalid").await;
    let registry = scenario.current().await["status"]["registries"][0].clone();
    let told = registry["message"].as_str().unwrap_or_default();
    let from = format!(
        r#"from secret "{SYSTEM_NAMESPACE}/{}", keys ["auth.json"], and no other"#,
        scenario.name()
    );
    assert!(told.contains(&from), "{told}");
    scenario
        .holds("the last good login stays", &scenario.expected(&["a"], &second))
        .await;
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
