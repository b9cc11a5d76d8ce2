//! The operator as a process, with exactly the rights that the installation gives it.

use std::path::Path;
use std::process::ExitStatus;
use std::time::Duration;

use anyhow::{Context, bail, ensure};
use nix::sys::signal::Signal;

use crate::cluster::Cluster;
use crate::process::{Process, Program};
use crate::wait::{blocking, until};
use crate::{OPERATOR_ACCOUNT, SYSTEM_NAMESPACE, binaries, loopback, ports};

/// Time limit until the operator is ready. It is generous, because other builds and tests may run at the same time.
const STARTS_WITHIN: Duration = Duration::from_mins(1);

/// The operator's promise: it ends within this time after SIGTERM.
const STOPS_WITHIN: Duration = Duration::from_secs(10);

/// Attempts with another port, because another process may take the free one first.
const ATTEMPTS: usize = 3;

/// Lines of its log in the output of a failing test.
const TAIL: usize = 60;

/// Options of a start.
#[derive(Debug, Clone)]
pub struct Options {
    /// The value of `RUST_LOG`.
    pub log: String,
    /// The name of its Pod. Each replica has another one.
    pub pod: String,
    /// Its own namespace.
    pub namespace: String,
    /// Flags in addition to those of every run.
    pub flags: Vec<String>,
    /// Variables in addition to its environment.
    pub environment: Vec<(String, String)>,
}

impl Default for Options {
    fn default() -> Self {
        Self {
            log: "info,pullsecrets=debug,operator=debug".to_owned(),
            pod: "pullsecrets-0".to_owned(),
            namespace: SYSTEM_NAMESPACE.to_owned(),
            flags: Vec::new(),
            environment: Vec::new(),
        }
    }
}

impl Options {
    /// Returns the source namespaces in its flags.
    pub fn source_namespaces(&self) -> Vec<String> {
        let values = self
            .flags
            .iter()
            .filter_map(|flag| flag.strip_prefix("--source-namespaces="));
        values.flat_map(|value| value.split(',')).map(str::to_owned).collect()
    }
}

/// A running operator. Dropping it kills it.
#[derive(Debug)]
pub struct Operator {
    process: Process,
    health: String,
    metrics: String,
}

impl Operator {
    /// Starts the operator outside of the cluster, as the `ServiceAccount` of the installation, and waits until it is
    /// ready.
    ///
    /// # Errors
    ///
    /// When it does not build, ends early, or is not ready within a minute; the error has the tail of its log.
    pub async fn start(cluster: &Cluster, options: &Options) -> anyhow::Result<Self> {
        let kubeconfig = cluster
            .service_account_kubeconfig(SYSTEM_NAMESPACE, OPERATOR_ACCOUNT)
            .await?;
        Self::start_as(cluster, options, &kubeconfig).await
    }

    /// As [`start`](Self::start), with another kubeconfig.
    ///
    /// # Errors
    ///
    /// As [`start`](Self::start).
    pub async fn start_as(cluster: &Cluster, options: &Options, kubeconfig: &Path) -> anyhow::Result<Self> {
        let binary = blocking(binaries::operator).await?;
        for _ in 1..ATTEMPTS {
            match Self::attempt(cluster, options, &binary, kubeconfig).await {
                Err(error) if ports::taken(&format!("{error:#}")) => {}
                result => return result,
            }
        }
        Self::attempt(cluster, options, &binary, kubeconfig).await
    }

    async fn attempt(cluster: &Cluster, options: &Options, binary: &Path, kubeconfig: &Path) -> anyhow::Result<Self> {
        let mut operator = Self::launch(cluster, options, binary, kubeconfig)?;
        operator.wait_until_ready().await?;
        Ok(operator)
    }

