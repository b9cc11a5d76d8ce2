//! Where the scheduler puts the replicas of the Deployment. No kubelet runs: the nodes are objects, so that each case has
//! the labels and the load that it needs.

use std::collections::BTreeSet;

use e2e::SYSTEM_NAMESPACE;
use e2e::cluster::{Cluster, Options};
use e2e::wait::eventually;
use k8s_openapi::api::core::v1::{Node, Pod};
use kube::api::{ListParams, PostParams};
use kube::{Api, ResourceExt as _};
use serde_json::json;

use super::story::SOON;

/// A node.
#[derive(Debug)]
struct Place {
    name: &'static str,
    zone: Option<&'static str>,
    /// Whether other Pods ask for half of it. The scheduler then prefers another node, unless the Deployment says more.
    busy: bool,
}

const fn place(name: &'static str, zone: Option<&'static str>) -> Place {
    Place {
        name,
        zone,
        busy: false,
    }
}

const fn busy(name: &'static str, zone: Option<&'static str>) -> Place {
    Place { name, zone, busy: true }
}

/// Two replicas take two nodes where there are two, and two zones where there are two. One node is enough.
#[tokio::test]
async fn replicas_spread_over_nodes_and_zones() {
    let options = Options {
        nodes: true,
        ..Options::default()
    };
    let cluster = Cluster::start(options).await.unwrap();
    cluster.install().await.unwrap();
    clear(&cluster).await;
    let (a, b) = (Some("a"), Some("b"));
    for (places, nodes, zones) in [
        (vec![place("one", None), busy("two", None)], 2, 1),
        (vec![place("one", a), busy("two", None)], 2, 2),
        (vec![place("one", a), busy("two", a)], 2, 1),
        (vec![place("one", a), place("two", a), busy("three", b)], 2, 2),
        (vec![place("one", None)], 1, 1),
    ] {
        let taken = taken(&cluster, &places).await;
        let chosen = places.iter().filter(|place| taken.contains(place.name));
        let found: BTreeSet<_> = chosen.map(|place| place.zone).collect();
        assert_eq!((taken.len(), found.len()), (nodes, zones), "{places:?}: {taken:?}");
    }
}

/// Creates the nodes, and the replicas after them. Returns the nodes that the scheduler chose, and deletes everything.
async fn taken(cluster: &Cluster, places: &[Place]) -> BTreeSet<String> {
    let client = cluster.admin().await.unwrap();
    let machines: Api<Node> = Api::all(client.clone());
    let (replicas, others): (Api<Pod>, Api<Pod>) = (
        Api::namespaced(client.clone(), SYSTEM_NAMESPACE),
        Api::namespaced(client.clone(), "default"),
    );
    let params = PostParams::default();
    for place in places {
        machines.create(&params, &machine(place)).await.unwrap();
        if place.busy {
            others.create(&params, &half(place.name)).await.unwrap();
        }
    }
    eventually("Pods may run on the nodes", SOON, async || {
        let all = machines.list(&ListParams::default()).await;
        let all = all.map_err(|error| error.to_string())?;
        let tainted = |node: &&Node| node.spec.as_ref().is_some_and(|spec| spec.taints.is_some());
        all.iter().find(tainted).map_or(Ok(()), |node| Err(node.name_any()))
    })
    .await;
    scale(cluster, 2).await;
    let taken: BTreeSet<String> = eventually("both replicas have a node", SOON, async || {
        let all = replicas.list(&ListParams::default()).await;
        let all = all.map_err(|error| error.to_string())?;
        let node = |pod: &Pod| pod.spec.as_ref()?.node_name.clone();
        let nodes: Vec<_> = all.iter().filter_map(node).collect();
        if nodes.len() == 2 {
            Ok(nodes.into_iter().collect())
        } else {
            Err(format!("{nodes:?}"))
        }
    })
    .await;
    scale(cluster, 0).await;
    clear(cluster).await;
    taken
}

/// Deletes all Pods and nodes, after no controller creates a Pod any more.
async fn clear(cluster: &Cluster) {
    let none = ["wait", "replicasets", "--all", "--for=jsonpath={.status.replicas}=0"];
    let none = [&none[..], &["-n", SYSTEM_NAMESPACE, "--timeout=120s"]].concat();
    cluster.kubectl().run(&none, "").await.unwrap();
    for namespace in [SYSTEM_NAMESPACE, "default"] {
        // No kubelet ends them.
        let delete = [
            "delete",
            "pods",
            "--all",
            "-n",
            namespace,
            "--force",
            "--grace-period=0",
        ];
        cluster.kubectl().run(&delete, "").await.unwrap();
    }
    cluster.kubectl().run(&["delete", "nodes", "--all"], "").await.unwrap();
}

async fn scale(cluster: &Cluster, replicas: usize) {
    let replicas = format!("--replicas={replicas}");
    let scale = ["scale", "deployment/pullsecrets", &replicas, "-n", SYSTEM_NAMESPACE];
    cluster.kubectl().run(&scale, "").await.unwrap();
}

fn machine(place: &Place) -> Node {
    let mut labels = json!({"kubernetes.io/hostname": place.name});
    if let Some(zone) = place.zone {
        labels["topology.kubernetes.io/zone"] = json!(zone);
    }
    let size = json!({"cpu": "4", "memory": "8Gi", "pods": "110"});
    let node = json!({
        "metadata": {"name": place.name, "labels": labels},
        "status": {
            "capacity": size, "allocatable": size,
            "conditions": [{
                "type": "Ready", "status": "True", "reason": "KubeletReady",
                "lastHeartbeatTime": jiff::Timestamp::now(), "lastTransitionTime": jiff::Timestamp::now(),
            }],
        },
    });
    serde_json::from_value(node).unwrap()
}

/// A Pod that asks for half of a node.
fn half(node: &str) -> Pod {
    let requests = json!({"cpu": "2", "memory": "4Gi"});
    let pod = json!({
        "metadata": {"name": format!("half-of-{node}")},
        "spec": {
            "nodeName": node,
            "containers": [{"name": "app", "image": "none", "resources": {"requests": requests}}],
        },
    });
    serde_json::from_value(pod).unwrap()
}
