//! Environment of a run: a small cluster, a proxy and a supervised operator, the same at the beginning of each run.
//!
//! The cluster has five namespaces, `fault-a` to `fault-e`. Objects select the label of the first three. Each namespace
//! has the accounts `default` and `builder`, a foreign entry on `default`, and a foreign Secret.

use std::collections::{BTreeMap, BTreeSet};
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use anyhow::anyhow;
use k8s_openapi::api::admissionregistration::v1::ValidatingAdmissionPolicyBinding;
use k8s_openapi::api::coordination::v1::Lease;
use k8s_openapi::api::core::v1::{Namespace, Secret, ServiceAccount};
use kube::api::{DeleteParams, ListParams, Patch, PatchParams};
use kube::{Api, Client, ResourceExt};
use serde_json::{Value, json};

use crate::supervisor::Supervisor;
use e2e::canary::Canary;
use e2e::cluster::{self, Cluster, Part};
use e2e::faults::plan::RELISTS_EVERY;
use e2e::faults::proxy::Proxy;
use e2e::faults::targets::FaultTargets;
use e2e::operator::Options;
use e2e::oracle::{self, ATTACHED, Allowed, Expected, Foreign, Login, Made, Needles};
use e2e::secrecy::{self, Holders, Places, Written};
use e2e::wait::{blocking, until};
use e2e::witness::{self, Witness};
use e2e::{OPERATOR_ACCOUNT, SYSTEM_NAMESPACE, binaries};

/// The object of most workloads; its copies and its source have the same name.
pub const OBJECT: &str = "company";
/// The second object, if there are two.
pub const OTHER: &str = "other";
/// The registry that objects declare. It is never called.
const SERVER: &str = "registry.example.com";
/// The second registry of an object with two.
const SECOND_SERVER: &str = "second.example.com/team";
/// The label that objects select.
const LABEL: (&str, &str) = ("pull", "yes");
const NAMESPACES: [&str; 5] = ["a", "b", "c", "d", "e"];
const SELECTED: usize = 3;
/// Time limit of the cleanup, which waits for the garbage collector.
const CLEAN_WITHIN: Duration = Duration::from_secs(60);

/// The label that excludes a namespace or an account.
pub(super) const EXCLUDE: &str = "pullsecrets.dev/exclude";

/// A foreign annotation on each account.
pub(crate) const THEIRS: &str = "example.com/theirs";

/// Environment of a run; see the module.
pub struct Env {
    cluster: Arc<Cluster>,
    client: Client,
    /// One for each of two replicas; most runs use one.
    replicas: [Replica; 2],
    binary: PathBuf,
    token_file: PathBuf,
    tokens: [String; 2],
    canary: Canary,
    witness: Witness,
}

struct Replica {
    proxy: Arc<Proxy>,
    kubeconfig: PathBuf,
}

impl Env {
    /// Starts a control plane with the installation and a proxy, but no operator yet.
    ///
    /// # Errors
    ///
    /// When one of them does not start.
    pub async fn start() -> anyhow::Result<Self> {
        Self::with(blocking(binaries::operator).await?).await
    }

    /// As [`Env::start`], with a given operator binary.
    ///
    /// # Errors
    ///
    /// As [`Env::start`].
    pub async fn with(binary: PathBuf) -> anyhow::Result<Self> {
        let mut cluster = Cluster::start(cluster::Options::default()).await?;
        cluster.install().await?;
        let etcd = cluster.part(Part::Etcd)?.pid();
        let token_file = cluster.folder().join("proxied.token");
        let mut tokens = [String::new(), String::new()];
        for token in &mut tokens {
            *token = cluster::token(&cluster.admin().await?, SYSTEM_NAMESPACE, OPERATOR_ACCOUNT).await?;
        }
        let mut replicas = Vec::new();
        for number in 0..2 {
            let targets = FaultTargets {
                admin: cluster.admin().await?,
                etcd,
                token_file: token_file.clone(),
                spare_token: tokens[1].clone(),
            };
            let proxy = Proxy::with_targets(cluster.anonymous().await?, targets).await?;
            let kubeconfig = cluster.folder().join(format!("proxied-{number}.kubeconfig"));
            let config = json!({
                "apiVersion": "v1", "kind": "Config", "current-context": "proxied",
                "clusters": [{"name": "proxied", "cluster": {"server": format!("http://{}", proxy.address())}}],
                "users": [{"name": "operator", "user": {"tokenFile": token_file}}],
                "contexts": [{"name": "proxied", "context": {"cluster": "proxied", "user": "operator"}}],
            });
            std::fs::write(&kubeconfig, config.to_string())?;
            replicas.push(Replica {
                proxy: Arc::new(proxy),
                kubeconfig,
            });
        }
        let replicas = replicas.try_into().map_err(|_| anyhow!("two replicas"))?;
        let witness = Witness::start(cluster.kubeconfig_path(), witness::PATIENCE, Vec::new())?;
        let env = Self {
            client: cluster.admin().await?,
            cluster: Arc::new(cluster),
            replicas,
            binary,
            token_file,
            tokens,
            canary: Canary::new(),
            witness,
        };
        env.make_namespaces().await?;
        Ok(env)
    }

