//! Everything deleted, and put back from a backup: with other uids, without a status, copies and accounts included.

use std::collections::BTreeMap;

use e2e::SYSTEM_NAMESPACE;
use e2e::oracle::{self, Login};
use e2e::scene::{SOON, Scene};
use e2e::wait::eventually;
use serde_json::{Value, json};

const STATE: &str = "--field-selector=type=pullsecrets.dev/state";

/// What a tool does with the owners of what it restores, which have other uids now.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Owners {
    /// Restores them as they were, as `kubectl create` of a saved list does.
    Stale,
    /// Leaves them out and restores who wrote which field, as Velero does.
    LeftOut,
}

/// What was saved of a scene, as the API server gave it.
struct Backup {
    secrets: Vec<Value>,
    accounts: Vec<Value>,
    object: Value,
}

impl Backup {
    async fn take(scene: &Scene) -> Self {
        let (mut secrets, mut accounts) = (Vec::new(), Vec::new());
        for namespace in scene.in_scene(&["a", "b"]) {
            secrets.extend(list(scene, &["secrets", "-n", &namespace]).await);
            accounts.extend(list(scene, &["serviceaccounts", "-n", &namespace]).await);
        }
        let source = list(scene, &["secrets", "-n", SYSTEM_NAMESPACE]).await;
        secrets.extend(source);
        Self {
            secrets,
            accounts,
            object: scene.current().await,
        }
    }

    /// In Velero's order: Secrets, accounts, and then what it knows nothing about. An account that is there already gets
    /// what it lacks.
    async fn restore(&self, scene: &Scene, owners: Owners) {
        scene.namespaces(&["a", "b"]).await;
        scene.wait_for_accounts(&scene.in_scene(&["a", "b"])).await;
        for secret in &self.secrets {
            create(scene, &reset(secret, owners)).await;
            if owners == Owners::LeftOut {
                let metadata = &secret["metadata"];
                let fields = json!({"metadata": {"managedFields": metadata["managedFields"]}}).to_string();
                let (name, namespace) = (text(&metadata["name"]), text(&metadata["namespace"]));
                scene
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
                scene
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
                create(scene, &account).await;
            }
        }
        create(scene, &reset(&self.object, owners)).await;
    }

