//! Workloads: the actions of users during a fault. Each has a setup without faults, and then the actions.

mod lifecycle;
mod selection;
mod sources;
mod step;
mod tampering;

use anyhow::bail;
use k8s_openapi::api::core::v1::Secret;
use kube::Api;
use kube::api::DeleteParams;
use serde_json::json;

use crate::end::{End, logins};
use crate::env::{Env, OBJECT, OTHER, name};
use e2e::oracle::{self, Login};
use lifecycle::{come_and_go, restart, retain, suspend};
use selection::{exclude, narrow, new_namespace, select_others};
use sources::{half_broken, rotate_again, source_lost, sources_late};
use tampering::{account_again, drift, held_current, held_out, largest, touch};

/// The names of all of them.
pub const ALL: [&str; 25] = [
    "create",
    "rotate",
    "select-others",
    "new-namespace",
    "label-out",
    "account-again",
    "delete",
    "two-objects",
    "drift",
    "squatter",
    "source-lost",
    "narrow",
    "come-and-go",
    "retain",
    "rotate-again",
    "restart",
    "restart-paged",
    "exclude",
    "suspend",
    "registry-removed",
    "half-broken",
    "hostile-sizes",
    "sources-late",
    "held-out",
    "held-current",
];

/// Sets the workload up without faults, and returns the expected state.
///
/// # Errors
///
/// The error of the API server.
pub async fn begin(workload: &str, env: &Env) -> anyhow::Result<Option<End>> {
    let [first, second, _] = logins(env);
    if workload == "sources-late" {
        return Ok(None);
    }
    env.source(OBJECT, &first).await?;
    let served = env.expected(OBJECT, &["a", "b", "c"], &first);
    match workload {
        "create" | "come-and-go" | "half-broken" => Ok(None),
        "hostile-sizes" => {
            largest(env).await?;
            Ok(None)
        }
        "registry-removed" => {
            env.source(OTHER, &second).await?;
            env.apply(&env.object_of_two()).await?;
            Ok(Some(End::served(env.both(&first, &second))))
        }
        "two-objects" => {
            // Another login, so that a mix-up of the two is visible.
            env.source(OTHER, &second).await?;
            env.apply(&env.object(OBJECT)).await?;
            env.apply(&env.object(OTHER)).await?;
            let other = env.expected(OTHER, &["a", "b", "c"], &second);
            Ok(Some(End {
                served: vec![served, other],
                ..End::served(env.expected(OTHER, &[], &second))
            }))
        }
        "squatter" => {
            env.apply(&squatter()).await?;
            env.apply(&env.object(OBJECT)).await?;
            Ok(Some(End {
                reason: "NamespacesFailed",
                failed: vec![name("c")],
                ..End::served(env.expected(OBJECT, &["a", "b"], &first))
            }))
        }
        _ => {
            env.apply(&env.object(OBJECT)).await?;
            Ok(Some(End::served(served)))
        }
    }
}

fn squatter() -> serde_json::Value {
    // It has the type of a copy, so that only its owner prevents a takeover.
    json!({"apiVersion": "v1", "kind": "Secret", "metadata": {"name": OBJECT, "namespace": name("c")},
        "type": "kubernetes.io/dockerconfigjson", "stringData": {oracle::DATA_KEY: r#"{"auths":{}}"#}})
}

/// Performs the actions of users, and returns the expected end. With `blind`, the fault shows the operator an empty
/// list, so waits are short.
///
/// # Errors
///
/// The error of the API server, or a step that does not complete within its time limit.
pub async fn run_workload(workload: &str, env: &Env, blind: bool) -> anyhow::Result<End> {
    let client = env.client();
    let [first, second, _] = logins(env);
    let all = ["a", "b", "c"];
    let end = |parts: &[&str], login: &Login| end(env, parts, login);
    match workload {
        // The last one goes from two registries to one.
        "create" | "registry-removed" | "hostile-sizes" => {
            if workload == "hostile-sizes" {
                touch(env).await?;
            }
            env.apply(&env.object(OBJECT)).await?;
            Ok(end(&all, &first))
        }
        "rotate" => {
            env.source(OBJECT, &second).await?;
            Ok(end(&all, &second))
        }
        "rotate-again" => rotate_again(env).await,
        "restart" | "restart-paged" => restart(env, workload == "restart-paged").await,
        "select-others" => select_others(env).await,
        "new-namespace" => new_namespace(env).await,
        "label-out" => {
            env.label("b", false).await?;
            Ok(end(&["a", "c"], &first))
        }
        "account-again" => account_again(env).await,
        "delete" => {
            oracle::objects(client).delete(OBJECT, &DeleteParams::default()).await?;
            Ok(End::deleted(OBJECT))
        }
        "come-and-go" => come_and_go(env, blind).await,
        "retain" => retain(env).await,
        "two-objects" => {
            oracle::objects(client).delete(OTHER, &DeleteParams::default()).await?;
            let mut ended = end(&all, &first);
            ended.gone.push(OTHER.to_owned());
            Ok(ended)
        }
        "drift" => drift(env).await,
        "squatter" => {
            let secrets: Api<Secret> = Api::namespaced(client.clone(), &name("c"));
            secrets.delete(OBJECT, &DeleteParams::default()).await?;
            Ok(end(&all, &first))
        }
        "source-lost" => source_lost(env, blind).await,
        "exclude" => exclude(env).await,
        "suspend" => suspend(env).await,
        "half-broken" => half_broken(env, blind).await,
        "sources-late" => sources_late(env, blind).await,
        "held-out" => held_out(env).await,
        "held-current" => held_current(env).await,
        "narrow" => narrow(env).await,
        unknown => bail!("no workload is called {unknown}: there are {ALL:?}"),
    }
}

fn end(env: &Env, parts: &[&str], login: &Login) -> End {
    End::served(env.expected(OBJECT, parts, login))
}
