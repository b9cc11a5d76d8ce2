//! What a thief of the token can do with Pods, where the operator has the rights of `config/recovery`.

use e2e::wait::eventually;
use k8s_openapi::api::core::v1::Pod;
use kube::api::{Patch, PatchParams, PostParams};
use kube::{Api, Client};
use serde_json::{Value, json};

use crate::admission::bare::{self, SOON};
use crate::admission::stolen::{answer, check, take_the_policy_away, thief};

/// As the rows of `stolen.json`.
const ROWS: &str = include_str!("stolen_pods.json");

/// A stolen token deletes only Pods that wait for an image and have a controller.
#[tokio::test]
async fn stolen_recovery_token_deletes_waiting_pods_only() {
    let cluster = bare::own().await.unwrap();
    let namespace = json!({"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": "victim"}});
    let account =
        json!({"apiVersion": "v1", "kind": "ServiceAccount", "metadata": {"name": "default", "namespace": "victim"}});
    bare::apply(&cluster, &[namespace, account]).await;
    let admin = cluster.admin().await.unwrap();
    // Without its owner, a Pod would be garbage.
    let owner = json!({"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": "owner", "namespace": "victim"}});
    bare::apply(&cluster, &[owner]).await;
    let uid = [
        "get",
        "configmap",
        "owner",
        "-n",
        "victim",
        "-o",
        "jsonpath={.metadata.uid}",
    ];
    let uid = cluster.kubectl().run(&uid, "").await.unwrap();
    for (name, controller, status) in pods() {
        make(&admin, name, controller.map(|is| (uid.as_str(), is)), &status).await;
    }
    let apply = ["apply", "-f", "config/recovery/cluster_role.yaml"];
    cluster.kubectl().run(&apply, "").await.unwrap();
    let thief = thief(&cluster).await;
    eventually("the rights are there", SOON, async || {
        match answer(&thief, "get", "/api/v1/pods", &Value::Null).await {
            "done" => Ok(()),
            other => Err(other.to_owned()),
        }
    })
    .await;
    let rows: Vec<Value> = serde_json::from_str(ROWS).unwrap();
    check(&thief, &rows, "with").await;
    take_the_policy_away(&cluster, &thief, "victim", "probe").await;
    check(&thief, &rows, "without").await;
}

/// Names of Pods, the field `controller` of their owner, if there is one, and their status.
fn pods() -> Vec<(&'static str, Option<bool>, Value)> {
    let of = |phase: &str, reasons: &[&str]| {
        let one = |reason: &&str| {
            let state = if reason.is_empty() {
                json!({"running": {}})
            } else {
                json!({"waiting": {"reason": reason}})
            };
            json!({"name": "main", "image": "a", "imageID": "", "ready": false, "restartCount": 0, "state": state})
        };
        let containers: Vec<Value> = reasons.iter().map(one).collect();
        json!({"phase": phase, "containerStatuses": containers})
    };
    let mut init = of("Pending", &["ErrImagePull"]);
    init["initContainerStatuses"] = init["containerStatuses"].take();
    init["containerStatuses"] = json!([]);
    vec![
        ("waits", Some(true), of("Pending", &["ImagePullBackOff"])),
        ("failed-once", Some(true), of("Pending", &["ErrImagePull"])),
        ("waits-to-begin", Some(true), init),
        ("bare", None, of("Pending", &["ImagePullBackOff"])),
        ("owned", Some(false), of("Pending", &["ImagePullBackOff"])),
        ("runs", Some(true), of("Running", &[""])),
        ("runs-and-waits", Some(true), of("Running", &["ImagePullBackOff"])),
        ("creates", Some(true), of("Pending", &["ContainerCreating"])),
        (
            "misconfigured",
            Some(true),
            of("Pending", &["CreateContainerConfigError"]),
        ),
        ("new", Some(true), json!({"phase": "Pending"})),
    ]
}

/// Creates a Pod. `owner` is the uid of its owner, and whether that is its controller.
async fn make(admin: &Client, name: &str, owner: Option<(&str, bool)>, status: &Value) {
    let pods: Api<Pod> = Api::namespaced(admin.clone(), "victim");
    let owners = |(uid, is): (&str, bool)| json!([{"apiVersion": "v1", "kind": "ConfigMap", "name": "owner", "uid": uid, "controller": is}]);
    let pod = json!({
        "metadata": {"name": name, "ownerReferences": owner.map_or(json!([]), owners)},
        "spec": {"containers": [{"name": "main", "image": "a"}], "initContainers": [{"name": "first", "image": "a"}]},
    });
    let pod: Pod = serde_json::from_value(pod).unwrap();
    pods.create(&PostParams::default(), &pod).await.unwrap();
    let status = Patch::Merge(json!({ "status": status }));
    pods.patch_status(name, &PatchParams::default(), &status).await.unwrap();
}
