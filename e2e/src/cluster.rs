//! A real control plane: etcd, kube-apiserver and kube-controller-manager as processes of this machine.
//!
//! Each cluster has ports, keys and data of its own, so any number of them can run side by side (about 0.6 GB each). It is
//! ready in about five seconds: the API server answers and namespaces get their `default` `ServiceAccount`.

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

/// How long a part may take to answer. Generous: the machine may be building something else at the same time.
const STARTS_WITHIN: Duration = Duration::from_mins(2);

/// Tries with new ports, when others took the ones that were free a moment ago.
const ATTEMPTS: usize = 3;

/// Lines of each log that a failing test shows.
const TAIL: usize = 25;

/// Longer than any run; the API server gives no more than it likes, which is a year.
const TOKEN_SECONDS: i64 = 10 * 3600;

/// What a scenario may ask of its control plane.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Options {
    /// Flags added to those of kube-apiserver, for instance `--feature-gates=WatchList=false`.
    pub apiserver_flags: Vec<String>,
    /// Whether Deployments make Pods. None of them runs without a [`Node`](crate::node::Node).
    pub workloads: bool,
}

/// A running control plane. Dropping it ends its processes and removes its folder.
#[derive(Debug)]
pub struct Cluster {
    // Dropped in this order: a server that loses its store first hangs in its shutdown for minutes.
    controller_manager: Option<Process>,
    apiserver: Option<Process>,
    etcd: Option<Process>,
    folder: Folder,
    ports: Ports,
    certificates: Certificates,
    binaries: Binaries,
    options: Options,
    /// Where the audit log begins for those who ask for it.
    audit_start: Mark,
}

impl Cluster {
    /// Starts one and waits until it is of use.
    ///
    /// # Errors
    ///
    /// When the binaries cannot be built, or a part ends or does not answer within two minutes: with the tail of its log.
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
        cluster.wait_for_accounts().await?;
        Ok(cluster)
    }

    /// Comes back when the API server says that it is ready.
    ///
    /// # Errors
    ///
    /// When it is not within two minutes, or etcd or the server ends.
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

    /// Waits for `attempt`, and no longer than the processes live.
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

    /// The tail of the first part that has ended without being asked.
    fn dead(&mut self) -> Option<String> {
        [&mut self.etcd, &mut self.apiserver, &mut self.controller_manager]
            .into_iter()
            .flatten()
            .find_map(|process| {
                let status = process.ended().ok()??;
                Some(format!("{} ended: {status}\n{}", process.name(), process.tail(TAIL)))
            })
    }

    /// The last lines of each part's log, for a person.
    pub fn tails(&self) -> String {
        [&self.etcd, &self.apiserver, &self.controller_manager]
            .into_iter()
            .flatten()
            .map(|process| process.tail(TAIL))
            .collect::<Vec<_>>()
            .join("\n")
    }

    /// A client that may do anything and tries nothing twice, so that a test sees each answer. It belongs to the
    /// async runtime that calls: make one for each test.
    ///
    /// # Errors
    ///
    /// When the kubeconfig cannot be read.
    pub async fn admin(&self) -> anyhow::Result<Client> {
        client::connect(&self.certificates.admin).await
    }

    /// kubectl as the administrator.
    pub fn kubectl(&self) -> Kubectl {
        Kubectl::new(
            &self.binaries.kubectl,
            &self.certificates.admin,
            &self.folder.join("kubectl-cache"),
        )
    }

    /// The administrator's kubeconfig.
    pub fn kubeconfig_path(&self) -> &Path {
        &self.certificates.admin
    }

    /// Where this cluster keeps everything; a place for a scenario's own files too.
    pub fn folder(&self) -> &Path {
        self.folder.path()
    }

    /// The log of the operator: one file for all runs, so that a search for something that must not be logged sees them
    /// all.
    pub fn operator_log(&self) -> PathBuf {
        self.folder().join("pullsecrets.log")
    }

    /// The API server's audit log since the start, or since the store was last [restored](Self::restore).
    pub fn audit(&self) -> Audit {
        Audit::new(&flags::audit_log(self.folder.path()), self.audit_start)
    }

    /// A kubeconfig with the rights of a `ServiceAccount`, good for ten hours.
    ///
    /// # Errors
    ///
    /// When there is no such account.
    pub async fn service_account_kubeconfig(&self, namespace: &str, name: &str) -> anyhow::Result<PathBuf> {
        let token = self.service_account_token(namespace, name).await?;
        let path = self.folder.join(format!("{namespace}.{name}.kubeconfig"));
        std::fs::write(&path, self.certificates.token_kubeconfig(&token))?;
        Ok(path)
    }

    /// A token of a `ServiceAccount`, good for ten hours, and unlike any other.
    ///
    /// # Errors
    ///
    /// When there is no such account.
    pub async fn service_account_token(&self, namespace: &str, name: &str) -> anyhow::Result<String> {
        token(&self.admin().await?, namespace, name).await
    }

    /// The keys and certificates of this cluster.
    pub(crate) fn certificates(&self) -> &Certificates {
        &self.certificates
    }

    /// A client without any identity, for what passes on the identity of others.
    ///
    /// # Errors
    ///
    /// When the authority's certificate cannot be read.
    pub async fn anonymous(&self) -> anyhow::Result<Client> {
        client::anonymous(&self.certificates.admin).await
    }

    /// Ends everything in order, politely.
    ///
    /// # Errors
    ///
    /// When a part had to be killed.
    pub fn stop(mut self) -> anyhow::Result<()> {
        for part in [Part::ControllerManager, Part::ApiServer, Part::Etcd] {
            if self.slot(part).is_some() {
                self.stop_part(part)?;
            }
        }
        Ok(())
    }
}

/// A token of a `ServiceAccount`, good for ten hours.
///
/// # Errors
///
/// When there is no such account.
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
