//! Installs the operator in one context.

use std::time::Duration;

use serde_json::{Value, json};
use tokio::time::Instant;

use super::installation::{DEPLOYMENT, Installation, Installed, called, owner};
use super::report::{Done, Left};
use super::task::Rollout;
use super::waiting::Times;
use super::writing::{Failed, Writing, failed, is_defined};
use crate::args::OPERATOR_NAMESPACE;
use crate::cluster::{Connected, Failure, path_of};
use crate::output::Bar;

/// The first minor version of Kubernetes 1 that is supported.
const FIRST_MINOR: u32 = 33;

/// The manager of `kubectl apply`, by which the READMEs install.
const KUBECTL: &str = "kubectl-client-side-apply";

/// How often the definition and the Deployment are looked for.
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
            return Err(Left::incomplete(Some(called), "Owned", why));
        }
    }
    let deployment = deployment(connected).await?;
    if let Some((reason, why)) = deployment.and_then(|deployment| Installed::of(&deployment).refusal(installation)) {
        return Err(Left::incomplete(Some(format!("deployment/{DEPLOYMENT}")), reason, why));
    }
    // A dry run of all of them comes first: a conflict or a missing right must not leave half of an installation.
    let check = Rollout {
        dry_run: true,
        ..writing.rollout
    };
    let check = Writing {
        rollout: check,
        ..writing
    };
    let all = installation.objects.len();
    let mut unchecked = 0;
    for object in &installation.objects {
        match applied(check, object).await {
            Ok(done) if writing.rollout.dry_run => noted(writing, object, done),
            Ok(_) => {}
            // A dry run has not stored the namespace either.
            Err(Failed::Write(Failure::NotFound)) => unchecked += 1,
            Err(failed) => return Err(failed.left(&called(object))),
        }
    }
    if !writing.rollout.dry_run {
        for (at, object) in installation.objects.iter().enumerate() {
            bar.installed(at, all);
            let done = applied(writing, object).await;
            noted(writing, object, done.map_err(|failed| failed.left(&called(object)))?);
        }
    }
    defined(writing, unchecked).await
}

/// Applies an object. What `kubectl apply -k` has installed is taken over, as kubectl itself does it.
async fn applied(writing: Writing<'_>, object: &Value) -> Result<Done, Failed> {
    let called = called(object);
    let mut applied = writing.one(object, &called).await;
    if let Err(Failed::Write(Failure::Claimed { managers, .. })) = &applied
        && managers == KUBECTL
    {
        let rollout = Rollout {
            force: true,
            ..writing.rollout
        };
        applied = Writing { rollout, ..writing }.one(object, &called).await;
    }
    applied.map(|(done, _)| done)
}

fn noted(writing: Writing<'_>, object: &Value, done: Done) {
    let namespace = object["metadata"]["namespace"].as_str();
    writing.report.borrow_mut().wrote(called(object), namespace, done);
}

async fn is_supported(connected: &Connected) -> Result<(), Left> {
    let version = connected.value("/version").await;
    let version = match version {
        Err(failure) if failure.is_of_the_context() => {
            return Err(Left::incomplete(None, "NotSeen", failure.to_string()));
        }
        // Some servers show it to administrators alone.
        version => version.ok().flatten().unwrap_or_default(),
    };
    match minor(&version) {
        Some(minor) if minor < FIRST_MINOR => {
            let why = format!("the cluster has Kubernetes 1.{minor}, and pullsecrets needs 1.{FIRST_MINOR} or later");
            Err(Left::incomplete(None, "KubernetesTooOld", why))
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
            return Err(Left::incomplete(None, "NotChecked", why));
        }
        if began.elapsed() >= DEFINED_WITHIN || writing.rollout.stop.is_set() {
            let why = "the definition is applied, and the API server does not serve it yet: try again";
            return Err(Left::incomplete(None, "NotServed", why));
        }
        writing.rollout.stop.sleep(EVERY).await;
    }
    Ok(())
}

/// Waits until the new version of the operator runs. The error says how far it is.
pub(super) async fn until_running(writing: Writing<'_>, times: Times) -> Result<(), Left> {
    loop {
        let deployment = deployment(writing.connected).await?.unwrap_or_default();
        if is_rolled_out(&deployment) {
            return Ok(());
        }
        if times.left().is_zero() || writing.rollout.stop.is_set() {
            let count = |pointer: &str| deployment.pointer(pointer).and_then(Value::as_i64).unwrap_or_default();
            let (available, wanted) = (count("/status/availableReplicas"), count("/spec/replicas"));
            let updated = count("/status/updatedReplicas");
            let why = format!(
                "{available} of {wanted} replicas are available, {updated} of this version: \
                 kubectl get pods -n {OPERATOR_NAMESPACE}"
            );
            let called = format!("deployment/{DEPLOYMENT}");
            return Err(Left::unready(
                called,
                Some(OPERATOR_NAMESPACE.to_owned()),
                "NotAvailable",
                why,
            ));
        }
        writing.rollout.stop.sleep(EVERY.min(times.left())).await;
    }
}

/// Whether all replicas are of the version that was applied, and available. That is what `kubectl rollout status` waits for.
fn is_rolled_out(deployment: &Value) -> bool {
    let count = |pointer: &str| deployment.pointer(pointer).and_then(Value::as_i64).unwrap_or_default();
    let wanted = count("/spec/replicas");
    count("/status/observedGeneration") >= count("/metadata/generation")
        && count("/status/updatedReplicas") >= wanted
        && count("/status/replicas") <= count("/status/updatedReplicas")
        && count("/status/availableReplicas") >= wanted
}

async fn deployment(connected: &Connected) -> Result<Option<Value>, Left> {
    let object = json!({
        "apiVersion": "apps/v1", "kind": "Deployment", "metadata": {"name": DEPLOYMENT, "namespace": OPERATOR_NAMESPACE},
    });
    let found = connected.value(&path_of(&object)).await;
    found.map_err(|failure| failed(&format!("deployment/{DEPLOYMENT}"), &failure))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_deployment_is_rolled_out_with_all_replicas() {
        let deployment = |observed: i64, updated: i64, replicas: i64, available: i64| {
            json!({"metadata": {"generation": 2}, "spec": {"replicas": 2}, "status": {"observedGeneration": observed,
                "updatedReplicas": updated, "replicas": replicas, "availableReplicas": available}})
        };
        assert!(is_rolled_out(&deployment(2, 2, 2, 2)));
        for [observed, updated, replicas, available] in [[1, 2, 2, 2], [2, 1, 2, 2], [2, 2, 3, 2], [2, 2, 2, 1]] {
            assert!(!is_rolled_out(&deployment(observed, updated, replicas, available)));
        }
        assert!(!is_rolled_out(
            &json!({"metadata": {"generation": 1}, "spec": {"replicas": 2}})
        ));
    }

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
