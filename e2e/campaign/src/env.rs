//! Environment of a run: a small cluster, a proxy and a supervised operator, the same at the beginning of each run.
//!
//! The cluster has five namespaces, `fault-a` to `fault-e`. Objects select the label of the first three. Each namespace
//! has the accounts `default` and `builder`, a foreign entry on `default`, and a foreign Secret.

mod clean;
mod declared;
mod edit;

use std::collections::BTreeSet;
use std::path::PathBuf;
use std::sync::Arc;

use anyhow::anyhow;
use k8s_openapi::api::admissionregistration::v1::ValidatingAdmissionPolicyBinding;
use kube::api::{DeleteParams, ListParams};
use kube::{Api, Client};
use serde_json::json;

use crate::supervisor::Supervisor;
use e2e::canary::Canary;
use e2e::cluster::{self, Cluster, Part};
use e2e::faults::plan::RELISTS_EVERY;
use e2e::faults::proxy::Proxy;
use e2e::faults::targets::FaultTargets;
use e2e::operator::Options;
use e2e::oracle::{Allowed, Login, Made, Needles};
use e2e::secrecy::{self, Holders, Places, Written};
use e2e::wait::blocking;
use e2e::witness::{self, Witness};
use e2e::{OPERATOR_ACCOUNT, SYSTEM_NAMESPACE, binaries};

/// The object of most workloads; its copies and its source have the same name.
pub const OBJECT: &str = "company";

/// The second object, if there are two.
pub const OTHER: &str = "other";

/// The label that objects select.
const LABEL: (&str, &str) = ("pull", "yes");

const NAMESPACES: [&str; 5] = ["a", "b", "c", "d", "e"];

const SELECTED: usize = 3;

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
        let declared = self.witness.declared_by_now(&self.client).await;
        let places = Places {
            files: vec![self.cluster.operator_log()],
            health: None,
            metrics: None,
            holders: Holders {
                declared: declared.map_err(|error| format!("{error:#}"))?,
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
}

/// Returns the last part of the name of a new namespace.
pub(crate) fn new_part() -> String {
    format!("new-{}", rand::random::<u32>())
}

/// Returns the name of a namespace, from its last part.
pub fn name(part: &str) -> String {
    format!("fault-{part}")
}
