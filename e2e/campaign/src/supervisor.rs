//! The operator's process, started again whenever it ends, as a kubelet does.

use std::os::unix::process::ExitStatusExt;
use std::path::PathBuf;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use nix::sys::signal::Signal;
use tokio::task::JoinHandle;
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;

use e2e::cluster::Cluster;
use e2e::faults::proxy::{Proxy, lock};
use e2e::operator::{self, Operator};
use e2e::{loopback, ports, wait};

/// How often it is looked at.
const LOOKS_EVERY: Duration = Duration::from_millis(2);
/// How often it is asked whether it lives.
const ASKS_EVERY: Duration = Duration::from_secs(1);
/// A start, on a busy machine.
const READY_WITHIN: Duration = Duration::from_secs(30);

/// See the module. Dropping it ends the process.
pub struct Supervisor {
    token: CancellationToken,
    task: JoinHandle<()>,
    ends: Arc<Mutex<Ends>>,
    health: Arc<Mutex<String>>,
}

/// How the processes ended so far.
#[derive(Debug, Clone, Default)]
pub struct Ends {
    /// Killed, as a fault does.
    pub killed: u32,
    /// With success, as it was asked.
    pub asked: u32,
    /// By itself.
    pub by_itself: Vec<String>,
    /// It said that it does not live: a kubelet would have ended it.
    pub not_alive: u32,
}

impl Supervisor {
    /// Starts the operator, and lets the proxy know each process of it.
    pub fn start(
        cluster: Arc<Cluster>,
        proxy: Arc<Proxy>,
        options: operator::Options,
        binary: PathBuf,
        kubeconfig: PathBuf,
    ) -> Self {
        let token = CancellationToken::new();
        let (ends, health) = (Arc::<Mutex<Ends>>::default(), Arc::<Mutex<String>>::default());
        let (stop, told, address) = (token.clone(), Arc::clone(&ends), Arc::clone(&health));
        let task = tokio::spawn(async move {
            while !stop.is_cancelled() {
                let mut operator = match Operator::launch(&cluster, &options, &binary, &kubeconfig) {
                    Ok(operator) => operator,
                    Err(error) => {
                        lock(&told).by_itself.push(format!("it does not start: {error:#}"));
                        return;
                    }
                };
                proxy.aim_at(operator.process().pid());
                operator.health_address().clone_into(&mut lock(&address));
                see_through(&mut operator, &cluster, &stop, &told).await;
                if stop.is_cancelled() {
                    proxy.aim_at(0);
                    // Ended already, or killed now: either is its end.
                    let _ = operator.process().kill();
                } else if proxy.stays_dead() {
                    stop.cancelled().await;
                }
            }
        });
        Self {
            token,
            task,
            ends,
            health,
        }
    }

    /// Comes back when it has seen everything.
    ///
    /// # Errors
    ///
    /// When that takes half a minute.
    pub async fn is_ready(&self) -> anyhow::Result<()> {
        wait::until("the operator is ready", READY_WITHIN, async || {
            let address = lock(&self.health).clone();
            match loopback::get(&address, "/readyz", None).await {
                Ok((200, _)) => Ok(()),
                seen => Err(format!("{seen:?}")),
            }
        })
        .await
    }

    /// How the processes ended so far.
    pub fn ends(&self) -> Ends {
        lock(&self.ends).clone()
    }

    /// Ends it for good.
    pub async fn stop(self) {
        self.token.cancel();
        // A panic in there is told by the run that waits for the operator in vain.
        let _ = self.task.await;
    }
}

/// Somebody else took one of its ports between our choice and its start.
fn lost_its_port(operator: &Operator, cluster: &Cluster) -> bool {
    let log = operator::logged(cluster).unwrap_or_default();
    let addresses = [operator.health_address(), operator.metrics_address()];
    let says = |line: &str| ports::taken(line) && addresses.iter().any(|address| line.contains(address));
    log.lines().any(says)
}

/// Until the process ends, or shall.
async fn see_through(operator: &mut Operator, cluster: &Cluster, stop: &CancellationToken, told: &Arc<Mutex<Ends>>) {
    let mut asks_at = Instant::now() + ASKS_EVERY;
    loop {
        tokio::select! {
            () = stop.cancelled() => return,
            () = tokio::time::sleep(LOOKS_EVERY) => {}
        }
        if let Ok(Some(status)) = operator.process().ended() {
            let mut ends = lock(told);
            if status.signal() == Some(Signal::SIGKILL as i32) {
                ends.killed += 1;
            } else if status.success() {
                ends.asked += 1;
            } else if !lost_its_port(operator, cluster) {
                ends.by_itself.push(status.to_string());
            }
            return;
        }
        if Instant::now() >= asks_at {
            asks_at = Instant::now() + ASKS_EVERY;
            let (address, told) = (operator.health_address().to_owned(), Arc::clone(told));
            tokio::spawn(async move {
                // No answer is none: it may stand still, or just have ended.
                if let Ok((code, _)) = loopback::get(&address, "/livez", None).await
                    && code != 200
                {
                    lock(&told).not_alive += 1;
                }
            });
        }
    }
}
