//! What users do while something goes wrong: each with a beginning that is carried out in peace, and an act.

use std::time::{Duration, Instant};

use anyhow::bail;
use k8s_openapi::api::core::v1::{Secret, ServiceAccount};
use kube::Api;
use kube::api::{DeleteParams, Patch, PatchParams};
use serde_json::json;

use crate::stage::{Stage, name, new_part};
use crate::verdict::{self, Oracle, Wrong};
use e2e::SYSTEM_NAMESPACE;
use e2e::oracle::{self, Expected, LABEL, Login};
use e2e::wait::until;

/// The names of all of them.
pub const ALL: [&str; 17] = [
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
];

/// The object of most workloads.
const OBJECT: &str = "company";
/// How long a step of an act may take before the next one: longer than a watch may be silent.
const STEP_WITHIN: Duration = Duration::from_secs(120);
/// Time for all that an operator does which was shown an empty list.
const BLIND_FOR: Duration = Duration::from_secs(3);

/// What must be true in the end.
#[derive(Debug, Clone)]
pub struct End {
    /// Of each object that is there.
    pub served: Vec<Expected>,
    /// Objects that are gone, with all that was theirs.
    pub gone: Vec<String>,
    /// `Ready` of each object that is there: its reason.
    pub reason: &'static str,
}

impl End {
    fn served(expected: Expected) -> Self {
        Self {
            served: vec![expected],
            gone: Vec::new(),
            reason: "Synced",
        }
    }

    /// Whether the store is like this.
    ///
    /// # Errors
    ///
    /// The first difference.
    pub async fn check(&self, stage: &Stage) -> Result<(), String> {
        for expected in &self.served {
            oracle::check(stage.client(), expected).await?;
        }
        for object in &self.gone {
            oracle::check_gone(stage.client(), object, object).await?;
        }
        Ok(())
    }
}

/// The logins, in the order in which they are declared.
pub fn logins(stage: &Stage) -> [Login; 3] {
    ["first", "second", "third"].map(|what| stage.login(what))
}

/// The beginning, in peace. What stands at its end.
///
/// # Errors
///
/// What the API server says.
pub async fn begin(workload: &str, stage: &Stage) -> anyhow::Result<Option<End>> {
    let [first, ..] = logins(stage);
    stage.source(OBJECT, &first).await?;
    let served = stage.expected(OBJECT, &["a", "b", "c"], &first);
    match workload {
        "create" | "come-and-go" => Ok(None),
        "two-objects" => {
            stage.source("other", &first).await?;
            stage.apply(&stage.object(OBJECT)).await?;
            stage.apply(&stage.object("other")).await?;
            let other = stage.expected("other", &["a", "b", "c"], &first);
            Ok(Some(End {
                served: vec![served, other],
                ..End::served(stage.expected("other", &[], &first))
            }))
        }
        "squatter" => {
            stage.apply(&squatter()).await?;
            stage.apply(&stage.object(OBJECT)).await?;
            Ok(Some(End {
                reason: "NamespacesFailed",
                ..End::served(stage.expected(OBJECT, &["a", "b"], &first))
            }))
        }
        _ => {
            stage.apply(&stage.object(OBJECT)).await?;
            Ok(Some(End::served(served)))
        }
    }
}

