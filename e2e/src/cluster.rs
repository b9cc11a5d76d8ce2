//! A real control plane: etcd, kube-apiserver and kube-controller-manager as local processes.
//!
//! Each cluster has its own ports, keys and data, so several clusters can run side by side (about 0.6 GB each). A
//! cluster is ready in about five seconds: the API server answers, and namespaces get their `default` `ServiceAccount`.

mod flags;
mod install;
mod parts;
mod snapshot;

use std::path::{Path, PathBuf};
use std::time::Duration;

use anyhow::{Context, anyhow, bail};
use k8s_openapi::api::authentication::v1::{TokenRequest, TokenRequestSpec};
use k8s_openapi::api::core::v1::ServiceAccount;
use kube::api::PostParams;
use kube::{Api, Client};

use crate::audit::{Audit, Mark};
use crate::binaries::{Binaries, binaries};
use crate::certificates::Certificates;
use crate::client;
use crate::folder::Folder;
use crate::kubectl::Kubectl;
use crate::ports;
use crate::process::Process;
use crate::wait::{blocking, until};

use flags::Ports;

pub use install::named_overlay;
pub use parts::Part;
pub use snapshot::Snapshot;

/// Time limit for a part to answer. It is generous, because the machine may be building at the same time.
const STARTS_WITHIN: Duration = Duration::from_mins(2);

/// Attempts with new ports, because another process may take a free port first.
const ATTEMPTS: usize = 3;

/// Lines of each log in the output of a failing test.
const TAIL: usize = 25;

/// Longer than any run. The API server caps it at a year.
const TOKEN_SECONDS: i64 = 10 * 3600;

/// Options of a scenario for its control plane.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Options {
    /// Additional flags of kube-apiserver, for instance `--feature-gates=WatchList=false`.
    pub apiserver_flags: Vec<String>,
    /// Whether Deployments create Pods. The Pods run only with a [`Node`](crate::node::Node).
    pub workloads: bool,
    /// Whether real nodes may join ([`kubelet::Node`](crate::kubelet::Node)). Workloads of every kind then create Pods,
    /// and a scheduler binds them.
    pub nodes: bool,
}

/// A running control plane. Dropping it ends its processes and removes its folder.
#[derive(Debug)]
pub struct Cluster {
    // Dropped in this order: a server that loses its store first hangs in its shutdown for minutes.
    scheduler: Option<Process>,
    controller_manager: Option<Process>,
    apiserver: Option<Process>,
    etcd: Option<Process>,
    folder: Folder,
    ports: Ports,
    certificates: Certificates,
    binaries: Binaries,
    options: Options,
    /// The start of the audit log for readers.
    audit_start: Mark,
}

impl Cluster {
    /// Starts a control plane and waits until it is ready.
    ///
    /// # Errors
    ///
    /// When the binaries cannot be built. When a part ends or does not answer within two minutes; the error then has
    /// the tail of its log.
    pub async fn start(options: Options) -> anyhow::Result<Self> {
        let binaries = blocking(binaries).await?;
        for _ in 1..ATTEMPTS {
            match Self::attempt(binaries, &options).await {
                Err(error) if ports::taken(&format!("{error:#}")) => {}
                result => return result,
            }
        }
        Self::attempt(binaries, &options).await
    }

    async fn attempt(binaries: &Binaries, options: &Options) -> anyhow::Result<Self> {
        let folder = Folder::new("pullsecrets-e2e")?;
        let ports = Ports::find()?;
        let certificates = Certificates::make(folder.path(), &ports.server_url())?;
        std::fs::write(flags::audit_policy(folder.path()), crate::audit::POLICY)?;
        let mut cluster = Self {
            scheduler: None,
            controller_manager: None,
            apiserver: None,
            etcd: None,
            folder,
            ports,
            certificates,
            binaries: binaries.clone(),
            options: options.clone(),
            audit_start: Mark::default(),
        };
        cluster.start_part(Part::Etcd)?;
        cluster.start_part(Part::ApiServer)?;
        cluster.wait_for_server().await?;
        cluster.start_part(Part::ControllerManager)?;
        if options.nodes {
            cluster.start_part(Part::Scheduler)?;
        }
        cluster.wait_for_accounts().await?;
        Ok(cluster)
    }

    /// Waits until the API server reports that it is ready.
    ///
    /// # Errors
    ///
    /// When it is not ready within two minutes, or when etcd or the server ends.
    pub async fn wait_for_server(&mut self) -> anyhow::Result<()> {
        let admin = self.admin().await?;
        self.wait_for("the API server is ready", async || {
            client::get(&admin, "/readyz")
                .await
                .map(|_| ())
                .map_err(|error| format!("{error:#}"))
        })
        .await
    }

    async fn wait_for_accounts(&mut self) -> anyhow::Result<()> {
        let accounts: Api<ServiceAccount> = Api::namespaced(self.admin().await?, "default");
        self.wait_for("namespaces get their ServiceAccount", async || {
            accounts
                .get("default")
                .await
                .map(|_| ())
                .map_err(|error| error.to_string())
        })
        .await
    }

