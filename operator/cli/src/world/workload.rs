//! What creates Pods, and what decides about the pulls of a Pod.

use std::fmt;
use std::sync::Arc;

use serde::Serialize;

use super::text::Text;

/// The kind and the name of what creates Pods. The kind may be one that only this cluster knows.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize)]
pub struct WorkloadId {
    /// `Deployment`, or the kind of a foreign controller.
    pub kind: Text,
    /// Its name.
    pub name: Text,
}

/// An object that creates Pods from a template.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Workload {
    /// The template.
    pub template: Arc<Template>,
    /// The number of Pods that it wants. `None` where that is no field, as for a `DaemonSet`.
    pub replicas: Option<i64>,
    /// What controls it: the Deployment of a `ReplicaSet`, the `CronJob` of a Job.
    pub controller: Option<WorkloadId>,
    /// It creates no more Pods: a Job that is complete or failed.
    pub finished: bool,
}

/// The facts of a Pod, or of a template, that decide about its pulls.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Template {
    /// The `ServiceAccount`; `default` if the template names none.
    pub account: Text,
    /// The names in its own `imagePullSecrets`, in its order. If there is an element, even with an empty name, then the
    /// list of the account is not used.
    pub secrets: Box<[Text]>,
    /// Its images: of containers, then of init and ephemeral containers, then of volumes.
    pub images: Box<[Image]>,
    /// Containers are restarted after they end: the restart policy is not `Never`.
    pub restarts: bool,
}

/// One use of an image.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Image {
    /// The image as written.
    pub reference: Text,
    /// The name of the container or volume.
    pub user: Text,
    /// What uses it.
    pub role: Role,
    /// When it is pulled.
    pub policy: PullPolicy,
}

/// What uses an image.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize)]
pub enum Role {
    /// A container.
    Container,
    /// An init container.
    InitContainer,
    /// An ephemeral container, which only existing Pods have.
    EphemeralContainer,
    /// An image volume.
    Volume,
}

/// When an image is pulled.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize)]
pub enum PullPolicy {
    /// At each start of a container.
    Always,
    /// If the node does not have it, or may not give it to this Pod.
    IfNotPresent,
    /// Never.
    Never,
}

impl WorkloadId {
    /// Makes an id.
    pub fn new(kind: &str, name: &str) -> Self {
        Self {
            kind: kind.into(),
            name: name.into(),
        }
    }
}

impl fmt::Display for WorkloadId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}/{}", self.kind, self.name)
    }
}

impl fmt::Display for Role {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Container => "container",
            Self::InitContainer => "init container",
            Self::EphemeralContainer => "ephemeral container",
            Self::Volume => "volume",
        })
    }
}
