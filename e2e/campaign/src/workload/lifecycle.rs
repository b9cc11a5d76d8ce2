//! Actions on an object or the operator that goes, pauses and returns.

use std::time::{Duration, Instant};

use kube::api::DeleteParams;
use serde_json::json;

use super::step::{STEP_WITHIN, sees_nothing};
use super::tampering::strip;
use crate::end::{End, logins};
use crate::env::{Env, OBJECT};
use crate::verdict::{Oracle, Wrong};
use e2e::oracle;
use e2e::wait::until;

/// Longer than the operator needs for its work while not suspended.
const SUSPENDED_FOR: Duration = Duration::from_millis(700);

/// Deletes an object while it is being served, so that writes are in flight.
pub(super) async fn come_and_go(env: &Env, blind: bool) -> anyhow::Result<End> {
    let client = env.client();
    env.apply(&env.object(OBJECT)).await?;
    let applied = Instant::now();
    until("a copy is there", STEP_WITHIN, async || {
        let copies = oracle::uids(client, OBJECT).await?;
        if copies.is_empty() && !sees_nothing(env, blind, applied) {
            Err("none is".to_owned())
        } else {
            Ok(())
        }
    })
    .await?;
    oracle::objects(client).delete(OBJECT, &DeleteParams::default()).await?;
    Ok(End::deleted(OBJECT))
}

/// Deletes an object with `Retain` and creates it again, which takes its copies back.
pub(super) async fn retain(env: &Env) -> anyhow::Result<End> {
    let [first, ..] = logins(env);
    let mut object = env.object(OBJECT);
    object["spec"]["deletionPolicy"] = json!("Retain");
    env.apply(&object).await?;
    let objects = oracle::objects(env.client());
    objects.delete(OBJECT, &DeleteParams::default()).await?;
    until("the object goes", STEP_WITHIN, async || {
        let left = oracle::object(env.client(), OBJECT).await?;
        left.map_or(Ok(()), |_| Err("it is there".to_owned()))
    })
    .await
    .map_err(|late| Wrong::new(Oracle::Stuck, format!("{late:#}")))?;
    env.apply(&env.object(OBJECT)).await?;
    Ok(End::served(env.expected(OBJECT, &["a", "b", "c"], &first)))
}

/// Suspends an object during changes. The operator makes none of them until it resumes.
pub(super) async fn suspend(env: &Env) -> anyhow::Result<End> {
    let [first, second, _] = logins(env);
    let mut object = env.object(OBJECT);
    object["spec"]["suspend"] = json!(true);
    env.apply(&object).await?;
    until("the suspension is seen", STEP_WITHIN, async || {
        let object = oracle::object(env.client(), OBJECT).await?.ok_or("it is gone")?;
        let seen = object.data["status"]["observedGeneration"].as_i64() == object.metadata.generation;
        seen.then_some(()).ok_or_else(|| "not yet".to_owned())
    })
    .await?;
    env.label("b", false).await?;
    env.label("d", true).await?;
    tokio::time::sleep(SUSPENDED_FOR).await;
    // Only now, because a login without a stored state would delay the rest.
    env.source(OBJECT, &second).await?;
    tokio::time::sleep(SUSPENDED_FOR).await;
    let before = End::served(env.expected(OBJECT, &["a", "b", "c"], &first));
    // An operator that saw an old version of the object does not know that it is suspended.
    if let Err(seen) = before.check(env).await
        && !env.proxy().record().stale
    {
        return Err(Wrong::new(Oracle::Gap, format!("under suspend: {seen}")).into());
    }
    object["spec"]["suspend"] = json!(false);
    env.apply(&object).await?;
    Ok(End::served(env.expected(OBJECT, &["a", "c", "d"], &second)))
}

/// Makes all kinds of changes while no operator runs, with streamed or paged lists.
pub(super) async fn restart(env: &Env, paged: bool) -> anyhow::Result<End> {
    let [_, second, _] = logins(env);
    env.proxy().pages(paged);
    env.proxy().kill();
    env.source(OBJECT, &second).await?;
    env.label("b", false).await?;
    env.label("d", true).await?;
    strip(env, "c").await?;
    Ok(End::served(env.expected(OBJECT, &["a", "c", "d"], &second)))
}
