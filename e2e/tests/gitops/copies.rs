//! Copies belong to their object, and to no tool: not even where source and object belong to one.

use e2e::SYSTEM_NAMESPACE;
use e2e::oracle::Login;
use e2e::scene::Scene;
use k8s_openapi::api::core::v1::ServiceAccount;
use kube::Api;
use serde_json::{Value, json};

/// What tools mark their objects with.
fn marks(kind: &str) -> (Value, Value) {
    let labels = json!({
        "app.kubernetes.io/instance": "platform",
        "argocd.argoproj.io/instance": "platform",
        "kustomize.toolkit.fluxcd.io/name": "platform",
        "kustomize.toolkit.fluxcd.io/namespace": "flux-system",
        "helm.toolkit.fluxcd.io/name": "platform",
        "example.com/of-the-team": "platform",
    });
    let annotations = json!({
        "argocd.argoproj.io/tracking-id": format!("platform:{kind}:{SYSTEM_NAMESPACE}/tracked"),
        "argocd.argoproj.io/sync-wave": "1",
        "kustomize.toolkit.fluxcd.io/checksum": "0",
        "meta.helm.sh/release-name": "platform",
        "example.com/of-the-team": "platform",
    });
    (labels, annotations)
}

#[tokio::test]
async fn a_copy_carries_no_mark_of_a_tool_that_deploys_its_object_or_its_source() {
    let scene = Scene::shared("tracked").await;
    let login = Login::new("robot", "first");
    scene.namespaces(&["a"]).await;
    let (labels, annotations) = marks("/Secret");
    let Login { username, password } = &login;
    scene
        .apply(&json!({
            "apiVersion": "v1", "kind": "Secret", "type": "kubernetes.io/basic-auth",
            "metadata": {
                "name": "tracked", "namespace": SYSTEM_NAMESPACE, "labels": labels, "annotations": annotations,
            },
            "stringData": {"username": username, "password": password},
        }))
        .await;
    let mut object = scene.object();
    let (labels, annotations) = marks("pullsecrets.dev/ClusterPullSecret");
    object["metadata"]["labels"] = labels;
    object["metadata"]["annotations"] = annotations;
    scene.apply(&object).await;
    scene
        .holds("the object is carried out", &scene.expected(&["a"], &login))
        .await;

    let copy = read(&scene, &["get", "secret", "tracked", "-n", "tracked-a"]).await;
    assert_eq!(copy["metadata"]["annotations"], Value::Null);
    let ours = json!({
        "app.kubernetes.io/managed-by": "pullsecrets", "pullsecrets.dev/cluster-pull-secret": "tracked",
    });
    assert_eq!(copy["metadata"]["labels"], ours);
    // With an owner, Argo CD never takes it for something of its own to prune, whatever labels it goes by.
    assert_eq!(copy["metadata"]["ownerReferences"][0]["kind"], "ClusterPullSecret");
}

#[tokio::test]
async fn on_an_account_the_operator_owns_just_what_argo_cd_is_told_to_ignore() {
    let scene = Scene::shared("owned").await;
    scene.set_up(&["a"], &Login::new("robot", "first")).await;
    let accounts: Api<ServiceAccount> = Api::namespaced(scene.client().clone(), "owned-a");
    let account = serde_json::to_value(accounts.get("default").await.unwrap()).unwrap();
    let entries = account["metadata"]["managedFields"]
        .as_array()
        .cloned()
        .unwrap_or_default();
    let owned: Vec<&Value> = entries
        .iter()
        .filter(|entry| entry["manager"] == "pullsecrets")
        .collect();
    assert_eq!(owned.len(), 1, "{entries:?}");
    let annotation = json!({"f:annotations": {".": {}, "f:pullsecrets.dev/attached": {}}});
    assert_eq!(
        owned[0]["fieldsV1"],
        json!({"f:imagePullSecrets": {}, "f:metadata": annotation})
    );
}

async fn read(scene: &Scene, get: &[&str]) -> Value {
    let arguments: Vec<&str> = get.iter().copied().chain(["-o", "json"]).collect();
    serde_json::from_str(&scene.kubectl(&arguments).await).unwrap()
}
