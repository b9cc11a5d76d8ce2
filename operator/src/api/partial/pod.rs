//! Pods of phase `Pending`.

use std::sync::Arc;

use k8s_openapi::apimachinery::pkg::apis::meta::v1::{ObjectMeta, OwnerReference, Time};
use kube::core::NamespaceResourceScope;
use plan::observed::{Controller, ControllerKind, MAX_IMAGES_BYTES, MAX_LIST_BYTES, Pod};
use serde::Deserialize;

use super::meta::version;

/// Reasons of a container that waits for its image.
const WAITS: [&str; 2] = ["ErrImagePull", "ImagePullBackOff"];
/// The account of a Pod that names none.
const DEFAULT_ACCOUNT: &str = "default";
/// The longest name of an object.
const MAX_NAME: usize = 253;

/// A Pod, reduced while it is decoded.
#[derive(Clone, Debug, Deserialize)]
#[serde(from = "WirePod")]
pub struct PartialPod {
    metadata: ObjectMeta,
    facts: Pod,
    deleted_at: Option<i64>,
}
partial_resource!(PartialPod: "Pod", "", "v1", "pods", NamespaceResourceScope, metadata only: false);

impl PartialPod {
    /// Turns the Pod into facts for the plan.
    pub fn facts(self) -> Pod {
        self.facts
    }

    /// When its deletion was requested, in seconds of Unix time by the clock of the API server.
    pub fn deleted_at(&self) -> Option<i64> {
        self.deleted_at
    }
}

