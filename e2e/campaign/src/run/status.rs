//! Checks of the status against the expected end.

use std::collections::BTreeSet;

use serde_json::Value;

use crate::end::End;
use crate::env::Env;
use e2e::oracle::{self, Expected};

/// Returns whether a status reports a failure of this namespace.
pub(super) async fn fails(env: &Env, end: &End, namespace: &str) -> bool {
    for expected in &end.served {
        if names_failure(env, &expected.object, namespace).await == Some(true) {
            return true;
        }
    }
    // A deleted object has no status, and no refused write that it still needs.
    for object in &end.gone {
        if names_failure(env, object, namespace).await != Some(false) {
            return true;
        }
    }
    false
}

/// Returns whether the status of the object reports a failure of this namespace; none if the object is gone.
pub(super) async fn names_failure(env: &Env, object: &str, namespace: &str) -> Option<bool> {
    let Ok(found) = oracle::object(env.client(), object).await else {
        return Some(false);
    };
    let status = &found?.data["status"];
    let mut failures = status["failures"].as_array().into_iter().flatten();
    Some(failures.any(|failure| failure["namespace"] == namespace))
}

/// Returns whether all other namespaces are right.
pub(super) async fn serves_others(env: &Env, end: &End, namespace: &str) -> bool {
    for expected in &end.served {
        for other in expected.holders.keys().filter(|other| *other != namespace) {
            if oracle::check_in(env.client(), expected, other).await.is_err() {
                return false;
            }
        }
    }
    true
}

/// Checks that the store is right and the status reports it.
pub(super) async fn settled(env: &Env, end: &End) -> Result<(), String> {
    end.check(env).await?;
    for expected in &end.served {
        let object = oracle::object(env.client(), &expected.object).await?;
        let object = serde_json::to_value(object).map_err(|error| error.to_string())?;
        tells(&object, end, expected)?;
    }
    Ok(())
}

/// Checks the status of this generation: the reason, the counts, and each namespace that lacks a copy.
fn tells(object: &Value, end: &End, expected: &Expected) -> Result<(), String> {
    let status = &object["status"];
    let conditions = status["conditions"].as_array().map_or(&[][..], Vec::as_slice);
    let ready = conditions.iter().find(|condition| condition["type"] == "Ready");
    let told = ready.is_some_and(|ready| ready["reason"] == end.reason)
        && status["observedGeneration"] == object["metadata"]["generation"];
    if !told {
        return Err(format!("the status does not report {}: {status}", end.reason));
    }
    let (served, failed) = (expected.holders.len(), end.failed.len());
    let accounts: usize = expected.holders.values().map(BTreeSet::len).sum();
    let count = |kind: &str, which: &str| {
        status[kind][which]
            .as_u64()
            .and_then(|count| usize::try_from(count).ok())
    };
    let counted = count("namespaces", "selected") == Some(served + failed)
        && count("namespaces", "ready") == Some(served)
        && count("namespaces", "failed") == Some(failed)
        && count("serviceAccounts", "ready") == Some(accounts);
    let named: BTreeSet<&str> = status["failures"]
        .as_array()
        .into_iter()
        .flatten()
        .filter_map(|failure| failure["namespace"].as_str())
        .collect();
    if counted && named == end.failed.iter().map(String::as_str).collect() {
        Ok(())
    } else {
        Err(format!(
            "{served} copies, {accounts} references, failures {:?} are not in the status: {status}",
            end.failed
        ))
    }
}
