//! What is ours although its record was taken away while no operator ran.

use e2e::oracle::ATTACHED;
use e2e::scenario::{SOON, Scenario};
use e2e::wait::eventually;
use k8s_openapi::api::core::v1::ServiceAccount;
use kube::api::PostParams;
use kube::{Api, ResourceExt};
use serde_json::json;

/// The whole account is replaced, as by `kubectl replace`: the list stays as it is, and so does its field manager. The
/// account was made with a label: of one that was made without any field the server tracks no manager.
#[tokio::test]
async fn a_record_lost_while_down_is_restored() {
    let scenario = Scenario::own("records").await;
    let login = scenario.login("first");
    scenario.namespaces(&["a"]).await;
    let namespace = &scenario.in_scenario(&["a"])[0];
    scenario
        .apply(&json!({"apiVersion": "v1", "kind": "ServiceAccount",
            "metadata": {"name": "build", "namespace": namespace, "labels": {"team": "a"}}}))
        .await;
    scenario.source(&login).await;
    let mut object = scenario.object();
    object["spec"]["serviceAccounts"] = json!({"names": ["build"]});
    scenario.apply(&object).await;
    scenario.says("Ready", "True", "Synced").await;

    scenario.stop_operator();
    let api: Api<ServiceAccount> = Api::namespaced(scenario.client().clone(), namespace);
    let mut account = api.get("build").await.unwrap();
    assert!(account.annotations_mut().remove(ATTACHED).is_some(), "{account:?}");
    account.metadata.managed_fields = None;
    api.replace("build", &PostParams::default(), &account).await.unwrap();
    scenario.start_operator().await;
    eventually("the record is restored", SOON, async || {
        let account = api.get("build").await.map_err(|error| error.to_string())?;
        let recorded = account.annotations().get(ATTACHED).map(String::as_str) == Some(scenario.name());
        recorded.then_some(()).ok_or_else(|| format!("{:?}", account.metadata))
    })
    .await;
}
