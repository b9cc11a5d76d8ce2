//! Namespaces, sources and objects that a scenario creates.

use std::collections::{BTreeMap, BTreeSet};

use futures::{StreamExt, TryStreamExt, stream};
use k8s_openapi::api::core::v1::{Namespace, ServiceAccount};
use kube::Api;
use kube::api::{ListParams, ObjectMeta, PostParams};
use serde_json::{Value, json};

use super::{LABEL, SERVER, SOON, Scenario};
use crate::SYSTEM_NAMESPACE;
use crate::oracle::Login;
use crate::wait::eventually;

/// Concurrent requests of a scenario that creates many objects; the API server is on the same machine.
const AT_ONCE: usize = 32;

impl Scenario {
    /// Returns the names of this scenario's namespaces, from their last parts.
    pub fn in_scenario(&self, parts: &[&str]) -> Vec<String> {
        parts.iter().map(|part| format!("{}-{part}", self.name)).collect()
    }

    /// Creates namespaces that the scenario's object selects.
    pub async fn namespaces(&self, parts: &[&str]) {
        let labels = BTreeMap::from([(LABEL.to_owned(), self.name.clone())]);
        self.make_namespaces(self.in_scenario(parts), &labels).await;
    }

    /// Creates namespaces that it does not select, and waits for their `default` accounts.
    pub async fn unselected_namespaces(&self, parts: &[&str]) {
        let names = self.in_scenario(parts);
        self.make_namespaces(names.clone(), &BTreeMap::new()).await;
        self.wait_for_accounts(&names).await;
    }

    /// Creates namespaces with these names and labels, concurrently.
    pub async fn make_namespaces(&self, names: Vec<String>, labels: &BTreeMap<String, String>) {
        let api: Api<Namespace> = Api::all(self.client.clone());
        let made = stream::iter(names).map(|name| {
            let metadata = ObjectMeta {
                name: Some(name),
                labels: Some(labels.clone()),
                ..ObjectMeta::default()
            };
            let api = api.clone();
            async move {
                let namespace = Namespace {
                    metadata,
                    ..Namespace::default()
                };
                api.create(&PostParams::default(), &namespace).await
            }
        });
        let made: Result<Vec<_>, _> = made.buffer_unordered(AT_ONCE).try_collect().await;
        made.expect("namespaces can be made");
    }

    /// Waits until each of these namespaces has its `default` account.
    pub async fn wait_for_accounts(&self, namespaces: &[String]) {
        let api: Api<ServiceAccount> = Api::all(self.client.clone());
        let default = ListParams::default().fields("metadata.name=default");
        eventually("namespaces have their account", SOON, async || {
            let accounts = api.list(&default).await.map_err(|error| error.to_string())?;
            let there: BTreeSet<String> = accounts
                .items
                .into_iter()
                .filter_map(|account| account.metadata.namespace)
                .collect();
            let missing = namespaces.iter().filter(|name| !there.contains(*name)).count();
            if missing == 0 {
                Ok(())
            } else {
                Err(format!("{missing} have none"))
            }
        })
        .await;
    }

    /// Creates or changes the object's source: a basic-auth Secret with the scenario's name in the operator's
    /// namespace.
    pub async fn source(&self, login: &Login) {
        self.source_named(&self.name, login).await;
    }

    /// As [`source`](Self::source), under another name.
    pub async fn source_named(&self, name: &str, login: &Login) {
        let Login { username, password } = login;
        self.apply(&json!({
            "apiVersion": "v1", "kind": "Secret", "type": "kubernetes.io/basic-auth",
            "metadata": {"name": name, "namespace": SYSTEM_NAMESPACE},
            "stringData": {"username": username, "password": password},
        }))
        .await;
    }

    /// Returns the scenario's object: one registry with the login of [`source`](Self::source), for the `default`
    /// account of all namespaces with the scenario's label. Change it as needed and pass it to [`apply`](Self::apply).
    pub fn object(&self) -> Value {
        json!({
            "apiVersion": "pullsecrets.dev/v1alpha1",
            "kind": "ClusterPullSecret",
            "metadata": {"name": self.name},
            "spec": {
                "registries": [{
                    "server": SERVER,
                    "credentials": {"basicAuth": {"secretRef": {"name": self.name}}},
                }],
                "namespaces": {"selectors": [self.selector()]},
            },
        })
    }

    /// Returns the selector of this scenario's namespaces, for custom objects.
    pub fn selector(&self) -> Value {
        json!({"matchLabels": {LABEL: self.name}})
    }

    /// Runs `kubectl apply` for one object.
    pub async fn apply(&self, object: &Value) {
        let applied = self.cluster().kubectl().apply(&object.to_string()).await;
        applied.expect("kubectl apply is accepted");
    }

    /// Runs kubectl, which must succeed, and returns its output.
    pub async fn kubectl(&self, arguments: &[&str]) -> String {
        let output = self.cluster().kubectl().run(arguments, "").await;
        output.expect("kubectl succeeds")
    }
}
