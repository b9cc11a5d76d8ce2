//! A small cluster, a proxy and a supervised operator; the same at the beginning of each run.
//!
//! Five namespaces `fault-a` to `fault-e`, of which the first three carry the label that objects select; in each the accounts
//! `default` and `builder`, with an entry of somebody else's on `default`, and a Secret of somebody else's.

use std::collections::{BTreeMap, BTreeSet};
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use k8s_openapi::api::core::v1::{Namespace, Secret, ServiceAccount};
use kube::api::{DeleteParams, ListParams, Patch, PatchParams};
use kube::{Api, Client, ResourceExt};
use serde_json::{Value, json};

use super::proxy::Proxy;
use super::supervisor::Supervisor;
use crate::cluster::{self, Cluster};
use crate::operator::Options;
use crate::oracle::{self, ATTACHED, Expected, Foreign, Login};
use crate::wait::{blocking, until};
use crate::{OPERATOR_ACCOUNT, SYSTEM_NAMESPACE, binaries};

/// The registry that objects declare; nobody calls it.
const SERVER: &str = "registry.example.com";
/// The label that objects select.
const LABEL: (&str, &str) = ("pull", "yes");
const NAMESPACES: [&str; 5] = ["a", "b", "c", "d", "e"];
const SELECTED: usize = 3;
/// A clean slate needs what the garbage collector needs.
const CLEAN_WITHIN: Duration = Duration::from_secs(60);

/// See the module.
pub struct Stage {
    cluster: Arc<Cluster>,
    client: Client,
    proxy: Arc<Proxy>,
    binary: PathBuf,
    kubeconfig: PathBuf,
}

impl Stage {
    /// Starts a control plane with the product on it and a proxy before it; no operator yet.
    ///
    /// # Errors
    ///
    /// When one of them does not start.
    pub async fn start() -> anyhow::Result<Self> {
        let binary = blocking(binaries::operator).await?;
        let cluster = Cluster::start(cluster::Options::default()).await?;
        cluster.install().await?;
        let proxy = Proxy::start(cluster.anonymous().await?, cluster.admin().await?).await?;
        let direct = cluster
            .service_account_kubeconfig(SYSTEM_NAMESPACE, OPERATOR_ACCOUNT)
            .await?;
        let kubeconfig = proxy.kubeconfig(&direct)?;
        let stage = Self {
            client: cluster.admin().await?,
            cluster: Arc::new(cluster),
            proxy: Arc::new(proxy),
            binary,
            kubeconfig,
        };
        stage.make_namespaces().await?;
        Ok(stage)
    }

    /// The proxy.
    pub fn proxy(&self) -> &Proxy {
        &self.proxy
    }

    /// The administrator.
    pub fn client(&self) -> &Client {
        &self.client
    }

    /// The end of the operators' log, for a person.
    pub fn log(&self) -> String {
        let log = crate::operator::logged(&self.cluster).unwrap_or_default();
        let lines: Vec<&str> = log.lines().collect();
        lines[lines.len().saturating_sub(40)..].join("\n")
    }

    /// Starts the operator, to be started again whenever it ends.
    pub fn supervise(&self) -> Supervisor {
        Supervisor::start(
            Arc::clone(&self.cluster),
            Arc::clone(&self.proxy),
            Options::default(),
            self.binary.clone(),
            self.kubeconfig.clone(),
        )
    }

