//! A stand-in for the kubelets of some nodes: it runs no container, and decides from a Pod's own list whether each image
//! could be pulled.
//!
//! Images of [`SERVER`] need a pull Secret in the Pod's namespace, named in the Pod's `imagePullSecrets`, with a login for
//! that server. Images of [`PUBLIC`] need none. Images of any other server fail.

use std::time::Duration;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use e2e::scenario::SERVER;
use futures::StreamExt as _;
use k8s_openapi::api::core::v1::{Node, Pod, Secret};
use kube::api::{DeleteParams, ListParams, Patch, PatchParams, PostParams};
use kube::{Api, Client, ResourceExt as _};
use serde_json::{Value, json};
use tokio::task::JoinHandle;

/// The server of images that every node can pull.
pub(crate) const PUBLIC: &str = "public.example.com";
/// The label of Pods whose first container waits for this reason, with any image.
pub(crate) const STUCK: &str = "stuck";

/// The number of nodes.
pub(crate) const NODES: usize = 5;

/// Time between two looks at all Pods.
const PAUSE: Duration = Duration::from_millis(200);
/// Pods that are handled at a time.
const AT_ONCE: usize = 16;

/// The kubelets. Dropping them leaves all Pods as they are.
pub(crate) struct Kubelets(JoinHandle<()>);

impl Kubelets {
    /// Creates the nodes, and starts to handle the Pods of the cluster.
    pub(crate) async fn start(client: &Client) -> Self {
        let nodes: Api<Node> = Api::all(client.clone());
        for number in 0..NODES {
            let made: Node = serde_json::from_value(json!({"metadata": {"name": node(number)}})).unwrap();
            nodes.create(&PostParams::default(), &made).await.unwrap();
            // A new node has the taint of one that is not ready, which keeps the Pods of a DaemonSet away.
            let ready = Patch::Merge(json!({"spec": {"taints": null}}));
            nodes
                .patch(&node(number), &PatchParams::default(), &ready)
                .await
                .unwrap();
        }
        let client = client.clone();
        Self(tokio::spawn(async move {
            loop {
                let pods: Api<Pod> = Api::all(client.clone());
                if let Ok(all) = pods.list(&ListParams::default()).await {
                    let handled = futures::stream::iter(all).map(|pod| handle(&client, pod));
                    handled.buffer_unordered(AT_ONCE).collect::<Vec<()>>().await;
                }
                tokio::time::sleep(PAUSE).await;
            }
        }))
    }
}

impl Drop for Kubelets {
    fn drop(&mut self) {
        self.0.abort();
    }
}

fn node(number: usize) -> String {
    format!("far-{number}")
}

/// Does the next thing for a Pod. What fails is tried again at the next look.
async fn handle(client: &Client, pod: Pod) {
    let _ = try_to_handle(client, &pod).await;
}

async fn try_to_handle(client: &Client, pod: &Pod) -> Result<(), kube::Error> {
    let (name, namespace) = (pod.name_any(), pod.namespace().unwrap_or_default());
    let pods: Api<Pod> = Api::namespaced(client.clone(), &namespace);
    let status = pod.status.as_ref();
    let phase = status.and_then(|status| status.phase.clone()).unwrap_or_default();
    if pod.metadata.deletion_timestamp.is_some() {
        // As a kubelet does since 1.27: a Pod that ends before its containers ran has failed.
        if phase == "Pending" {
            let failed = Patch::Merge(json!({"status": {"phase": "Failed"}}));
            pods.patch_status(&name, &PatchParams::default(), &failed).await?;
        }
        pods.delete(&name, &DeleteParams::default().grace_period(0)).await?;
        return Ok(());
    }
    let spec = pod.spec.as_ref().expect("a Pod has a spec");
    if spec.node_name.is_none() {
        return bind(client, &namespace, &name, &wanted_node(pod)).await;
    }
    if phase == "Failed" || phase == "Succeeded" {
        return Ok(());
    }
    let present = serde_json::to_value(status).unwrap_or_default();
    // The first attempt fails with one reason, later ones with the other.
    let failed = if present["containerStatuses"].is_null() {
        "ErrImagePull"
    } else {
        "ImagePullBackOff"
    };
    let wanted = wanted_status(client, &namespace, pod, failed).await;
    if present["phase"] == wanted["phase"] && reasons(&present) == reasons(&wanted) {
        return Ok(());
    }
    let patch = Patch::Merge(json!({ "status": wanted }));
    pods.patch_status(&name, &PatchParams::default(), &patch).await?;
    Ok(())
}

