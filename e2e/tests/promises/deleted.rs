//! The object is deleted: nothing of it is left, and everything else is.

use e2e::scene::Scene;

#[tokio::test]
async fn in_the_background_nothing_is_left_and_foreign_entries_stay() {
    nothing_is_left_after("deleted-background", "background").await;
}

#[tokio::test]
async fn in_the_foreground_nothing_is_left_and_foreign_entries_stay() {
    nothing_is_left_after("deleted-foreground", "foreground").await;
}

#[tokio::test]
async fn with_orphans_asked_for_nothing_is_left_and_foreign_entries_stay() {
    nothing_is_left_after("deleted-orphan", "orphan").await;
}

async fn nothing_is_left_after(name: &'static str, cascade: &str) {
    let scene = Scene::shared(name).await;
    scene.set_up(&["a", "b"], &scene.login("first")).await;
    let namespace = format!("{name}-a");
    let around = format!(r#"{{"imagePullSecrets":[{{"name":"before"}},{{"name":"{name}"}},{{"name":"after"}}]}}"#);
    let patch = [
        "patch",
        "serviceaccount",
        "default",
        "-n",
        &namespace,
        "--type=merge",
        "-p",
        &around,
    ];
    scene.kubectl(&patch).await;
    scene
        .kubectl(&[
            "create",
            "secret",
            "generic",
            "theirs",
            "-n",
            &namespace,
            "--from-literal=k=v",
        ])
        .await;
    let foreign = scene.foreign(&["a", "b"]).await;

    scene
        .kubectl(&["delete", "cps", name, &format!("--cascade={cascade}")])
        .await;

    scene.gone("nothing of the object is left").await;
    foreign.check_unchanged(scene.client()).await.unwrap();
}