    /// Removes the policies on the operator, because they refuse some wrong writes before an oracle could notice them.
    ///
    /// # Errors
    ///
    /// The error of the API server.
    pub async fn lift_policies(&self) -> anyhow::Result<()> {
        let bindings: Api<ValidatingAdmissionPolicyBinding> = Api::all(self.client.clone());
        let all = ListParams::default();
        bindings.delete_collection(&DeleteParams::default(), &all).await?;
        Ok(())
    }

    /// Uses another operator binary from here on.
    pub fn replace(&mut self, binary: PathBuf) {
        self.binary = binary;
    }

    /// Returns a login with this environment's canary.
    pub fn login(&self, what: &str) -> Login {
        self.canary.login(what)
    }

    /// Searches for the logins in all logs and objects since the start.
    ///
    /// # Errors
    ///
    /// The place of a match.
    pub async fn check_secrecy(&self) -> Result<(), String> {
        let places = Places {
            files: vec![self.cluster.operator_log()],
            health: None,
            metrics: None,
            holders: Holders {
                declared: self.witness.declared(),
                written: Written::Recorded(self.cluster.audit()),
            },
        };
        let searched = secrecy::search(&self.canary, &self.client, &places).await;
        searched.map_err(|error| format!("{error:#}"))
    }

    /// Returns the Secrets that may hold a login besides the expected copies: the sources of a run, and the
    /// declarations of its objects.
    pub fn allowed(&self) -> Allowed {
        let sources = [OBJECT, OTHER].map(|name| (SYSTEM_NAMESPACE.to_owned(), name.to_owned()));
        Allowed {
            made: Made::These(BTreeSet::from(sources)),
            declared: Some(self.witness.declared()),
        }
    }

    /// Returns the texts that identify all logins of this environment.
    pub fn needles(&self) -> Needles {
        Needles::of([&self.login("any")])
    }

    /// Returns every status so far with `Ready=True` that was false.
    pub fn violations(&self) -> Vec<String> {
        self.witness.violations()
    }

    /// Returns the proxy of the first leader.
    pub fn proxy(&self) -> &Proxy {
        &self.replicas[0].proxy
    }

    /// Returns the number of writes of both replicas since the start, except those of the Lease.
    pub fn writes(&self) -> u64 {
        self.replicas.iter().map(|replica| replica.proxy.writes()).sum()
    }

    /// Returns the administrator's client.
    pub fn client(&self) -> &Client {
        &self.client
    }

    /// Returns the end of the operators' log, for people.
    pub fn log(&self) -> String {
        let log = e2e::operator::logged(&self.cluster).unwrap_or_default();
        let lines: Vec<&str> = log.lines().collect();
        lines[lines.len().saturating_sub(40)..].join("\n")
    }

    /// Starts the operator and restarts it whenever it ends. It relists every few seconds, or almost never.
    pub fn supervise(&self, relists: bool) -> Supervisor {
        self.replica(0, relists)
    }

    /// Starts a second replica, which waits.
    pub fn stand_by(&self) -> Supervisor {
        self.replica(1, false)
    }

    fn replica(&self, number: usize, relists: bool) -> Supervisor {
        let Replica { proxy, kubeconfig } = &self.replicas[number];
        let interval = (
            "PULLSECRETS_RELIST_INTERVAL".to_owned(),
            RELISTS_EVERY.as_secs().to_string(),
        );
        let options = Options {
            pod: format!("pullsecrets-{number}"),
            environment: relists.then_some(interval).into_iter().collect(),
            ..Options::default()
        };
        Supervisor::start(
            Arc::clone(&self.cluster),
            Arc::clone(proxy),
            options,
            self.binary.clone(),
            kubeconfig.clone(),
        )
    }

