//! Namespaces that a selection of all leaves out.

use e2e::oracle;
use e2e::scenario::{SOON, Scenario};
use e2e::wait::eventually;
use serde_json::json;

#[tokio::test]
async fn system_namespaces_are_no_part_of_everything() {
    let scenario = Scenario::own("everything").await;
    let login = scenario.login("first");
    scenario.namespaces(&["a"]).await;
    scenario.source(&login).await;
    let mut object = scenario.object();
    object["spec"]["namespaces"] = json!({"selectors": [{}], "names": ["*"]});
    scenario.apply(&object).await;
    eventually("all but the system's namespaces have a copy", SOON, async || {
        let holders = oracle::uids(scenario.client(), "everything").await?;
        let wrong = ["kube-system", "kube-public", "kube-node-lease", e2e::SYSTEM_NAMESPACE];
        if let Some(namespace) = wrong.into_iter().find(|name| holders.contains_key(*name)) {
            return Err(format!("{namespace} has one too"));
        }
        match ["default", "everything-a"]
            .into_iter()
            .find(|name| !holders.contains_key(*name))
        {
            Some(namespace) => Err(format!("{namespace} has none")),
            None => Ok(()),
        }
    })
    .await;
    scenario.kubectl(&["delete", "cps", "everything"]).await;
    scenario.gone("every copy goes").await;
}
