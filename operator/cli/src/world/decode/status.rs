//! How far a Pod is.

use serde::Deserialize;
use serde::de::IgnoredAny;

use super::spec::{Container, PodSpec};
use crate::world::pod::Progress;
use crate::world::workload::{Role, Template};

#[derive(Default, Deserialize)]
#[serde(default, rename_all = "camelCase")]
pub(super) struct PodStatus {
    phase: Option<String>,
    container_statuses: Option<Vec<ContainerStatus>>,
    init_container_statuses: Option<Vec<ContainerStatus>>,
    ephemeral_container_statuses: Option<Vec<ContainerStatus>>,
}

#[derive(Default, Deserialize)]
#[serde(default)]
struct ContainerStatus {
    name: String,
    state: Option<State>,
}

#[derive(Default, Deserialize)]
#[serde(default)]
struct State {
    waiting: Option<Waiting>,
    running: Option<IgnoredAny>,
    terminated: Option<Terminated>,
}

#[derive(Default, Deserialize)]
#[serde(default)]
struct Waiting {
    reason: Option<String>,
}

#[derive(Default, Deserialize)]
#[serde(default, rename_all = "camelCase")]
struct Terminated {
    exit_code: i64,
}

impl PodStatus {
    pub(super) fn has_ended(&self) -> bool {
        matches!(self.phase.as_deref(), Some("Succeeded" | "Failed"))
    }

    /// Returns the progress of each image of the template, in its order.
    pub(super) fn progress(&self, template: &Template, spec: &PodSpec) -> Box<[Progress]> {
        let of = |role, name: &str| {
            let (statuses, containers) = match role {
                Role::Container => (&self.container_statuses, &spec.containers),
                Role::InitContainer => (&self.init_container_statuses, &spec.init_containers),
                Role::EphemeralContainer => (&self.ephemeral_container_statuses, &spec.ephemeral_containers),
                Role::Volume => return self.of_volumes(),
            };
            let status = statuses.iter().flatten().find(|status| status.name == name);
            let container = containers.iter().flatten().find(|container| container.name == name);
            let state = status.and_then(|status| status.state.as_ref());
            state.map_or(Progress::Waiting, |state| progress(state, role, container, spec))
        };
        template
            .images
            .iter()
            .map(|image| of(image.role, &image.user))
            .collect()
    }

    /// A kubelet mounts volumes before it starts a container.
    fn of_volumes(&self) -> Progress {
        let statuses = [&self.init_container_statuses, &self.container_statuses].into_iter();
        let mut states = statuses.flatten().flatten().filter_map(|status| status.state.as_ref());
        if states.any(|state| state.running.is_some() || state.terminated.is_some()) {
            Progress::Started
        } else {
            Progress::Waiting
        }
    }
}

fn progress(state: &State, role: Role, container: Option<&Container>, spec: &PodSpec) -> Progress {
    let restarts = |exit_code| match role {
        Role::EphemeralContainer => false,
        Role::InitContainer if container.is_some_and(Container::is_sidecar) => true,
        Role::InitContainer => exit_code != 0 && spec.restarts_after(exit_code),
        Role::Container | Role::Volume => spec.restarts_after(exit_code),
    };
    let started = |exit_code| {
        if restarts(exit_code) {
            Progress::Started
        } else {
            Progress::Done
        }
    };
    match state {
        State {
            waiting: Some(waiting), ..
        } => waiting_for(waiting.reason.as_deref().unwrap_or_default()),
        State {
            terminated: Some(ended),
            ..
        } => started(ended.exit_code),
        State { running: Some(_), .. } => started(1),
        State { .. } => Progress::Waiting,
    }
}

/// A kubelet that cannot read a pull secret gives the text of its error as the reason, so unknown reasons are refusals.
fn waiting_for(reason: &str) -> Progress {
    match reason {
        "" | "ContainerCreating" | "PodInitializing" => Progress::Waiting,
        "CrashLoopBackOff"
        | "CreateContainerConfigError"
        | "CreateContainerError"
        | "PreCreateHookError"
        | "PreStartHookError"
        | "PostStartHookError"
        | "RunContainerError" => Progress::Started,
        _ => Progress::Refused,
    }
}
