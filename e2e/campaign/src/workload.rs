//! Workloads: the actions of users during a fault. Each has a setup without faults, and then the actions.

use std::time::{Duration, Instant};

use anyhow::bail;
use k8s_openapi::api::core::v1::{Secret, ServiceAccount};
use kube::Api;
use kube::api::{DeleteParams, Patch, PatchParams};
use serde_json::json;

use crate::end::{End, logins};
use crate::env::{EXCLUDE, Env, OBJECT, OTHER, name, new_part};
use crate::verdict::{self, Oracle, Wrong};
use e2e::SYSTEM_NAMESPACE;
use e2e::oracle::{self, LABEL, Login, Needles};
use e2e::wait::until;

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

/// As many names as fit into an annotation.
const NAMES_OF_TENANT: u32 = 40_000;
/// As many entries as the operator still extends.
const ENTRIES_OF_TENANT: u32 = 200;
/// How often a tenant writes to an account during the actions.
const TOUCHES: u32 = 10;
/// Longer than the operator needs for its work while not suspended.
const SUSPENDED_FOR: Duration = Duration::from_millis(700);
/// Time limit of each step: longer than a watch may be silent.
const STEP_WITHIN: Duration = Duration::from_secs(120);
/// Time for the reaction of an operator to an empty list.
const BLIND_FOR: Duration = Duration::from_secs(3);

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

/// Selects other namespaces, by their names.
async fn select_others(env: &Env) -> anyhow::Result<End> {
    let [first, ..] = logins(env);
    let mut object = env.object(OBJECT);
    object["spec"]["namespaces"] = json!({"names": [name("c"), name("d"), name("e")]});
    env.apply(&object).await?;
    Ok(end(env, &["c", "d", "e"], &first))
}

/// Creates a namespace with the label.
async fn new_namespace(env: &Env) -> anyhow::Result<End> {
    let [first, ..] = logins(env);
    let new = new_part();
    let metadata = json!({"name": name(&new), "labels": {"pull": "yes"}});
    env.apply(&json!({"apiVersion": "v1", "kind": "Namespace", "metadata": metadata}))
        .await?;
    Ok(end(env, &["a", "b", "c", &new], &first))
}

/// Deletes an account and creates it again.
async fn account_again(env: &Env) -> anyhow::Result<End> {
    let [first, ..] = logins(env);
    let accounts: Api<ServiceAccount> = Api::namespaced(env.client().clone(), &name("b"));
    accounts.delete("builder", &DeleteParams::default()).await?;
    let metadata = json!({"name": "builder", "namespace": name("b")});
    env.apply(&json!({"apiVersion": "v1", "kind": "ServiceAccount", "metadata": metadata}))
        .await?;
    Ok(end(env, &["a", "b", "c"], &first))
}

/// Deletes the source, creates a namespace, and creates the source again with another login.
async fn source_lost(env: &Env, blind: bool) -> anyhow::Result<End> {
    let [first, second, _] = logins(env);
    let secrets: Api<Secret> = Api::namespaced(env.client().clone(), SYSTEM_NAMESPACE);
    secrets.delete(OBJECT, &DeleteParams::default()).await?;
    env.label("d", true).await?;
    let kept = end(env, &["a", "b", "c", "d"], &first);
    comes_true(env, &kept, blind).await?;
    env.source(OBJECT, &second).await?;
    Ok(end(env, &["a", "b", "c", "d"], &second))
}

/// Excludes a namespace by its label, another by its name, and an account by its label.
async fn exclude(env: &Env) -> anyhow::Result<End> {
    let [first, ..] = logins(env);
    let excluded = (EXCLUDE, Some("true"));
    env.mark("Namespace", "", &name("b"), excluded).await?;
    env.mark("ServiceAccount", &name("a"), "builder", excluded).await?;
    let mut object = env.object(OBJECT);
    object["spec"]["namespaces"]["excluded"] = json!(["*-c"]);
    env.apply(&object).await?;
    let mut expected = env.expected(OBJECT, &["a"], &first);
    expected.holders.values_mut().for_each(|names| {
        names.remove("builder");
    });
    Ok(End::served(expected))
}

