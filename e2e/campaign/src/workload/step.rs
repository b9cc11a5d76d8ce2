//! One step of a workload: waits until it has come true.

use std::time::{Duration, Instant};

use crate::end::End;
use crate::env::{Env, OBJECT};
use crate::verdict;
use e2e::oracle;
use e2e::wait::until;

/// Time limit of each step: longer than a watch may be silent.
pub(super) const STEP_WITHIN: Duration = Duration::from_secs(120);

/// Time for the reaction of an operator to an empty list.
const BLIND_FOR: Duration = Duration::from_secs(3);

pub(super) async fn comes_true(env: &Env, end: &End, blind: bool) -> anyhow::Result<()> {
    let began = Instant::now();
    let came = until("the step comes true", STEP_WITHIN, async || {
        if sees_nothing(env, blind, began) {
            return Ok(());
        }
        end.check(env).await
    })
    .await;
    match came {
        Ok(()) => Ok(()),
        Err(late) => Err(verdict::of_end(env, end, &format!("{late:#}")).await.into()),
    }
}

/// Whether an empty list hides what the step needs, given the time at which it began. An operator that saw no namespace, or
/// no source, creates no copies before its next list.
pub(super) fn sees_nothing(env: &Env, blind: bool, began: Instant) -> bool {
    blind && env.proxy().record().fired && began.elapsed() > BLIND_FOR
}

/// Whether the status gives this reason for `Ready`, of the object as it is now.
pub(super) async fn told(env: &Env, object: &str, reason: &str) -> Result<(), String> {
    let object = oracle::object(env.client(), object).await?.ok_or("it is gone")?;
    let status = &object.data["status"];
    let mut conditions = status["conditions"].as_array().into_iter().flatten();
    let told = conditions.any(|condition| condition["type"] == "Ready" && condition["reason"] == reason)
        && status["observedGeneration"].as_i64() == object.metadata.generation;
    if told {
        Ok(())
    } else {
        Err(format!("the status does not report {reason}: {status}"))
    }
}

/// Checks that the failures in the status name this namespace.
pub(super) async fn names(env: &Env, namespace: &str) -> Result<(), String> {
    let object = oracle::object(env.client(), OBJECT).await?.ok_or("it is gone")?;
    let failures = &object.data["status"]["failures"];
    let mut all = failures.as_array().into_iter().flatten();
    let named = all.any(|failure| failure["namespace"] == namespace);
    named
        .then_some(())
        .ok_or_else(|| format!("{namespace} is not in {failures}"))
}
