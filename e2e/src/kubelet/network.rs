//! A network of its own for a test whose Pods reach the API server and are reached by probes.

use std::process::Command;

use anyhow::{Context, anyhow, ensure};
use nix::sched::{CloneFlags, unshare};
use tokio::io::copy_bidirectional;
use tokio::net::{TcpListener, TcpStream};
use tokio::task::JoinSet;
use tokio_util::task::AbortOnDropHandle;

use crate::cluster::Cluster;

/// The address of the Service `kubernetes`: the first of the API server's range.
const SERVICE: &str = "10.0.0.1";

/// The API server's Service, in place of kube-proxy. Dropping it ends it.
#[derive(Debug)]
pub struct Service {
    _task: AbortOnDropHandle<()>,
}

impl Service {
    /// Forwards the address of the Service `kubernetes` to the API server. Only [`in_own_network`].
    ///
    /// # Errors
    ///
    /// When the port is taken.
    pub async fn start(cluster: &Cluster) -> anyhow::Result<Self> {
        let server = cluster.server_address();
        let listener = TcpListener::bind((SERVICE, 443))
            .await
            .context("the address of the Service")?;
        let task = tokio::spawn(async move {
            let mut connections = JoinSet::new();
            while let Ok((mut client, _)) = listener.accept().await {
                let server = server.clone();
                connections.spawn(async move {
                    // Either side may close its end at any time.
                    if let Ok(mut upstream) = TcpStream::connect(&server).await {
                        let _ = copy_bidirectional(&mut client, &mut upstream).await;
                    }
                });
                while connections.try_join_next().is_some() {}
            }
        });
        Ok(Self {
            _task: AbortOnDropHandle::new(task),
        })
    }
}

/// Runs `work` on a thread whose network holds only loopback and the address of the Service. What it starts is in that
/// network too. The network ends with the last of its processes.
///
/// # Errors
///
/// When this process may not make a network, or `ip` is missing.
///
/// # Panics
///
/// When `work` does.
pub fn in_own_network<F: Future<Output = ()>>(work: impl FnOnce() -> F + Send) -> anyhow::Result<()> {
    let run = || -> anyhow::Result<()> {
        // This thread alone leaves the network of the process, and threads that it starts follow.
        unshare(CloneFlags::CLONE_NEWNET).context("a network of its own")?;
        ip(&["link", "set", "lo", "up"])?;
        ip(&["address", "add", &format!("{SERVICE}/32"), "dev", "lo"])?;
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
        runtime.block_on(work());
        Ok(())
    };
    match std::thread::scope(|scope| scope.spawn(run).join()) {
        Ok(outcome) => outcome,
        Err(panic) => std::panic::resume_unwind(panic),
    }
}

fn ip(arguments: &[&str]) -> anyhow::Result<()> {
    let output = Command::new("ip").args(arguments).output().context("cannot run ip")?;
    let reason = String::from_utf8_lossy(&output.stderr);
    ensure!(output.status.success(), anyhow!("ip {}: {reason}", arguments.join(" ")));
    Ok(())
}
