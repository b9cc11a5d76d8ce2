//! A source namespace that the operator could read, and may not read any more.

use e2e::cluster::Cluster;
use e2e::faults::plan::{Fault, Trigger};
use e2e::faults::proxy::Proxy;
use e2e::operator::{Operator, Options};
use e2e::oracle::Login;
use e2e::scene::{SOON, Scene};
use e2e::wait::eventually;
use e2e::{OPERATOR_ACCOUNT, OPERATOR_USER, SYSTEM_NAMESPACE};
use serde_json::{Value, json};

const VAULT: &str = "vault";

/// The status names the namespace, the copies keep the last good login, and the right brings the new one.
#[tokio::test]
async fn a_source_namespace_that_becomes_unreadable_is_reported() {
    let name = "forbidden";
    let options = Options {
        flags: vec![format!("--source-namespaces={VAULT}")],
        ..Options::default()
    };
    let scene = Scene::own_named(name, &[name.to_owned()], options).await;
    scene.stop_operator();
    let (proxy, operator) = proxied(scene.cluster()).await;
    let (first, second) = (scene.login("first"), scene.login("second"));
    scene.namespaces(&["a"]).await;
    scene.apply(&source(name, &first)).await;
    let mut object = scene.object();
    let reference = &mut object["spec"]["registries"][0]["credentials"]["basicAuth"]["secretRef"];
    reference["namespace"] = json!(VAULT);
    scene.apply(&object).await;
    scene.says("Ready", "True", "Synced").await;

    let binding = ["get", "rolebinding", "-n", VAULT, "-o", "json"];
    let bindings: Value = serde_json::from_str(&scene.kubectl(&binding).await).unwrap();
    scene.kubectl(&["delete", "rolebinding", "--all", "-n", VAULT]).await;
    eventually("the server knows that the right is gone", SOON, async || {
        let ask = ["auth", "can-i", "list", "secrets", "-n", VAULT, "--as", OPERATOR_USER];
        let allowed = scene.cluster().kubectl().run(&ask, "").await.is_ok();
        (!allowed).then_some(()).ok_or_else(|| "it may list them".to_owned())
    })
    .await;
    // A right that goes ends no watch: what ends it is the next cut, or its own age.
    proxy.arm(Some((
        Trigger {
            what: format!("watch secrets MODIFIED {VAULT}/{name}"),
            occurrence: 1,
        },
        Fault::Cut,
    )));
    scene.apply(&source(name, &second)).await;
    let message = scene
        .says("CredentialsReady", "False", "SourceNamespaceNotAllowed")
        .await;
    assert!(message.contains(VAULT), "{message}");
    scene.says("Ready", "False", "CredentialsNotReady").await;
    scene
        .holds("the copy keeps the last good login", &scene.expected(&["a"], &first))
        .await;

    for binding in bindings["items"].as_array().unwrap() {
        let mut binding = binding.clone();
        binding["metadata"] = json!({"name": binding["metadata"]["name"], "namespace": VAULT});
        scene.apply(&binding).await;
    }
    scene
        .holds("the new login comes with the right", &scene.expected(&["a"], &second))
        .await;
    scene.says("Ready", "True", "Synced").await;
    operator.stop().unwrap();
}

async fn proxied(cluster: &Cluster) -> (Proxy, Operator) {
    let (anonymous, admin) = (cluster.anonymous().await.unwrap(), cluster.admin().await.unwrap());
    let proxy = Proxy::start(anonymous, admin).await.unwrap();
    let account = cluster
        .service_account_kubeconfig(SYSTEM_NAMESPACE, OPERATOR_ACCOUNT)
        .await
        .unwrap();
    let options = Options {
        flags: ["--managed-secret-names=forbidden", "--source-namespaces=vault"]
            .map(str::to_owned)
            .into(),
        ..Options::default()
    };
    let kubeconfig = proxy.kubeconfig(&account).unwrap();
    let operator = Operator::start_as(cluster, &options, &kubeconfig).await.unwrap();
    (proxy, operator)
}

fn source(name: &str, login: &Login) -> Value {
    json!({
        "apiVersion": "v1", "kind": "Secret", "type": "kubernetes.io/basic-auth",
        "metadata": {"name": name, "namespace": VAULT},
        "stringData": {"username": login.username, "password": login.password},
    })
}