/// Deselects all accounts.
async fn narrow(env: &Env) -> anyhow::Result<End> {
    let [first, ..] = logins(env);
    let mut object = env.object(OBJECT);
    object["spec"]["serviceAccounts"] = json!({"mode": "None"});
    object["spec"]["secret"] = json!({"labels": {"pull-secret.example.com/team": "x"}});
    env.apply(&object).await?;
    let mut expected = env.expected(OBJECT, &["a", "b", "c"], &first);
    expected
        .holders
        .values_mut()
        .for_each(std::collections::BTreeSet::clear);
    Ok(End::served(expected))
}

/// Sets a third password while the second one is being written.
async fn rotate_again(env: &Env) -> anyhow::Result<End> {
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

/// Makes all kinds of changes while no operator runs, with streamed or paged lists.
async fn restart(env: &Env, paged: bool) -> anyhow::Result<End> {
    let [_, second, _] = logins(env);
    env.proxy().pages(paged);
    env.proxy().kill();
    env.source(OBJECT, &second).await?;
    env.label("b", false).await?;
    env.label("d", true).await?;
    strip(env, "c").await?;
    Ok(End::served(env.expected(OBJECT, &["a", "c", "d"], &second)))
}

/// Deletes an object while it is being served, so that writes are in flight.
async fn come_and_go(env: &Env, blind: bool) -> anyhow::Result<End> {
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
async fn retain(env: &Env) -> anyhow::Result<End> {
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

/// Makes all kinds of changes to the operator's objects.
async fn drift(env: &Env) -> anyhow::Result<End> {
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

/// Puts the most that a tenant may put on an account, in a namespace that no object selects and in a selected one.
async fn largest(env: &Env) -> anyhow::Result<()> {
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
async fn touch(env: &Env) -> anyhow::Result<()> {
    let accounts: Api<ServiceAccount> = Api::namespaced(env.client().clone(), &name("d"));
    for touch in 0..TOUCHES {
        let patch = json!({"metadata": {"labels": {"touch": touch.to_string()}}});
        accounts
            .patch("builder", &PatchParams::default(), &Patch::Merge(patch))
            .await?;
    }
    Ok(())
}

/// Keeps a copy with another party's finalizer when it should go: its login goes at once, and the status reports the
/// rest.
async fn held_out(env: &Env) -> anyhow::Result<End> {
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
async fn held_current(env: &Env) -> anyhow::Result<End> {
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

/// Checks that the failures in the status name this namespace.
async fn names(env: &Env, namespace: &str) -> Result<(), String> {
    let object = oracle::object(env.client(), OBJECT).await?.ok_or("it is gone")?;
    let failures = &object.data["status"]["failures"];
    let mut all = failures.as_array().into_iter().flatten();
    let named = all.any(|failure| failure["namespace"] == namespace);
    named
        .then_some(())
        .ok_or_else(|| format!("{namespace} is not in {failures}"))
}

/// Suspends an object during changes. The operator makes none of them until it resumes.
async fn suspend(env: &Env) -> anyhow::Result<End> {
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

/// One of two registries has no source at first: the other one is served and rotated all the same.
async fn half_broken(env: &Env, blind: bool) -> anyhow::Result<End> {
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
async fn sources_late(env: &Env, blind: bool) -> anyhow::Result<End> {
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

/// Whether the status gives this reason for `Ready`, of the object as it is now.
async fn told(env: &Env, object: &str, reason: &str) -> Result<(), String> {
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

/// Takes the label off a copy: the operator's watch and its lists show it no more.
async fn strip(env: &Env, part: &str) -> anyhow::Result<()> {
    let secrets: Api<Secret> = Api::namespaced(env.client().clone(), &name(part));
    let strip = json!({"metadata": {"labels": {LABEL: null}}});
    secrets
        .patch(OBJECT, &PatchParams::default(), &Patch::Merge(strip))
        .await?;
    Ok(())
}

/// Whether an empty list hides what the step needs, given the time at which it began. An operator that saw no namespace, or
/// no source, creates no copies before its next list.
fn sees_nothing(env: &Env, blind: bool, began: Instant) -> bool {
    blind && env.proxy().record().fired && began.elapsed() > BLIND_FOR
}

async fn comes_true(env: &Env, end: &End, blind: bool) -> anyhow::Result<()> {
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
