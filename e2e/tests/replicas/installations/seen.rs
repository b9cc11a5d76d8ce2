//! What the installations do, as seen from outside: status, Events, metrics, copies, and the audit log.

use std::time::Duration;

use e2e::OPERATOR_USER;
use e2e::audit::{Mark, Record};
use e2e::loopback;
use e2e::operator::Operator;
use e2e::scenario::{SOON, Scenario};
use e2e::wait::{eventually, quiet};
use serde_json::Value;

use super::second::SECOND_USER;

pub(super) async fn is_acted_for_by(scenario: &Scenario, installation: &str) {
    eventually(&format!("{installation} acts"), SOON, async || {
        let seen = installation_of(scenario, scenario.name()).await;
        (seen == installation).then_some(()).ok_or(seen)
    })
    .await;
}

pub(super) async fn installation_of(scenario: &Scenario, object: &str) -> String {
    scenario
        .kubectl(&["get", "cps", object, "-o", "jsonpath={.status.installation}"])
        .await
}

/// Waits for an Event of this reason, and returns its note.
pub(super) async fn event(scenario: &Scenario, reason: &str, namespace: &str) -> String {
    eventually(&format!("the event {reason}"), SOON, async || {
        let events = scenario
            .kubectl(&["get", "events.events.k8s.io", "-n", namespace, "-o", "json"])
            .await;
        let events: Value = serde_json::from_str(&events).map_err(|error| error.to_string())?;
        let events = events["items"].as_array().into_iter().flatten();
        let mut found = events.filter(|event| event["reason"] == reason);
        let note = found.next().and_then(|event| event["note"].as_str());
        note.map(str::to_owned).ok_or_else(|| "there is none".to_owned())
    })
    .await
}

pub(super) async fn shows(operator: &Operator, line: &str) {
    eventually(line, SOON, async || {
        let answer = loopback::get(operator.metrics_address(), "/metrics", None).await;
        let (_, text) = answer.map_err(|error| format!("{error:#}"))?;
        let of_objects = text.lines().filter(|seen| seen.starts_with("pullsecrets_object_state"));
        let seen: Vec<&str> = of_objects.collect();
        seen.contains(&line).then_some(()).ok_or_else(|| format!("{seen:?}"))
    })
    .await;
}

/// Returns the versions of all copies.
pub(super) async fn versions(scenario: &Scenario) -> String {
    let label = format!("pullsecrets.dev/cluster-pull-secret={}", scenario.name());
    let versions = "jsonpath={.items[*].metadata.resourceVersion}";
    scenario
        .kubectl(&["get", "secrets", "-A", "-l", &label, "-o", versions])
        .await
}

/// Returns the writes of both installations, except their Leases and Events.
pub(super) async fn writes(scenario: &Scenario, mark: Mark) -> Vec<Record> {
    let audit = scenario.cluster().audit();
    audit.settle(scenario.client()).await.unwrap();
    let of_both = |record: &Record| [OPERATOR_USER, SECOND_USER].contains(&record.user.as_str());
    let aside = |record: &Record| ["leases", "events"].contains(&record.resource.as_str());
    let records = audit.since(mark).unwrap().into_iter();
    records
        .filter(|record| record.is_write() && of_both(record) && !aside(record))
        .collect()
}

/// Checks that no write was made since the mark, and none follows for a while.
pub(super) async fn does_not_write(scenario: &Scenario, user: &str, mark: Mark, within: Duration) {
    quiet(&format!("{user} does not write"), within, async || {
        let all = writes(scenario, mark).await;
        let of_it = all.iter().filter(|record| record.user == user);
        let of_it: Vec<String> = of_it.map(Record::summary).collect();
        of_it.is_empty().then_some(()).ok_or_else(|| of_it.join(", "))
    })
    .await;
}
