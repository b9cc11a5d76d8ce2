//! Writes of the status, and its columns.

use std::collections::BTreeMap;

use e2e::OPERATOR_USER;
use e2e::oracle::Login;
use e2e::scenario::{LABEL, SOON, Scenario};
use e2e::wait::quiet;
use futures::{StreamExt, stream};
use jiff::Timestamp;
use serde_json::{Value, json};
use std::time::Duration;

use crate::gitops::record::{Record, ready_is};
use crate::gitops::rules;

/// More than a status names.
const SQUATTERS: usize = 25;

/// The promise is a second. The server may note the time of an answer slightly after it sent it.
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
    let labels = BTreeMap::from([(LABEL.to_owned(), scenario.name().to_owned())]);
    let names: Vec<String> = (0..40).map(|number| format!("{}-{number}", scenario.name())).collect();
    for name in &names {
        scenario.make_namespaces(vec![name.clone()], &labels).await;
        tokio::time::sleep(Duration::from_millis(100)).await;
    }
    // An account that comes late changes the status once more.
    scenario.wait_for_accounts(&names).await;
    scenario.counts_accounts(41).await;
    scenario.counts(41).await;
    scenario.says("Ready", "True", "Synced").await;
    let written = status_writes(&scenario, mark).await;
    assert!(written.len() >= 3, "{written:?}");
    // From the answer to one write until the next one arrives. Slow requests make this time longer, never shorter.
    let pauses: Vec<f64> = written.windows(2).map(|pair| pair[1].0 - pair[0].1).collect();
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

/// Returns when the server received and when it answered the operator's writes to the status of the scenario's object, in
/// seconds and in order.
async fn status_writes(scenario: &Scenario, mark: e2e::audit::Mark) -> Vec<(f64, f64)> {
    let audit = scenario.cluster().audit();
    audit.settle(scenario.client()).await.unwrap();
    let records = audit.since(mark).unwrap();
    let of_scenario = records.iter().filter(|record| {
        record.user == OPERATOR_USER
            && record.is_write()
            && record.subresource == "status"
            && record.name == scenario.name()
    });
    let seconds = |time: Timestamp| time.as_duration().as_secs_f64();
    let mut times: Vec<(f64, f64)> = of_scenario
        .map(|record| (seconds(record.timestamp), seconds(record.answered)))
        .collect();
    times.sort_by(|one, other| one.0.total_cmp(&other.0));
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
            .kubectl(&["wait", "--for=condition=Ready", &object, "--timeout=120s"])
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
