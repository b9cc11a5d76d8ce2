//! Actions of people and other tools.

use std::collections::BTreeMap;

use e2e::SYSTEM_NAMESPACE;
use e2e::oracle::Login;
use e2e::scenario::{LABEL, SERVER, SOON};
use e2e::wait::eventually;
use k8s_openapi::api::core::v1::{ConfigMap, Secret, ServiceAccount};
use kube::ResourceExt;
use kube::api::{DeleteParams, ListParams, Patch, PatchParams, PostParams, PropagationPolicy};
use serde_json::{Value, json};

use super::Env;
use super::store::merge;

impl Env {
    /// Creates namespaces, a source and an object, and waits until it is served.
    pub(crate) async fn served(&self, parts: &[&str]) {
        self.served_as(parts, json!({})).await;
    }

    /// As [`served`](Self::served), with a change of the object's `spec`.
    pub(crate) async fn served_as(&self, parts: &[&str], change: Value) {
        let retains = change["deletionPolicy"] == "Retain";
        self.declared(parts, change).await;
        let owner = self.name().to_owned();
        let owners: &[&str] = if retains { &[] } else { &[&owner] };
        self.copies_hold(&self.expected(parts, &self.first()), owners).await;
        self.scenario().says("Ready", "True", "Synced").await;
    }

    /// Creates namespaces, a source and an object, without waiting.
    pub(crate) async fn declared(&self, parts: &[&str], change: Value) {
        self.scenario().namespaces(parts).await;
        self.scenario()
            .wait_for_accounts(&self.scenario().in_scenario(parts))
            .await;
        self.add_source(&self.first()).await;
        self.add_object(change).await;
    }

    pub(crate) async fn add_source(&self, login: &Login) {
        self.create::<Secret>(json!({
            "metadata": {"name": self.name(), "namespace": SYSTEM_NAMESPACE}, "type": "kubernetes.io/basic-auth",
            "stringData": {"username": login.username, "password": login.password},
        }))
        .await;
    }

    /// Returns the first login as a docker config.
    pub(crate) fn docker_config(&self) -> Value {
        let Login { username, password } = self.first();
        json!({"auths": {SERVER: {"username": username, "password": password}}})
    }

    pub(crate) async fn add_object(&self, change: Value) {
        self.add_object_named(self.name(), change).await;
    }

    /// Creates another object like the environment's.
    pub(crate) async fn add_object_named(&self, name: &str, change: Value) {
        let mut object = self.scenario().object();
        object["metadata"]["name"] = json!(name);
        merge(&mut object["spec"], change);
        let object = serde_json::from_value(object).unwrap();
        self.objects().create(&PostParams::default(), &object).await.unwrap();
    }

    /// Changes the object's `spec`.
    pub(crate) async fn declares(&self, change: Value) {
        let patch = Patch::Merge(json!({"spec": change}));
        self.objects()
            .patch(self.name(), &PatchParams::default(), &patch)
            .await
            .unwrap();
    }

    /// Deletes the object without waiting.
    pub(crate) async fn deletes_object(&self, cascade: PropagationPolicy) {
        let params = DeleteParams {
            propagation_policy: Some(cascade),
            ..DeleteParams::default()
        };
        self.objects().delete(self.name(), &params).await.unwrap();
    }

    /// Writes another login to the source.
    pub(crate) async fn rotates(&self, login: &Login) {
        self.patch_source(json!({"stringData": {"username": login.username, "password": login.password}}))
            .await;
    }

    pub(crate) async fn label(&self, part: &str, key: &str, value: Value) {
        self.patch_namespace(part, json!({"metadata": {"labels": {key: value}}}))
            .await;
    }

    pub(crate) async fn labels_in(&self, part: &str) {
        self.label(part, LABEL, json!(self.name())).await;
    }

    pub(crate) async fn labels_out(&self, part: &str) {
        self.label(part, LABEL, Value::Null).await;
    }

    pub(crate) async fn label_account(&self, part: &str, account: &str, key: &str, value: Value) {
        self.patch_account(part, account, json!({"metadata": {"labels": {key: value}}}))
            .await;
    }

