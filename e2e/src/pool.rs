//! Control planes with `config/default`, each lent to one test at a time and wiped in between.

use std::ops::Deref;
use std::sync::{Mutex, PoisonError};

use crate::cluster::{self, Cluster, Snapshot};

/// Idle control planes. They end with this process.
static IDLE: Mutex<Vec<(Cluster, Snapshot)>> = Mutex::new(Vec::new());

/// A control plane on loan to one test. Dropping it returns it.
#[derive(Debug)]
pub struct Lent {
    /// Present until dropped.
    cluster: Option<Cluster>,
    /// The content of its store after the installation, or `None` if it must not be lent again.
    installed: Option<Snapshot>,
}

impl Lent {
    /// Returns a fresh control plane with `config/default`: an idle one after a wipe, or a new one.
    ///
    /// # Errors
    ///
    /// When none can be started.
    pub async fn installed() -> anyhow::Result<Self> {
        while let Some((mut cluster, installed)) = idle() {
            match cluster.restore(&installed).await {
                Ok(()) => return Ok(Self::of(cluster, Some(installed))),
                Err(reason) => eprintln!("a control plane is not lent again: {reason:#}"),
            }
        }
        let cluster = Cluster::start(cluster::Options::default()).await?;
        cluster.install().await?;
        cluster.wait_for_checked_policies().await?;
        let installed = cluster.snapshot().await?;
        Ok(Self::of(cluster, Some(installed)))
    }

    /// Returns an empty control plane that is lent only once.
    ///
    /// # Errors
    ///
    /// When it does not start.
    pub async fn once(options: cluster::Options) -> anyhow::Result<Self> {
        Ok(Self::of(Cluster::start(options).await?, None))
    }

    fn of(cluster: Cluster, installed: Option<Snapshot>) -> Self {
        Self {
            cluster: Some(cluster),
            installed,
        }
    }
}

fn idle() -> Option<(Cluster, Snapshot)> {
    IDLE.lock().unwrap_or_else(PoisonError::into_inner).pop()
}

impl Deref for Lent {
    type Target = Cluster;

    fn deref(&self) -> &Cluster {
        self.cluster.as_ref().expect("it is there until it is dropped")
    }
}

impl Drop for Lent {
    fn drop(&mut self) {
        // After a failure its state is undefined.
        if std::thread::panicking() {
            return;
        }
        if let (Some(cluster), Some(installed)) = (self.cluster.take(), self.installed.take()) {
            let mut idle = IDLE.lock().unwrap_or_else(PoisonError::into_inner);
            idle.push((cluster, installed));
        }
    }
}
