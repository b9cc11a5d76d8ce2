//! The operator is down while things change, and ends in the same state afterwards.

use e2e::oracle::LABEL;
use e2e::scene::{self, Scene};

#[tokio::test]
async fn whatever_changes_while_it_is_down_has_the_same_effect_once_it_is_up() {
    let new_object = Scene::own("down-created").await;
    let first = new_object.login("first");
    let second = new_object.login("second");
    let scene = async |name| {
        let scene = new_object.beside(name).await;
        scene.set_up(&["a", "b"], &first).await;
        scene
    };
    let new_namespace = scene("down-namespace").await;
    let rotated = scene("down-rotated").await;
    let edited = scene("down-edited").await;
    let stripped = scene("down-stripped").await;
    let removed = scene("down-removed").await;
    let unreferenced = scene("down-unreferenced").await;
    let labelled_out = scene("down-labelled-out").await;
    let deleted = scene("down-deleted").await;
    let crashes = scene("down-crashes").await;
    let uids = [&rotated, &edited, &stripped].map(Scene::uids);
    let uids = futures::future::join_all(uids).await;

    new_object.kill_operator();

    new_object.namespaces(&["a", "b"]).await;
    new_object.source(&first).await;
    new_object.apply(&new_object.object()).await;
    new_namespace.namespaces(&["c"]).await;
    rotated.source(&second).await;
    let edit = r#"{"data":{".dockerconfigjson":"eyJhdXRocyI6e319"}}"#; // {"auths":{}}
    edited
        .kubectl(&["patch", "secret", "down-edited", "-n", "down-edited-a", "-p", edit])
        .await;
    let strip = format!("{LABEL}-");
    stripped
        .kubectl(&["label", "secret", "down-stripped", "-n", "down-stripped-a", &strip])
        .await;
    removed
        .kubectl(&["delete", "secret", "down-removed", "-n", "down-removed-a"])
        .await;
    let replace = r#"{"imagePullSecrets":[{"name":"theirs"}]}"#;
    let account = [
        "patch",
        "serviceaccount",
        "default",
        "-n",
        "down-unreferenced-a",
        "--type=merge",
        "-p",
        replace,
    ];
    unreferenced.kubectl(&account).await;
    let out = format!("{}-", scene::LABEL);
    labelled_out
        .kubectl(&["label", "namespace", "down-labelled-out-b", &out])
        .await;
    deleted
        .kubectl(&["delete", "cps", "down-deleted", "--wait=false"])
        .await;

    new_object.start_operator().await;

    let both = ["a", "b"];
    new_object
        .holds("an object created", &new_object.expected(&both, &first))
        .await;
    let three = new_namespace.expected(&["a", "b", "c"], &first);
    new_namespace.holds("a namespace created", &three).await;
    rotated
        .holds("a source rotated", &rotated.expected(&both, &second))
        .await;
    edited.holds("a copy edited", &edited.expected(&both, &first)).await;
    stripped
        .holds("a label stripped", &stripped.expected(&both, &first))
        .await;
    removed.holds("a copy deleted", &removed.expected(&both, &first)).await;
    unreferenced
        .holds("an entry removed", &unreferenced.expected(&both, &first))
        .await;
    labelled_out
        .holds("a namespace labelled out", &labelled_out.expected(&["a"], &first))
        .await;
    deleted.gone("an object deleted").await;
    crashes.holds("nothing at all", &crashes.expected(&both, &first)).await;
    let after = futures::future::join_all([&rotated, &edited, &stripped].map(Scene::uids)).await;
    assert_eq!(after, uids, "what was there is updated in place");
}
