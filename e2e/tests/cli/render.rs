//! What `render` shows beside what the operator writes.

use std::collections::BTreeMap;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use e2e::SYSTEM_NAMESPACE;
use e2e::scenario::Scenario;
use serde_json::{Value, json};

use crate::cli::tool::Tool;

/// A copy: its labels, its annotations, and the servers of its docker config.
type CopyShown = (Value, Value, Vec<String>);

/// An account: its whole list, and what the operator records in it.
type AccountShown = (Vec<String>, String);

/// What counts of some namespaces, by namespace and name.
#[derive(Debug, Default, PartialEq)]
struct Shown {
    copies: BTreeMap<String, CopyShown>,
    accounts: BTreeMap<String, AccountShown>,
}

fn texts(values: &Value) -> Vec<String> {
    let values = values.as_array().into_iter().flatten();
    values.map(|value| value.as_str().unwrap().to_owned()).collect()
}

fn text(value: &Value) -> &str {
    value.as_str().unwrap_or_default()
}

/// What `render -o json` shows.
fn rendered(result: &Value) -> Shown {
    let key = |object: &Value| format!("{}/{}", text(&object["namespace"]), text(&object["name"]));
    let mut shown = Shown::default();
    for copy in result["secrets"].as_array().unwrap() {
        assert_eq!(copy["action"], "Create", "{copy:#}");
        let parts = (
            copy["labels"].clone(),
            copy["annotations"].clone(),
            texts(&copy["servers"]),
        );
        shown.copies.insert(key(copy), parts);
    }
    for account in result["accounts"].as_array().unwrap() {
        let parts = (
            texts(&account["imagePullSecrets"]),
            texts(&account["attached"]).join(","),
        );
        shown.accounts.insert(key(account), parts);
    }
    shown
}

/// What is in the cluster after the operator has written.
fn written(list: &Value, object: &str) -> Shown {
    let mut shown = Shown::default();
    for item in list["items"].as_array().unwrap() {
        let metadata = &item["metadata"];
        let key = format!("{}/{}", text(&metadata["namespace"]), text(&metadata["name"]));
        let annotations = metadata.get("annotations").cloned().unwrap_or_else(|| json!({}));
        if item["kind"] == "Secret" {
            let config = STANDARD.decode(text(&item["data"][".dockerconfigjson"])).unwrap();
            let config: Value = serde_json::from_slice(&config).unwrap();
            let servers = config["auths"].as_object().unwrap().keys().cloned().collect();
            assert_eq!(item["type"], "kubernetes.io/dockerconfigjson");
            shown
                .copies
                .insert(key, (metadata["labels"].clone(), annotations, servers));
        } else if text(&metadata["name"]) == "default" {
            let entries = item["imagePullSecrets"].as_array().into_iter().flatten();
            let entries: Vec<String> = entries.map(|entry| text(&entry["name"]).to_owned()).collect();
            assert!(entries.iter().any(|entry| entry == object), "{item:#}");
            shown.accounts.insert(
                key,
                (entries, text(&annotations["pullsecrets.dev/attached"]).to_owned()),
            );
        }
    }
    shown
}

/// Names, labels, annotations, servers and references are those that the operator writes; the bytes are not shown.
#[tokio::test]
async fn render_shows_what_the_operator_writes() {
    let scenario = Scenario::shared("rendered").await;
    let login = scenario.login("first");
    let (name, folder) = (scenario.name(), scenario.cluster().folder());
    let namespaces = scenario.in_scenario(&["a", "b"]);
    scenario.namespaces(&["a", "b"]).await;
    scenario.unselected_namespaces(&["c"]).await;
    scenario.wait_for_accounts(&namespaces).await;
    let foreign = json!({
        "apiVersion": "v1", "kind": "ServiceAccount", "metadata": {"name": "default", "namespace": namespaces[1]},
        "imagePullSecrets": [{"name": "theirs"}],
    });
    scenario.apply(&foreign).await;
    let dump = folder.join(format!("{name}.dump.json"));
    let before = scenario
        .kubectl(&["get", "namespaces,serviceaccounts", "-A", "-o", "json"])
        .await;
    std::fs::write(&dump, before).unwrap();
    let source = json!({
        "apiVersion": "v1", "kind": "Secret", "type": "kubernetes.io/basic-auth",
        "metadata": {"name": name, "namespace": SYSTEM_NAMESPACE},
        "stringData": {"username": login.username, "password": login.password},
    });
    let manifests = folder.join(format!("{name}.yaml"));
    std::fs::write(&manifests, format!("{source}\n---\n{}\n", scenario.object())).unwrap();

    let tool = Tool::new(scenario.cluster().kubeconfig_path()).await;
    let files = [manifests.display().to_string(), dump.display().to_string()];
    let render = ["render", "-f", &files[0], "--from-dump", &files[1]];
    let (code, result) = tool.json(&render).await;
    assert_eq!(code, Some(0), "{result:#}");
    let yaml = tool.run(&render).await;
    assert!(
        scenario.canary().found_in(&format!("{result} {yaml:?}")).is_none(),
        "{yaml:#?}"
    );
    assert_eq!(yaml.out.matches("<redacted>").count(), 2, "{yaml:#?}");

    scenario.source(&login).await;
    scenario.apply(&scenario.object()).await;
    scenario.says("Ready", "True", "Synced").await;
    let mut after = json!({"items": []});
    for namespace in &namespaces {
        let kinds = ["get", "secrets,serviceaccounts", "-n", namespace, "-o", "json"];
        let list: Value = serde_json::from_str(&scenario.kubectl(&kinds).await).unwrap();
        let items = list["items"].as_array().unwrap();
        after["items"].as_array_mut().unwrap().extend(items.iter().cloned());
    }
    let (shown, written) = (rendered(&result), written(&after, name));
    assert_eq!(shown, written);
    assert_eq!((written.copies.len(), written.accounts.len()), (2, 2));
    assert_eq!(
        written.accounts[&format!("{}/default", namespaces[1])].0,
        ["theirs", name]
    );
}
