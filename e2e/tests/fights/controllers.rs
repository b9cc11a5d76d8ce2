//! Another controller with other intentions.

use std::time::Duration;

use e2e::audit::Record;
use e2e::scenario::{SOON, Scenario};
use e2e::wait::quiet;
use k8s_openapi::api::core::v1::{Secret, ServiceAccount};
use serde_json::json;

use crate::fights::rival::{self, Rival};

/// Restores at once, after 1, 2 and 4 s, and the beginning of the next wait.
const A_FIGHT: Duration = Duration::from_secs(9);
/// Three at once and one at each of those times. Each may lose a race against the rival's own write.
const RESTORES_IN_A_FIGHT: usize = 8;

/// A controller that keeps removing the operator's entry is named, slowed and reported once, and forgotten when it
/// stops.
#[tokio::test]
async fn contended_reference_is_reported_once_and_backs_off() {
    let scenario = Scenario::shared("removing").await;
    scenario.namespaces(&["a"]).await;
    // The server tracks managedFields only for an account created with fields.
    scenario
        .apply(&json!({"apiVersion": "v1", "kind": "ServiceAccount",
            "metadata": {"name": "builder", "namespace": format!("{}-a", scenario.name()), "labels": {"team": "x"}}}))
        .await;
    scenario.source(&scenario.login("first")).await;
    let mut object = scenario.object();
    object["spec"]["serviceAccounts"] = json!({"names": ["builder"]});
    scenario.apply(&object).await;
    scenario.says("Ready", "True", "Synced").await;
    let mark = scenario.mark().await;

    let name = scenario.name().to_owned();
    let rival = Rival::start::<ServiceAccount>(&scenario, "builder", move |account| {
        let entries = account["imagePullSecrets"].as_array()?;
        let ours = entries.iter().any(|entry| entry["name"] == name);
        ours.then(|| json!({"imagePullSecrets": [{"name": "theirs"}]}))
    });
    is_told_by_name(&scenario, "ServiceAccountsSynced", "Contended").await;
    stays_told(&scenario).await;
    let writes = scenario.writes_since(mark).await;
    is_slow(&writes, "serviceaccounts");
    rival.stop().await;

    scenario.says("Ready", "True", "Synced").await;
    let path = "jsonpath={.imagePullSecrets[*].name}";
    let namespace = format!("{}-a", scenario.name());
    let entries = ["get", "serviceaccount", "builder", "-n", &namespace, "-o", path];
    assert_eq!(scenario.kubectl(&entries).await, format!("theirs {}", scenario.name()));
    was_told_once(&scenario).await;
}

/// A controller that keeps rewriting a copy is named, slowed and reported once, and forgotten when it stops.
#[tokio::test]
async fn contended_copy_is_reported_once_and_backs_off() {
    let scenario = Scenario::shared("rewriting").await;
    let login = scenario.login("first");
    scenario.set_up(&["a"], &login).await;
    scenario.says("Ready", "True", "Synced").await;
    let uids = scenario.uids().await;
    let mark = scenario.mark().await;

    let theirs = "eyJhdXRocyI6e319";
    let rival = Rival::start::<Secret>(&scenario, scenario.name(), move |secret| {
        let ours = secret["data"][".dockerconfigjson"] != theirs;
        ours.then(|| json!({"data": {".dockerconfigjson": theirs}}))
    });
    is_told_by_name(&scenario, "SecretsSynced", "NamespacesFailed").await;
    stays_told(&scenario).await;
    let writes = scenario.writes_since(mark).await;
    is_slow(&writes, "secrets");
    rival.stop().await;

    scenario.says("Ready", "True", "Synced").await;
    scenario
        .holds("our bytes are there", &scenario.expected(&["a"], &login))
        .await;
    assert_eq!(scenario.uids().await, uids, "the very same Secret");
    was_told_once(&scenario).await;
}

async fn is_told_by_name(scenario: &Scenario, kind: &str, reason: &str) {
    let what = format!("{} names the rival", scenario.name());
    e2e::wait::eventually(&what, SOON, async || match scenario.condition(kind).await {
        Some(seen) if seen.reason == reason && seen.message.contains(rival::NAME) => Ok(()),
        seen => Err(format!("{seen:?}")),
    })
    .await;
    let failures = scenario.current().await["status"]["failures"].clone();
    assert_eq!(failures[0]["reason"], "Contended", "{failures}");
}

/// Checks that the report stays, even while the undone write is restored.
async fn stays_told(scenario: &Scenario) {
    quiet(
        "the status reports the contention while it lasts",
        A_FIGHT,
        async || match scenario.condition("Ready").await {
            Some(seen) if seen.status == "False" => Ok(()),
            seen => Err(format!("{seen:?}")),
        },
    )
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

async fn was_told_once(scenario: &Scenario) {
    let name = format!("regarding.name={}", scenario.name());
    let events = [
        "get",
        "events.events.k8s.io",
        "-n",
        "default",
        "--field-selector",
        &name,
    ];
    let reasons = "jsonpath={range .items[*]}{.reason} {.type} {.series.count}{\"\\n\"}{end}";
    let told = scenario.kubectl(&[&events[..], &["-o", reasons]].concat()).await;
    let warnings: Vec<&str> = told.lines().filter(|line| line.contains("Warning")).collect();
    assert_eq!(warnings.len(), 1, "{told}");
    assert!(
        !warnings[0].trim_end().ends_with(char::is_numeric),
        "no repetition: {told}"
    );
}
