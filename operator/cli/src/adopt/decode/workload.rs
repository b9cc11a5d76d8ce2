//! What runs Pods, and the leases of controllers.

use std::collections::BTreeSet;

use serde::de::DeserializeOwned;
use serde_json::Value;

use super::super::leftovers::{Lease, Workload};
use super::meta::{WireMeta, seconds};

pub(super) fn workload(kind: &str, object: &Value) -> Workload {
    let spec = &object["spec"];
    let template = if kind == "CronJob" {
        &spec["jobTemplate"]["spec"]["template"]
    } else {
        &spec["template"]
    };
    let containers = template["spec"]["containers"].as_array();
    let images: BTreeSet<String> = containers
        .into_iter()
        .flatten()
        .filter_map(|container| container["image"].as_str())
        .filter_map(plan::image::repository)
        .collect();
    let metadata: WireMeta = parsed(&object["metadata"]);
    Workload {
        kind: kind.to_owned(),
        meta: metadata.into(),
        pod_labels: parsed(&template["metadata"]["labels"]),
        images: images.into_iter().collect(),
        runs: runs(kind, spec, &object["status"]),
    }
}

/// The last Pods count until they are gone.
fn runs(kind: &str, spec: &Value, status: &Value) -> bool {
    let count = |value: &Value| value.as_i64();
    match kind {
        "CronJob" => {
            let active = status["active"].as_array().is_some_and(|active| !active.is_empty());
            active || spec["suspend"].as_bool() != Some(true)
        }
        "DaemonSet" => count(&status["desiredNumberScheduled"]).unwrap_or(0) > 0,
        _ => count(&spec["replicas"]).unwrap_or(1) > 0 || count(&status["replicas"]).unwrap_or(0) > 0,
    }
}

fn parsed<T: DeserializeOwned + Default>(value: &Value) -> T {
    T::deserialize(value).unwrap_or_default()
}

pub(super) fn lease(object: &Value) -> Lease {
    let text = |value: &Value| value.as_str().unwrap_or_default().to_owned();
    let spec = &object["spec"];
    let renewed = spec["renewTime"].as_str().and_then(seconds);
    Lease {
        namespace: text(&object["metadata"]["namespace"]),
        name: text(&object["metadata"]["name"]),
        holder: text(&spec["holderIdentity"]),
        renewed: renewed.unwrap_or_default(),
        lasts: spec["leaseDurationSeconds"].as_i64().unwrap_or(0),
    }
}
