//! A source namespace that the operator could read, and may not read any more.

use e2e::OPERATOR_USER;
use e2e::cluster::Cluster;
use e2e::faults::plan::{Fault, Trigger};
use e2e::faults::proxy::Proxy;
use e2e::operator::{Operator, Options};
use e2e::oracle::Login;
use e2e::scenario::{SOON, Scenario};
use e2e::wait::{eventually, until};
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
    let scenario = Scenario::own_named(name, &[name.to_owned()], options).await;
    scenario.stop_operator().await;
    let (proxy, operator) = proxied(scenario.cluster()).await;
    let (first, second) = (scenario.login("first"), scenario.login("second"));
    scenario.namespaces(&["a"]).await;
    scenario.apply(&source(name, &first)).await;
    let mut object = scenario.object();
    let reference = &mut object["spec"]["registries"][0]["credentials"]["basicAuth"]["secretRef"];
    reference["namespace"] = json!(VAULT);
    scenario.apply(&object).await;
    scenario.says("Ready", "True", "Synced").await;

    let binding = ["get", "rolebinding", "-n", VAULT, "-o", "json"];
    let bindings: Value = serde_json::from_str(&scenario.kubectl(&binding).await).unwrap();
    scenario.kubectl(&["delete", "rolebinding", "--all", "-n", VAULT]).await;
    eventually("the server knows that the right is gone", SOON, async || {
        let ask = ["auth", "can-i", "list", "secrets", "-n", VAULT, "--as", OPERATOR_USER];
        let allowed = scenario.cluster().kubectl().run(&ask, "").await.is_ok();
        (!allowed).then_some(()).ok_or_else(|| "it may list them".to_owned())
    })
    .await;
    // The loss of a right ends no watch. The next cut, or the age of the watch, ends it.
    let message = cut_until_refused(&scenario, &proxy).await;
    assert!(message.contains(VAULT), "{message}");
    scenario.says("Ready", "False", "CredentialsNotReady").await;
    scenario.apply(&source(name, &second)).await;
    scenario
        .holds("the copy keeps the last good login", &scenario.expected(&["a"], &first))
        .await;

    for binding in bindings["items"].as_array().unwrap() {
        let mut binding = binding.clone();
        binding["metadata"] = json!({"name": binding["metadata"]["name"], "namespace": VAULT});
        scenario.apply(&binding).await;
    }
    scenario
        .holds(
            "the new login comes with the right",
            &scenario.expected(&["a"], &second),
        )
        .await;
    scenario.says("Ready", "True", "Synced").await;
    operator.stop().await.unwrap();
}

/// Cuts the watch at a touch of the source, again and again: the server may allow one more watch after it has answered that
/// the right is gone. Returns the message of the status.
async fn cut_until_refused(scenario: &Scenario, proxy: &Proxy) -> String {
    let name = scenario.name();
    let reason = "SourceNamespaceNotAllowed";
    for touch in 0.. {
        let trigger = Trigger {
            what: format!("watch secrets MODIFIED {VAULT}/{name}"),
            occurrence: 1,
        };
        proxy.arm(Some((trigger, Fault::Cut)));
        let touched = format!("example.com/touch={touch}");
        let annotate = ["annotate", "secret", name, "-n", VAULT, "--overwrite", &touched];
        scenario.kubectl(&annotate).await;
        let refused = until("the status says so", SOON / 3, async || {
            let condition = scenario.condition("CredentialsReady").await;
            condition
                .filter(|condition| condition.reason == reason)
                .ok_or_else(|| "it does not".to_owned())
        });
        match refused.await {
            Ok(condition) => return condition.message,
            Err(late) => assert!(touch < 5, "{late:#}"),
        }
    }
    unreachable!("the loop returns")
}

async fn proxied(cluster: &Cluster) -> (Proxy, Operator) {
    let (proxy, kubeconfig) = Proxy::for_operator(cluster).await.unwrap();
    let options = Options {
        flags: ["--managed-secret-names=forbidden", "--source-namespaces=vault"]
            .map(str::to_owned)
            .into(),
        ..Options::default()
    };
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
