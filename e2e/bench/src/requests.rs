//! Requests that every solution needs, as the operator sends them: same kind, same size, and no others.
//!
//! They are built from the store before the clock starts, so that the sender needs no knowledge.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use e2e::oracle::{self, ATTACHED, DATA_KEY, LABEL, Login};
use k8s_openapi::api::core::v1::{Secret, ServiceAccount};
use kube::api::ListParams;
use kube::{Api, ResourceExt};
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

use crate::env::{Env, OBJECT, SERVER};
use crate::phase::Work;

/// One request.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(crate) struct Request {
    pub(crate) method: String,
    pub(crate) path: String,
    pub(crate) content_type: String,
    /// Contains a login.
    pub(crate) body: String,
}

impl Request {
    fn namespace(&self) -> Option<&str> {
        self.path.strip_prefix("/api/v1/namespaces/")?.split('/').next()
    }
}

/// With this value, a server-side apply creates an object, and is refused if the object exists.
const ONLY_IF_ABSENT: &str = "1";

const APPLY: &str = "application/apply-patch+yaml";
const MERGE: &str = "application/merge-patch+json";

/// The order of requests, where the task allows several.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Order {
    /// All copies or all references, then the others.
    ByKind,
    /// One namespace after the other, as the operator does, so that a namespace need not wait for all others.
    ByNamespace,
}

/// Returns the requests of the task for the current store.
pub(crate) async fn of(
    env: &Env,
    work: Work,
    accounts: &[&str],
    login: &Login,
    order: Order,
) -> anyhow::Result<Vec<Request>> {
    let object = oracle::object(&env.client, OBJECT).await.map_err(anyhow::Error::msg)?;
    let owner = object.and_then(|object| object.metadata.uid).unwrap_or_default();
    let mut requests: Vec<Request> = match work {
        Work::Fill => {
            let names = env.names();
            let copies = names.iter().map(|namespace| copy(namespace, None, &owner, login));
            copies.chain(references(env, accounts, true).await?).collect()
        }
        Work::Rotate => {
            let copies = copies(env).await?;
            let update = |held: &Secret| copy(&held.namespace().unwrap_or_default(), Some(held), &owner, login);
            copies.iter().map(update).collect()
        }
        Work::Delete => {
            let copies = copies(env).await?;
            let references = references(env, accounts, false).await?;
            references.into_iter().chain(copies.iter().map(removal)).collect()
        }
    };
    if order == Order::ByNamespace {
        requests.sort_by(|a, b| a.namespace().cmp(&b.namespace()));
    }
    Ok(requests)
}

async fn copies(env: &Env) -> anyhow::Result<Vec<Secret>> {
    let all: Api<Secret> = Api::all(env.client.clone());
    let ours = ListParams::default().labels(&format!("{LABEL}={OBJECT}"));
    Ok(all.list(&ours).await?.items)
}

fn copy(namespace: &str, held: Option<&Secret>, owner: &str, login: &Login) -> Request {
    let Login { username, password } = login;
    let auth = STANDARD.encode(format!("{username}:{password}"));
    let config = json!({"auths": {SERVER: {"auth": auth, "password": password, "username": username}}});
    let version = held.and_then(ResourceExt::resource_version);
    let mut metadata = json!({
        "name": OBJECT,
        "resourceVersion": version.unwrap_or_else(|| ONLY_IF_ABSENT.to_owned()),
        "labels": {LABEL: OBJECT, "app.kubernetes.io/managed-by": "pullsecrets"},
        "ownerReferences": [{"apiVersion": "pullsecrets.dev/v1alpha1", "kind": "ClusterPullSecret",
            "name": OBJECT, "uid": owner}],
    });
    if let Some(uid) = held.and_then(ResourceExt::uid) {
        metadata["uid"] = uid.into();
    }
    let body = json!({
        "apiVersion": "v1", "kind": "Secret", "metadata": metadata, "type": "kubernetes.io/dockerconfigjson",
        "data": {DATA_KEY: STANDARD.encode(config.to_string())},
    });
    Request {
        method: "PATCH".to_owned(),
        path: format!("/api/v1/namespaces/{namespace}/secrets/{OBJECT}?&force=true&fieldManager=pullsecrets"),
        content_type: APPLY.to_owned(),
        body: body.to_string(),
    }
}

fn removal(held: &Secret) -> Request {
    let body = json!({"preconditions": {"uid": held.uid(), "resourceVersion": held.resource_version()}});
    Request {
        method: "DELETE".to_owned(),
        path: format!(
            "/api/v1/namespaces/{}/secrets/{OBJECT}",
            held.namespace().unwrap_or_default()
        ),
        content_type: "application/json".to_owned(),
        body: body.to_string(),
    }
}

/// Returns a request for each of these accounts in the namespaces of the benchmark.
async fn references(env: &Env, accounts: &[&str], attach: bool) -> anyhow::Result<Vec<Request>> {
    let all: Api<ServiceAccount> = Api::all(env.client.clone());
    let names: std::collections::BTreeSet<String> = env.names().into_iter().collect();
    let selected = |account: &ServiceAccount| {
        accounts.contains(&account.name_any().as_str())
            && account.namespace().is_some_and(|namespace| names.contains(&namespace))
    };
    let all = all.list(&ListParams::default()).await?.items;
    Ok(all
        .iter()
        .filter(|account| selected(account))
        .map(|account| {
            let version = json!({"uid": account.uid(), "resourceVersion": account.resource_version()});
            reference(
                &account.namespace().unwrap_or_default(),
                &account.name_any(),
                version,
                attach,
            )
        })
        .collect())
}

/// Returns the request that adds or removes the reference of one account. `version` is its initial metadata.
pub(crate) fn reference(namespace: &str, name: &str, mut version: Value, attach: bool) -> Request {
    version["annotations"] = json!({ATTACHED: attach.then_some(OBJECT)});
    let entries = if attach { json!([{"name": OBJECT}]) } else { json!([]) };
    Request {
        method: "PATCH".to_owned(),
        path: format!("/api/v1/namespaces/{namespace}/serviceaccounts/{name}?&fieldManager=pullsecrets"),
        content_type: MERGE.to_owned(),
        body: json!({"metadata": version, "imagePullSecrets": entries}).to_string(),
    }
}
