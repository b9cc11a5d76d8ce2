//! The facts of a Pod that waits for an image, and of its controller.

use std::sync::Arc;

use crate::identity::{Uid, Version};

/// The most bytes of the images that are kept of one Pod. The images that do not fit are dropped.
pub const MAX_IMAGES_BYTES: usize = 1024;
/// The most bytes of the names in `imagePullSecrets` that are kept of one Pod. Of a longer list none is kept.
pub const MAX_LIST_BYTES: usize = 1024;

/// A Pod of phase `Pending`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Pod {
    /// The precondition of its deletion.
    pub version: Version,
    /// `metadata.creationTimestamp` in seconds of Unix time, by the clock of the API server.
    pub created: i64,
    /// The name of its `ServiceAccount`.
    pub account: Arc<str>,
    /// The names in its `imagePullSecrets`, in order. `None` if the list is too long to be kept.
    pub pull_secrets: Option<Box<[Arc<str>]>>,
    /// The images of its containers and init containers that wait in `ErrImagePull` or `ImagePullBackOff`.
    pub images: Box<[Arc<str>]>,
    /// Its controller.
    pub controller: Option<Controller>,
    /// It has a deletionTimestamp.
    pub deleting: bool,
}

impl Pod {
    /// Returns whether its list has this name.
    pub(crate) fn refers_to(&self, secret: &str) -> bool {
        let names = self.pull_secrets.iter().flatten();
        names.into_iter().any(|name| name.as_ref() == secret)
    }
}

/// The controller of a Pod, as its ownerReference names it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Controller {
    /// Its kind.
    pub kind: ControllerKind,
    /// Its name. It is the name of an object, so it may be part of a path.
    pub name: Arc<str>,
    /// Its uid.
    pub uid: Uid,
}

/// The kind of a controller.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ControllerKind {
    /// `ReplicaSet` of `apps`, also that of a Deployment.
    ReplicaSet,
    /// `StatefulSet` of `apps`.
    StatefulSet,
    /// `DaemonSet` of `apps`.
    DaemonSet,
    /// `ReplicationController` of the core group.
    ReplicationController,
    /// `Job` of `batch`, also that of a `CronJob`.
    Job,
    /// Any other one. It is not known whether it replaces a Pod.
    Other,
}

/// What is read of a controller before one of its Pods is replaced.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Template {
    /// Its uid.
    pub uid: Uid,
    /// It has a deletionTimestamp.
    pub deleting: bool,
    /// The account that its template names. `None` if there is no template.
    pub account: Option<Arc<str>>,
    /// Its template has an entry in `imagePullSecrets`.
    pub names_secrets: bool,
    /// The facts of a Job.
    pub job: JobFacts,
}

/// What decides whether a Job can afford a failed Pod.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[expect(clippy::struct_excessive_bools, reason = "independent facts, each read by itself")]
pub struct JobFacts {
    /// Another controller than that of Kubernetes manages it: `spec.managedBy`.
    pub is_managed_elsewhere: bool,
    /// It has `spec.backoffLimitPerIndex`: a failed Pod may fail its index for good.
    pub fails_per_index: bool,
    /// It is suspended, complete or failed. Its controller starts no Pod.
    pub is_idle: bool,
    /// Pods of it are ending, or are not counted yet.
    pub is_unsettled: bool,
    /// `spec.backoffLimit`.
    pub limit: i64,
    /// `status.failed`.
    pub failed: i64,
}