    async fn make_namespaces(&self) -> anyhow::Result<()> {
        for part in NAMESPACES {
            let namespace = name(part);
            self.apply(&json!({"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": namespace}}))
                .await?;
            for account in ["default", "builder"] {
                self.apply(&json!({"apiVersion": "v1", "kind": "ServiceAccount",
                    "metadata": {"name": account, "namespace": namespace}}))
                    .await?;
            }
            self.apply(
                &json!({"apiVersion": "v1", "kind": "Secret", "metadata": {"name": "theirs", "namespace": namespace},
                "stringData": {"key": "kept"}}),
            )
            .await?;
        }
        Ok(())
    }

    /// Makes everything as it was at the start. No operator may run.
    ///
    /// # Errors
    ///
    /// What the API server says, or when something does not go.
    pub async fn clean(&self) -> anyhow::Result<()> {
        let objects = oracle::objects(&self.client);
        let strip = Patch::Merge(json!({"metadata": {"finalizers": null}}));
        for object in objects.list(&ListParams::default()).await?.items {
            let name = object.name_any();
            // One that is being deleted goes with its last finalizer.
            let _ = objects.delete(&name, &DeleteParams::default()).await;
            let _ = objects.patch(&name, &PatchParams::default(), &strip).await;
        }
        until("no object is left", CLEAN_WITHIN, async || {
            let left = objects
                .list(&ListParams::default())
                .await
                .map_err(|error| error.to_string())?;
            if left.items.is_empty() {
                Ok(())
            } else {
                Err(format!("{} are", left.items.len()))
            }
        })
        .await?;
        let namespaces: Api<Namespace> = Api::all(self.client.clone());
        for namespace in namespaces.list(&ListParams::default()).await?.items {
            let name = namespace.name_any();
            let part = name.strip_prefix("fault-").unwrap_or_default();
            if part.starts_with("new") {
                namespaces.delete(&name, &DeleteParams::default()).await?;
            }
        }
        for (index, part) in NAMESPACES.into_iter().enumerate() {
            self.clean_namespace(&name(part)).await?;
            self.label(part, index < SELECTED).await?;
        }
        let secrets: Api<Secret> = Api::namespaced(self.client.clone(), SYSTEM_NAMESPACE);
        for secret in secrets.list(&ListParams::default()).await?.items {
            secrets.delete(&secret.name_any(), &DeleteParams::default()).await?;
        }
        Ok(())
    }

    async fn clean_namespace(&self, namespace: &str) -> anyhow::Result<()> {
        let secrets: Api<Secret> = Api::namespaced(self.client.clone(), namespace);
        for secret in secrets.list(&ListParams::default()).await?.items {
            if secret.name_any() != "theirs" {
                // The garbage collector may have been faster.
                let _ = secrets.delete(&secret.name_any(), &DeleteParams::default()).await;
            }
        }
        let accounts: Api<ServiceAccount> = Api::namespaced(self.client.clone(), namespace);
        for (account, entries) in [("default", json!([{"name": "theirs"}])), ("builder", Value::Null)] {
            let clean =
                json!({"metadata": {"annotations": {ATTACHED: null}, "labels": null}, "imagePullSecrets": entries});
            accounts
                .patch(account, &PatchParams::default(), &Patch::Merge(clean))
                .await?;
        }
        Ok(())
    }

    /// Puts the label that objects select on a namespace, or takes it off.
    ///
    /// # Errors
    ///
    /// What the API server says.
    pub async fn label(&self, part: &str, selected: bool) -> anyhow::Result<()> {
        let value = selected.then_some(LABEL.1);
        let patch = json!({"metadata": {"labels": {LABEL.0: value}}});
        let namespaces: Api<Namespace> = Api::all(self.client.clone());
        namespaces
            .patch(&name(part), &PatchParams::default(), &Patch::Merge(patch))
            .await?;
        Ok(())
    }

    /// Makes or changes an object, as `kubectl apply --server-side` does.
    ///
    /// # Errors
    ///
    /// What the API server says.
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
        let params = PatchParams::apply("fault-stage").force();
        api.patch(text("/metadata/name"), &params, &Patch::Apply(object))
            .await?;
        Ok(())
    }

    /// Makes or changes the source of an object of that name.
    ///
    /// # Errors
    ///
    /// What the API server says.
    pub async fn source(&self, object: &str, login: &Login) -> anyhow::Result<()> {
        let Login { username, password } = login;
        self.apply(&json!({
            "apiVersion": "v1", "kind": "Secret", "type": "kubernetes.io/basic-auth",
            "metadata": {"name": object, "namespace": SYSTEM_NAMESPACE},
            "stringData": {"username": username, "password": password},
        }))
        .await
    }

    /// An object of that name for both accounts of the labelled namespaces.
    pub fn object(&self, object: &str) -> Value {
        json!({
            "apiVersion": "pullsecrets.dev/v1alpha1", "kind": "ClusterPullSecret",
            "metadata": {"name": object},
            "spec": {
                "registries": [{"server": SERVER, "credentials": {"basicAuth": {"secretRef": {"name": object}}}}],
                "namespaces": {"selectors": [{"matchLabels": {LABEL.0: LABEL.1}}]},
                "serviceAccounts": {"names": ["default", "builder"]},
            },
        })
    }

    /// What such an object must bring about in these namespaces.
    pub fn expected(&self, object: &str, parts: &[&str], login: &Login) -> Expected {
        let accounts = |part: &str| {
            let both: &[&str] = if part.starts_with("new") {
                &["default"]
            } else {
                &["default", "builder"]
            };
            both.iter().map(|&name| name.to_owned()).collect::<BTreeSet<_>>()
        };
        Expected {
            object: object.to_owned(),
            secret: object.to_owned(),
            logins: BTreeMap::from([(SERVER.to_owned(), login.clone())]),
            holders: parts.iter().map(|part| (name(part), accounts(part))).collect(),
        }
    }

    /// What belongs to others now; Secrets called as the objects are, and references to them, are the operator's.
    ///
    /// # Errors
    ///
    /// What the API server says.
    pub async fn foreign(&self, objects: &[&str]) -> Result<Foreign, String> {
        let namespaces: Vec<String> = NAMESPACES.into_iter().map(name).collect();
        Foreign::in_namespaces(&self.client, &namespaces, objects).await
    }
}

/// A namespace that a run makes has a name of its own, since the last one may still be on its way out; what happened
/// is named without it.
pub(super) fn plain(what: &str) -> String {
    match what.split_once(NEW) {
        Some((before, after)) => {
            let rest = after.trim_start_matches(|character: char| character.is_ascii_digit());
            format!("{before}fault-new{rest}")
        }
        None => what.to_owned(),
    }
}

/// A part of a name for a namespace that a run makes.
pub(super) fn new_part() -> String {
    format!("new-{}", rand::random::<u32>())
}

const NEW: &str = "fault-new-";

/// The name of a namespace, from its last part.
pub fn name(part: &str) -> String {
    format!("fault-{part}")
}
