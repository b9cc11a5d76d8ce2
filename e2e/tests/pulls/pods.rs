//! Pods of a story.

use std::time::Duration;

use e2e::wait::eventually;
use k8s_openapi::api::core::v1::{ContainerStatus, Pod};
use kube::api::{ListParams, PostParams};
use kube::{Api, ResourceExt as _};
use serde_json::{Value, json};

use super::story::{LATER, SOON, Story};

/// Reasons of a container whose image is refused.
pub(super) const REFUSED_REASONS: [&str; 2] = ["ErrImagePull", "ImagePullBackOff"];

impl Story {
    pub(super) fn pods(&self, namespace: &str) -> Api<Pod> {
        Api::namespaced(self.scenario.client().clone(), namespace)
    }

    /// Creates a Pod, and returns its uid. `change` changes its specification.
    pub(super) async fn pod(
        &self,
        namespace: &str,
        name: &str,
        image: &str,
        change: impl FnOnce(&mut Value),
    ) -> String {
        let mut spec = json!({
            "nodeName": "127.0.0.1",
            "automountServiceAccountToken": false,
            "enableServiceLinks": false,
            "terminationGracePeriodSeconds": 1,
            "containers": [{"name": "main", "image": image}],
        });
        change(&mut spec);
        let pod = json!({"apiVersion": "v1", "kind": "Pod", "metadata": {"name": name}, "spec": spec});
        let pod: Pod = serde_json::from_value(pod).unwrap();
        let made = self.pods(namespace).create(&PostParams::default(), &pod).await.unwrap();
        made.uid().unwrap()
    }

    /// Creates a Pod, and waits until it runs.
    pub(super) async fn starts(&self, namespace: &str, name: &str, image: &str, change: impl FnOnce(&mut Value)) {
        let _steady = self.steady().await;
        self.pod(namespace, name, image, change).await;
        self.runs(namespace, name).await;
    }

    /// Creates a Pod, and waits until its image is refused. Returns the kubelet's message.
    pub(super) async fn is_refused(
        &self,
        namespace: &str,
        name: &str,
        image: &str,
        change: impl FnOnce(&mut Value),
    ) -> String {
        let _steady = self.steady().await;
        self.pod(namespace, name, image, change).await;
        self.waits(namespace, name, &REFUSED_REASONS).await
    }

    /// Waits until the Pod runs, never restarted.
    pub(super) async fn runs(&self, namespace: &str, name: &str) -> Pod {
        self.runs_within(SOON, namespace, name).await
    }

    pub(super) async fn runs_within(&self, limit: Duration, namespace: &str, name: &str) -> Pod {
        let pods = self.pods(namespace);
        let what = format!("{namespace}/{name} runs");
        eventually(&what, limit, async || {
            let pod = pods.get(name).await.map_err(|error| error.to_string())?;
            if is_up(&pod) { Ok(pod) } else { Err(waits_for(&pod)) }
        })
        .await
    }

    /// Waits until every Pod of the namespace runs. A kubelet that was killed meanwhile may have started a container twice.
    pub(super) async fn all_run(&self, namespace: &str) {
        let is_ready = |pod: &Pod| statuses(pod).iter().any(|status| status.ready);
        self.all(namespace, "all Pods run", is_ready).await;
    }

    /// Waits until every Pod of the namespace runs, or its image is refused. A kubelet that is killed before that may
    /// start a container twice.
    pub(super) async fn all_settle(&self, namespace: &str) {
        let is_refused = |status: &ContainerStatus| REFUSED_REASONS.contains(&waiting(status).0.as_str());
        let is_settled = |pod: &Pod| statuses(pod).iter().any(|status| status.ready || is_refused(status));
        self.all(namespace, "all Pods settle", is_settled).await;
    }

    async fn all(&self, namespace: &str, what: &str, is_so: impl Fn(&Pod) -> bool) {
        let pods = self.pods(namespace);
        eventually(what, LATER, async || {
            let pods = pods
                .list(&ListParams::default())
                .await
                .map_err(|error| error.to_string())?;
            let other = pods.iter().find(|pod| !is_so(pod));
            other.map_or(Ok(()), |pod| Err(format!("{}: {}", pod.name_any(), waits_for(pod))))
        })
        .await;
    }

    /// Waits until the only container waits for one of these reasons. Returns the message.
    pub(super) async fn waits(&self, namespace: &str, name: &str, reasons: &[&str]) -> String {
        let pods = self.pods(namespace);
        let what = format!("{namespace}/{name} waits: {reasons:?}");
        eventually(&what, SOON, async || {
            let pod = pods.get(name).await.map_err(|error| error.to_string())?;
            let seen = statuses(&pod).first().map(waiting).unwrap_or_default();
            if reasons.contains(&seen.0.as_str()) {
                Ok(seen.1)
            } else {
                Err(format!("{seen:?}"))
            }
        })
        .await
    }
}

pub(super) fn statuses(pod: &Pod) -> Vec<ContainerStatus> {
    let status = pod.status.as_ref();
    status
        .and_then(|status| status.container_statuses.clone())
        .unwrap_or_default()
}

/// Returns whether all containers are ready, never restarted.
fn is_up(pod: &Pod) -> bool {
    let statuses = statuses(pod);
    let is_up = |status: &ContainerStatus| status.ready && status.restart_count == 0;
    !statuses.is_empty() && statuses.iter().all(is_up)
}

fn waits_for(pod: &Pod) -> String {
    format!("{:?}", statuses(pod).iter().map(waiting).collect::<Vec<_>>())
}

/// Returns reason and message, or two empty texts if it does not wait.
fn waiting(status: &ContainerStatus) -> (String, String) {
    let state = status.state.as_ref().and_then(|state| state.waiting.clone());
    let waiting = state.unwrap_or_default();
    (waiting.reason.unwrap_or_default(), waiting.message.unwrap_or_default())
}