    async fn make_namespaces(&self) -> anyhow::Result<()> {
        for part in NAMESPACES {
            let namespace = name(part);
            self.apply(&json!({"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": namespace}}))
                .await?;
            for account in ["default", "builder"] {
                let metadata = json!({"name": account, "namespace": namespace});
                self.apply(&json!({"apiVersion": "v1", "kind": "ServiceAccount", "metadata": metadata}))
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

    /// Restores the initial state. No operator may run.
    ///
    /// # Errors
    ///
    /// The error of the API server, or an object that is not removed.
    pub async fn clean(&self) -> anyhow::Result<()> {
        std::fs::write(&self.token_file, &self.tokens[0])?;
        for replica in &self.replicas {
            replica.proxy.arm(None);
            replica.proxy.pages(false);
            replica.proxy.raises(false);
            replica.proxy.restore().await?;
        }
        // The Lease of a replica that is gone would have to expire first.
        let leases: Api<Lease> = Api::namespaced(self.client.clone(), SYSTEM_NAMESPACE);
        leases
            .delete_collection(&DeleteParams::default(), &ListParams::default())
            .await?;
        let objects = oracle::objects(&self.client);
        let strip = Patch::Merge(json!({"metadata": {"finalizers": null}}));
        for object in objects.list(&ListParams::default()).await?.items {
            let name = object.name_any();
            // An object that is being deleted goes with its last finalizer.
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
            self.mark("Namespace", "", &name(part), (EXCLUDE, None)).await?;
            self.label(part, index < SELECTED).await?;
        }
        let secrets: Api<Secret> = Api::namespaced(self.client.clone(), SYSTEM_NAMESPACE);
        for secret in secrets.list(&ListParams::default()).await?.items {
            // The garbage collector may have been faster.
            let _ = secrets.delete(&secret.name_any(), &DeleteParams::default()).await;
        }
        self.witness.forget_gone();
        Ok(())
    }

    async fn clean_namespace(&self, namespace: &str) -> anyhow::Result<()> {
        let secrets: Api<Secret> = Api::namespaced(self.client.clone(), namespace);
        for secret in secrets.list(&ListParams::default()).await?.items {
            if secret.name_any() != "theirs" {
                let strip = Patch::Merge(json!({"metadata": {"finalizers": null}}));
                let _ = secrets.patch(&secret.name_any(), &PatchParams::default(), &strip).await;
                // The garbage collector may have been faster.
                let _ = secrets.delete(&secret.name_any(), &DeleteParams::default()).await;
            }
        }
        let accounts: Api<ServiceAccount> = Api::namespaced(self.client.clone(), namespace);
        for (account, entries) in [("default", json!([{"name": "theirs"}])), ("builder", Value::Null)] {
            let clean = json!({"metadata": {"annotations": {ATTACHED: null, THEIRS: "kept"}, "labels": null}, "imagePullSecrets": entries});
            accounts
                .patch(account, &PatchParams::default(), &Patch::Merge(clean))
                .await?;
        }
        Ok(())
    }

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
        let params = PatchParams::apply("fault-stage").force();
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

    /// Returns an object of that name for both accounts of the labelled namespaces.
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

    /// As [`object`](Self::object), with a second registry, whose login is in the source of the other object.
    pub fn object_of_two(&self) -> Value {
        let mut object = self.object(OBJECT);
        if let Some(registries) = object["spec"]["registries"].as_array_mut() {
            let credentials = json!({"basicAuth": {"secretRef": {"name": OTHER}}});
            registries.push(json!({"server": SECOND_SERVER, "credentials": credentials}));
        }
        object
    }

    /// Returns the expected effect of an object with two registries in the labelled namespaces.
    pub fn both(&self, login: &Login, second: &Login) -> Expected {
        let mut expected = self.expected(OBJECT, &["a", "b", "c"], login);
        expected.logins.insert(SECOND_SERVER.to_owned(), second.clone());
        expected
    }

    /// Returns the expected effect of such an object in these namespaces.
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

    /// Returns the current foreign state. Secrets with the names of objects, and references to them, belong to the
    /// operator.
    ///
    /// # Errors
    ///
    /// The error of the API server.
    pub async fn foreign(&self, objects: &[&str]) -> Result<Foreign, String> {
        let namespaces: Vec<String> = NAMESPACES.into_iter().map(name).collect();
        Foreign::in_namespaces(&self.client, &namespaces, objects).await
    }
}

/// Returns the last part of the name of a new namespace.
pub(crate) fn new_part() -> String {
    format!("new-{}", rand::random::<u32>())
}

/// Returns the name of a namespace, from its last part.
pub fn name(part: &str) -> String {
    format!("fault-{part}")
}
