//! Copies belong to their object, and to no tool, even if source and object belong to one.

use e2e::SYSTEM_NAMESPACE;
use e2e::oracle::Login;
use e2e::scenario::{LABEL, Scenario};
use serde_json::{Value, json};

/// Returns the marks of tools on their objects.
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

/// A copy carries no mark of a tool that deploys its object or its source.
#[tokio::test]
async fn copies_carry_no_mark_of_deploying_tools() {
    let scenario = Scenario::shared("tracked").await;
    let login = Login::new("robot", "first");
    scenario.namespaces(&["a"]).await;
    let (labels, annotations) = marks("/Secret");
    let Login { username, password } = &login;
    scenario
        .apply(&json!({
            "apiVersion": "v1", "kind": "Secret", "type": "kubernetes.io/basic-auth",
            "metadata": {
                "name": scenario.name(), "namespace": SYSTEM_NAMESPACE, "labels": labels, "annotations": annotations,
            },
            "stringData": {"username": username, "password": password},
        }))
        .await;
    let mut object = scenario.object();
    let (labels, annotations) = marks("pullsecrets.dev/ClusterPullSecret");
    object["metadata"]["labels"] = labels;
    object["metadata"]["annotations"] = annotations;
    scenario.apply(&object).await;
    scenario
        .holds("the object is carried out", &scenario.expected(&["a"], &login))
        .await;

    let namespace = format!("{}-a", scenario.name());
    let copy = read(&scenario, &["get", "secret", scenario.name(), "-n", &namespace]).await;
    assert_eq!(copy["metadata"]["annotations"], Value::Null);
    let ours = json!({
        "app.kubernetes.io/managed-by": "pullsecrets", "pullsecrets.dev/cluster-pull-secret": scenario.name(),
    });
    assert_eq!(copy["metadata"]["labels"], ours);
    // Argo CD never prunes an object with an owner, independent of its labels.
    assert_eq!(copy["metadata"]["ownerReferences"][0]["kind"], "ClusterPullSecret");
}

/// On an account the operator changes only what Argo CD is configured to ignore.
#[tokio::test]
async fn account_changes_are_what_argo_cd_ignores() {
    let scenario = Scenario::shared("pointed").await;
    scenario.unselected_namespaces(&["a"]).await;
    let namespace = format!("{}-a", scenario.name());
    let get = ["get", "serviceaccount", "default", "-n", &namespace];
    let before = read(&scenario, &get).await;
    scenario
        .kubectl(&[
            "label",
            "namespace",
            &namespace,
            &format!("{LABEL}={}", scenario.name()),
        ])
        .await;
    let login = Login::new("robot", "first");
    scenario.source(&login).await;
    scenario.apply(&scenario.object()).await;
    scenario
        .holds("the object is carried out", &scenario.expected(&["a"], &login))
        .await;

    let after = read(&scenario, &get).await;
    assert_ne!(compared(&before, &[]), compared(&after, &[]));
    let ignored = ignored();
    assert_eq!(ignored.len(), 2, "{ignored:?}");
    assert_eq!(compared(&before, &ignored), compared(&after, &ignored));
}

/// Returns the JSON pointers of `config/argocd/service-accounts.yaml`.
fn ignored() -> Vec<String> {
    let text = std::fs::read_to_string(e2e::workspace().join("config/argocd/service-accounts.yaml")).unwrap();
    let pointers = text.lines().filter_map(|line| line.trim().strip_prefix("- "));
    pointers.map(str::to_owned).collect()
}

/// Returns the account as Argo CD compares it with Git: without ignored fields, and without those that Git never
/// states.
fn compared(account: &Value, ignored: &[String]) -> Value {
    let mut account = account.clone();
    let never = ["/metadata/resourceVersion".to_owned()];
    for pointer in ignored.iter().chain(&never) {
        let (parent, field) = pointer.rsplit_once('/').unwrap();
        if let Some(fields) = account.pointer_mut(parent).and_then(Value::as_object_mut) {
            fields.remove(&field.replace("~1", "/"));
        }
    }
    // Git does not distinguish an empty map from a missing one.
    if account["metadata"]["annotations"] == json!({}) {
        account["metadata"].as_object_mut().unwrap().remove("annotations");
    }
    account
}

async fn read(scenario: &Scenario, get: &[&str]) -> Value {
    let arguments: Vec<&str> = get.iter().copied().chain(["-o", "json"]).collect();
    serde_json::from_str(&scenario.kubectl(&arguments).await).unwrap()
}
