//! Kustomizations of the reader's own, and the installation with fewer rights: the API server accepts all of it, and it
//! means what the page says.

use std::path::Path;

use e2e::cluster::{Cluster, Options};
use e2e::kubectl::Kubectl;
use serde_json::Value;

use crate::readme::blocks::{block, run};
use crate::readme::newcomer::folder;

async fn stored(kubectl: &Kubectl, kind: &str, name: &str) -> Value {
    let arguments = ["get", kind, name, "-n", "pullsecrets-system", "-o", "json"];
    serde_json::from_str(&kubectl.run(&arguments, "").await.unwrap()).unwrap()
}

/// Applies a kustomization of the reader's own, beside `config`.
async fn apply(kubectl: &Kubectl, folder: &Path, kustomization: &str) {
    let mine = folder.join("mine");
    std::fs::create_dir_all(&mine).unwrap();
    std::fs::write(mine.join("kustomization.yaml"), kustomization).unwrap();
    let mine = mine.display().to_string();
    kubectl.run(&["apply", "-k", &mine], "").await.unwrap();
}

#[tokio::test]
async fn overlays_of_the_readme_can_be_applied() {
    let cluster = Cluster::start(Options::default()).await.unwrap();
    let (kubectl, folder) = (cluster.kubectl(), folder());

    run(&kubectl, folder.path(), "named").await;
    let rules = stored(&kubectl, "clusterrole", "pullsecrets").await["rules"].to_string();
    assert!(rules.contains("resourceNames"), "{rules}");

    apply(&kubectl, folder.path(), &block("recovery-overlay")).await;
    let deployment = stored(&kubectl, "deployment", "pullsecrets").await.to_string();
    assert!(deployment.contains("PULLSECRETS_RECOVER_PODS"), "{deployment}");
    stored(&kubectl, "clusterrole", "pullsecrets-recovery").await;

    let mutators = block("mutators-overlay");
    let list = mutators
        .split(['[', ']'])
        .find(|part| part.contains("cost-center"))
        .unwrap();
    let overlay = format!("resources: [../config/default]\n{mutators}");
    apply(&kubectl, folder.path(), &overlay).await;
    for kind in ["secrets", "serviceaccounts", "objects"] {
        let policy = format!("pullsecrets-operator-{kind}");
        let policy = stored(&kubectl, "validatingadmissionpolicy", &policy).await;
        let keys = &policy["spec"]["variables"][0];
        assert_eq!(keys["name"], "allowedKeys");
        assert_eq!(keys["expression"], format!("[{list}]"));
    }

    std::fs::write(folder.join("company.yaml"), block("example")).unwrap();
    let company = folder.join("company.yaml").display().to_string();
    kubectl.run(&["apply", "-f", &company], "").await.unwrap();
    run(&kubectl, folder.path(), "hand-over").await;
    let object = stored(&kubectl, "clusterpullsecret", "company").await;
    let named = &object["metadata"]["annotations"]["pullsecrets.dev/installation"];
    assert_eq!(named, "other-system/pullsecrets");
}