    /// What others had in the namespaces, less what only this cluster can know.
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

async fn create(scene: &Scene, item: &Value) {
    let created = scene
        .cluster()
        .kubectl()
        .run(&["create", "-f", "-"], &item.to_string())
        .await;
    created.unwrap();
}

async fn list(scene: &Scene, what: &[&str]) -> Vec<Value> {
    let listed = scene.kubectl(&[&["get", "-o", "json"], what].concat()).await;
    let listed: Value = serde_json::from_str(&listed).unwrap();
    listed["items"].as_array().unwrap().clone()
}

/// Two namespaces served, and in them what belongs to others.
async fn company(name: &str) -> (Scene, Login) {
    let scene = Scene::own(name).await;
    let (first, second) = (scene.login("first"), scene.login("second"));
    scene.unselected_namespaces(&["a", "b"]).await;
    for namespace in scene.in_scene(&["a", "b"]) {
        scene
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
        scene
            .kubectl(&["create", "serviceaccount", "builder", "-n", &namespace])
            .await;
        scene
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
        scene
            .kubectl(&["patch", "serviceaccount", "default", "-n", &namespace, "-p", patch])
            .await;
    }
    scene.source(&first).await;
    scene.apply(&scene.object()).await;
    for namespace in scene.in_scene(&["a", "b"]) {
        scene
            .kubectl(&["label", "namespace", &namespace, &format!("scene={name}")])
            .await;
    }
    scene.holds("it is served", &scene.expected(&["a", "b"], &first)).await;
    scene.source(&second).await;
    scene
        .holds("it has another password", &scene.expected(&["a", "b"], &second))
        .await;
    scene.says("Ready", "True", "Synced").await;
    (scene, second)
}

/// All that the backup holds goes; with the operator down, its finalizer is taken off by hand.
async fn wipe(scene: &Scene) {
    scene.kubectl(&["delete", "cps", scene.name(), "--wait=false"]).await;
    let arguments = [
        "patch",
        "cps",
        scene.name(),
        "--type=merge",
        "-p",
        r#"{"metadata":{"finalizers":null}}"#,
    ];
    // Gone already, where the operator was quicker.
    let _ = scene.cluster().kubectl().output(&arguments, "").await.unwrap();
    delete_namespaces(scene).await;
    scene
        .kubectl(&["delete", "secrets", "-n", SYSTEM_NAMESPACE, "--all"])
        .await;
}

async fn delete_namespaces(scene: &Scene) {
    let names = scene.in_scene(&["a", "b"]);
    let names: Vec<&str> = names.iter().map(String::as_str).collect();
    scene
        .kubectl(&[&["delete", "namespace", "--timeout=60s"], names.as_slice()].concat())
        .await;
}

async fn everything_is_right_again(scene: &Scene, before: &Backup, login: &Login) {
    scene
        .holds("it is served again", &scene.expected(&["a", "b"], login))
        .await;
    scene.says("Ready", "True", "Synced").await;
    let after = Backup::take(scene).await;
    assert_eq!(after.foreign(scene.name()), before.foreign(scene.name()));
    // Restored without an owner, what was remembered of the object of then is nobody's. As README says:
    scene
        .kubectl(&["delete", "secrets", "-n", SYSTEM_NAMESPACE, STATE])
        .await;
    eventually("what is remembered is of the object of now", SOON, async || {
        let states = list(scene, &["secrets", "-n", SYSTEM_NAMESPACE, STATE]).await;
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
    scene.kubectl(&["delete", "cps", scene.name(), "--timeout=30s"]).await;
    scene.gone("it can be deleted").await;
    let left = list(scene, &["secrets", "-n", SYSTEM_NAMESPACE, STATE]).await;
    assert_eq!(left.len(), 0, "something is still remembered");
}

/// Of what has the name of the copies, by namespace: a running operator takes our label off a copy that nobody asks for.
async fn uids(scene: &Scene) -> BTreeMap<String, String> {
    let mut uids = BTreeMap::new();
    for namespace in scene.in_scene(&["a", "b"]) {
        for secret in list(scene, &["secrets", "-n", &namespace]).await {
            if secret["metadata"]["name"] == scene.name() {
                uids.insert(namespace.clone(), text(&secret["metadata"]["uid"]).to_owned());
            }
        }
    }
    uids
}

#[tokio::test]
async fn restored_without_owners_every_copy_stays_and_is_taken_back_in_place() {
    let (scene, login) = company("velero").await;
    let backup = Backup::take(&scene).await;
    scene.stop_operator();
    wipe(&scene).await;
    backup.restore(&scene, Owners::LeftOut).await;
    let uids = scene.uids().await;
    assert_eq!(uids.len(), 2);
    scene.start_operator().await;
    scene
        .holds("it is served again", &scene.expected(&["a", "b"], &login))
        .await;
    assert_eq!(scene.uids().await, uids, "no copy was made anew");
    everything_is_right_again(&scene, &backup, &login).await;
}

#[tokio::test]
async fn restored_without_owners_beside_a_running_operator_nothing_is_lost() {
    let (scene, login) = company("beside").await;
    let backup = Backup::take(&scene).await;
    wipe(&scene).await;
    scene.gone("everything is deleted").await;
    backup.restore(&scene, Owners::LeftOut).await;
    let uids = uids(&scene).await;
    assert_eq!(uids.len(), 2);
    scene
        .holds("it is served again", &scene.expected(&["a", "b"], &login))
        .await;
    assert_eq!(scene.uids().await, uids, "no copy was made anew");
    everything_is_right_again(&scene, &backup, &login).await;
}

#[tokio::test]
async fn restored_with_owners_that_are_no_more_copies_are_collected_and_made_again() {
    let (scene, login) = company("stale").await;
    let backup = Backup::take(&scene).await;
    scene.stop_operator();
    wipe(&scene).await;
    backup.restore(&scene, Owners::Stale).await;
    eventually(
        "garbage collection takes each copy whose owner is no more",
        SOON * 2,
        async || {
            let left = oracle::uids(scene.client(), scene.name()).await?;
            left.is_empty().then_some(()).ok_or_else(|| format!("{left:?}"))
        },
    )
    .await;
    scene.start_operator().await;
    everything_is_right_again(&scene, &backup, &login).await;

    // And so it is where the operator is up, whoever is first.
    scene
        .kubectl(&["delete", "secrets", "-n", SYSTEM_NAMESPACE, "--all"])
        .await;
    delete_namespaces(&scene).await;
    backup.restore(&scene, Owners::Stale).await;
    everything_is_right_again(&scene, &backup, &login).await;
}
