//! Events, as `kubectl describe` shows them.

use e2e::scenario::{LABEL, SOON, Scenario};
use e2e::wait::eventually;

/// Each change of state is one Event that `describe` shows, for any number of namespaces.
#[tokio::test]
async fn each_change_of_state_is_one_event() {
    let scenario = Scenario::shared("told").await;
    let login = scenario.login("first");
    scenario.namespaces(&["a", "b", "c", "d"]).await;
    scenario.source(&login).await;
    scenario.apply(&scenario.object()).await;
    scenario.says("Ready", "True", "Synced").await;
    events_are(&scenario, &["Normal Synced"]).await;

    scenario.unselected_namespaces(&["e", "f", "g"]).await;
    let squatted = scenario.in_scenario(&["e", "f", "g"]);
    let label = format!("{LABEL}={}", scenario.name());
    for namespace in &squatted {
        let theirs = [
            "create",
            "secret",
            "generic",
            scenario.name(),
            "-n",
            namespace,
            "--from-literal=theirs=kept",
        ];
        scenario.kubectl(&theirs).await;
        scenario.kubectl(&["label", "namespace", namespace, &label]).await;
    }
    eventually("all three are counted", SOON, async || {
        let failed = scenario.current().await["status"]["namespaces"]["failed"].clone();
        if failed == 3 { Ok(()) } else { Err(failed.to_string()) }
    })
    .await;
    events_are(&scenario, &["Normal Synced", "Warning NamespacesFailed"]).await;
    let described = scenario.kubectl(&["describe", "cps", scenario.name()]).await;
    let events = described.split("Events:").nth(1).unwrap_or_default();
    assert!(
        events.contains("NamespacesFailed") && events.contains("pullsecrets.dev"),
        "{described}"
    );

    let all: Vec<&str> = squatted.iter().map(String::as_str).collect();
    let delete = ["delete", "namespace", "--wait=false"];
    scenario.kubectl(&[&delete[..], &all].concat()).await;
    scenario.says("Ready", "True", "Synced").await;
    let again = ["Normal Synced", "Normal Synced", "Warning NamespacesFailed"];
    events_are(&scenario, &again).await;
}

/// Waits for these types and reasons, sorted; a repeated Event counts once for each repetition.
async fn events_are(scenario: &Scenario, expected: &[&str]) {
    let about = format!("regarding.name={}", scenario.name());
    let columns = r#"jsonpath={range .items[*]}{.type} {.reason} {.series.count}{"\n"}{end}"#;
    let get = [
        "get",
        "events.events.k8s.io",
        "-n",
        "default",
        "--field-selector",
        &about,
        "-o",
        columns,
    ];
    eventually("the events are those of the changes", SOON, async || {
        let mut seen: Vec<String> = Vec::new();
        for line in scenario.kubectl(&get).await.lines() {
            let (what, count) = line.rsplit_once(' ').unwrap_or((line, ""));
            let times = count.parse().unwrap_or(1);
            seen.extend(std::iter::repeat_n(what.trim().to_owned(), times));
        }
        seen.sort();
        if seen == expected {
            Ok(())
        } else {
            Err(format!("{seen:?}"))
        }
    })
    .await;
}

#[tokio::test]
async fn events_that_cannot_be_published_hold_nothing_up() {
    let scenario = Scenario::own("untold").await;
    let login = scenario.login("first");
    let rules = scenario
        .kubectl(&["get", "clusterrole", "pullsecrets", "-o", "json"])
        .await;
    let mut role: serde_json::Value = serde_json::from_str(&rules).unwrap();
    let kept = role["rules"].as_array().unwrap().iter();
    role["rules"] = kept.filter(|rule| rule["resources"][0] != "events").cloned().collect();
    let metadata = role["metadata"].as_object_mut().unwrap();
    metadata.retain(|key, _| key == "name" || key == "labels");
    scenario.kubectl(&["delete", "clusterrole", "pullsecrets"]).await;
    scenario.apply(&role).await;

    scenario.set_up(&["a"], &login).await;
    scenario.says("Ready", "True", "Synced").await;
    events_are(&scenario, &[]).await;
    scenario.kubectl(&["delete", "cps", "untold"]).await;
    scenario.gone("the object has left no trace").await;
}
