//! Writes of the status, and its columns.

use std::collections::BTreeMap;

use e2e::OPERATOR_USER;
use e2e::oracle::Login;
use e2e::scenario::{LABEL, SOON, Scenario};
use e2e::wait::quiet;
use futures::{StreamExt, stream};
use serde_json::{Value, json};
use std::time::Duration;

use crate::gitops::record::{Record, ready_is};
use crate::gitops::rules;

/// More than a status names.
const SQUATTERS: usize = 25;

/// The promise is a second. The interval between two arrivals at the server may be slightly less.
const NEARLY_A_SECOND: f64 = 0.9;

/// Twenty of many failures are named by namespace, and all are counted.
#[tokio::test]
async fn twenty_failures_are_named_all_are_counted() {
    let scenario = Scenario::shared("squatters").await;
    let record = Record::of(&scenario);
    let parts: Vec<String> = (0..SQUATTERS).map(|number| format!("s{number:02}")).collect();
    let parts: Vec<&str> = parts.iter().map(String::as_str).chain(["free-1", "free-2"]).collect();
    scenario.namespaces(&parts).await;
    stream::iter(&parts[..SQUATTERS])
        .for_each_concurrent(8, async |part| {
            let namespace = format!("{}-{part}", scenario.name());
            let squatter = json!({
                "apiVersion": "v1", "kind": "Secret", "metadata": {"name": scenario.name(), "namespace": namespace},
            });
            scenario.apply(&squatter).await;
        })
        .await;
    scenario.source(&Login::new("robot", "first")).await;
    scenario.apply(&scenario.object()).await;
    let all = |object: &Value| object["status"]["namespaces"]["summary"] == "2/27" && failed(object) == SQUATTERS;
    let told = record.first(scenario.name(), "with all its failures", SOON, all).await;
    let failures = told["status"]["failures"].as_array().unwrap().clone();
    let named: Vec<&str> = failures
        .iter()
        .filter_map(|failure| failure["namespace"].as_str())
        .collect();
    let first: Vec<String> = parts[..20]
        .iter()
        .map(|part| format!("{}-{part}", scenario.name()))
        .collect();
    assert_eq!(named, first);
    assert!(
        failures.iter().all(|failure| failure["reason"] == "SecretConflict"),
        "{failures:?}"
    );
    rules::check(&record).await;
}

fn failed(object: &Value) -> usize {
    object["status"]["namespaces"]["failed"]
        .as_u64()
        .and_then(|failed| usize::try_from(failed).ok())
        .unwrap_or(0)
}

/// The status of a busy object is written once a second, that of a settled one not at all.
#[tokio::test]
async fn status_is_written_once_a_second_at_most() {
    let scenario = Scenario::shared("busy").await;
    scenario.set_up(&["first"], &Login::new("robot", "first")).await;
    let mark = scenario.mark().await;
    // New namespaces arrive all the time, for a few of those seconds.
    for number in 0..40 {
        let labels = BTreeMap::from([(LABEL.to_owned(), scenario.name().to_owned())]);
        scenario
            .make_namespaces(vec![format!("{}-{number}", scenario.name())], &labels)
            .await;
        tokio::time::sleep(Duration::from_millis(100)).await;
    }
    scenario.counts(41).await;
    scenario.says("Ready", "True", "Synced").await;
    let written = status_writes(&scenario, mark).await;
    assert!(written.len() >= 3, "{written:?}");
    let pauses: Vec<f64> = written.windows(2).map(|pair| pair[1] - pair[0]).collect();
    assert!(pauses.iter().all(|&pause| pause >= NEARLY_A_SECOND), "{pauses:?}");

    let mark = scenario.mark().await;
    quiet(
        "no status is written without a change",
        Duration::from_secs(5),
        async || {
            let written = status_writes(&scenario, mark).await;
            if written.is_empty() {
                Ok(())
            } else {
                Err(format!("{} writes", written.len()))
            }
        },
    )
    .await;
}

/// Returns the times of the operator's writes to the status of the scenario's object, in seconds.
async fn status_writes(scenario: &Scenario, mark: e2e::audit::Mark) -> Vec<f64> {
    let audit = scenario.cluster().audit();
    audit.settle(scenario.client()).await.unwrap();
    let records = audit.since(mark).unwrap();
    let of_scenario = records.iter().filter(|record| {
        record.user == OPERATOR_USER
            && record.is_write()
            && record.subresource == "status"
            && record.name == scenario.name()
    });
    let mut times: Vec<f64> = of_scenario
        .map(|record| record.timestamp.as_duration().as_secs_f64())
        .collect();
    times.sort_by(f64::total_cmp);
    times
}

#[tokio::test]
async fn kubectl_waits_for_ready_and_shows_the_columns() {
    let scenario = Scenario::shared("columns").await;
    scenario.namespaces(&["a", "b"]).await;
    scenario.apply(&scenario.object()).await;
    let beside = scenario.beside(scenario.name()).await;
    let waiting = tokio::spawn(async move {
        let object = format!("cps/{}", beside.name());
        beside
            .kubectl(&["wait", "--for=condition=Ready", &object, "--timeout=60s"])
            .await
    });
    scenario.source(&Login::new("robot", "first")).await;
    let told = waiting.await.unwrap();
    assert!(told.contains("condition met"), "{told}");
    scenario.counts(2).await;

    let shown = |text: String| -> Vec<Vec<String>> {
        text.lines()
            .map(|line| line.split_whitespace().map(str::to_owned).collect())
            .collect()
    };
    let usual = shown(scenario.kubectl(&["get", "cps", scenario.name()]).await);
    assert_eq!(usual[0], ["NAME", "READY", "REASON", "NAMESPACES", "ACCOUNTS", "AGE"]);
    assert_eq!(usual[1][..5], [scenario.name(), "True", "Synced", "2/2", "2/2"]);
    let wide = shown(scenario.kubectl(&["get", "cps", scenario.name(), "-o", "wide"]).await);
    assert_eq!(
        wide[0],
        ["NAME", "READY", "REASON", "NAMESPACES", "ACCOUNTS", "REGISTRIES", "AGE"]
    );
    assert_eq!(wide[1][..6], [scenario.name(), "True", "Synced", "2/2", "2/2", "1/1"]);
    assert!(ready_is(&scenario.current().await, "True", "Synced"));
}
