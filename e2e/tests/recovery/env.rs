//! What the tests of recovery share: a cluster with workloads and an operator that replaces Pods.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use e2e::OPERATOR_USER;
use e2e::audit::{Mark, Record};
use e2e::cluster::Options;
use e2e::operator;
use e2e::scenario::{SOON, Scenario};
use e2e::wait::eventually;
use k8s_openapi::api::core::v1::Pod;
use kube::api::ListParams;
use kube::{Api, ResourceExt as _};
use serde_json::Value;

use crate::recovery::kubelet::Kubelets;
use crate::recovery::workloads::Workload;

/// A cluster whose controllers make Pods, with an operator that has the rights of `config/recovery`.
pub(crate) struct Env {
    pub(crate) scenario: Scenario,
    pub(crate) _kubelets: Kubelets,
}

/// What a test sees of a Pod.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Seen {
    pub(crate) namespace: String,
    pub(crate) app: String,
    pub(crate) phase: String,
    /// The reasons for which containers wait.
    pub(crate) waits: Vec<String>,
    pub(crate) ends: bool,
}

impl Env {
    pub(crate) async fn start(name: &str) -> Self {
        let options = Options {
            workloads: true,
            ..Options::default()
        };
        let scenario = Scenario::without_operator(name, options).await;
        scenario
            .kubectl(&["apply", "-f", "config/recovery/cluster_role.yaml"])
            .await;
        let user = format!("--as={OPERATOR_USER}");
        eventually("the operator has the rights", SOON, async || {
            let asked = ["auth", "can-i", "delete", "pods", "-A", &user];
            let answer = scenario.cluster().kubectl().run(&asked, "").await;
            answer.map(|_| ()).map_err(|error| format!("{error:#}"))
        })
        .await;
        let kubelets = Kubelets::start(scenario.client()).await;
        Self {
            scenario,
            _kubelets: kubelets,
        }
    }

    /// Starts the operator with `--recover-pods`.
    pub(crate) async fn start_operator(&self) {
        let options = operator::Options {
            flags: vec!["--recover-pods".to_owned()],
            ..operator::Options::default()
        };
        self.scenario.start_operator_with(options).await;
    }

    /// Creates the workloads in these namespaces.
    pub(crate) async fn make(&self, workloads: &[(String, Workload)]) {
        let items: Vec<Value> = workloads
            .iter()
            .map(|(namespace, one)| one.manifest(namespace))
            .collect();
        for some in items.chunks(50) {
            let list = serde_json::json!({"apiVersion": "v1", "kind": "List", "items": some});
            self.scenario
                .cluster()
                .kubectl()
                .apply(&list.to_string())
                .await
                .unwrap();
        }
    }

    /// Returns the Pods of the scenario's namespaces by uid.
    pub(crate) async fn pods(&self) -> Result<BTreeMap<String, Seen>, String> {
        let pods: Api<Pod> = Api::all(self.scenario.client().clone());
        let all = pods
            .list(&ListParams::default())
            .await
            .map_err(|error| error.to_string())?;
        let prefix = format!("{}-", self.scenario.name());
        let ours = all
            .into_iter()
            .filter(|pod| pod.namespace().is_some_and(|name| name.starts_with(&prefix)));
        Ok(ours.map(|pod| (pod.uid().unwrap_or_default(), seen(&pod))).collect())
    }

    /// Waits until there are this many Pods, and `is_right` holds for each.
    pub(crate) async fn pods_are(
        &self,
        what: &str,
        count: usize,
        within: Duration,
        is_right: impl Fn(&Seen) -> bool,
    ) -> BTreeMap<String, Seen> {
        eventually(what, within, async || {
            let pods = self.pods().await?;
            let right = pods.values().filter(|pod| is_right(pod)).count();
            if pods.len() == count && right == count {
                Ok(pods)
            } else {
                let wrong: Vec<&Seen> = pods.values().filter(|pod| !is_right(pod)).take(3).collect();
                Err(format!(
                    "{right} of {} Pods; {count} are wanted; for example {wrong:?}",
                    pods.len()
                ))
            }
        })
        .await
    }

    /// Returns the operator's successful deletions of Pods since `mark`, as namespace and name.
    pub(crate) async fn deleted(&self, mark: Mark) -> Vec<(String, String)> {
        let records = self.requests(mark).await;
        let is_deletion = |record: &&Record| record.resource == "pods" && record.verb == "delete" && record.code == 200;
        let deleted = records.iter().filter(is_deletion).filter(|record| !record.is_dry_run());
        deleted
            .map(|record| (record.namespace.clone(), record.name.clone()))
            .collect()
    }

    /// Returns all requests of the operator since `mark`.
    pub(crate) async fn requests(&self, mark: Mark) -> Vec<Record> {
        let audit = self.scenario.cluster().audit();
        audit.settle(self.scenario.client()).await.unwrap();
        let records = audit.since(mark).unwrap();
        records
            .into_iter()
            .filter(|record| record.user == OPERATOR_USER)
            .collect()
    }

    /// Waits until the status of the scenario's object has these numbers: waiting, recovered, masked.
    pub(crate) async fn counts(&self, waiting: i64, recovered: i64, masked: i64) {
        let expected = serde_json::json!({"waiting": waiting, "recovered": recovered, "masked": masked});
        eventually("the status counts the Pods", SOON, async || {
            let seen = self.object().await["status"]["pods"].clone();
            if seen == expected {
                Ok(())
            } else {
                Err(seen.to_string())
            }
        })
        .await;
    }

    /// Returns the scenario's object as the server sends it.
    pub(crate) async fn object(&self) -> Value {
        let get = ["get", "cps", self.scenario.name(), "-o", "json"];
        serde_json::from_str(&self.scenario.kubectl(&get).await).unwrap()
    }

    /// Returns the Events with this reason in a namespace, as kind and name of what they are about, and text.
    pub(crate) async fn events(&self, namespace: &str, reason: &str) -> BTreeSet<(String, String, String)> {
        let get = ["get", "events", "-n", namespace, "-o", "json"];
        let list: Value = serde_json::from_str(&self.scenario.kubectl(&get).await).unwrap();
        let text = |value: &Value| value.as_str().unwrap_or_default().to_owned();
        let all = list["items"].as_array().into_iter().flatten();
        let right = all.filter(|event| event["reason"] == reason);
        right
            .map(|event| {
                let about = &event["involvedObject"];
                (text(&about["kind"]), text(&about["name"]), text(&event["message"]))
            })
            .collect()
    }
}

fn seen(pod: &Pod) -> Seen {
    let status = pod.status.as_ref();
    let containers = status
        .and_then(|status| status.container_statuses.as_ref())
        .into_iter()
        .flatten();
    let waiting = containers.filter_map(|one| one.state.as_ref()?.waiting.as_ref()?.reason.clone());
    Seen {
        namespace: pod.namespace().unwrap_or_default(),
        app: pod.labels().get("app").cloned().unwrap_or_default(),
        phase: status.and_then(|status| status.phase.clone()).unwrap_or_default(),
        waits: waiting.collect(),
        ends: pod.metadata.deletion_timestamp.is_some(),
    }
}

/// Whether the Pod waits for an image.
pub(crate) fn waits(pod: &Seen) -> bool {
    pod.waits
        .iter()
        .any(|reason| reason == "ErrImagePull" || reason == "ImagePullBackOff")
}

/// Whether the Pod runs.
pub(crate) fn runs(pod: &Seen) -> bool {
    pod.phase == "Running" && !pod.ends
}