    /// Waits for `attempt` while the processes live.
    async fn wait_for(
        &mut self,
        what: &str,
        mut attempt: impl AsyncFnMut() -> Result<(), String>,
    ) -> anyhow::Result<()> {
        let outcome = until(what, STARTS_WITHIN, async || {
            if let Some(dead) = self.dead() {
                return Ok(Err(dead));
            }
            attempt().await.map(Ok)
        });
        match outcome.await {
            Ok(Ok(())) => Ok(()),
            Ok(Err(dead)) => Err(anyhow!(dead)),
            Err(late) => bail!("{late:#}\n{}", self.tails()),
        }
    }

    /// Returns the log tail of the first part that has ended unexpectedly.
    fn dead(&mut self) -> Option<String> {
        let Self {
            etcd,
            apiserver,
            controller_manager,
            scheduler,
            ..
        } = self;
        [etcd, apiserver, controller_manager, scheduler]
            .into_iter()
            .flatten()
            .find_map(|process| {
                let status = process.ended().ok()??;
                Some(format!("{} ended: {status}\n{}", process.name(), process.tail(TAIL)))
            })
    }

    /// Returns the last lines of each part's log, for people.
    pub fn tails(&self) -> String {
        [&self.etcd, &self.apiserver, &self.controller_manager, &self.scheduler]
            .into_iter()
            .flatten()
            .map(|process| process.tail(TAIL))
            .collect::<Vec<_>>()
            .join("\n")
    }

    /// Returns an administrator's client without retries, so that a test sees each response. It belongs to the calling
    /// async runtime, so each test needs its own.
    ///
    /// # Errors
    ///
    /// When the kubeconfig cannot be read.
    pub async fn admin(&self) -> anyhow::Result<Client> {
        client::connect(&self.certificates.admin).await
    }

    /// Returns kubectl as the administrator.
    pub fn kubectl(&self) -> Kubectl {
        Kubectl::new(
            &self.binaries.kubectl,
            &self.certificates.admin,
            &self.folder.join("kubectl-cache"),
        )
    }

    /// Returns the path of the administrator's kubeconfig.
    pub fn kubeconfig_path(&self) -> &Path {
        &self.certificates.admin
    }

    /// Returns the address of the API server: `127.0.0.1:PORT`.
    pub fn server_address(&self) -> String {
        self.ports.server_address()
    }

    /// Returns the folder of this cluster, where scenarios may keep files too.
    pub fn folder(&self) -> &Path {
        self.folder.path()
    }

    /// Returns the path of the operator's log: one file for all runs, so that a search for leaked logins covers all of
    /// them.
    pub fn operator_log(&self) -> PathBuf {
        self.folder().join("pullsecrets.log")
    }

    /// Returns the API server's audit log since the start, or since the last [restoration](Self::restore).
    pub fn audit(&self) -> Audit {
        Audit::new(&flags::audit_log(self.folder.path()), self.audit_start)
    }

    /// Returns a kubeconfig with the rights of a `ServiceAccount`, valid for ten hours.
    ///
    /// # Errors
    ///
    /// When the account does not exist.
    pub async fn service_account_kubeconfig(&self, namespace: &str, name: &str) -> anyhow::Result<PathBuf> {
        let token = self.service_account_token(namespace, name).await?;
        let path = self.folder.join(format!("{namespace}.{name}.kubeconfig"));
        std::fs::write(&path, self.certificates.token_kubeconfig(&token))?;
        Ok(path)
    }

    /// Returns a new, unique token of a `ServiceAccount`, valid for ten hours.
    ///
    /// # Errors
    ///
    /// When the account does not exist.
    pub async fn service_account_token(&self, namespace: &str, name: &str) -> anyhow::Result<String> {
        token(&self.admin().await?, namespace, name).await
    }

    /// Returns the keys and certificates of this cluster.
    pub(crate) fn certificates(&self) -> &Certificates {
        &self.certificates
    }

    /// Returns a client without an identity, for a proxy that passes on the identity of others.
    ///
    /// # Errors
    ///
    /// When the authority's certificate cannot be read.
    pub async fn anonymous(&self) -> anyhow::Result<Client> {
        client::anonymous(&self.certificates.admin).await
    }

    /// Stops all parts in order, with SIGTERM.
    ///
    /// # Errors
    ///
    /// When a part had to be killed.
    pub fn stop(mut self) -> anyhow::Result<()> {
        for part in [Part::Scheduler, Part::ControllerManager, Part::ApiServer, Part::Etcd] {
            if self.slot(part).is_some() {
                self.stop_part(part)?;
            }
        }
        Ok(())
    }
}

/// Returns a token of a `ServiceAccount`, valid for ten hours.
///
/// # Errors
///
/// When the account does not exist.
pub async fn token(client: &Client, namespace: &str, name: &str) -> anyhow::Result<String> {
    let accounts: Api<ServiceAccount> = Api::namespaced(client.clone(), namespace);
    let request = TokenRequest {
        spec: TokenRequestSpec {
            expiration_seconds: Some(TOKEN_SECONDS),
            ..TokenRequestSpec::default()
        },
        ..TokenRequest::default()
    };
    let answer = accounts
        .create_token_request(name, &PostParams::default(), &request)
        .await
        .with_context(|| format!("no token for the ServiceAccount {namespace}/{name}"))?;
    Ok(answer.status.context("a token request without an answer")?.token)
}

impl Drop for Cluster {
    fn drop(&mut self) {
        if std::thread::panicking() {
            eprintln!("{}", self.tails());
        }
    }
}
