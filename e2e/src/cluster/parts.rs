//! Processes of the control plane.

use std::time::Duration;

use anyhow::Context;
use nix::sys::signal::Signal;

use super::{Cluster, flags};
use crate::process::{Process, Program};

/// Time limit for the graceful end of a part.
const STOPS_WITHIN: Duration = Duration::from_secs(20);

/// The parts, in starting order.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Part {
    /// The store.
    Etcd,
    /// The API server.
    ApiServer,
    /// Creates `ServiceAccount`s, deletes the contents of namespaces, collects garbage.
    ControllerManager,
    /// Binds Pods to nodes. It runs on clusters with nodes only.
    Scheduler,
}

impl Cluster {
    /// Starts a part that is not running, with the same flags, ports and data as before. It does not wait.
    ///
    /// # Errors
    ///
    /// When the process cannot be started.
    pub fn start_part(&mut self, part: Part) -> anyhow::Result<()> {
        let arguments = match part {
            Part::Etcd => flags::etcd(self.folder.path(), &self.ports),
            Part::ApiServer => {
                let mut all = flags::apiserver(self.folder.path(), &self.ports, &self.certificates);
                if self.options.nodes {
                    all.extend(flags::apiserver_of_nodes(&self.certificates));
                }
                all.extend(self.options.apiserver_flags.iter().cloned());
                all
            }
            Part::ControllerManager => {
                let mut all = flags::controller_manager(self.folder.path(), &self.ports, &self.certificates);
                if self.options.workloads || self.options.nodes {
                    all.push(format!("--controllers={}", flags::WORKLOADS));
                }
                if self.options.nodes {
                    all.push(format!("--controllers={}", flags::NODES));
                }
                all
            }
            Part::Scheduler => flags::scheduler(self.folder.path(), &self.ports, &self.certificates),
        };
        let name = part.name();
        let program = Program::new(
            &self.binaries.controlplane,
            std::iter::once(name.to_owned()).chain(arguments),
        );
        let process = Process::start(name, &program, &self.folder.join(format!("{name}.log")))?;
        *self.slot(part) = Some(process);
        Ok(())
    }

    /// Sends SIGTERM to a part and waits for its end. Stop the API server before etcd.
    ///
    /// # Errors
    ///
    /// When it does not run, or had to be killed.
    pub fn stop_part(&mut self, part: Part) -> anyhow::Result<()> {
        let mut process = self.slot(part).take().context("that part does not run")?;
        process.stop(Signal::SIGTERM, STOPS_WITHIN).map(|_| ())
    }

    /// Returns the process of a part, to kill or to pause it.
    ///
    /// # Errors
    ///
    /// When it does not run.
    pub fn part(&mut self, part: Part) -> anyhow::Result<&mut Process> {
        self.slot(part).as_mut().context("that part does not run")
    }

    pub(super) fn slot(&mut self, part: Part) -> &mut Option<Process> {
        match part {
            Part::Etcd => &mut self.etcd,
            Part::ApiServer => &mut self.apiserver,
            Part::ControllerManager => &mut self.controller_manager,
            Part::Scheduler => &mut self.scheduler,
        }
    }
}

impl Part {
    fn name(self) -> &'static str {
        match self {
            Self::Etcd => "etcd",
            Self::ApiServer => "kube-apiserver",
            Self::ControllerManager => "kube-controller-manager",
            Self::Scheduler => "kube-scheduler",
        }
    }
}
