//! Actions of other parties on copies and accounts: edits, deletions, finalizers, and objects as large as possible.

use k8s_openapi::api::core::v1::{Secret, ServiceAccount};
use kube::Api;
use kube::api::{DeleteParams, Patch, PatchParams};
use serde_json::json;

use super::end;
use super::step::{STEP_WITHIN, names, told};
use crate::end::{End, logins};
use crate::env::{Env, OBJECT, name};
use e2e::oracle::{self, LABEL, Needles};
use e2e::wait::until;

/// As many names as fit into an annotation.
const NAMES_OF_TENANT: u32 = 40_000;

/// As many entries as the operator still extends.
const ENTRIES_OF_TENANT: u32 = 200;

/// How often a tenant writes to an account during the actions.
const TOUCHES: u32 = 10;

/// Deletes an account and creates it again.
pub(super) async fn account_again(env: &Env) -> anyhow::Result<End> {
    let [first, ..] = logins(env);
    let accounts: Api<ServiceAccount> = Api::namespaced(env.client().clone(), &name("b"));
    accounts.delete("builder", &DeleteParams::default()).await?;
    let metadata = json!({"name": "builder", "namespace": name("b")});
    env.apply(&json!({"apiVersion": "v1", "kind": "ServiceAccount", "metadata": metadata}))
        .await?;
    Ok(end(env, &["a", "b", "c"], &first))
}

/// Makes all kinds of changes to the operator's objects.
pub(super) async fn drift(env: &Env) -> anyhow::Result<End> {
    let [first, ..] = logins(env);
    let (client, params) = (env.client(), PatchParams::default());
    let secrets = |part: &str| -> Api<Secret> { Api::namespaced(client.clone(), &name(part)) };
    let accounts = |part: &str| -> Api<ServiceAccount> { Api::namespaced(client.clone(), &name(part)) };
    let edit = json!({"data": {".dockerconfigjson": "eyJhdXRocyI6e319"}});
    secrets("a").patch(OBJECT, &params, &Patch::Merge(edit)).await?;
    secrets("b").delete(OBJECT, &DeleteParams::default()).await?;
    strip(env, "c").await?;
    let replace = json!({"imagePullSecrets": [{"name": "theirs"}]});
    accounts("a").patch("default", &params, &Patch::Merge(replace)).await?;
    let clear = json!({"imagePullSecrets": null});
    accounts("b").patch("builder", &params, &Patch::Merge(clear)).await?;
    Ok(End::served(env.expected(OBJECT, &["a", "b", "c"], &first)))
}

/// Keeps a copy with another party's finalizer when it should go: its login goes at once, and the status reports the
/// rest.
pub(super) async fn held_out(env: &Env) -> anyhow::Result<End> {
    let [first, ..] = logins(env);
    hold(env, "b", true).await?;
    env.label("b", false).await?;
    let copy = (name("b"), OBJECT.to_owned());
    until("the login goes", STEP_WITHIN, async || {
        let places = oracle::places(env.client(), &env.needles()).await?;
        if places.contains(&copy) {
            return Err("it is there".to_owned());
        }
        told(env, OBJECT, "NamespacesFailed").await?;
        names(env, &copy.0).await
    })
    .await?;
    hold(env, "b", false).await?;
    Ok(End::served(env.expected(OBJECT, &["a", "c"], &first)))
}

/// Keeps a deleted copy with another party's finalizer: it stays current, and is recreated when it goes.
pub(super) async fn held_current(env: &Env) -> anyhow::Result<End> {
    let [_, second, _] = logins(env);
    hold(env, "b", true).await?;
    let secrets: Api<Secret> = Api::namespaced(env.client().clone(), &name("b"));
    secrets.delete(OBJECT, &DeleteParams::default()).await?;
    env.source(OBJECT, &second).await?;
    let copy = (name("b"), OBJECT.to_owned());
    until("the copy holds the new login", STEP_WITHIN, async || {
        let places = oracle::places(env.client(), &Needles::whole([&second])).await?;
        if !places.contains(&copy) {
            return Err("it does not".to_owned());
        }
        names(env, &copy.0).await
    })
    .await?;
    hold(env, "b", false).await?;
    Ok(End::served(env.expected(OBJECT, &["a", "b", "c"], &second)))
}

/// Adds another party's finalizer to a copy, or removes it.
async fn hold(env: &Env, part: &str, held: bool) -> anyhow::Result<()> {
    let finalizers = held.then(|| json!(["example.com/holds"]));
    let patch = json!({"metadata": {"finalizers": finalizers}});
    let secrets: Api<Secret> = Api::namespaced(env.client().clone(), &name(part));
    secrets
        .patch(OBJECT, &PatchParams::default(), &Patch::Merge(patch))
        .await?;
    Ok(())
}

/// Takes the label off a copy: the operator's watch and its lists show it no more.
pub(super) async fn strip(env: &Env, part: &str) -> anyhow::Result<()> {
    let secrets: Api<Secret> = Api::namespaced(env.client().clone(), &name(part));
    let strip = json!({"metadata": {"labels": {LABEL: null}}});
    secrets
        .patch(OBJECT, &PatchParams::default(), &Patch::Merge(strip))
        .await?;
    Ok(())
}

/// Puts the most that a tenant may put on an account, in a namespace that no object selects and in a selected one.
pub(super) async fn largest(env: &Env) -> anyhow::Result<()> {
    let names: Vec<String> = (0..NAMES_OF_TENANT).map(|number| format!("{number:05}")).collect();
    let labels: serde_json::Map<_, _> = (0..200)
        .map(|number| (format!("l{number}"), json!("x".repeat(63))))
        .collect();
    let entries: Vec<_> = (0..ENTRIES_OF_TENANT)
        .map(|number| json!({"name": format!("entry-{number}")}))
        .collect();
    for part in ["d", "b"] {
        let accounts: Api<ServiceAccount> = Api::namespaced(env.client().clone(), &name(part));
        let attached = json!({(oracle::ATTACHED): names.join(",")});
        let metadata = json!({"annotations": attached, "labels": labels});
        let patch = json!({"metadata": metadata, "imagePullSecrets": entries});
        accounts
            .patch("builder", &PatchParams::default(), &Patch::Merge(patch))
            .await?;
    }
    Ok(())
}

/// Lets a tenant write to the account again and again.
pub(super) async fn touch(env: &Env) -> anyhow::Result<()> {
    let accounts: Api<ServiceAccount> = Api::namespaced(env.client().clone(), &name("d"));
    for touch in 0..TOUCHES {
        let patch = json!({"metadata": {"labels": {"touch": touch.to_string()}}});
        accounts
            .patch("builder", &PatchParams::default(), &Patch::Merge(patch))
            .await?;
    }
    Ok(())
}
