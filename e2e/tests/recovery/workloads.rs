//! Workloads of every kind that Kubernetes itself controls.

use e2e::scenario::SERVER;
use serde_json::{Value, json};

/// A workload: kind, name, and what differs from the usual.
#[derive(Debug, Clone)]
pub(crate) struct Workload {
    pub(crate) kind: &'static str,
    pub(crate) name: String,
    /// The image of its one container.
    pub(crate) image: String,
    pub(crate) replicas: usize,
    /// Fields of the spec of the Pods.
    pub(crate) pod: Value,
    /// Fields of the spec of the workload.
    pub(crate) spec: Value,
    /// Labels of the Pods, besides the one that selects them.
    pub(crate) labels: Value,
}

/// A workload whose image needs the login.
pub(crate) fn workload(kind: &'static str, name: &str, replicas: usize) -> Workload {
    Workload {
        kind,
        name: name.to_owned(),
        image: format!("{SERVER}/team/app:1"),
        replicas,
        pod: json!({}),
        spec: json!({}),
        labels: json!({}),
    }
}

impl Workload {
    pub(crate) fn manifest(&self, namespace: &str) -> Value {
        let Self { kind, name, image, .. } = self;
        let (api, number) = match *kind {
            "Job" => ("batch/v1", "parallelism"),
            "ReplicationController" => ("v1", "replicas"),
            "Pod" => ("v1", ""),
            _ => ("apps/v1", "replicas"),
        };
        let mut labels = json!({"app": name});
        merge(&mut labels, &self.labels);
        let mut pod = json!({"containers": [{"name": "main", "image": image}]});
        let metadata = json!({"name": name, "namespace": namespace, "labels": labels});
        if *kind == "Pod" {
            merge(&mut pod, &self.pod);
            return json!({"apiVersion": api, "kind": kind, "metadata": metadata, "spec": pod});
        }
        let mut spec = json!({"selector": {"matchLabels": {"app": name}}});
        match *kind {
            "Job" => {
                pod["restartPolicy"] = json!("Never");
                spec = json!({"backoffLimit": 20, "completions": self.replicas});
            }
            "ReplicationController" => spec = json!({"selector": {"app": name}}),
            "StatefulSet" => {
                spec["serviceName"] = json!(name);
                spec["podManagementPolicy"] = json!("Parallel");
            }
            _ => {}
        }
        if *kind != "DaemonSet" {
            spec[number] = json!(self.replicas);
        }
        merge(&mut pod, &self.pod);
        spec["template"] = json!({"metadata": {"labels": labels}, "spec": pod});
        merge(&mut spec, &self.spec);
        json!({"apiVersion": api, "kind": kind, "metadata": metadata, "spec": spec})
    }
}

fn merge(into: &mut Value, fields: &Value) {
    for (field, value) in fields.as_object().into_iter().flatten() {
        into[field] = value.clone();
    }
}