    /// Starts the operator with this kubeconfig, without waiting.
    ///
    /// # Errors
    ///
    /// When the process cannot be started.
    pub fn launch(cluster: &Cluster, options: &Options, binary: &Path, kubeconfig: &Path) -> anyhow::Result<Self> {
        let [health, metrics] = ports::free_set()?.map(|port| format!("127.0.0.1:{port}"));
        let mut program = Program::new(
            binary,
            [
                format!("--kubeconfig={}", kubeconfig.display()),
                format!("--namespace={}", options.namespace),
                format!("--health-bind-address={health}"),
                "--log-format=json".to_owned(),
            ]
            .into_iter()
            .chain(options.flags.iter().cloned()),
        );
        program
            .environment
            .push(("RUST_LOG".to_owned(), options.log.clone().into()));
        // Set by environment rather than by flag, because an older binary may not have the flag.
        let address = metrics.clone().into();
        program
            .environment
            .push(("PULLSECRETS_METRICS_BIND_ADDRESS".to_owned(), address));
        program
            .environment
            .push(("POD_NAME".to_owned(), options.pod.clone().into()));
        let added = options.environment.iter();
        program
            .environment
            .extend(added.map(|(name, value)| (name.clone(), value.into())));
        let log = cluster.operator_log();
        Ok(Self {
            process: Process::start("pullsecrets", &program, &log)?,
            health,
            metrics,
        })
    }

    async fn wait_until_ready(&mut self) -> anyhow::Result<()> {
        let Self { process, health, .. } = self;
        let outcome = until("the operator is ready", STARTS_WITHIN, async || {
            if let Some(status) = process.ended().map_err(|error| error.to_string())? {
                return Ok(Some(status));
            }
            match loopback::get(health, "/readyz", None).await {
                Ok((200, _)) => Ok(None),
                Ok((code, body)) => Err(format!("/readyz says {code} {body}")),
                Err(error) => Err(format!("{error:#}")),
            }
        });
        match outcome.await {
            Ok(None) => Ok(()),
            Ok(Some(status)) => bail!("the operator ended: {status}\n{}", self.tail()),
            Err(late) => bail!("{late:#}\n{}", self.tail()),
        }
    }

    /// Sends SIGTERM and waits.
    ///
    /// # Errors
    ///
    /// When it takes longer than the promised ten seconds, or does not end with code 0.
    pub async fn stop(mut self) -> anyhow::Result<()> {
        // A proxy in front of its API server may run on this thread.
        blocking(move || {
            let status: ExitStatus = self.process.stop(Signal::SIGTERM, STOPS_WITHIN)?;
            ensure!(status.success(), "the operator ended with {status}\n{}", self.tail());
            Ok(())
        })
        .await
    }

    /// Ends the operator with SIGKILL, as a crash would.
    ///
    /// # Errors
    ///
    /// When it had already ended by itself.
    pub fn kill(mut self) -> anyhow::Result<()> {
        if let Some(status) = self.process.ended()? {
            bail!("the operator had ended: {status}\n{}", self.tail());
        }
        self.process.kill()
    }

    /// Returns its resident memory now, in KiB.
    ///
    /// # Errors
    ///
    /// When it has ended.
    pub fn rss_kib(&self) -> anyhow::Result<u64> {
        self.process.rss_kib()
    }

    /// Returns its peak resident memory since the start, in KiB.
    ///
    /// # Errors
    ///
    /// When it has ended.
    pub fn peak_kib(&self) -> anyhow::Result<u64> {
        self.process.peak_kib()
    }

    /// Returns the process, to pause it or to check that it lives.
    pub fn process(&mut self) -> &mut Process {
        &mut self.process
    }

    /// Returns the address of `/livez` and `/readyz`.
    pub fn health_address(&self) -> &str {
        &self.health
    }

    /// Returns the address of `/metrics`.
    pub fn metrics_address(&self) -> &str {
        &self.metrics
    }

    /// Checks `/livez`.
    ///
    /// # Errors
    ///
    /// Any answer other than success.
    pub async fn lives(&self) -> Result<(), String> {
        match loopback::get(&self.health, "/livez", None).await {
            Ok((200, _)) => Ok(()),
            Ok((code, body)) => Err(format!("/livez says {code} {body}")),
            Err(error) => Err(format!("{error:#}")),
        }
    }

    /// Returns the log of all operators of this cluster, one JSON object per line.
    pub fn log(&self) -> String {
        self.process.log()
    }

    /// Returns the end of the log, for people.
    pub fn tail(&self) -> String {
        self.process.tail(TAIL)
    }
}

/// Returns the log of all operators of `cluster` so far, running or not. It is empty before the first one.
///
/// # Errors
///
/// When the log exists and cannot be read.
pub fn logged(cluster: &Cluster) -> anyhow::Result<String> {
    match std::fs::read_to_string(cluster.operator_log()) {
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => Ok(String::new()),
        result => result.context("the operator's log"),
    }
}
