//! What is reported of waiting Pods, in Events about their controllers.

use std::time::Duration;

use plan::identity::Uid;
use plan::observed::{ControllerKind, Pod};
use plan::recovery::Cause;

use super::{PodKey, Recovery};

/// The same is not reported again for this long.
const AGAIN: Duration = Duration::from_secs(3600);
/// The most reports that are remembered. Beyond them, new ones wait until others expire.
const MAX_REPORTED: usize = 4096;
/// The most reports that wait to be published.
const MAX_WAITING: usize = 32;

/// A report about an object of a namespace.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(in crate::namespaces) struct Report {
    pub(in crate::namespaces) namespace: String,
    pub(in crate::namespaces) api_version: &'static str,
    pub(in crate::namespaces) kind: &'static str,
    pub(in crate::namespaces) name: String,
    pub(in crate::namespaces) uid: String,
    /// A person must act.
    pub(in crate::namespaces) warning: bool,
    pub(in crate::namespaces) reason: &'static str,
    pub(in crate::namespaces) note: String,
}

impl Recovery {
    /// Takes the reports so far.
    pub(in crate::namespaces) fn take_reports(&mut self) -> Vec<Report> {
        std::mem::take(&mut self.reports)
    }

    /// Reports once that a controller's Pods are being replaced.
    pub(super) fn report_replaced(&mut self, key: &PodKey, pod: &Pod, now: Duration) {
        let note = format!(
            "replaced Pod {}, which waited for an image: it was created before ServiceAccount {} had its reference to the \
             pull secret, and a Pod never gets a later one",
            key.name, pod.account
        );
        self.report(key, pod, "PodReplaced", false, note, now);
    }

    /// Reports that a successor waits as well.
    pub(super) fn report_successor(&mut self, key: &PodKey, pod: &Pod, now: Duration) {
        let note = format!(
            "Pod {} waits for an image as the Pod before it did, because its imagePullSecrets lack the reference that \
             ServiceAccount {} has; the operator leaves this controller alone for 10 minutes: find the webhook, policy or \
             tool that changes the list of new Pods",
            key.name, pod.account
        );
        // It is about the same controller as the report of the replaced Pod, and newer.
        self.reported.remove(about(pod));
        self.report(key, pod, "PodNotReplaced", true, note, now);
    }

    /// Reports once why a Pod is left to a person.
    pub(super) fn report_left(&mut self, key: &PodKey, pod: &Pod, cause: Cause, now: Duration) {
        let (name, account) = (&key.name, &pod.account);
        let note = match cause {
            Cause::OwnList => format!(
                "Pod {name} waits for an image, and the operator does not replace it, because imagePullSecrets of the Pod or \
                 of its template are its own and lack the reference that ServiceAccount {account} has: add the reference to \
                 the template, or remove the list from it"
            ),
            Cause::Unreadable => format!(
                "Pod {name} waits for an image, and the operator does not replace it, because the API server refused to show \
                 the template of its controller: compare the operator's rights with config/recovery"
            ),
            Cause::OtherAccount => format!(
                "Pod {name} waits for an image, and the operator does not replace it, because the template now names another \
                 account than {account}: delete the Pod if the template may be rolled out"
            ),
            Cause::NoController => format!(
                "Pod {name} waits for an image, and the operator does not replace it, because no controller would make \
                 another one: create the Pod again"
            ),
            Cause::OtherController => format!(
                "Pod {name} waits for an image, and the operator does not replace it, because it does not know whether the \
                 controller would make another one: delete the Pod if it would"
            ),
            Cause::JobFails => format!(
                "Pod {name} waits for an image, and the operator does not replace it, because its Job could not afford the \
                 failure: create the Job again"
            ),
            Cause::SuccessorWaits => return,
        };
        self.report(key, pod, "PodNotReplaced", true, note, now);
    }

    fn report(&mut self, key: &PodKey, pod: &Pod, reason: &'static str, warning: bool, note: String, now: Duration) {
        let uid = about(pod);
        let is_full = self.reported.len() >= MAX_REPORTED || self.reports.len() >= MAX_WAITING;
        if is_full || self.reported.contains_key(uid) {
            return;
        }
        self.reported.insert(uid.clone(), now);
        let known = pod.controller.as_ref().and_then(|controller| {
            let (api_version, kind) = kind(controller.kind)?;
            Some((api_version, kind, controller.name.to_string()))
        });
        let (api_version, kind, name) = known.unwrap_or_else(|| ("v1", "Pod", key.name.to_string()));
        self.reports.push(Report {
            namespace: key.namespace.to_string(),
            api_version,
            kind,
            name,
            uid: uid.to_string(),
            warning,
            reason,
            note,
        });
    }

    pub(super) fn expire_reports(&mut self, now: Duration) {
        self.reported.retain(|_, at| now < *at + AGAIN);
    }
}

/// The uid of what a report about this Pod is about: its controller, or the Pod itself.
fn about(pod: &Pod) -> &Uid {
    let known = pod
        .controller
        .as_ref()
        .filter(|controller| kind(controller.kind).is_some());
    known.map_or(&pod.version.uid, |controller| &controller.uid)
}

fn kind(kind: ControllerKind) -> Option<(&'static str, &'static str)> {
    match kind {
        ControllerKind::ReplicaSet => Some(("apps/v1", "ReplicaSet")),
        ControllerKind::StatefulSet => Some(("apps/v1", "StatefulSet")),
        ControllerKind::DaemonSet => Some(("apps/v1", "DaemonSet")),
        ControllerKind::ReplicationController => Some(("v1", "ReplicationController")),
        ControllerKind::Job => Some(("batch/v1", "Job")),
        ControllerKind::Other => None,
    }
}