#[derive(Deserialize)]
struct WirePod {
    metadata: WirePodMeta,
    #[serde(default)]
    spec: WireSpec,
    #[serde(default)]
    status: WireStatus,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct WirePodMeta {
    name: Option<String>,
    namespace: Option<String>,
    uid: Option<String>,
    resource_version: Option<String>,
    creation_timestamp: Option<Time>,
    /// As text: a grace period of any length is allowed, and no timestamp of ours can hold the end of a long one.
    deletion_timestamp: Option<String>,
    deletion_grace_period_seconds: Option<i64>,
    #[serde(default)]
    owner_references: Vec<OwnerReference>,
}

#[derive(Default, Deserialize)]
#[serde(rename_all = "camelCase")]
struct WireSpec {
    service_account_name: Option<String>,
    #[serde(default)]
    image_pull_secrets: Vec<WireReference>,
    #[serde(default)]
    init_containers: Vec<WireContainer>,
    #[serde(default)]
    containers: Vec<WireContainer>,
}

#[derive(Deserialize)]
struct WireReference {
    #[serde(default)]
    name: String,
}

#[derive(Deserialize)]
struct WireContainer {
    name: String,
    #[serde(default)]
    image: String,
}

#[derive(Default, Deserialize)]
#[serde(rename_all = "camelCase")]
struct WireStatus {
    #[serde(default)]
    init_container_statuses: Vec<WireContainerStatus>,
    #[serde(default)]
    container_statuses: Vec<WireContainerStatus>,
}

#[derive(Deserialize)]
struct WireContainerStatus {
    name: String,
    #[serde(default)]
    state: WireState,
}

#[derive(Default, Deserialize)]
struct WireState {
    waiting: Option<WireWaiting>,
}

#[derive(Deserialize)]
struct WireWaiting {
    #[serde(default)]
    reason: String,
}

impl From<WirePod> for PartialPod {
    fn from(WirePod { metadata, spec, status }: WirePod) -> Self {
        let controller = controller(&metadata.owner_references);
        let created = metadata.creation_timestamp.map_or(0, |Time(at)| at.as_second());
        let grace = metadata.deletion_grace_period_seconds.unwrap_or_default();
        let deleting = metadata.deletion_timestamp.is_some();
        let ends_at = metadata.deletion_timestamp.and_then(|at| at.parse().ok());
        let deleted_at = ends_at.map(|at: jiff::Timestamp| at.as_second().saturating_sub(grace));
        let metadata = ObjectMeta {
            name: metadata.name,
            namespace: metadata.namespace,
            uid: metadata.uid,
            resource_version: metadata.resource_version,
            ..ObjectMeta::default()
        };
        let account = spec.service_account_name.as_deref().filter(|name| !name.is_empty());
        let facts = Pod {
            version: version(&metadata),
            created,
            account: account.unwrap_or(DEFAULT_ACCOUNT).into(),
            pull_secrets: pull_secrets(&spec.image_pull_secrets),
            images: images(&spec, &status),
            controller,
            deleting,
        };
        Self {
            metadata,
            facts,
            deleted_at,
        }
    }
}

/// The names of a list, unless it is too long.
fn pull_secrets(list: &[WireReference]) -> Option<Box<[Arc<str>]>> {
    let bytes = |reference: &WireReference| reference.name.len() + size_of::<Arc<str>>();
    let fits = list.iter().map(bytes).sum::<usize>() <= MAX_LIST_BYTES;
    fits.then(|| list.iter().map(|reference| reference.name.as_str().into()).collect())
}

/// The images for which containers and init containers wait, as the spec names them. An ephemeral container is a
/// person's, and no reason to replace a Pod.
fn images(spec: &WireSpec, status: &WireStatus) -> Box<[Arc<str>]> {
    let waits = |name: &str, statuses: &[WireContainerStatus]| {
        let status = statuses.iter().find(|status| status.name == name);
        let waiting = status.and_then(|status| status.state.waiting.as_ref());
        waiting.is_some_and(|waiting| WAITS.contains(&waiting.reason.as_str()))
    };
    let both = [
        (&spec.init_containers, &status.init_container_statuses),
        (&spec.containers, &status.container_statuses),
    ];
    let mut images: Vec<Arc<str>> = Vec::new();
    let mut bytes = 0;
    for (containers, statuses) in both {
        for container in containers.iter().filter(|container| waits(&container.name, statuses)) {
            let image = container.image.as_str();
            let is_new = images.iter().all(|kept| kept.as_ref() != image);
            if is_new && bytes + image.len() <= MAX_IMAGES_BYTES {
                bytes += image.len();
                images.push(image.into());
            }
        }
    }
    images.into()
}

/// The owner that is the controller. The API server does not check the name in an ownerReference.
fn controller(owners: &[OwnerReference]) -> Option<Controller> {
    let owner = owners.iter().find(|owner| owner.controller == Some(true))?;
    let group = owner.api_version.split_once('/').map_or("", |(group, _)| group);
    let kind = match (group, owner.kind.as_str()) {
        ("apps", "ReplicaSet") => ControllerKind::ReplicaSet,
        ("apps", "StatefulSet") => ControllerKind::StatefulSet,
        ("apps", "DaemonSet") => ControllerKind::DaemonSet,
        ("", "ReplicationController") => ControllerKind::ReplicationController,
        ("batch", "Job") => ControllerKind::Job,
        _ => ControllerKind::Other,
    };
    let named = is_name(&owner.name);
    Some(Controller {
        kind: if named { kind } else { ControllerKind::Other },
        name: if named { owner.name.as_str() } else { "" }.into(),
        uid: owner.uid.as_str().into(),
    })
}

/// Whether an object of these kinds can have this name.
fn is_name(name: &str) -> bool {
    let allowed = |byte: u8| byte.is_ascii_lowercase() || byte.is_ascii_digit() || matches!(byte, b'-' | b'.');
    let begins = name.bytes().next().is_some_and(|byte| byte.is_ascii_alphanumeric());
    begins && name.len() <= MAX_NAME && name.bytes().all(allowed)
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use super::*;

    fn pod(change: impl FnOnce(&mut Value)) -> PartialPod {
        let mut pod = json!({
            "metadata": {"name": "p", "namespace": "n", "uid": "u", "resourceVersion": "7",
                "creationTimestamp": "2026-01-01T00:00:10Z", "managedFields": [{}],
                "ownerReferences": [{"apiVersion": "v1", "kind": "Node", "name": "x", "uid": "x"},
                    {"apiVersion": "apps/v1", "kind": "ReplicaSet", "name": "rs", "uid": "o", "controller": true}]},
            "spec": {"serviceAccountName": "build", "imagePullSecrets": [{"name": "a"}, {}],
                "containers": [{"name": "one", "image": "r/one"}, {"name": "two", "image": "r/two"}],
                "initContainers": [{"name": "one", "image": "r/init"}]},
            "status": {"phase": "Pending", "containerStatuses": [
                {"name": "one", "state": {"waiting": {"reason": "ImagePullBackOff", "message": "x"}}},
                {"name": "two", "state": {"waiting": {"reason": "PodInitializing"}}}]},
        });
        change(&mut pod);
        serde_json::from_value(pod).expect("a Pod")
    }

    #[test]
    fn a_pod_keeps_what_decides() {
        let facts = pod(|_| {}).facts();
        assert_eq!((&*facts.account, facts.deleting), ("build", false));
        let names = facts.pull_secrets.map(|names| names.join("|"));
        assert_eq!(names.as_deref(), Some("a|"));
        assert_eq!(
            facts.images.join("|"),
            "r/one",
            "that of the init container does not wait"
        );
        let controller = facts.controller.expect("a controller");
        assert_eq!((controller.kind, &*controller.name), (ControllerKind::ReplicaSet, "rs"));
    }

    #[test]
    fn a_deletion_keeps_the_time_of_its_request() {
        let deleted = pod(|pod| {
            pod["metadata"]["deletionTimestamp"] = json!("2026-01-01T00:01:40Z");
            pod["metadata"]["deletionGracePeriodSeconds"] = json!(30);
        });
        let created = deleted.facts.created;
        assert_eq!(deleted.deleted_at(), Some(created + 60));
        assert!(deleted.facts().deleting);
        let late = pod(|pod| pod["metadata"]["deletionTimestamp"] = json!("33658-09-27T01:46:40Z"));
        assert_eq!((late.deleted_at(), late.facts().deleting), (None, true));
    }

    /// The API server accepts any name in an ownerReference, and it becomes part of a path.
    #[test]
    fn a_hostile_owner_is_no_path() {
        for name in ["a/../../secrets/x", "..", "", "a?b", "A", &"a".repeat(254)] {
            let facts = pod(|pod| pod["metadata"]["ownerReferences"][1]["name"] = json!(name)).facts();
            let controller = facts.controller.expect("a controller");
            assert_eq!(
                (controller.kind, &*controller.name),
                (ControllerKind::Other, ""),
                "{name}"
            );
        }
    }

    #[test]
    fn a_hostile_pod_is_bounded() {
        let names: Vec<Value> = (0..100).map(|at| json!({"name": format!("{at:0>200}")})).collect();
        let containers: Vec<Value> = (0..100)
            .map(|at| json!({"name": at.to_string(), "image": format!("r/{at:0>200}")}))
            .collect();
        let waits = json!({"waiting": {"reason": "ErrImagePull"}});
        let statuses: Vec<Value> = (0..100)
            .map(|at| json!({"name": at.to_string(), "state": waits}))
            .collect();
        let facts = pod(|pod| {
            pod["spec"]["imagePullSecrets"] = json!(names);
            pod["spec"]["containers"] = json!(containers);
            pod["status"]["containerStatuses"] = json!(statuses);
        })
        .facts();
        assert_eq!(facts.pull_secrets, None);
        let bytes: usize = facts.images.iter().map(|image| image.len()).sum();
        assert!(bytes <= MAX_IMAGES_BYTES && facts.images.len() > 2, "{bytes}");
    }
}
