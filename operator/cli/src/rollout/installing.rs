//! Installs the operator in one context.

use std::time::Duration;

use serde_json::{Value, json};
use tokio::time::Instant;

use super::installation::{DEPLOYMENT, Installation, Installed, NAMESPACE, called, owner};
use super::report::Left;
use super::writing::{Failed, Writing, failed, is_defined};
use crate::cluster::{Connected, Failure, path_of};
use crate::output::Bar;

/// The first minor version of Kubernetes 1 that is supported.
const FIRST_MINOR: u32 = 33;

/// How often the definition is looked for.
const EVERY: Duration = Duration::from_millis(500);

/// The longest wait for the definition. An API server needs a second or two.
const DEFINED_WITHIN: Duration = Duration::from_secs(60);

/// Installs or updates the operator, unless a later one is there, or another tool owns what is there. Nothing is written
/// before all of that is known.
pub(super) async fn install(writing: Writing<'_>, bar: &Bar, installation: &Installation) -> Result<(), Left> {
    let connected = writing.connected;
    is_supported(connected).await?;
    for object in &installation.objects {
        let called = called(object);
        let found = connected.metadata(&path_of(object)).await;
        let found = found.map_err(|failure| failed(&called, &failure))?;
        if let Some(tool) = found.as_ref().and_then(owner) {
            let why = format!("{tool} manages the installation: update it with {tool}, and leave --install out");
            return Err(Left::unwritten(Some(called), "Owned", why));
        }
    }
    let deployment = deployment(connected).await?;
    if let Some((reason, why)) = deployment.and_then(|deployment| Installed::of(&deployment).refusal(installation)) {
        return Err(Left::unwritten(Some(format!("deployment/{DEPLOYMENT}")), reason, why));
    }
    let all = installation.objects.len();
    let mut unchecked = 0;
    for (at, object) in installation.objects.iter().enumerate() {
        bar.installed(at, all);
        let called = called(object);
        match writing.one(object, &called).await {
            Ok((done, _)) => {
                let namespace = object["metadata"]["namespace"].as_str();
                writing.report.borrow_mut().wrote(called, namespace, done);
            }
            // It has not stored the namespace either.
            Err(Failed::Write(Failure::NotFound)) if writing.rollout.dry_run => unchecked += 1,
            Err(failed) => return Err(failed.left(&called)),
        }
    }
    defined(writing, unchecked).await
}

async fn is_supported(connected: &Connected) -> Result<(), Left> {
    let version = connected.value("/version").await;
    let version = version.map_err(|failure| Left::unwritten(None, "NotSeen", failure.to_string()))?;
    let version = version.unwrap_or_default();
    match minor(&version) {
        Some(minor) if minor < FIRST_MINOR => {
            let why = format!("the cluster has Kubernetes 1.{minor}, and pullsecrets needs 1.{FIRST_MINOR} or later");
            Err(Left::unwritten(None, "KubernetesTooOld", why))
        }
        _ => Ok(()),
    }
}

/// The minor version, of which vendors write `33+`.
fn minor(version: &Value) -> Option<u32> {
    let minor = version["minor"].as_str().filter(|_| version["major"] == "1")?;
    minor.trim_end_matches(|c: char| !c.is_ascii_digit()).parse().ok()
}

/// Waits until the API server serves the definition.
async fn defined(writing: Writing<'_>, unchecked: usize) -> Result<(), Left> {
    let began = Instant::now();
    while !is_defined(writing.connected).await? {
        if writing.rollout.dry_run {
            let why = format!(
                "a dry run stores neither definition nor namespace, so {unchecked} objects of the operator, the sources \
                 and the ClusterPullSecrets were not checked"
            );
            return Err(Left::unwritten(None, "NotChecked", why));
        }
        if began.elapsed() >= DEFINED_WITHIN || writing.rollout.stop.is_set() {
            let why = "the definition is applied, and the API server does not serve it yet: try again";
            return Err(Left::unwritten(None, "NotServed", why));
        }
        writing.rollout.stop.sleep(EVERY).await;
    }
    Ok(())
}

/// Returns what is wrong with the operator, if none of its replicas is available.
pub(super) async fn is_running(connected: &Connected) -> Result<(), Left> {
    let deployment = deployment(connected).await?.unwrap_or_default();
    let count = |pointer: &str| deployment.pointer(pointer).and_then(Value::as_i64).unwrap_or_default();
    let (available, wanted) = (count("/status/availableReplicas"), count("/spec/replicas"));
    if available > 0 {
        return Ok(());
    }
    let why = format!("{available} of {wanted} replicas are available: kubectl get pods -n {NAMESPACE}");
    Err(Left::unready(
        format!("deployment/{DEPLOYMENT}"),
        Some(NAMESPACE.to_owned()),
        "NotAvailable",
        why,
    ))
}

async fn deployment(connected: &Connected) -> Result<Option<Value>, Left> {
    let object = json!({
        "apiVersion": "apps/v1", "kind": "Deployment", "metadata": {"name": DEPLOYMENT, "namespace": NAMESPACE},
    });
    let found = connected.value(&path_of(&object)).await;
    found.map_err(|failure| failed(&format!("deployment/{DEPLOYMENT}"), &failure))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn vendors_mark_minor_versions() {
        let of = |major: &str, text: &str| minor(&json!({"major": major, "minor": text}));
        assert_eq!(
            (of("1", "33"), of("1", "32+"), of("1", "36-eks")),
            (Some(33), Some(32), Some(36))
        );
        assert_eq!((of("2", "1"), of("1", "")), (None, None));
    }
}
