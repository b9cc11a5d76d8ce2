//! Reads and writes of single objects, as the administrator.

use e2e::oracle;
use k8s_openapi::api::core::v1::{Namespace, Secret, ServiceAccount};
use k8s_openapi::{NamespaceResourceScope, Resource};
use kube::api::{DeleteParams, DynamicObject, Patch, PatchParams, PostParams};
use kube::{Api, ResourceExt};
use serde::Serialize;
use serde::de::DeserializeOwned;
use serde_json::{Value, json};

use e2e::scenario::SOON;
use e2e::wait::eventually;

use super::Env;

impl Env {
    pub(crate) fn secrets(&self, part: &str) -> Api<Secret> {
        Api::namespaced(self.scenario.client().clone(), &self.namespace(part))
    }

    pub(crate) fn accounts(&self, part: &str) -> Api<ServiceAccount> {
        Api::namespaced(self.scenario.client().clone(), &self.namespace(part))
    }

    pub(crate) fn all_namespaces(&self) -> Api<Namespace> {
        Api::all(self.scenario.client().clone())
    }

    pub(crate) fn objects(&self) -> Api<DynamicObject> {
        oracle::objects(self.scenario.client())
    }

    /// Returns the API of Secrets in the operator's namespace.
    pub(crate) fn sources(&self) -> Api<Secret> {
        Api::namespaced(self.scenario.client().clone(), e2e::SYSTEM_NAMESPACE)
    }

    /// Returns the Secret of the environment's name.
    pub(crate) async fn secret(&self, part: &str) -> Secret {
        self.secrets(part).get(self.name()).await.unwrap()
    }

    pub(crate) async fn account(&self, part: &str, name: &str) -> ServiceAccount {
        self.accounts(part).get(name).await.unwrap()
    }

    /// Creates an object in the namespace of its metadata.
    pub(crate) async fn create<K>(&self, object: Value) -> K
    where
        K: Resource<Scope = NamespaceResourceScope>
            + kube::Resource<Scope = NamespaceResourceScope, DynamicType = ()>
            + Clone
            + std::fmt::Debug
            + Serialize
            + DeserializeOwned,
    {
        let namespace = object["metadata"]["namespace"].as_str().unwrap().to_owned();
        let api: Api<K> = Api::namespaced(self.scenario.client().clone(), &namespace);
        let object: K = serde_json::from_value(object).unwrap();
        api.create(&PostParams::default(), &object).await.unwrap()
    }

    pub(crate) async fn patch_secret(&self, part: &str, change: Value) {
        let patch = Patch::Merge(change);
        self.secrets(part)
            .patch(self.name(), &PatchParams::default(), &patch)
            .await
            .unwrap();
    }

    pub(crate) async fn patch_account(&self, part: &str, name: &str, change: Value) {
        let patch = Patch::Merge(change);
        self.accounts(part)
            .patch(name, &PatchParams::default(), &patch)
            .await
            .unwrap();
    }

    /// Adds entries, and an annotation, before those of the account `default`.
    pub(crate) async fn merge_entries(&self, namespace: &str, entries: &Value) {
        let api: Api<ServiceAccount> = Api::namespaced(self.scenario.client().clone(), namespace);
        eventually("the account is there and changed", SOON, async || {
            let account = api.get("default").await.map_err(|error| error.to_string())?;
            let mut all = entries.as_array().unwrap().clone();
            let held = account.image_pull_secrets.iter().flatten();
            all.extend(held.map(|entry| json!({"name": entry.name})));
            // A patch replaces the list, so it must be based on the version read.
            let version = account.resource_version();
            let patch = Patch::Merge(json!({
                "imagePullSecrets": all,
                "metadata": {"resourceVersion": version, "annotations": {"theirs": "kept"}},
            }));
            let patched = api.patch("default", &PatchParams::default(), &patch).await;
            patched.map(|_| ()).map_err(|error| error.to_string())
        })
        .await;
    }

    pub(crate) async fn patch_namespace(&self, part: &str, change: Value) {
        let (api, name) = (self.all_namespaces(), self.namespace(part));
        api.patch(&name, &PatchParams::default(), &Patch::Merge(change))
            .await
            .unwrap();
    }

    pub(crate) async fn patch_source(&self, change: Value) {
        let patch = Patch::Merge(change);
        self.sources()
            .patch(self.name(), &PatchParams::default(), &patch)
            .await
            .unwrap();
    }

    /// Deletes an object, and waits until it is gone or replaced.
    pub(crate) async fn delete<K>(&self, api: &Api<K>, name: &str)
    where
        K: kube::Resource + Clone + std::fmt::Debug + DeserializeOwned,
    {
        let uid = api.get(name).await.unwrap().meta().uid.clone();
        api.delete(name, &DeleteParams::default()).await.unwrap();
        eventually(&format!("{name} is gone"), SOON, async || {
            let now = api.get_metadata_opt(name).await.map_err(|error| error.to_string())?;
            let gone = now.is_none_or(|now| now.uid() != uid);
            gone.then_some(()).ok_or_else(|| "it is there".to_owned())
        })
        .await;
    }
}

/// Applies `change` to `target`, as a JSON merge patch does.
pub(super) fn merge(target: &mut Value, change: Value) {
    match change {
        Value::Object(fields) if target.is_object() => {
            for (key, value) in fields {
                if value.is_null() {
                    target.as_object_mut().unwrap().remove(&key);
                } else {
                    merge(&mut target[key], value);
                }
            }
        }
        other => *target = other,
    }
}
