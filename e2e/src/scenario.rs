//! One scenario: a cluster with the operator, and names that no other scenario uses.
//!
//! The operator serves a whole cluster, so scenarios share one ([`Scenario::shared`]) and separate by name. The
//! namespaces of a scenario start with its name and have it as a label; its object and its source have it as their
//! name. Scenarios that stop the operator, or count all of its actions, borrow a cluster ([`Scenario::own`]), which is
//! wiped in between.
//!
//! The logins of a scenario ([`Scenario::login`]) contain its canary. After a successful scenario, [`crate::secrecy`]
//! searches for the canary everywhere except in the Secrets that must hold it. A match fails the scenario.
//!
//! Scenarios are for tests. If the harness fails (to start a process, to run kubectl), it panics with the cause. Every
//! panic prints the end of the operator's log.
#![expect(clippy::missing_panics_doc, reason = "said once above, for all of them")]

mod ending;
mod making;
mod seeing;

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use kube::Client;
use tokio::sync::OnceCell;

use crate::canary::Canary;
use crate::cluster::{self, Cluster};
use crate::operator::{self, Operator};
use crate::oracle::Login;
use crate::pool::Lent;
use crate::process::Process;
use crate::wait::blocking;
use crate::witness::{self, Witness};
use crate::{binaries, loopback};

pub use seeing::Condition;

/// The registry of a scenario's object. It is never called.
pub const SERVER: &str = "registry.example.com";

/// Time limit of a promise. It allows for a busy machine: an idle one takes milliseconds.
pub const SOON: Duration = Duration::from_mins(2);

/// The label of a scenario's namespaces.
pub const LABEL: &str = "scenario";

/// One scenario; see the module.
pub struct Scenario {
    name: String,
    running: Arc<Running>,
    client: Client,
    canary: Canary,
    /// Whether it is part of another scenario, which makes the final checks.
    part: bool,
}

struct Running {
    // Dropped in this order: the operator before its API server.
    operator: Mutex<Option<Operator>>,
    witness: Witness,
    cluster: Lent,
    /// Flags of the installation, for every start of the operator.
    flags: Mutex<Vec<String>>,
    shared: bool,
}

impl Running {
    /// Starts a cluster with `config/default`, or with `config/named` and the given names. It starts no operator.
    async fn start(
        shared: bool,
        options: cluster::Options,
        named: Option<&[String]>,
        sources: Vec<String>,
    ) -> anyhow::Result<Self> {
        // The build comes first, because compile errors are the most likely failure.
        blocking(binaries::operator).await?;
        let (cluster, flags) = match named {
            None if options == cluster::Options::default() => (Lent::installed().await?, Vec::new()),
            None => {
                let cluster = Lent::once(options).await?;
                cluster.install().await?;
                (cluster, Vec::new())
            }
            Some(of_copies) => {
                let cluster = Lent::once(options).await?;
                let flags = cluster.install_named(of_copies, &sources).await?;
                (cluster, flags)
            }
        };
        let witness = Witness::start(cluster.kubeconfig_path(), witness::PATIENCE, sources)?;
        Ok(Self {
            operator: Mutex::new(None),
            witness,
            cluster,
            flags: Mutex::new(flags),
            shared,
        })
    }

    async fn start_with(
        shared: bool,
        named: Option<&[String]>,
        mut options: operator::Options,
    ) -> anyhow::Result<Arc<Self>> {
        let sources = options.source_namespaces();
        let mut running = Self::start(shared, cluster::Options::default(), named, sources).await?;
        options.flags.extend(running.flags().iter().cloned());
        let operator = Operator::start(&running.cluster, &options).await?;
        running.operator = Mutex::new(Some(operator));
        Ok(Arc::new(running))
    }

    fn flags(&self) -> MutexGuard<'_, Vec<String>> {
        self.flags.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn operator(&self) -> MutexGuard<'_, Option<Operator>> {
        self.operator.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Takes the operator out, if this scenario may do so.
    fn take_operator(&self) -> Operator {
        assert!(!self.shared, "a scenario that shares its operator leaves it alone");
        self.operator().take().expect("the operator runs")
    }
}

impl Scenario {
    /// Creates a scenario on the cluster and operator that all scenarios of this test binary share. Its name is `name`,
    /// a DNS label, plus a few random letters, so that no two scenarios collide.
    pub async fn shared(name: &str) -> Self {
        // Each test has its own async runtime. The static keeps only processes, which belong to no runtime. It keeps a
        // failure too, because the next scenario would fail in the same way, a minute later.
        static SHARED: OnceCell<anyhow::Result<Arc<Running>>> = OnceCell::const_new();
        let running = SHARED
            .get_or_init(|| Running::start_with(true, None, operator::Options::default()))
            .await;
        let name = format!("{name}-{:04x}", rand::random::<u16>());
        Self::on(&name, running.as_ref().expect("the shared cluster starts").clone()).await
    }

    /// Creates a fresh cluster and an operator for this scenario alone.
    pub async fn own(name: &str) -> Self {
        Self::own_with(name, operator::Options::default()).await
    }

    /// As [`own`](Self::own), with these options for the first start of the operator.
    pub async fn own_with(name: &str, options: operator::Options) -> Self {
        let running = Running::start_with(false, None, options).await;
        Self::on(name, running.expect("a cluster starts")).await
    }

