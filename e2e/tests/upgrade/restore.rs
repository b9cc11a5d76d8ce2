//! Restore from a backup after a total deletion: with other uids, without a status, copies and accounts included.

use std::collections::BTreeMap;

use e2e::SYSTEM_NAMESPACE;
use e2e::oracle::{self, Login};
use e2e::scenario::{SOON, Scenario};
use e2e::wait::eventually;
use serde_json::{Value, json};

const STATE: &str = "--field-selector=type=pullsecrets.dev/state";

/// How a tool treats the owners of restored objects, which have other uids now.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Owners {
    /// Restores them unchanged, as `kubectl create` of a saved list does.
    Stale,
    /// Leaves them out and restores the managedFields, as Velero does.
    LeftOut,
}

/// A scenario's backup, as returned by the API server.
struct Backup {
    secrets: Vec<Value>,
    accounts: Vec<Value>,
    object: Value,
}

impl Backup {
    async fn take(scenario: &Scenario) -> Self {
        let (mut secrets, mut accounts) = (Vec::new(), Vec::new());
        for namespace in scenario.in_scenario(&["a", "b"]) {
            secrets.extend(list(scenario, &["secrets", "-n", &namespace]).await);
            accounts.extend(list(scenario, &["serviceaccounts", "-n", &namespace]).await);
        }
        let source = list(scenario, &["secrets", "-n", SYSTEM_NAMESPACE]).await;
        secrets.extend(source);
        Self {
            secrets,
            accounts,
            object: scenario.current().await,
        }
    }

    /// Restores in Velero's order: Secrets, accounts, and then kinds unknown to it. An existing account gets its
    /// missing fields.
    async fn restore(&self, scenario: &Scenario, owners: Owners) {
        scenario.namespaces(&["a", "b"]).await;
        scenario.wait_for_accounts(&scenario.in_scenario(&["a", "b"])).await;
        for secret in &self.secrets {
            create(scenario, &reset(secret, owners)).await;
            if owners == Owners::LeftOut {
                let metadata = &secret["metadata"];
                let fields = json!({"metadata": {"managedFields": metadata["managedFields"]}}).to_string();
                let (name, namespace) = (text(&metadata["name"]), text(&metadata["namespace"]));
                scenario
                    .kubectl(&["patch", "secret", name, "-n", namespace, "--type=merge", "-p", &fields])
                    .await;
            }
        }
        for account in &self.accounts {
            let account = reset(account, owners);
            let (name, namespace) = (
                text(&account["metadata"]["name"]),
                text(&account["metadata"]["namespace"]),
            );
            if name == "default" {
                let annotations = json!({"annotations": account["metadata"]["annotations"]});
                let patch = json!({"metadata": annotations, "imagePullSecrets": account["imagePullSecrets"]});
                let patch = patch.to_string();
                scenario
                    .kubectl(&[
                        "patch",
                        "serviceaccount",
                        name,
                        "-n",
                        namespace,
                        "--type=merge",
                        "-p",
                        &patch,
                    ])
                    .await;
            } else {
                create(scenario, &account).await;
            }
        }
        create(scenario, &reset(&self.object, owners)).await;
    }

    /// Returns the foreign objects in the namespaces, without fields that only this cluster can know.
    fn foreign(&self, secret: &str) -> BTreeMap<String, String> {
        let theirs = |item: &&Value| item["type"] == "Opaque" && item["metadata"]["namespace"] != SYSTEM_NAMESPACE;
        let secrets = self.secrets.iter().filter(theirs).map(|item| {
            let metadata = &item["metadata"];
            (
                format!("secret {}/{}", metadata["namespace"], metadata["name"]),
                item["data"].to_string(),
            )
        });
        let accounts = self.accounts.iter().map(|item| {
            let metadata = &item["metadata"];
            let entries = item["imagePullSecrets"].as_array().into_iter().flatten();
            let entries: Vec<&str> = entries
                .map(|entry| text(&entry["name"]))
                .filter(|&name| name != secret)
                .collect();
            let theirs = metadata["annotations"]["example.com/theirs"].clone();
            (
                format!("account {}/{}", metadata["namespace"], metadata["name"]),
                format!("{entries:?} {theirs}"),
            )
        });
        secrets.chain(accounts).collect()
    }
}

