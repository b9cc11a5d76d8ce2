//! Another controller that wants otherwise.

use std::time::Duration;

use e2e::audit::Record;
use e2e::scene::{SOON, Scene};
use e2e::wait::quiet;
use k8s_openapi::api::core::v1::{Secret, ServiceAccount};
use serde_json::json;

use crate::fights::rival::{self, Rival};

/// Restores at once, after 1, 2 and 4 s, and the beginning of the next wait.
const A_FIGHT: Duration = Duration::from_secs(9);
/// Three at once and one at each of those times; each may lose a race against the rival's own write.
const RESTORES_IN_A_FIGHT: usize = 8;

#[tokio::test]
async fn a_controller_that_keeps_removing_our_entry_is_named_slowed_told_once_and_forgotten_when_it_stops() {
    let scene = Scene::shared("removing").await;
    scene.namespaces(&["a"]).await;
    // What is made without any field is not tracked in managedFields, so it has to have one.
    scene
        .apply(&json!({"apiVersion": "v1", "kind": "ServiceAccount",
            "metadata": {"name": "builder", "namespace": format!("{}-a", scene.name()), "labels": {"team": "x"}}}))
        .await;
    scene.source(&scene.login("first")).await;
    let mut object = scene.object();
    object["spec"]["serviceAccounts"] = json!({"names": ["builder"]});
    scene.apply(&object).await;
    scene.says("Ready", "True", "Synced").await;
    let mark = scene.mark().await;

    let name = scene.name().to_owned();
    let rival = Rival::start::<ServiceAccount>(&scene, "builder", move |account| {
        let entries = account["imagePullSecrets"].as_array()?;
        let ours = entries.iter().any(|entry| entry["name"] == name);
        ours.then(|| json!({"imagePullSecrets": [{"name": "theirs"}]}))
    });
    is_told_by_name(&scene, "ServiceAccountsSynced", "Contended").await;
    stays_told(&scene).await;
    let writes = scene.writes_since(mark).await;
    is_slow(&writes, "serviceaccounts");
    rival.stop().await;

    scene.says("Ready", "True", "Synced").await;
    let path = "jsonpath={.imagePullSecrets[*].name}";
    let namespace = format!("{}-a", scene.name());
    let entries = ["get", "serviceaccount", "builder", "-n", &namespace, "-o", path];
    assert_eq!(scene.kubectl(&entries).await, format!("theirs {}", scene.name()));
    was_told_once(&scene).await;
}

#[tokio::test]
async fn a_controller_that_keeps_rewriting_our_copy_is_named_slowed_told_once_and_forgotten_when_it_stops() {
    let scene = Scene::shared("rewriting").await;
    let login = scene.login("first");
    scene.set_up(&["a"], &login).await;
    scene.says("Ready", "True", "Synced").await;
    let uids = scene.uids().await;
    let mark = scene.mark().await;

    let theirs = "eyJhdXRocyI6e319";
    let rival = Rival::start::<Secret>(&scene, scene.name(), move |secret| {
        let ours = secret["data"][".dockerconfigjson"] != theirs;
        ours.then(|| json!({"data": {".dockerconfigjson": theirs}}))
    });
    is_told_by_name(&scene, "SecretsSynced", "NamespacesFailed").await;
    stays_told(&scene).await;
    let writes = scene.writes_since(mark).await;
    is_slow(&writes, "secrets");
    rival.stop().await;

    scene.says("Ready", "True", "Synced").await;
    scene
        .holds("our bytes are there", &scene.expected(&["a"], &login))
        .await;
    assert_eq!(scene.uids().await, uids, "the very same Secret");
    was_told_once(&scene).await;
}

async fn is_told_by_name(scene: &Scene, kind: &str, reason: &str) {
    let what = format!("{} names the rival", scene.name());
    e2e::wait::eventually(&what, SOON, async || match scene.condition(kind).await {
        Some(seen) if seen.reason == reason && seen.message.contains(rival::NAME) => Ok(()),
        seen => Err(format!("{seen:?}")),
    })
    .await;
    let failures = scene.current().await["status"]["failures"].clone();
    assert_eq!(failures[0]["reason"], "Contended", "{failures}");
}

/// Also in the moments in which what was undone is restored.
async fn stays_told(scene: &Scene) {
    quiet("the fight stays told while it lasts", A_FIGHT, async || {
        match scene.condition("Ready").await {
            Some(seen) if seen.status == "False" => Ok(()),
            seen => Err(format!("{seen:?}")),
        }
    })
    .await;
}

fn is_slow(writes: &[Record], resource: &str) {
    let made = writes
        .iter()
        .filter(|write| write.resource == resource && write.code == 200);
    let made = made.count();
    assert!(made >= 4, "it is restored: {writes:#?}");
    assert!(made <= RESTORES_IN_A_FIGHT, "{made} restores: {writes:#?}");
}

async fn was_told_once(scene: &Scene) {
    let name = format!("regarding.name={}", scene.name());
    let events = [
        "get",
        "events.events.k8s.io",
        "-n",
        "default",
        "--field-selector",
        &name,
    ];
    let reasons = "jsonpath={range .items[*]}{.reason} {.type} {.series.count}{\"\\n\"}{end}";
    let told = scene.kubectl(&[&events[..], &["-o", reasons]].concat()).await;
    let warnings: Vec<&str> = told.lines().filter(|line| line.contains("Warning")).collect();
    assert_eq!(warnings.len(), 1, "{told}");
    assert!(
        !warnings[0].trim_end().ends_with(char::is_numeric),
        "no repetition: {told}"
    );
}
