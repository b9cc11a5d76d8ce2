//! Namespaces and accounts come and go; what they get follows.

use e2e::oracle;
use e2e::scene::{LABEL, SOON, Scene};
use e2e::wait::eventually;
use serde_json::json;

#[tokio::test]
async fn a_namespace_labelled_into_the_selection_is_served_and_labelled_out_again_is_cleared() {
    let scene = Scene::shared("labelled").await;
    let login = scene.login("first");
    scene.unselected_namespaces(&["b"]).await;
    scene.set_up(&["a"], &login).await;
    let foreign = scene.foreign(&["a", "b"]).await;

    scene
        .kubectl(&["label", "namespace", "labelled-b", &format!("{LABEL}=labelled")])
        .await;
    scene
        .holds("the labelled one is served", &scene.expected(&["a", "b"], &login))
        .await;

    scene
        .kubectl(&["label", "namespace", "labelled-b", &format!("{LABEL}-")])
        .await;
    scene
        .holds("the one labelled out is cleared", &scene.expected(&["a"], &login))
        .await;
    foreign.check_unchanged(scene.client()).await.unwrap();
}

#[tokio::test]
async fn system_namespaces_are_no_part_of_everything() {
    let scene = Scene::shared("everything").await;
    let login = scene.login("first");
    scene.namespaces(&["a"]).await;
    scene.source(&login).await;
    let mut object = scene.object();
    object["spec"]["namespaces"] = json!({"selectors": [{}], "names": ["*"]});
    // Everything of everybody: whatever the other scenarios do meanwhile, their accounts are left alone.
    object["spec"]["serviceAccounts"] = json!({"mode": "None"});
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
