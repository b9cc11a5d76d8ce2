//! Proxy between the operator and the API server. It accepts plain HTTP on loopback and sends TLS. It forwards the
//! operator's identity (its token).

mod forward;
mod handle;

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;

use anyhow::Context;
use hyper::service::service_fn;
use hyper_util::rt::TokioIo;
use kube::Client;
use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;
use serde_json::{Value, json};
use tokio::net::TcpListener;
use tokio::task::JoinHandle;

use crate::cluster::Cluster;
use crate::{OPERATOR_ACCOUNT, SYSTEM_NAMESPACE};

use super::plan::{ACT, Fault, Trigger};
use super::shared::Shared;
use super::targets::FaultTargets;
use handle::handle;

pub use super::edits::LATE;
pub use super::shared::{Record, lock};

/// A running proxy. Dropping it ends it, and all connections through it.
pub struct Proxy {
    address: String,
    shared: Arc<Shared>,
    task: JoinHandle<()>,
}

impl Proxy {
    /// Starts a proxy before the API server of this cluster. Returns it with a kubeconfig that leads the operator through
    /// it.
    ///
    /// # Errors
    ///
    /// When no port is free, or the operator has no account yet.
    pub async fn for_operator(cluster: &Cluster) -> anyhow::Result<(Self, PathBuf)> {
        let targets = FaultTargets::of(cluster.admin().await?);
        let proxy = Self::with_targets(cluster.anonymous().await?, targets).await?;
        let direct = cluster.service_account_kubeconfig(SYSTEM_NAMESPACE, OPERATOR_ACCOUNT);
        let kubeconfig = proxy.kubeconfig(&direct.await?)?;
        Ok((proxy, kubeconfig))
    }

    /// Listens on a free port of loopback. `upstream` must have no identity of its own.
    ///
    /// # Errors
    ///
    /// When no port is free.
    pub async fn with_targets(upstream: Client, targets: FaultTargets) -> anyhow::Result<Self> {
        let listener = TcpListener::bind("127.0.0.1:0").await.context("a port for the proxy")?;
        let address = listener.local_addr()?.to_string();
        let shared = Arc::new(Shared::new(upstream, targets));
        let serving = Arc::clone(&shared);
        let task = tokio::spawn(async move {
            // Ends with this task, so that no connection outlives the proxy.
            let mut connections = tokio::task::JoinSet::new();
            while let Ok((stream, _)) = listener.accept().await {
                let _ = stream.set_nodelay(true);
                let shared = Arc::clone(&serving);
                let service = service_fn(move |request| handle(Arc::clone(&shared), request));
                let connection =
                    hyper::server::conn::http1::Builder::new().serve_connection(TokioIo::new(stream), service);
                connections.spawn(async move {
                    // A connection that a fault ends is an intended error.
                    let _ = connection.await;
                });
                while connections.try_join_next().is_some() {}
            }
        });
        Ok(Self { address, shared, task })
    }

    /// `127.0.0.1:PORT`.
    pub fn address(&self) -> &str {
        &self.address
    }

    /// Writes a kubeconfig beside `direct` that leads the same user through the proxy.
    ///
    /// # Errors
    ///
    /// When `direct` is not a kubeconfig, or the new one cannot be written.
    pub fn kubeconfig(&self, direct: &Path) -> anyhow::Result<PathBuf> {
        let mut config: Value = serde_json::from_str(&std::fs::read_to_string(direct)?)?;
        config["clusters"][0]["cluster"] = json!({"server": format!("http://{}", self.address)});
        let path = direct.with_extension("proxied.kubeconfig");
        std::fs::write(&path, config.to_string())?;
        Ok(path)
    }

    /// Sets the process that a fault kills.
    pub fn aim_at(&self, pid: u32) {
        self.shared
            .target
            .store(i32::try_from(pid).unwrap_or(0), Ordering::SeqCst);
    }

    /// Begins a record, with or without a fault. It ends all earlier faults.
    pub fn arm(&self, fault: Option<(Trigger, Fault)>) {
        self.shared.arm(fault);
    }

    /// Sets the version of the store for stale views.
    pub fn begun_at(&self, version: u64) {
        self.shared.begun.store(version, Ordering::SeqCst);
    }

    /// Begins the action of users, and with it a fault that affects all requests.
    pub fn act(&self) {
        if let Some(fault) = self.shared.strikes(ACT) {
            self.shared.begin(fault);
        }
    }

    /// Kills the process, as if its machine had failed. The supervisor starts it again.
    pub fn kill(&self) {
        self.shared.lasts(Duration::ZERO);
        self.shared.kill();
    }

    /// Sets whether the server lacks streamed lists and has small pages, as one of 1.33 by default.
    pub fn pages(&self, paged: bool) {
        self.shared.paged.store(paged, Ordering::SeqCst);
    }

    /// Sets whether all versions appear much higher than they are, until the store is restored.
    pub fn raises(&self, raised: bool) {
        self.shared.raised.store(raised, Ordering::SeqCst);
    }

    /// Returns whether a process that ended must stay down.
    pub fn stays_dead(&self) -> bool {
        self.shared.stays_dead.load(Ordering::SeqCst)
    }

    /// Restores what a fault has taken from the cluster. Needs a proxy with targets beyond the server.
    pub async fn restore(&self) -> anyhow::Result<()> {
        let etcd = i32::try_from(self.shared.targets.etcd)?;
        kill(Pid::from_raw(etcd), Signal::SIGCONT).context("etcd")?;
        let restored = self.shared.restore_rights().await;
        restored.map_err(|error| anyhow::anyhow!("the operator's rights: {error}"))
    }

    /// Returns the events since the proxy was armed.
    pub fn record(&self) -> Record {
        self.shared.record()
    }

    /// Returns how many writes came through since the start, without those of the Lease.
    pub fn writes(&self) -> u64 {
        self.shared.writes.load(Ordering::SeqCst)
    }
}

impl Drop for Proxy {
    fn drop(&mut self) {
        self.task.abort();
    }
}
