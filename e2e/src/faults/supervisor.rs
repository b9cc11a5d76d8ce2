//! The operator's process, started again whenever it ends, as a kubelet does.

use std::os::unix::process::ExitStatusExt;
use std::path::PathBuf;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use nix::sys::signal::Signal;
use tokio::task::JoinHandle;
use tokio_util::sync::CancellationToken;

use super::proxy::{Proxy, lock};
use crate::cluster::Cluster;
use crate::operator::{self, Operator};

/// How often it is looked at.
const LOOKS_EVERY: Duration = Duration::from_millis(2);

/// See the module. Dropping it ends the process.
pub struct Supervisor {
    token: CancellationToken,
    task: JoinHandle<()>,
    ends: Arc<Mutex<Ends>>,
}

/// How the processes ended.
#[derive(Debug, Clone, Default)]
pub struct Ends {
    /// Killed, as a fault does.
    pub killed: u32,
    /// By itself: it must not.
    pub by_itself: Vec<String>,
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
        let (token, ends) = (CancellationToken::new(), Arc::new(Mutex::new(Ends::default())));
        let (stop, told) = (token.clone(), Arc::clone(&ends));
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
                loop {
                    tokio::select! {
                        () = stop.cancelled() => {
                            proxy.aim_at(0);
                            // Ended already, or killed now: either is its end.
                            let _ = operator.process().kill();
                            return;
                        }
                        () = tokio::time::sleep(LOOKS_EVERY) => {}
                    }
                    if let Ok(Some(status)) = operator.process().ended() {
                        let mut ends = lock(&told);
                        if status.signal() == Some(Signal::SIGKILL as i32) {
                            ends.killed += 1;
                        } else {
                            ends.by_itself.push(status.to_string());
                        }
                        break;
                    }
                }
            }
        });
        Self { token, task, ends }
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
