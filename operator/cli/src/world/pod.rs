//! A Pod that exists.

use std::sync::Arc;

use super::text::Text;
use super::workload::{Template, WorkloadId};

/// A Pod.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Pod {
    /// Its spec as admitted, with the pull secrets that it got then.
    pub template: Arc<Template>,
    /// Its controller.
    pub controller: Option<WorkloadId>,
    /// When it was admitted, in seconds of Unix time: its creation.
    pub admitted: i64,
    /// The node that it was scheduled to.
    pub node: Option<Text>,
    /// How far the container or volume of each of [`Template::images`] is.
    pub progress: Box<[Progress]>,
    /// It has ended, or is being deleted: it pulls no more.
    pub ended: bool,
    /// A static Pod of a node. It can refer to no Secret, so only the node's own logins count.
    pub is_static: bool,
}

/// How far the pull of an image is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Progress {
    /// The kubelet tried and could not pull it.
    Refused,
    /// The kubelet has not started the container yet.
    Waiting,
    /// The image was pulled, and the container may be started again.
    Started,
    /// The container ended, and is not started again.
    Done,
}