fn text(value: &Value) -> &str {
    value.as_str().unwrap()
}

fn reset(item: &Value, owners: Owners) -> Value {
    let mut item = item.clone();
    item.as_object_mut().unwrap().remove("status");
    let metadata = item["metadata"].as_object_mut().unwrap();
    for field in [
        "uid",
        "resourceVersion",
        "generation",
        "creationTimestamp",
        "managedFields",
    ] {
        metadata.remove(field);
    }
    if owners == Owners::LeftOut {
        metadata.remove("ownerReferences");
    }
    item
}

async fn create(scenario: &Scenario, item: &Value) {
    let created = scenario
        .cluster()
        .kubectl()
        .run(&["create", "-f", "-"], &item.to_string())
        .await;
    created.unwrap();
}

async fn list(scenario: &Scenario, what: &[&str]) -> Vec<Value> {
    let listed = scenario.kubectl(&[&["get", "-o", "json"], what].concat()).await;
    let listed: Value = serde_json::from_str(&listed).unwrap();
    listed["items"].as_array().unwrap().clone()
}

/// Creates two served namespaces with foreign objects.
async fn company(name: &str) -> (Scenario, Login) {
    let scenario = Scenario::own(name).await;
    let (first, second) = (scenario.login("first"), scenario.login("second"));
    scenario.unselected_namespaces(&["a", "b"]).await;
    for namespace in scenario.in_scenario(&["a", "b"]) {
        scenario
            .kubectl(&[
                "create",
                "secret",
                "generic",
                "theirs",
                "-n",
                &namespace,
                "--from-literal=a=b",
            ])
            .await;
        scenario
            .kubectl(&["create", "serviceaccount", "builder", "-n", &namespace])
            .await;
        scenario
            .kubectl(&[
                "annotate",
                "serviceaccount",
                "default",
                "-n",
                &namespace,
                "example.com/theirs=kept",
            ])
            .await;
        let patch = r#"{"imagePullSecrets":[{"name":"theirs"}]}"#;
        scenario
            .kubectl(&["patch", "serviceaccount", "default", "-n", &namespace, "-p", patch])
            .await;
    }
    scenario.source(&first).await;
    scenario.apply(&scenario.object()).await;
    for namespace in scenario.in_scenario(&["a", "b"]) {
        scenario
            .kubectl(&["label", "namespace", &namespace, &format!("scenario={name}")])
            .await;
    }
    scenario
        .holds("it is served", &scenario.expected(&["a", "b"], &first))
        .await;
    scenario.source(&second).await;
    scenario
        .holds("it has another password", &scenario.expected(&["a", "b"], &second))
        .await;
    scenario.says("Ready", "True", "Synced").await;
    (scenario, second)
}

/// Deletes everything in the backup. With the operator down, it removes the finalizer by hand.
async fn wipe(scenario: &Scenario) {
    scenario
        .kubectl(&["delete", "cps", scenario.name(), "--wait=false"])
        .await;
    let arguments = [
        "patch",
        "cps",
        scenario.name(),
        "--type=merge",
        "-p",
        r#"{"metadata":{"finalizers":null}}"#,
    ];
    // Already gone if the operator was faster.
    let _ = scenario.cluster().kubectl().output(&arguments, "").await.unwrap();
    delete_namespaces(scenario).await;
    scenario
        .kubectl(&["delete", "secrets", "-n", SYSTEM_NAMESPACE, "--all"])
        .await;
}

async fn delete_namespaces(scenario: &Scenario) {
    let names = scenario.in_scenario(&["a", "b"]);
    let names: Vec<&str> = names.iter().map(String::as_str).collect();
    scenario
        .kubectl(&[&["delete", "namespace", "--timeout=120s"], names.as_slice()].concat())
        .await;
}