/// Returns why each container waits, with a null for one that runs; nothing before the first report.
fn reasons(status: &Value) -> Vec<Value> {
    let containers = status["containerStatuses"].as_array().into_iter().flatten();
    containers
        .map(|container| container["state"]["waiting"]["reason"].clone())
        .collect()
}

/// Returns the node that a `DaemonSet` asks for, else the first one.
fn wanted_node(pod: &Pod) -> String {
    let spec = serde_json::to_value(&pod.spec).unwrap_or_default();
    let path = "/affinity/nodeAffinity/requiredDuringSchedulingIgnoredDuringExecution/nodeSelectorTerms/0/matchFields/0/values/0";
    let asked = spec.pointer(path).and_then(Value::as_str);
    asked.map_or_else(|| node(0), ToOwned::to_owned)
}

async fn bind(client: &Client, namespace: &str, name: &str, node: &str) -> Result<(), kube::Error> {
    let body = json!({
        "apiVersion": "v1", "kind": "Binding", "metadata": {"name": name},
        "target": {"apiVersion": "v1", "kind": "Node", "name": node},
    });
    let path = format!("/api/v1/namespaces/{namespace}/pods/{name}/binding");
    let request = http::Request::post(path).header("content-type", "application/json");
    client
        .request_text(request.body(body.to_string().into_bytes()).unwrap())
        .await?;
    Ok(())
}

/// Returns the status that the Pod should have. `failed` is the reason of a container that cannot pull its image.
async fn wanted_status(client: &Client, namespace: &str, pod: &Pod, failed: &str) -> Value {
    let spec = pod.spec.as_ref().expect("a Pod has a spec");
    let stuck = pod.labels().get(STUCK);
    let mut containers = Vec::new();
    let mut runs = true;
    for (at, container) in spec.containers.iter().enumerate() {
        let image = container.image.clone().unwrap_or_default();
        let waits = match stuck {
            Some(reason) if at == 0 => Some(reason.clone()),
            _ if can_pull(client, namespace, pod, &image).await => None,
            _ => Some(failed.to_owned()),
        };
        runs &= waits.is_none();
        let state = waits.map_or_else(
            || json!({"running": {}}),
            |reason| json!({"waiting": {"reason": reason, "message": "this machine pulls no image"}}),
        );
        containers.push(json!({
            "name": container.name, "image": image, "imageID": "", "ready": state.get("running").is_some(),
            "restartCount": 0, "state": state,
        }));
    }
    let ready = json!({"type": "Ready", "status": if runs { "True" } else { "False" }});
    json!({
        "phase": if runs { "Running" } else { "Pending" },
        "conditions": [ready],
        "containerStatuses": containers,
    })
}

async fn can_pull(client: &Client, namespace: &str, pod: &Pod, image: &str) -> bool {
    let server = image.split('/').next().unwrap_or_default();
    if server != SERVER {
        return server == PUBLIC;
    }
    let secrets: Api<Secret> = Api::namespaced(client.clone(), namespace);
    let listed = pod
        .spec
        .iter()
        .flat_map(|spec| spec.image_pull_secrets.iter().flatten());
    for reference in listed {
        let Ok(Some(secret)) = secrets.get_opt(&reference.name).await else {
            continue;
        };
        let data = secret.data.unwrap_or_default();
        let config: Option<Value> = data
            .get(".dockerconfigjson")
            .and_then(|bytes| serde_json::from_slice(&bytes.0).ok());
        let auth = config.and_then(|config| Some(config["auths"][SERVER]["auth"].as_str()?.to_owned()));
        if auth.is_some_and(|auth| STANDARD.decode(auth).is_ok_and(|pair| pair.contains(&b':'))) {
            return true;
        }
    }
    false
}
