//! Namespaces and accounts come and go; what they get follows.

use e2e::oracle;
use e2e::scene::{LABEL, SOON, Scene};
use e2e::wait::eventually;
use serde_json::json;

#[tokio::test]
async fn a_namespace_that_comes_later_is_served() {
    let scene = Scene::shared("later").await;
    let login = scene.login("first");
    scene.set_up(&["a"], &login).await;
    scene.namespaces(&["b"]).await;
    scene
        .holds("the new one is served", &scene.expected(&["a", "b"], &login))
        .await;
}

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
async fn whoever_carries_the_exclusion_label_is_left_out_even_afterwards() {
    let scene = Scene::shared("excluded").await;
    let login = scene.login("first");
    scene.set_up(&["a", "b"], &login).await;
    let exclude = "pullsecrets.dev/exclude=true";

    scene.kubectl(&["label", "namespace", "excluded-b", exclude]).await;
    scene
        .holds("the excluded namespace is cleared", &scene.expected(&["a"], &login))
        .await;

    scene
        .kubectl(&["label", "serviceaccount", "default", "-n", "excluded-a", exclude])
        .await;
    let mut expected = scene.expected(&["a"], &login);
    expected
        .holders
        .values_mut()
        .for_each(std::collections::BTreeSet::clear);
    scene.holds("the excluded account is cleared", &expected).await;
}

#[tokio::test]
async fn an_account_created_later_gets_its_reference_if_its_name_matches() {
    let scene = Scene::shared("accounts").await;
    let login = scene.login("first");
    scene.namespaces(&["a"]).await;
    scene.source(&login).await;
    let mut object = scene.object();
    object["spec"]["serviceAccounts"] = json!({"names": ["default", "build-*"]});
    scene.apply(&object).await;
    let mut expected = scene.expected(&["a"], &login);
    scene.holds("the default account is served", &expected).await;

    for account in ["build-1", "other"] {
        scene
            .kubectl(&["create", "serviceaccount", account, "-n", "accounts-a"])
            .await;
    }
    expected.holders.values_mut().for_each(|accounts| {
        accounts.insert("build-1".to_owned());
    });
    scene.holds("so is the new one, and no other", &expected).await;
}

#[tokio::test]
async fn a_changed_selection_is_carried_out_in_both_directions() {
    let scene = Scene::shared("reselected").await;
    let login = scene.login("first");
    scene.set_up(&["a", "b"], &login).await;
    scene.unselected_namespaces(&["ci-1"]).await;
    let mut object = scene.object();
    object["spec"]["namespaces"]["excluded"] = json!(["*-b"]);
    object["spec"]["namespaces"]["names"] = json!(["reselected-ci-*"]);
    scene.apply(&object).await;
    scene
        .holds("one goes, one comes", &scene.expected(&["a", "ci-1"], &login))
        .await;
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
