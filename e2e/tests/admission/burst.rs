//! The moment between the creation of an account and its reference.

use std::collections::BTreeMap;

use e2e::oracle::Login;
use e2e::scenario::{LABEL, Scenario};
use e2e::wait::eventually;
use futures::{StreamExt, stream};
use k8s_openapi::api::core::v1::{Pod, ServiceAccount};
use kube::Api;
use kube::api::PostParams;
use serde_json::json;

use crate::admission::bare::{self, SOON};

const NAMESPACES: usize = 200;

/// Concurrent installations.
const AT_ONCE: usize = 8;

/// No Pod is admitted without the reference, even right after its account. Each installation creates a namespace with
/// labels, an account and a Pod in a row, as `helm install --create-namespace` does.
#[tokio::test]
async fn no_pod_is_admitted_without_the_reference() {
    let scenario = Scenario::own("burst").await;
    scenario.source(&Login::new("robot", "first")).await;
    let mut object = scenario.object();
    object["spec"]["serviceAccounts"] = json!({"names": ["builder"]});
    scenario.apply(&object).await;
    scenario.reaches("Ready", "True").await;

    let without = admitted_without_the_reference(&scenario, "without").await;
    println!("Pods admitted without the reference: {without} of {NAMESPACES} with the operator alone");

    in_force(&scenario).await;
    scenario.stop_operator().await;
    let with = admitted_without_the_reference(&scenario, "with").await;
    println!("Pods admitted without the reference: {with} of {NAMESPACES} with the policy alone");
    assert_eq!(with, 0);

    let mark = scenario.mark().await;
    scenario.start_operator().await;
    scenario.counts(2 * NAMESPACES).await;
    scenario.reaches("Ready", "True").await;
    let writes = scenario.writes_since(mark).await;
    let to_accounts = writes
        .iter()
        .filter(|write| write.resource == "serviceaccounts")
        .count();
    assert_eq!(to_accounts, 0, "the operator knows what the policy added as its own");
    scenario.kubectl(&["delete", "cps", "burst"]).await;
    scenario.gone("and takes it away").await;
}

/// Waits until the policy is in force, by a dry run.
async fn in_force(scenario: &Scenario) {
    let apply = ["apply", "-k", "config/admission/accounts"];
    scenario.kubectl(&apply).await;
    let labels = [(LABEL, "burst")];
    bare::namespace(scenario.client(), "burst-probe", &labels).await;
    let account = json!({"metadata": {"namespace": "burst-probe", "name": "builder"}});
    eventually("the policy is in force", SOON, async || {
        let made = bare::would_be(scenario.client(), &account).await?;
        let entries = bare::names(made.image_pull_secrets);
        entries
            .contains(&"burst".to_owned())
            .then_some(())
            .ok_or_else(|| format!("{entries:?}"))
    })
    .await;
    scenario.kubectl(&["delete", "namespace", "burst-probe"]).await;
}

async fn admitted_without_the_reference(scenario: &Scenario, prefix: &str) -> usize {
    let installed =
        stream::iter(0..NAMESPACES).map(|at| has_the_reference(scenario, format!("burst-{prefix}-{at:03}")));
    let without = installed
        .buffer_unordered(AT_ONCE)
        .filter(|has| std::future::ready(!has));
    without.count().await
}

async fn has_the_reference(scenario: &Scenario, namespace: String) -> bool {
    let (client, params) = (scenario.client(), PostParams::default());
    let labels = BTreeMap::from([(LABEL.to_owned(), "burst".to_owned())]);
    scenario.make_namespaces(vec![namespace.clone()], &labels).await;
    let account: ServiceAccount = serde_json::from_value(json!({"metadata": {"name": "builder"}})).unwrap();
    let accounts = Api::namespaced(client.clone(), &namespace);
    accounts.create(&params, &account).await.unwrap();
    let containers = json!([{"name": "a", "image": "registry.example.com/app"}]);
    let spec = json!({"serviceAccountName": "builder", "containers": containers});
    let pod: Pod = serde_json::from_value(json!({"metadata": {"name": "a"}, "spec": spec})).unwrap();
    let pods = Api::namespaced(client.clone(), &namespace);
    let admitted = pods.create(&params, &pod).await.unwrap();
    bare::names(admitted.spec.unwrap().image_pull_secrets).contains(&"burst".to_owned())
}
