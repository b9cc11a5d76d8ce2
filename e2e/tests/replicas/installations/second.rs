//! The second installation, in its own namespace, and the first one behind a proxy.

use e2e::faults::proxy::Proxy;
use e2e::operator::{self, Operator};
use e2e::oracle::Login;
use e2e::scenario::Scenario;
use serde_json::{Value, json};

pub(super) const SECOND_NAMESPACE: &str = "second";

pub(super) const SECOND_USER: &str = "system:serviceaccount:second:pullsecrets";

pub(super) async fn source_in_second(scenario: &Scenario, login: &Login) {
    let Login { username, password } = login;
    scenario
        .apply(&json!({
            "apiVersion": "v1", "kind": "Secret", "type": "kubernetes.io/basic-auth",
            "metadata": {"name": scenario.name(), "namespace": SECOND_NAMESPACE},
            "stringData": {"username": username, "password": password},
        }))
        .await;
}

/// Creates the second installation: its account has the rights of `config/rbac`, in its own namespace.
pub(super) async fn install_second(scenario: &Scenario) {
    let group = "rbac.authorization.k8s.io";
    let metadata = json!({"name": "pullsecrets", "namespace": SECOND_NAMESPACE});
    let subjects = json!([{"kind": "ServiceAccount", "name": "pullsecrets", "namespace": SECOND_NAMESPACE}]);
    let bound = |kind: &str, role: &str, metadata: &Value| {
        json!({"apiVersion": format!("{group}/v1"), "kind": kind, "metadata": metadata, "subjects": subjects,
            "roleRef": {"apiGroup": group, "kind": role, "name": "pullsecrets"}})
    };
    let leases =
        json!([{"apiGroups": ["coordination.k8s.io"], "resources": ["leases"], "verbs": ["create", "get", "update"]}]);
    let all = json!({"apiVersion": "v1", "kind": "List", "items": [
        {"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": SECOND_NAMESPACE}},
        {"apiVersion": "v1", "kind": "ServiceAccount", "metadata": metadata},
        {"apiVersion": format!("{group}/v1"), "kind": "Role", "metadata": metadata, "rules": leases},
        bound("RoleBinding", "Role", &metadata),
        bound("ClusterRoleBinding", "ClusterRole", &json!({"name": "pullsecrets-second"})),
    ]});
    scenario.apply(&all).await;
}

pub(super) async fn start_second(scenario: &Scenario) -> Operator {
    let cluster = scenario.cluster();
    let kubeconfig = cluster
        .service_account_kubeconfig(SECOND_NAMESPACE, "pullsecrets")
        .await
        .unwrap();
    let options = operator::Options {
        pod: "second-0".to_owned(),
        namespace: SECOND_NAMESPACE.to_owned(),
        ..operator::Options::default()
    };
    Operator::start_as(cluster, &options, &kubeconfig).await.unwrap()
}

/// Removes the saved state of the second installation. It stays in its namespace until a person or the garbage collector
/// removes it.
pub(super) async fn remove_state_of_second(scenario: &Scenario) {
    let managed = "app.kubernetes.io/managed-by=pullsecrets";
    scenario
        .kubectl(&["delete", "secrets", "-n", SECOND_NAMESPACE, "-l", managed])
        .await;
}

/// Starts the first installation again, behind a proxy.
pub(super) async fn first_behind_proxy(scenario: &Scenario) -> (Proxy, Operator) {
    scenario.stop_operator().await;
    let cluster = scenario.cluster();
    let (proxy, kubeconfig) = Proxy::for_operator(cluster).await.unwrap();
    let options = operator::Options::default();
    let first = Operator::start_as(cluster, &options, &kubeconfig).await.unwrap();
    (proxy, first)
}
