//! Thirty workloads of every kind.

use serde_json::{Value, json};

/// The workload whose template has its own list of pull secrets.
pub(super) const OWN_LIST: &str = "own-list-0";

/// Kinds, each with a prefix of names and a number.
const KINDS: [(&str, &str, usize); 9] = [
    ("Deployment", "web", 9),
    ("Deployment", "resting", 2),
    ("Deployment", "own-list", 1),
    ("StatefulSet", "store", 5),
    ("DaemonSet", "agent", 3),
    ("ReplicaSet", "set", 2),
    ("ReplicationController", "older", 2),
    ("Job", "import", 3),
    ("CronJob", "report", 3),
];

/// A workload.
pub(super) struct Workload {
    /// Also the name of its image's repository, and the label of its Pods.
    pub(super) name: String,
    pub(super) manifest: Value,
    /// The requests for its image before the registry was closed.
    pub(super) before: String,
}

impl Workload {
    /// Returns whether it has Pods from the start.
    pub(super) fn runs(&self) -> bool {
        self.manifest["kind"] != "CronJob" && self.manifest["spec"]["replicas"] != 0
    }

    pub(super) fn namespace(&self) -> &str {
        self.manifest["metadata"]["namespace"].as_str().unwrap()
    }
}

/// Returns all workloads, spread over the namespaces, with images of this registry.
pub(super) fn all(namespaces: &[String], registry: &str) -> Vec<Workload> {
    let kinds = KINDS
        .iter()
        .flat_map(|(kind, prefix, count)| (0..*count).map(move |at| (*kind, *prefix, at)));
    let workloads = kinds.zip(namespaces.iter().cycle());
    let workloads = workloads.map(|((kind, prefix, at), namespace)| {
        let name = format!("{prefix}-{at}");
        let mut manifest = json!({
            "apiVersion": version(kind), "kind": kind,
            "metadata": {"name": name, "namespace": namespace},
            "spec": spec(kind, &name, &format!("{registry}/{name}:1")),
        });
        match prefix {
            "resting" => manifest["spec"]["replicas"] = 0.into(),
            "own-list" => manifest["spec"]["template"]["spec"]["imagePullSecrets"] = json!([{"name": "theirs"}]),
            _ => {}
        }
        Workload {
            name,
            manifest,
            before: String::new(),
        }
    });
    workloads.collect()
}

fn version(kind: &str) -> &'static str {
    match kind {
        "ReplicationController" => "v1",
        "Job" | "CronJob" => "batch/v1",
        _ => "apps/v1",
    }
}

fn spec(kind: &str, name: &str, image: &str) -> Value {
    let labels = json!({"app": name});
    let mut template = json!({
        "metadata": {"labels": labels},
        "spec": {
            "automountServiceAccountToken": false,
            "enableServiceLinks": false,
            "terminationGracePeriodSeconds": 1,
            "containers": [{"name": "main", "image": image}],
        },
    });
    match kind {
        "CronJob" => {
            template["spec"]["restartPolicy"] = "Never".into();
            template["spec"]["containers"][0]["args"] = json!(["once"]);
            json!({"schedule": "0 0 1 1 *", "jobTemplate": {"spec": {"template": template}}})
        }
        "Job" => {
            template["spec"]["restartPolicy"] = "Never".into();
            // A Pod that is evicted is no failure.
            let rule = json!({"action": "Ignore", "onPodConditions": [{"type": "DisruptionTarget"}]});
            json!({"template": template, "podFailurePolicy": {"rules": [rule]}})
        }
        "ReplicationController" => json!({"selector": labels, "template": template}),
        "StatefulSet" => json!({"serviceName": name, "selector": {"matchLabels": labels}, "template": template}),
        _ => json!({"selector": {"matchLabels": labels}, "template": template}),
    }
}
