//! Supervisor of the operator's process: restarts it whenever it ends, as a kubelet does.

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

/// Poll interval for its end.
const LOOKS_EVERY: Duration = Duration::from_millis(2);
/// Interval of the liveness probe.
const ASKS_EVERY: Duration = Duration::from_secs(1);
/// Time limit of a start, on a busy machine.
const READY_WITHIN: Duration = Duration::from_secs(30);

/// The supervisor; see the module. Dropping it ends the process.
pub struct Supervisor {
    token: CancellationToken,
    task: JoinHandle<()>,
    ends: Arc<Mutex<Ends>>,
    health: Arc<Mutex<String>>,
}

/// How the processes have ended so far.
#[derive(Debug, Clone, Default)]
pub struct Ends {
    /// Killed by a fault.
    pub killed: u32,
    /// Ended with success after SIGTERM.
    pub asked: u32,
    /// Ended by themselves.
    pub by_itself: Vec<String>,
    /// Failed liveness probes, after which a kubelet would have ended the process.
    pub not_alive: u32,
}

impl Supervisor {
    /// Starts the operator, and passes each of its processes to the proxy.
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
                    // It has ended already, or is killed now.
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

    /// Waits until the operator has listed everything.
    ///
    /// # Errors
    ///
    /// When it takes more than half a minute.
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

    /// Returns how the processes have ended so far.
    pub fn ends(&self) -> Ends {
        lock(&self.ends).clone()
    }

    /// Ends it for good.
    pub async fn stop(self) {
        self.token.cancel();
        // The run that waits for the operator in vain reports a panic of the task.
        let _ = self.task.await;
    }
}

/// Returns whether another process took one of its ports before its start.
fn lost_its_port(operator: &Operator, cluster: &Cluster) -> bool {
    let log = operator::logged(cluster).unwrap_or_default();
    let addresses = [operator.health_address(), operator.metrics_address()];
    let says = |line: &str| ports::taken(line) && addresses.iter().any(|address| line.contains(address));
    log.lines().any(says)
}

/// Waits until the process ends, or must end.
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
                // A missing response does not count: the process may be stopped, or may just have ended.
                if let Ok((code, _)) = loopback::get(&address, "/livez", None).await
                    && code != 200
                {
                    lock(&told).not_alive += 1;
                }
            });
        }
    }
}
