//! The harness itself, which every scenario relies on.
#![allow(clippy::unwrap_used, reason = "also in what the tests share")]

mod canary;
mod node;
mod oracle;
mod witness;

use std::time::Duration;

use e2e::cluster::{Cluster, Options, Part};
use e2e::registry::Registry;
use e2e::wait::eventually;
use k8s_openapi::api::core::v1::{Namespace, ServiceAccount};
use kube::Api;
use kube::api::{ObjectMeta, PostParams};

use crate::MACHINE;

const SOON: Duration = Duration::from_mins(2);

/// A new namespace gets its account, and every request is in the audit log.
#[tokio::test]
async fn control_plane_makes_accounts_and_audits_requests() {
    let _beside = MACHINE.read().await;
    let mut cluster = Cluster::start(Options::default()).await.unwrap();
    let admin = cluster.admin().await.unwrap();
    let audit = cluster.audit();
    audit.settle(&admin).await.unwrap();
    let mark = audit.mark().unwrap();

    create_namespace(&admin, "team").await;
    wait_for_account(&admin, "team").await;

    audit.settle(&admin).await.unwrap();
    let writes = audit.writes_since(mark, "admin").unwrap();
    assert_eq!(writes.summary(), "create namespaces /team 201");

    cluster.stop_part(Part::ControllerManager).unwrap();
    cluster.stop_part(Part::ApiServer).unwrap();
    cluster.start_part(Part::ApiServer).unwrap();
    cluster.wait_for_server().await.unwrap();
    cluster.start_part(Part::ControllerManager).unwrap();
    create_namespace(&admin, "after-the-restart").await;
    wait_for_account(&admin, "after-the-restart").await;

    let listed = cluster
        .kubectl()
        .run(&["get", "namespaces", "-o", "name"], "")
        .await
        .unwrap();
    assert!(listed.contains("namespace/after-the-restart"), "{listed}");
    cluster.stop().unwrap();
}

#[tokio::test]
async fn the_installation_and_the_samples_are_accepted() {
    let _beside = MACHINE.read().await;
    let cluster = Cluster::start(Options::default()).await.unwrap();
    cluster.install().await.unwrap();
    let kubectl = cluster.kubectl();
    kubectl
        .run(&["apply", "--dry-run=server", "-k", "config/samples"], "")
        .await
        .unwrap();
    let listed = kubectl.run(&["get", "cps"], "").await.unwrap();
    assert_eq!(listed, "");
}

/// The registry accepts the current password only.
#[tokio::test]
async fn registry_accepts_only_the_current_password() {
    let _beside = MACHINE.read().await;
    let mut registry = Registry::start().await.unwrap();
    assert_eq!(registry.status_with(None).await.unwrap(), 401);
    registry.set_password("robot", "first").unwrap();
    assert_eq!(registry.status_with(Some(("robot", "first"))).await.unwrap(), 200);
    registry.set_password("robot", "second").unwrap();
    assert_eq!(registry.status_with(Some(("robot", "first"))).await.unwrap(), 401);
    assert_eq!(registry.status_with(Some(("robot", "second"))).await.unwrap(), 200);
}

/// A docker config logs in with the entry of the registry.
#[tokio::test]
async fn docker_config_logs_in_to_its_registry() {
    let _beside = MACHINE.read().await;
    let mut registry = Registry::start().await.unwrap();
    registry.set_password("robot", "s3cret").unwrap();
    let config = |auth: &str| {
        let auths = serde_json::json!({"auths": {registry.address(): {"auth": auth}}});
        auths.to_string().into_bytes()
    };
    let (right, wrong) = ("cm9ib3Q6czNjcmV0", "cm9ib3Q6b2xk"); // robot:s3cret, robot:old
    assert_eq!(registry.status_with_docker_config(&config(right)).await.unwrap(), 200);
    assert_eq!(registry.status_with_docker_config(&config(wrong)).await.unwrap(), 401);
    let other = registry
        .status_with_docker_config(br#"{"auths": {"r.example.com": {}}}"#)
        .await;
    assert!(other.unwrap_err().to_string().contains("no login for"));
}

async fn create_namespace(client: &kube::Client, name: &str) {
    let metadata = ObjectMeta {
        name: Some(name.to_owned()),
        ..ObjectMeta::default()
    };
    let namespace = Namespace {
        metadata,
        ..Namespace::default()
    };
    Api::all(client.clone())
        .create(&PostParams::default(), &namespace)
        .await
        .unwrap();
}

async fn wait_for_account(client: &kube::Client, namespace: &str) {
    let accounts: Api<ServiceAccount> = Api::namespaced(client.clone(), namespace);
    eventually("the namespace has its account", SOON, async || {
        accounts
            .get("default")
            .await
            .map(|_| ())
            .map_err(|error| error.to_string())
    })
    .await;
}