    /// Creates a cluster with these options for this scenario alone, with the installation but without an operator.
    pub async fn without_operator(name: &str, options: cluster::Options) -> Self {
        let running = Running::start(false, options, None, Vec::new()).await;
        Self::on(name, Arc::new(running.expect("a cluster starts"))).await
    }

    /// As [`own_with`](Self::own_with), with `config/named` and these names for the copies.
    pub async fn own_named(name: &str, names: &[String], options: operator::Options) -> Self {
        let running = Running::start_with(false, Some(names), options).await;
        Self::on(name, running.expect("a cluster starts")).await
    }

    /// Changes the installation to `config/named` with these names, and restarts the operator. Not for a shared
    /// scenario.
    pub async fn install_named(&self, names: &[String], options: operator::Options) {
        self.stop_operator().await;
        let installed = self.cluster().install_named(names, &options.source_namespaces()).await;
        *self.running.flags() = installed.expect("it can be installed");
        self.start_operator_with(options).await;
    }

    /// Creates another scenario on the same cluster, with the same operator.
    pub async fn beside(&self, name: &str) -> Self {
        Self::on(name, self.running.clone()).await
    }

    /// As [`beside`](Self::beside), for many at once. They use the logins of this scenario, which searches for their
    /// canary after all of them. Call [`violations`](Self::violations) on each part to check its status.
    pub async fn part(&self, name: &str) -> Self {
        let mut part = self.beside(name).await;
        part.canary = self.canary.part();
        part.part = true;
        part
    }

    async fn on(name: &str, running: Arc<Running>) -> Self {
        let client = running.cluster.admin().await.expect("an administrator");
        Self {
            name: name.to_owned(),
            running,
            client,
            canary: Canary::new(),
            part: false,
        }
    }

    /// Returns the name of the scenario, of its object and of its source.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// Returns a login of this scenario, with its canary. The same `what` gives the same login.
    pub fn login(&self, what: &str) -> Login {
        self.canary.login(what)
    }

    /// Returns the canary of the scenario, for values other than logins.
    pub fn canary(&self) -> &Canary {
        &self.canary
    }

    /// Returns the administrator's client.
    pub fn client(&self) -> &Client {
        &self.client
    }

    /// Returns the cluster.
    pub fn cluster(&self) -> &Cluster {
        &self.running.cluster
    }

    /// Sends SIGTERM to the operator, and waits. Not for a shared scenario.
    pub async fn stop_operator(&self) {
        self.running
            .take_operator()
            .stop()
            .await
            .expect("the operator ends by itself");
    }

    /// Kills the operator, as a crash would. Not for a shared scenario.
    pub fn kill_operator(&self) {
        self.running
            .take_operator()
            .kill()
            .expect("the operator runs until it is killed");
    }

    /// Starts the operator again, and waits until it is ready.
    pub async fn start_operator(&self) {
        self.start_operator_with(operator::Options::default()).await;
    }

    /// As [`start_operator`](Self::start_operator), with these options.
    pub async fn start_operator_with(&self, mut options: operator::Options) {
        options.flags.extend(self.running.flags().iter().cloned());
        let operator = Operator::start(self.cluster(), &options).await;
        *self.running.operator() = Some(operator.expect("the operator starts"));
    }

    /// Stops the operator's process with SIGSTOP, until it is [resumed](Self::resume_operator). Not for a shared
    /// scenario.
    pub fn pause_operator(&self) {
        self.with_process(Process::pause);
    }

    /// Continues it.
    pub fn resume_operator(&self) {
        self.with_process(Process::resume);
    }

    /// Returns whether the operator has ended by itself, and with success.
    pub fn operator_ended(&self) -> Option<bool> {
        let mut operator = self.running.operator();
        let operator = operator.as_mut().expect("there is an operator");
        let ended = operator.process().ended().expect("it can be asked");
        ended.map(|status| status.success())
    }

    fn with_process(&self, act: impl FnOnce(&mut Process) -> anyhow::Result<()>) {
        assert!(
            !self.running.shared,
            "a scenario that shares its operator leaves it alone"
        );
        let mut operator = self.running.operator();
        act(operator.as_mut().expect("the operator runs").process()).expect("it takes the signal");
    }

    /// Returns the text of the operator's `/metrics`.
    pub async fn metrics(&self) -> String {
        let address = {
            let operator = self.running.operator();
            operator
                .as_ref()
                .expect("the operator runs")
                .metrics_address()
                .to_owned()
        };
        let (code, text) = loopback::get(&address, "/metrics", None)
            .await
            .expect("/metrics answers");
        assert_eq!(code, 200, "{text}");
        text
    }

    /// Returns the addresses of the operator's probes and of its metrics.
    pub fn addresses(&self) -> (String, String) {
        let operator = self.running.operator();
        let operator = operator.as_ref().expect("the operator runs");
        (
            operator.health_address().to_owned(),
            operator.metrics_address().to_owned(),
        )
    }

    /// Returns the operator's resident memory now and at its peak, in KiB.
    pub fn memory_kib(&self) -> (u64, u64) {
        let operator = self.running.operator();
        let operator = operator.as_ref().expect("the operator runs");
        let kib = operator.rss_kib().and_then(|now| Ok((now, operator.peak_kib()?)));
        kib.expect("the operator lives")
    }
}
