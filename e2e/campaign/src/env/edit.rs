//! Edits of users: objects are created, changed and labelled.

use kube::Api;
use kube::api::{Patch, PatchParams};
use serde_json::{Value, json};

use super::{Env, LABEL, name};
use e2e::SYSTEM_NAMESPACE;
use e2e::oracle::Login;

impl Env {
    /// Adds the label that objects select to a namespace, or removes it.
    ///
    /// # Errors
    ///
    /// The error of the API server.
    pub async fn label(&self, part: &str, selected: bool) -> anyhow::Result<()> {
        self.mark("Namespace", "", &name(part), (LABEL.0, selected.then_some(LABEL.1)))
            .await
    }

    /// Adds a label to an object of the API, or removes it.
    ///
    /// # Errors
    ///
    /// The error of the API server.
    pub async fn mark(
        &self,
        kind: &str,
        namespace: &str,
        name: &str,
        (key, value): (&str, Option<&str>),
    ) -> anyhow::Result<()> {
        let patch = Patch::Merge(json!({"metadata": {"labels": {(key): value}}}));
        let resource = kube::core::ApiResource::from_gvk(&kube::core::GroupVersionKind::gvk("", "v1", kind));
        let api: Api<kube::core::DynamicObject> = match namespace {
            "" => Api::all_with(self.client.clone(), &resource),
            namespace => Api::namespaced_with(self.client.clone(), namespace, &resource),
        };
        api.patch(name, &PatchParams::default(), &patch).await?;
        Ok(())
    }

    /// Creates or changes an object, as `kubectl apply --server-side` does.
    ///
    /// # Errors
    ///
    /// The error of the API server.
    pub async fn apply(&self, object: &Value) -> anyhow::Result<()> {
        let text = |pointer: &str| object.pointer(pointer).and_then(Value::as_str).unwrap_or_default();
        let (group, version) = match text("/apiVersion").split_once('/') {
            Some((group, version)) => (group, version),
            None => ("", text("/apiVersion")),
        };
        let kind = kube::core::GroupVersionKind::gvk(group, version, text("/kind"));
        let resource = kube::core::ApiResource::from_gvk(&kind);
        let api: Api<kube::core::DynamicObject> = match text("/metadata/namespace") {
            "" => Api::all_with(self.client.clone(), &resource),
            namespace => Api::namespaced_with(self.client.clone(), namespace, &resource),
        };
        let params = PatchParams::apply("fault-env").force();
        api.patch(text("/metadata/name"), &params, &Patch::Apply(object))
            .await?;
        Ok(())
    }

    /// Creates or changes the source of the object of that name.
    ///
    /// # Errors
    ///
    /// The error of the API server.
    pub async fn source(&self, object: &str, login: &Login) -> anyhow::Result<()> {
        let Login { username, password } = login;
        self.apply(&json!({
            "apiVersion": "v1", "kind": "Secret", "type": "kubernetes.io/basic-auth",
            "metadata": {"name": object, "namespace": SYSTEM_NAMESPACE},
            "stringData": {"username": username, "password": password},
        }))
        .await
    }
}