async fn everything_is_right_again(scenario: &Scenario, before: &Backup, login: &Login) {
    scenario
        .holds("it is served again", &scenario.expected(&["a", "b"], login))
        .await;
    scenario.says("Ready", "True", "Synced").await;
    let after = Backup::take(scenario).await;
    assert_eq!(after.foreign(scenario.name()), before.foreign(scenario.name()));
    // A restored state Secret without an owner belongs to no object. As README says:
    scenario
        .kubectl(&["delete", "secrets", "-n", SYSTEM_NAMESPACE, STATE])
        .await;
    eventually("what is remembered is of the object of now", SOON, async || {
        let states = list(scenario, &["secrets", "-n", SYSTEM_NAMESPACE, STATE]).await;
        let names: Vec<String> = states
            .iter()
            .map(|state| text(&state["metadata"]["name"]).to_owned())
            .collect();
        let uid = text(&after.object["metadata"]["uid"]);
        (names == [format!("pullsecrets-state-{uid}")])
            .then_some(())
            .ok_or_else(|| format!("{names:?}"))
    })
    .await;
    scenario
        .kubectl(&["delete", "cps", scenario.name(), "--timeout=120s"])
        .await;
    scenario.gone("it can be deleted").await;
    let left = list(scenario, &["secrets", "-n", SYSTEM_NAMESPACE, STATE]).await;
    assert_eq!(left.len(), 0, "something is still remembered");
}

/// Returns the uids of Secrets with the copies' name, by namespace. A running operator removes its label from a copy
/// that no object declares.
async fn uids(scenario: &Scenario) -> BTreeMap<String, String> {
    let mut uids = BTreeMap::new();
    for namespace in scenario.in_scenario(&["a", "b"]) {
        for secret in list(scenario, &["secrets", "-n", &namespace]).await {
            if secret["metadata"]["name"] == scenario.name() {
                uids.insert(namespace.clone(), text(&secret["metadata"]["uid"]).to_owned());
            }
        }
    }
    uids
}

/// Copies restored without owners stay and are taken back in place.
#[tokio::test]
async fn restore_without_owners_keeps_every_copy() {
    let (scenario, login) = company("velero").await;
    let backup = Backup::take(&scenario).await;
    scenario.stop_operator().await;
    wipe(&scenario).await;
    backup.restore(&scenario, Owners::LeftOut).await;
    let uids = scenario.uids().await;
    assert_eq!(uids.len(), 2);
    scenario.start_operator().await;
    scenario
        .holds("it is served again", &scenario.expected(&["a", "b"], &login))
        .await;
    assert_eq!(scenario.uids().await, uids, "no copy was recreated");
    everything_is_right_again(&scenario, &backup, &login).await;
}

/// Copies restored without owners beside a running operator stay.
#[tokio::test]
async fn restore_beside_running_operator_loses_nothing() {
    let (scenario, login) = company("beside").await;
    let backup = Backup::take(&scenario).await;
    wipe(&scenario).await;
    scenario.gone("everything is deleted").await;
    backup.restore(&scenario, Owners::LeftOut).await;
    let uids = uids(&scenario).await;
    assert_eq!(uids.len(), 2);
    scenario
        .holds("it is served again", &scenario.expected(&["a", "b"], &login))
        .await;
    assert_eq!(scenario.uids().await, uids, "no copy was recreated");
    everything_is_right_again(&scenario, &backup, &login).await;
}

/// Copies restored with deleted owners are collected and recreated.
#[tokio::test]
async fn restore_with_stale_owners_makes_copies_again() {
    let (scenario, login) = company("stale").await;
    let backup = Backup::take(&scenario).await;
    scenario.stop_operator().await;
    wipe(&scenario).await;
    backup.restore(&scenario, Owners::Stale).await;
    eventually(
        "garbage collection takes each copy whose owner is no more",
        SOON * 2,
        async || {
            let left = oracle::uids(scenario.client(), scenario.name()).await?;
            left.is_empty().then_some(()).ok_or_else(|| format!("{left:?}"))
        },
    )
    .await;
    scenario.start_operator().await;
    everything_is_right_again(&scenario, &backup, &login).await;

    // The same holds with a running operator, in either order.
    scenario
        .kubectl(&["delete", "secrets", "-n", SYSTEM_NAMESPACE, "--all"])
        .await;
    delete_namespaces(&scenario).await;
    backup.restore(&scenario, Owners::Stale).await;
    everything_is_right_again(&scenario, &backup, &login).await;
}
