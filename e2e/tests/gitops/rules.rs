//! Rules that every status must meet, in every state of the object.

use serde_json::Value;

use crate::gitops::judges::{READERS, Verdict, judge};
use crate::gitops::record::{Record, condition, holds, is_observed};
use crate::gitops::states::READY;

/// Checks all rules.
pub(crate) async fn check(record: &Record) {
    for name in record.names() {
        let versions = record.versions(&name);
        let verdicts = judge(&versions).await;
        for (version, verdict) in versions.iter().zip(&verdicts) {
            let place = format!("{name} at {}", version["metadata"]["resourceVersion"]);
            let wrong = by_itself(version, verdict);
            assert!(
                wrong.is_none(),
                "{place}: {}\n{}",
                wrong.unwrap_or_default(),
                version["status"]
            );
        }
        for pair in versions.windows(2) {
            let place = format!("{name} at {}", pair[1]["metadata"]["resourceVersion"]);
            let wrong = after_another(&pair[0], &pair[1]);
            let statuses = format!("{}\n{}", pair[0]["status"], pair[1]["status"]);
            assert!(wrong.is_none(), "{place}: {}\n{statuses}", wrong.unwrap_or_default());
        }
    }
}

/// Conditions in their order in a status.
const ORDER: [&str; 6] = [
    "Ready",
    "CredentialsReady",
    "SecretsSynced",
    "ServiceAccountsSynced",
    "Reconciling",
    "Stalled",
];

fn conditions(status: &Value) -> impl Iterator<Item = &Value> {
    status["conditions"].as_array().into_iter().flatten()
}

/// Returns the error of one version.
fn by_itself(object: &Value, verdict: &Verdict) -> Option<&'static str> {
    let status = &object["status"];
    let at_rest = ["kstatus", "Helm"].map(|reader| verdict.of(reader));
    let at_rest = at_rest.into_iter().any(|word| ["Current", "Failed"].contains(&word));
    let healthy = READERS
        .iter()
        .zip(READY)
        .any(|((reader, _), word)| verdict.of(reader) == word);
    let (ready, stalled, reconciling) = (
        holds(object, "Ready"),
        holds(object, "Stalled"),
        holds(object, "Reconciling"),
    );
    let kinds: Vec<&Value> = conditions(status).map(|one| &one["type"]).collect();
    let in_order: Vec<&str> = ORDER
        .into_iter()
        .filter(|kind| condition(object, kind).is_some())
        .collect();
    let is_later = |one: &Value| one["observedGeneration"].as_i64() > status["observedGeneration"].as_i64();
    let failures: Vec<&str> = status["failures"]
        .as_array()
        .into_iter()
        .flatten()
        .filter_map(|one| one["namespace"].as_str())
        .collect();
    let counts = ["namespaces", "serviceAccounts"].map(|kind| &status[kind]);
    let failed: i64 = counts.iter().filter_map(|counts| counts["failed"].as_i64()).sum();
    let wrongs = [
        (
            !is_observed(object) && (at_rest || healthy),
            "done before this generation was seen",
        ),
        (stalled && (ready || reconciling), "Stalled beside Ready or Reconciling"),
        (reconciling && ready, "Reconciling beside Ready"),
        (
            !kinds.is_empty() && !ready && !stalled && !reconciling,
            "not ready, and neither stalled nor reconciling",
        ),
        (kinds != in_order, "conditions out of order, or unknown ones"),
        (
            conditions(status).any(is_later),
            "a condition speaks of a later generation than the status",
        ),
        (
            failures.len() > 20 || !failures.is_sorted(),
            "too many failures, or not by namespace",
        ),
        (
            (failed > 0) == failures.is_empty(),
            "failures counted and not named, or named and not counted",
        ),
        (ready && failed > 0, "Ready with failures"),
        (counts.into_iter().any(miscounted), "counts do not add up"),
    ];
    wrongs.into_iter().find_map(|(is, wrong)| is.then_some(wrong))
}

fn miscounted(counts: &Value) -> bool {
    let count = |kind: &str| counts[kind].as_i64().unwrap_or(0);
    let (selected, ready, failed) = (count("selected"), count("ready"), count("failed"));
    !counts.is_null() && (ready + failed > selected || counts["summary"] != format!("{ready}/{selected}"))
}

/// Returns the error of a version relative to the previous one.
fn after_another(before: &Value, after: &Value) -> Option<String> {
    if before["metadata"]["uid"] != after["metadata"]["uid"] {
        return None;
    }
    let status_only = ["spec", "metadata"]
        .iter()
        .all(|part| meant(&before[*part]) == meant(&after[*part]));
    if status_only && without_times(&before["status"]) == without_times(&after["status"]) {
        return Some("a write without a change".to_owned());
    }
    let conditions = after["status"]["conditions"].as_array()?;
    conditions.iter().find_map(|now| {
        let kind = now["type"].as_str().unwrap_or_default();
        let was = condition(before, kind)?;
        let (then, since) = (was["lastTransitionTime"].as_str(), now["lastTransitionTime"].as_str());
        // Times of one format, to the second, compare as text.
        let wrong = if was["status"] == now["status"] {
            since != then
        } else {
            since < then
        };
        wrong.then(|| format!("the lastTransitionTime of {kind} moved from {then:?} to {since:?}"))
    })
}

/// Returns the fields with meaning, without the bookkeeping of the server.
fn meant(part: &Value) -> Value {
    let mut part = part.clone();
    if let Some(fields) = part.as_object_mut() {
        fields.remove("resourceVersion");
        fields.remove("managedFields");
    }
    part
}

fn without_times(status: &Value) -> Value {
    let mut status = status.clone();
    for condition in status["conditions"].as_array_mut().into_iter().flatten() {
        condition["lastTransitionTime"].take();
    }
    status
}