fn squatter() -> serde_json::Value {
    // Of the type of a copy: nothing but whose it is stands in the way of taking it over.
    json!({"apiVersion": "v1", "kind": "Secret", "metadata": {"name": OBJECT, "namespace": name("c")},
        "type": "kubernetes.io/dockerconfigjson", "stringData": {oracle::DATA_KEY: r#"{"auths":{}}"#}})
}

/// The act. What must be true in the end. Who is `blind` is shown an empty list by the fault, and is not waited for long.
///
/// # Errors
///
/// What the API server says; when a step does not come true within a minute.
pub async fn act(workload: &str, stage: &Stage, blind: bool) -> anyhow::Result<End> {
    let client = stage.client();
    let [first, second, _] = logins(stage);
    let all = ["a", "b", "c"];
    let end = |parts: &[&str], login: &Login| End::served(stage.expected(OBJECT, parts, login));
    match workload {
        "create" => {
            stage.apply(&stage.object(OBJECT)).await?;
            Ok(end(&all, &first))
        }
        "rotate" => {
            stage.source(OBJECT, &second).await?;
            Ok(end(&all, &second))
        }
        "rotate-again" => rotate_again(stage).await,
        "restart" | "restart-paged" => restart(stage, workload == "restart-paged").await,
        "select-others" => {
            let mut object = stage.object(OBJECT);
            object["spec"]["namespaces"] = json!({"names": [name("c"), name("d"), name("e")]});
            stage.apply(&object).await?;
            Ok(end(&["c", "d", "e"], &first))
        }
        "new-namespace" => {
            let new = new_part();
            let metadata = json!({"name": name(&new), "labels": {"pull": "yes"}});
            stage
                .apply(&json!({"apiVersion": "v1", "kind": "Namespace", "metadata": metadata}))
                .await?;
            Ok(end(&["a", "b", "c", &new], &first))
        }
        "label-out" => {
            stage.label("b", false).await?;
            Ok(end(&["a", "c"], &first))
        }
        "account-again" => {
            let accounts: Api<ServiceAccount> = Api::namespaced(client.clone(), &name("b"));
            accounts.delete("builder", &DeleteParams::default()).await?;
            let metadata = json!({"name": "builder", "namespace": name("b")});
            stage
                .apply(&json!({"apiVersion": "v1", "kind": "ServiceAccount", "metadata": metadata}))
                .await?;
            Ok(end(&all, &first))
        }
        "delete" => {
            oracle::objects(client).delete(OBJECT, &DeleteParams::default()).await?;
            Ok(gone(end(&[], &first), OBJECT))
        }
        "come-and-go" => come_and_go(stage, blind).await,
        "retain" => retain(stage).await,
        "two-objects" => {
            oracle::objects(client)
                .delete("other", &DeleteParams::default())
                .await?;
            let mut ended = end(&all, &first);
            ended.gone.push("other".to_owned());
            Ok(ended)
        }
        "drift" => drift(stage).await,
        "squatter" => {
            let secrets: Api<Secret> = Api::namespaced(client.clone(), &name("c"));
            secrets.delete(OBJECT, &DeleteParams::default()).await?;
            Ok(end(&all, &first))
        }
        "source-lost" => {
            let secrets: Api<Secret> = Api::namespaced(client.clone(), SYSTEM_NAMESPACE);
            secrets.delete(OBJECT, &DeleteParams::default()).await?;
            stage.label("d", true).await?;
            let kept = end(&["a", "b", "c", "d"], &first);
            comes_true(stage, &kept).await?;
            stage.source(OBJECT, &second).await?;
            Ok(end(&["a", "b", "c", "d"], &second))
        }
        "narrow" => {
            let mut object = stage.object(OBJECT);
            object["spec"]["serviceAccounts"] = json!({"mode": "None"});
            object["spec"]["secret"] = json!({"labels": {"team": "x"}});
            stage.apply(&object).await?;
            let mut ended = end(&all, &first);
            for expected in &mut ended.served {
                expected
                    .holders
                    .values_mut()
                    .for_each(std::collections::BTreeSet::clear);
            }
            Ok(ended)
        }
        unknown => bail!("no workload is called {unknown}: there are {ALL:?}"),
    }
}

fn gone(mut end: End, object: &str) -> End {
    end.served.clear();
    end.gone.push(object.to_owned());
    end
}

/// The second password is on its way when the third one comes.
async fn rotate_again(stage: &Stage) -> anyhow::Result<End> {
    let [_, second, third] = logins(stage);
    let end = |login: &Login| End::served(stage.expected(OBJECT, &["a", "b", "c"], login));
    stage.source(OBJECT, &second).await?;
    until("the second one is under way", STEP_WITHIN, async || {
        let written = end(&second).check(stage).await;
        if stage.proxy().record().fired { Ok(()) } else { written }
    })
    .await?;
    stage.source(OBJECT, &third).await?;
    Ok(end(&third))
}

/// All that can happen while nobody watches; with the lists as a stream, or in pages.
async fn restart(stage: &Stage, paged: bool) -> anyhow::Result<End> {
    let [_, second, _] = logins(stage);
    stage.proxy().pages(paged);
    stage.proxy().kill();
    stage.source(OBJECT, &second).await?;
    stage.label("b", false).await?;
    stage.label("d", true).await?;
    strip(stage, "c").await?;
    Ok(End::served(stage.expected(OBJECT, &["a", "c", "d"], &second)))
}

/// Deleted while it is carried out, so that writes are under way.
async fn come_and_go(stage: &Stage, blind: bool) -> anyhow::Result<End> {
    let client = stage.client();
    let [first, ..] = logins(stage);
    stage.apply(&stage.object(OBJECT)).await?;
    let applied = Instant::now();
    until("a copy is there", STEP_WITHIN, async || {
        let copies = oracle::uids(client, OBJECT).await?;
        // A process that saw no namespace, or no source, makes none before its next list.
        let waits = !blind || !stage.proxy().record().fired || applied.elapsed() < BLIND_FOR;
        if copies.is_empty() && waits {
            Err("none is".to_owned())
        } else {
            Ok(())
        }
    })
    .await?;
    oracle::objects(client).delete(OBJECT, &DeleteParams::default()).await?;
    Ok(gone(End::served(stage.expected(OBJECT, &[], &first)), OBJECT))
}

/// What was left behind is taken back.
async fn retain(stage: &Stage) -> anyhow::Result<End> {
    let [first, ..] = logins(stage);
    let mut object = stage.object(OBJECT);
    object["spec"]["deletionPolicy"] = json!("Retain");
    stage.apply(&object).await?;
    let objects = oracle::objects(stage.client());
    objects.delete(OBJECT, &DeleteParams::default()).await?;
    until("the object goes", STEP_WITHIN, async || {
        let left = oracle::object(stage.client(), OBJECT).await?;
        left.map_or(Ok(()), |_| Err("it is there".to_owned()))
    })
    .await
    .map_err(|late| Wrong::new(Oracle::Stuck, format!("{late:#}")))?;
    stage.apply(&stage.object(OBJECT)).await?;
    Ok(End::served(stage.expected(OBJECT, &["a", "b", "c"], &first)))
}

/// Everything that others do to what is ours.
async fn drift(stage: &Stage) -> anyhow::Result<End> {
    let [first, ..] = logins(stage);
    let (client, params) = (stage.client(), PatchParams::default());
    let secrets = |part: &str| -> Api<Secret> { Api::namespaced(client.clone(), &name(part)) };
    let accounts = |part: &str| -> Api<ServiceAccount> { Api::namespaced(client.clone(), &name(part)) };
    let edit = json!({"data": {".dockerconfigjson": "eyJhdXRocyI6e319"}});
    secrets("a").patch(OBJECT, &params, &Patch::Merge(edit)).await?;
    secrets("b").delete(OBJECT, &DeleteParams::default()).await?;
    strip(stage, "c").await?;
    let replace = json!({"imagePullSecrets": [{"name": "theirs"}]});
    accounts("a").patch("default", &params, &Patch::Merge(replace)).await?;
    let clear = json!({"imagePullSecrets": null});
    accounts("b").patch("builder", &params, &Patch::Merge(clear)).await?;
    Ok(End::served(stage.expected(OBJECT, &["a", "b", "c"], &first)))
}

/// Takes the label off a copy: the operator's watch and its lists show it no more.
async fn strip(stage: &Stage, part: &str) -> anyhow::Result<()> {
    let secrets: Api<Secret> = Api::namespaced(stage.client().clone(), &name(part));
    let strip = json!({"metadata": {"labels": {LABEL: null}}});
    secrets
        .patch(OBJECT, &PatchParams::default(), &Patch::Merge(strip))
        .await?;
    Ok(())
}

async fn comes_true(stage: &Stage, end: &End) -> anyhow::Result<()> {
    let came = until("the step comes true", STEP_WITHIN, async || end.check(stage).await).await;
    match came {
        Ok(()) => Ok(()),
        Err(late) => Err(verdict::of_end(stage, end, &format!("{late:#}")).await.into()),
    }
}
