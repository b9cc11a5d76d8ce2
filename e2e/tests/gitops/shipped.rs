//! The shipped configuration of Argo CD can be applied to it.

use e2e::scenario::Scenario;
use serde_json::Value;

/// The component adds its keys to `argocd-cm` and leaves the others.
#[tokio::test]
async fn component_adds_its_keys_to_argocd_cm() {
    let scenario = Scenario::shared("shipped").await;
    let folder = scenario.cluster().folder().join("argo-cd");
    std::fs::create_dir_all(folder.join("component")).unwrap();
    for file in ["kustomization.yaml", "health.yaml", "service-accounts.yaml"] {
        let shipped = e2e::workspace().join("config/argocd").join(file);
        std::fs::copy(shipped, folder.join("component").join(file)).unwrap();
    }
    let theirs =
        "{apiVersion: v1, kind: ConfigMap, metadata: {name: argocd-cm, namespace: argocd}, data: {url: theirs}}";
    std::fs::write(folder.join("argocd-cm.yaml"), theirs).unwrap();
    let kustomization = "resources: [argocd-cm.yaml]\ncomponents: [component]\n";
    std::fs::write(folder.join("kustomization.yaml"), kustomization).unwrap();

    let built = scenario.kubectl(&["kustomize", folder.to_str().unwrap()]).await;
    let kubectl = scenario.cluster().kubectl();
    let create = [
        "create",
        "--dry-run=client",
        "--validate=false",
        "-o",
        "json",
        "-f",
        "-",
    ];
    let config: Value = serde_json::from_str(&kubectl.run(&create, &built).await.unwrap()).unwrap();
    let keys: Vec<&String> = config["data"].as_object().unwrap().keys().collect();
    let expected = [
        "resource.customizations.health.pullsecrets.dev_ClusterPullSecret",
        "resource.customizations.ignoreDifferences.ServiceAccount",
        "url",
    ];
    assert_eq!(keys, expected);
    assert_eq!(config["metadata"]["namespace"], "argocd");
}
