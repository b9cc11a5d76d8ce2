//! What `everything` leaves out.

use e2e::oracle;
use e2e::scene::{SOON, Scene};
use e2e::wait::eventually;
use serde_json::json;

#[tokio::test]
async fn system_namespaces_are_no_part_of_everything() {
    let scene = Scene::own("everything").await;
    let login = scene.login("first");
    scene.namespaces(&["a"]).await;
    scene.source(&login).await;
    let mut object = scene.object();
    object["spec"]["namespaces"] = json!({"selectors": [{}], "names": ["*"]});
    scene.apply(&object).await;
    eventually("all but the system's namespaces have a copy", SOON, async || {
        let holders = oracle::uids(scene.client(), "everything").await?;
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
    scene.kubectl(&["delete", "cps", "everything"]).await;
    scene.gone("every copy goes").await;
}
