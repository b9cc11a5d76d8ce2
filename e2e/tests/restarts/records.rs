//! The operator's entries whose record was removed while no operator ran.

use e2e::oracle::ATTACHED;
use e2e::scenario::{SOON, Scenario};
use e2e::wait::eventually;
use k8s_openapi::api::core::v1::ServiceAccount;
use kube::api::PostParams;
use kube::{Api, ResourceExt};
use serde_json::json;

/// The test replaces the whole account, as `kubectl replace` does: the list and its field manager stay. The account was
/// created with a label, because the server tracks no manager for one without any field.
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

    scenario.stop_operator().await;
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
