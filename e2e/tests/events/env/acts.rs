//! What people and other tools do.

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
    /// Namespaces with a source and an object that is carried out in them.
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

    /// Namespaces, a source and an object, come of it what may.
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

    /// The first login as a docker config.
    pub(crate) fn docker_config(&self) -> Value {
        let Login { username, password } = self.first();
        json!({"auths": {SERVER: {"username": username, "password": password}}})
    }

    pub(crate) async fn add_object(&self, change: Value) {
        self.add_object_named(self.name(), change).await;
    }

    /// An object like the environment's, of another name.
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

    /// Deletes the object and does not wait.
    pub(crate) async fn deletes_object(&self, cascade: PropagationPolicy) {
        let params = DeleteParams {
            propagation_policy: Some(cascade),
            ..DeleteParams::default()
        };
        self.objects().delete(self.name(), &params).await.unwrap();
    }

    /// The source gets another login.
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

    /// Somebody's Secret of the copies' name, not of their type.
    pub(crate) async fn squats(&self, part: &str) {
        self.create::<Secret>(json!({
            "metadata": {"name": self.name(), "namespace": self.namespace(part)}, "stringData": {"theirs": "kept"},
        }))
        .await;
    }

    /// Somebody's pull secret of the copies' name.
    pub(crate) async fn squats_with(&self, part: &str, config: &[u8]) {
        let text = String::from_utf8(config.to_vec()).unwrap();
        self.create::<Secret>(json!({
            "metadata": {"name": self.name(), "namespace": self.namespace(part)},
            "type": "kubernetes.io/dockerconfigjson", "stringData": {".dockerconfigjson": text},
        }))
        .await;
    }

    /// Keeps a namespace from going, however long it is on its way out.
    pub(crate) async fn holds_up(&self, part: &str) {
        self.create::<ConfigMap>(json!({
            "metadata": {"name": "slow", "namespace": self.namespace(part), "finalizers": ["example.com/slow"]},
        }))
        .await;
    }

    /// Something else that the object owns: once it is gone, garbage collection has been there.
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

    /// Deletes a namespace that is held up, and waits until all else in it is gone.
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

    /// A namespace that is deleted altogether.
    pub(crate) async fn deletes_namespace(&self, part: &str) {
        self.delete(&self.all_namespaces(), &self.namespace(part)).await;
    }

    /// Puts a Secret in the place of the copy at once: whoever is faster wins, and who loses tries again.
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

    /// Takes our entry, and the record of it, back to what they were, as whoever applies the whole account does.
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
