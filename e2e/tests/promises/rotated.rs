//! The source changes: every copy is updated in place.

use e2e::audit::Record;
use e2e::scene::Scene;

#[tokio::test]
async fn a_new_password_is_one_update_of_each_copy_and_no_write_to_an_account() {
    let scene = Scene::shared("rotated").await;
    scene.set_up(&["a", "b", "c"], &scene.login("first")).await;
    scene.says("Ready", "True", "Synced").await;
    let before = scene.uids().await;
    let mark = scene.mark().await;

    let second = scene.login("second");
    scene.source(&second).await;

    scene
        .holds(
            "each copy has the new login",
            &scene.expected(&["a", "b", "c"], &second),
        )
        .await;
    assert_eq!(scene.uids().await, before, "updated in place");
    let writes = scene.writes_since(mark).await;
    let told: Vec<String> = writes
        .iter()
        .filter(|record| !record.namespace.is_empty())
        .map(Record::summary)
        .collect();
    assert_eq!(told.len(), 3, "{told:#?}");
    assert!(
        told.iter()
            .all(|write| write.starts_with("patch secrets ") && write.ends_with(" 200")),
        "{told:#?}"
    );
}
