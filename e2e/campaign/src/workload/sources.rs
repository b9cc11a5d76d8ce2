//! Actions on sources: a login is replaced, missing, or late.

use k8s_openapi::api::core::v1::Secret;
use kube::Api;
use kube::api::DeleteParams;

use super::end;
use super::step::{STEP_WITHIN, comes_true, told};
use crate::end::{End, logins};
use crate::env::{Env, OBJECT, OTHER};
use e2e::SYSTEM_NAMESPACE;
use e2e::oracle::Login;
use e2e::wait::until;

/// Sets a third password while the second one is being written.
pub(super) async fn rotate_again(env: &Env) -> anyhow::Result<End> {
    let [_, second, third] = logins(env);
    let end = |login: &Login| End::served(env.expected(OBJECT, &["a", "b", "c"], login));
    env.source(OBJECT, &second).await?;
    until("the second one is under way", STEP_WITHIN, async || {
        let written = end(&second).check(env).await;
        if env.proxy().record().fired { Ok(()) } else { written }
    })
    .await?;
    env.source(OBJECT, &third).await?;
    Ok(end(&third))
}

/// Deletes the source, creates a namespace, and creates the source again with another login.
pub(super) async fn source_lost(env: &Env, blind: bool) -> anyhow::Result<End> {
    let [first, second, _] = logins(env);
    let secrets: Api<Secret> = Api::namespaced(env.client().clone(), SYSTEM_NAMESPACE);
    secrets.delete(OBJECT, &DeleteParams::default()).await?;
    env.label("d", true).await?;
    let kept = end(env, &["a", "b", "c", "d"], &first);
    comes_true(env, &kept, blind).await?;
    env.source(OBJECT, &second).await?;
    Ok(end(env, &["a", "b", "c", "d"], &second))
}

/// One of two registries has no source at first: the other one is served and rotated all the same.
pub(super) async fn half_broken(env: &Env, blind: bool) -> anyhow::Result<End> {
    let [first, second, third] = logins(env);
    let half = |login: &Login| End {
        reason: "CredentialsNotReady",
        ..End::served(env.expected(OBJECT, &["a", "b", "c"], login))
    };
    env.apply(&env.object_of_two()).await?;
    comes_true(env, &half(&first), blind).await?;
    env.source(OBJECT, &second).await?;
    comes_true(env, &half(&second), blind).await?;
    env.source(OTHER, &third).await?;
    Ok(End::served(env.both(&second, &third)))
}

/// An ordinary first apply: the sources come one after the other, and each is served as it comes.
pub(super) async fn sources_late(env: &Env, blind: bool) -> anyhow::Result<End> {
    let [first, second, _] = logins(env);
    env.apply(&env.object_of_two()).await?;
    until("the status reports the missing sources", STEP_WITHIN, async || {
        told(env, OBJECT, "CredentialsNotReady").await
    })
    .await?;
    env.source(OTHER, &first).await?;
    let mut half = env.both(&second, &first);
    half.logins.retain(|_, login| *login == first);
    comes_true(env, &End::served(half), blind).await?;
    env.source(OBJECT, &second).await?;
    Ok(End::served(env.both(&second, &first)))
}