    pub(crate) async fn add_account(&self, part: &str, name: &str, labels: Value) {
        let metadata = json!({"name": name, "namespace": self.namespace(part), "labels": labels});
        self.create::<ServiceAccount>(json!({"metadata": metadata})).await;
    }

    /// Creates a foreign Secret with the copies' name and another type.
    pub(crate) async fn squats(&self, part: &str) {
        self.create::<Secret>(json!({
            "metadata": {"name": self.name(), "namespace": self.namespace(part)}, "stringData": {"theirs": "kept"},
        }))
        .await;
    }

    /// Creates a foreign pull secret with the copies' name.
    pub(crate) async fn squats_with(&self, part: &str, config: &[u8]) {
        let text = String::from_utf8(config.to_vec()).unwrap();
        self.create::<Secret>(json!({
            "metadata": {"name": self.name(), "namespace": self.namespace(part)},
            "type": "kubernetes.io/dockerconfigjson", "stringData": {".dockerconfigjson": text},
        }))
        .await;
    }

    /// Blocks the removal of a namespace.
    pub(crate) async fn holds_up(&self, part: &str) {
        self.create::<ConfigMap>(json!({
            "metadata": {"name": "slow", "namespace": self.namespace(part), "finalizers": ["example.com/slow"]},
        }))
        .await;
    }

    /// Creates another dependent of the object. Its removal shows that the garbage collector has run.
    pub(crate) async fn leaves_garbage(&self, part: &str) {
        let object = self.objects().get(self.name()).await.unwrap();
        let owner = json!({
            "apiVersion": "pullsecrets.dev/v1alpha1", "kind": "ClusterPullSecret",
            "name": self.name(), "uid": object.uid(),
        });
        self.create::<ConfigMap>(json!({
            "metadata": {"name": "garbage", "namespace": self.namespace(part), "ownerReferences": [owner]},
        }))
        .await;
    }

    /// Deletes a blocked namespace, and waits until all else in it is gone.
    pub(crate) async fn begins_to_go(&self, part: &str) {
        let (api, name) = (self.all_namespaces(), self.namespace(part));
        api.delete(&name, &DeleteParams::default()).await.unwrap();
        eventually("the namespace is empty but for what holds it up", SOON, async || {
            let accounts = self
                .accounts(part)
                .list(&ListParams::default())
                .await
                .map_err(|error| error.to_string())?;
            let secrets = self
                .secrets(part)
                .list(&ListParams::default())
                .await
                .map_err(|error| error.to_string())?;
            let left = accounts.items.len() + secrets.items.len();
            if left == 0 { Ok(()) } else { Err(format!("{left} left")) }
        })
        .await;
    }

    /// Deletes a namespace and waits until it is gone.
    pub(crate) async fn deletes_namespace(&self, part: &str) {
        self.delete(&self.all_namespaces(), &self.namespace(part)).await;
    }

    /// Replaces the copy with another Secret. Both writers race for the name, and this one retries.
    pub(crate) async fn replaces_copy(&self, part: &str, mut with: Value) {
        with["metadata"]["name"] = json!(self.name());
        let with: Secret = serde_json::from_value(with).unwrap();
        let api = self.secrets(part);
        eventually("another Secret is in the place of the copy", SOON, async || {
            let gone = api.delete(self.name(), &DeleteParams::default()).await;
            let made = api.create(&PostParams::default(), &with).await;
            made.map(|_| ())
                .map_err(|error| format!("{error}, deleted before: {}", gone.is_ok()))
        })
        .await;
    }

    /// Restores an earlier state of the operator's entry and its record, as a writer does that applies the whole
    /// account.
    pub(crate) async fn puts_back(&self, part: &str, before: &ServiceAccount) {
        let now = self.account(part, &before.name_any()).await;
        if now.image_pull_secrets == before.image_pull_secrets {
            return;
        }
        let mut annotations: BTreeMap<_, _> = now.annotations().clone();
        annotations.extend(before.annotations().clone());
        let change = json!({"imagePullSecrets": before.image_pull_secrets, "metadata": {"annotations": annotations}});
        self.patch_account(part, &before.name_any(), change).await;
    }
}
