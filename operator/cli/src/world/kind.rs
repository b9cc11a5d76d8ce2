//! The kinds of objects that are read.

use std::fmt;

use crd::names::GROUP;
use serde::Serialize;

/// A kind of object that decides, or may decide, about a pull.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize)]
pub enum Kind {
    /// A namespace.
    Namespace,
    /// A `ServiceAccount`.
    ServiceAccount,
    /// A Secret.
    Secret,
    /// A Deployment.
    Deployment,
    /// A `StatefulSet`.
    StatefulSet,
    /// A `DaemonSet`.
    DaemonSet,
    /// A `ReplicaSet`.
    ReplicaSet,
    /// A Job.
    Job,
    /// A `CronJob`.
    CronJob,
    /// A Pod.
    Pod,
    /// A `ClusterPullSecret`.
    ClusterPullSecret,
}

impl Kind {
    /// All kinds, in the order in which a caller should read them: Secrets follow what refers to them.
    pub const ALL: [Self; 11] = [
        Self::Namespace,
        Self::ServiceAccount,
        Self::Deployment,
        Self::StatefulSet,
        Self::DaemonSet,
        Self::ReplicaSet,
        Self::Job,
        Self::CronJob,
        Self::Pod,
        Self::ClusterPullSecret,
        Self::Secret,
    ];

    /// Returns the kind with this name, in any version of its API group.
    pub fn of(api_version: &str, kind: &str) -> Option<Self> {
        let group = api_version.split_once('/').map_or("", |(group, _)| group);
        Self::ALL
            .into_iter()
            .find(|known| known.as_str() == kind && known.group() == group)
    }

    /// Returns its name: `Deployment`.
    pub fn as_str(self) -> &'static str {
        self.rest().0
    }

    /// Returns its API group, which is empty for the core group.
    pub fn group(self) -> &'static str {
        self.rest().1
    }

    /// Returns the version of its API group that is read.
    pub fn version(self) -> &'static str {
        self.rest().2
    }

    /// Returns its name in paths of the API: `deployments`.
    pub fn plural(self) -> &'static str {
        self.rest().3
    }

    /// Returns whether its objects are in namespaces.
    pub fn is_namespaced(self) -> bool {
        !matches!(self, Self::Namespace | Self::ClusterPullSecret)
    }

    /// Returns whether its objects create Pods from a template.
    pub fn has_template(self) -> bool {
        matches!(
            self,
            Self::Deployment | Self::StatefulSet | Self::DaemonSet | Self::ReplicaSet | Self::Job | Self::CronJob
        )
    }

    fn rest(self) -> (&'static str, &'static str, &'static str, &'static str) {
        match self {
            Self::Namespace => ("Namespace", "", "v1", "namespaces"),
            Self::ServiceAccount => ("ServiceAccount", "", "v1", "serviceaccounts"),
            Self::Secret => ("Secret", "", "v1", "secrets"),
            Self::Deployment => ("Deployment", "apps", "v1", "deployments"),
            Self::StatefulSet => ("StatefulSet", "apps", "v1", "statefulsets"),
            Self::DaemonSet => ("DaemonSet", "apps", "v1", "daemonsets"),
            Self::ReplicaSet => ("ReplicaSet", "apps", "v1", "replicasets"),
            Self::Job => ("Job", "batch", "v1", "jobs"),
            Self::CronJob => ("CronJob", "batch", "v1", "cronjobs"),
            Self::Pod => ("Pod", "", "v1", "pods"),
            Self::ClusterPullSecret => ("ClusterPullSecret", GROUP, "v1alpha1", "clusterpullsecrets"),
        }
    }
}

impl fmt::Display for Kind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}
