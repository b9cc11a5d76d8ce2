//! A cluster with the installation but without an operator, so that every effect comes from a policy.

use std::collections::BTreeMap;
use std::time::Duration;

use e2e::cluster::{Cluster, Options, Part};
use e2e::wait::eventually;
use k8s_openapi::api::core::v1::{Namespace, ServiceAccount};
use kube::api::{DeleteParams, ListParams, Patch, PatchParams, PostParams};
use kube::{Api, Client, ResourceExt};
use serde_json::{Value, json};
use tokio::sync::OnceCell;

/// A server takes a second at most. The limit allows for a busy machine.
pub(crate) const SOON: Duration = Duration::from_mins(2);

/// Returns the shared cluster of this binary, with every optional policy and no account. An error that the shipped
/// policies ignore fails here, so that no expression fails unseen.
pub(crate) async fn shared() -> &'static Cluster {
    static SHARED: OnceCell<anyhow::Result<Cluster>> = OnceCell::const_new();
    let started = SHARED.get_or_init(|| async {
        let mut cluster = own().await?;
        // It would create the accounts named `default`, which the tests create, or try to create, themselves.
        cluster.stop_part(Part::ControllerManager)?;
        let client = cluster.admin().await?;
        let everywhere: Api<ServiceAccount> = Api::all(client.clone());
        for account in everywhere.list(&ListParams::default()).await? {
            let namespaced = Api::<ServiceAccount>::namespaced(client.clone(), &account.namespace().unwrap());
            namespaced.delete(&account.name_any(), &DeleteParams::default()).await?;
        }
        for policy in ["accounts", "authors", "pods"] {
            cluster.kubectl().apply(&strict(policy)).await?;
        }
        Ok(cluster)
    });
    started.await.as_ref().expect("the shared cluster starts")
}

/// Returns a cluster for one test, with `config/default`.
pub(crate) async fn own() -> anyhow::Result<Cluster> {
    let cluster = Cluster::start(Options::default()).await?;
    cluster.install().await?;
    Ok(cluster)
}

/// As [`own`], with `config/named` for these names.
pub(crate) async fn own_named(names: &[&str]) -> anyhow::Result<Cluster> {
    let cluster = Cluster::start(Options::default()).await?;
    let names: Vec<String> = names.iter().map(|&name| name.to_owned()).collect();
    cluster.install_named(&names, &[]).await?;
    Ok(cluster)
}

/// Returns the shipped manifest of a policy.
pub(crate) fn manifest(policy: &str) -> String {
    let path = e2e::workspace()
        .join("config/admission")
        .join(policy)
        .join("policy.yaml");
    std::fs::read_to_string(path).unwrap()
}

fn strict(policy: &str) -> String {
    let shipped = manifest(policy);
    let strict = shipped.replace("failurePolicy: Ignore", "failurePolicy: Fail");
    assert!(strict.contains("failurePolicy: Fail"), "{policy}");
    strict
}

/// Creates a namespace, or labels an existing one.
pub(crate) async fn namespace(client: &Client, name: &str, labels: &[(&str, &str)]) {
    let api: Api<Namespace> = Api::all(client.clone());
    let labels: BTreeMap<&str, &str> = labels.iter().copied().collect();
    let namespace = json!({"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": name, "labels": labels}});
    let params = PatchParams::apply("test");
    api.patch(name, &params, &Patch::Apply(namespace)).await.unwrap();
}

/// Returns a `ClusterPullSecret` with these fields in its spec. The default of `registries` is one that is never
/// called.
pub(crate) fn object(name: &str, spec: &Value) -> Value {
    let mut full = json!({
        "registries": [{
            "server": "registry.example.com",
            "credentials": {"basicAuth": {"secretRef": {"name": "any"}}},
        }],
    });
    for (field, value) in spec.as_object().unwrap() {
        full[field] = value.clone();
    }
    json!({
        "apiVersion": "pullsecrets.dev/v1alpha1", "kind": "ClusterPullSecret",
        "metadata": {"name": name}, "spec": full,
    })
}

/// Runs `kubectl apply` for these objects, in one call.
pub(crate) async fn apply(cluster: &Cluster, objects: &[Value]) {
    let list = json!({"apiVersion": "v1", "kind": "List", "items": objects});
    let arguments = ["apply", "--server-side", "-f", "-"];
    let applied = cluster.kubectl().run(&arguments, &list.to_string()).await;
    applied.expect("kubectl apply is accepted");
}

/// Returns the account as it would be created, by a dry run.
pub(crate) async fn would_be(client: &Client, account: &Value) -> Result<ServiceAccount, String> {
    let account: ServiceAccount = serde_json::from_value(account.clone()).unwrap();
    let api: Api<ServiceAccount> = Api::namespaced(client.clone(), account.metadata.namespace.as_deref().unwrap());
    let params = PostParams {
        dry_run: true,
        ..PostParams::default()
    };
    api.create(&params, &account).await.map_err(|error| error.to_string())
}

/// Returns the names in a list of references.
pub(crate) fn names(references: Option<Vec<k8s_openapi::api::core::v1::LocalObjectReference>>) -> Vec<String> {
    references.into_iter().flatten().map(|entry| entry.name).collect()
}

/// Waits until the server has seen the objects applied so far. It sees them in order, and the last is this one, for
/// every namespace and every account.
pub(crate) async fn wait_until_seen(cluster: &Cluster, client: &Client, marker: &str) {
    let everything = json!({"namespaces": {"selectors": [{}]}, "serviceAccounts": {"names": ["*"]}});
    apply(cluster, &[object(marker, &everything)]).await;
    let account = json!({"metadata": {"namespace": "default", "name": marker}});
    eventually("the server has seen the objects", SOON, async || {
        let entries = names(would_be(client, &account).await?.image_pull_secrets);
        let there = entries.iter().any(|name| name == marker);
        there.then_some(()).ok_or_else(|| format!("{entries:?}"))
    })
    .await;
}
