//! Events: what a person sees under `kubectl describe`.

use e2e::scene::{LABEL, SOON, Scene};
use e2e::wait::eventually;

#[tokio::test]
async fn each_change_of_state_is_one_event_that_describe_shows_however_many_namespaces_it_is_about() {
    let scene = Scene::shared("told").await;
    let login = scene.login("first");
    scene.namespaces(&["a", "b", "c", "d"]).await;
    scene.source(&login).await;
    scene.apply(&scene.object()).await;
    scene.says("Ready", "True", "Synced").await;
    events_are(&scene, &["Normal Synced"]).await;

    scene.unselected_namespaces(&["e", "f", "g"]).await;
    let squatted = scene.in_scene(&["e", "f", "g"]);
    let label = format!("{LABEL}={}", scene.name());
    for namespace in &squatted {
        let theirs = [
            "create",
            "secret",
            "generic",
            scene.name(),
            "-n",
            namespace,
            "--from-literal=theirs=kept",
        ];
        scene.kubectl(&theirs).await;
        scene.kubectl(&["label", "namespace", namespace, &label]).await;
    }
    eventually("all three are counted", SOON, async || {
        let failed = scene.current().await["status"]["namespaces"]["failed"].clone();
        if failed == 3 { Ok(()) } else { Err(failed.to_string()) }
    })
    .await;
    events_are(&scene, &["Normal Synced", "Warning NamespacesFailed"]).await;
    let described = scene.kubectl(&["describe", "cps", scene.name()]).await;
    let events = described.split("Events:").nth(1).unwrap_or_default();
    assert!(
        events.contains("NamespacesFailed") && events.contains("pullsecrets.dev"),
        "{described}"
    );

    let all: Vec<&str> = squatted.iter().map(String::as_str).collect();
    let delete = ["delete", "namespace", "--wait=false"];
    scene.kubectl(&[&delete[..], &all].concat()).await;
    scene.says("Ready", "True", "Synced").await;
    let again = ["Normal Synced", "Normal Synced", "Warning NamespacesFailed"];
    events_are(&scene, &again).await;
}

/// Types and reasons, sorted; one that is repeated counts as often as it was told.
async fn events_are(scene: &Scene, expected: &[&str]) {
    let about = format!("regarding.name={}", scene.name());
    let columns = r#"jsonpath={range .items[*]}{.type} {.reason} {.series.count}{"\n"}{end}"#;
    let get = [
        "get",
        "events.events.k8s.io",
        "-n",
        "default",
        "--field-selector",
        &about,
        "-o",
        columns,
    ];
    eventually("the events are those of the changes", SOON, async || {
        let mut seen: Vec<String> = Vec::new();
        for line in scene.kubectl(&get).await.lines() {
            let (what, count) = line.rsplit_once(' ').unwrap_or((line, ""));
            let times = count.parse().unwrap_or(1);
            seen.extend(std::iter::repeat_n(what.trim().to_owned(), times));
        }
        seen.sort();
        if seen == expected {
            Ok(())
        } else {
            Err(format!("{seen:?}"))
        }
    })
    .await;
}

#[tokio::test]
async fn events_that_cannot_be_published_hold_nothing_up() {
    let scene = Scene::own("untold").await;
    let login = scene.login("first");
    let rules = scene
        .kubectl(&["get", "clusterrole", "pullsecrets", "-o", "json"])
        .await;
    let mut role: serde_json::Value = serde_json::from_str(&rules).unwrap();
    let kept = role["rules"].as_array().unwrap().iter();
    role["rules"] = kept.filter(|rule| rule["resources"][0] != "events").cloned().collect();
    let metadata = role["metadata"].as_object_mut().unwrap();
    metadata.retain(|key, _| key == "name" || key == "labels");
    scene.kubectl(&["delete", "clusterrole", "pullsecrets"]).await;
    scene.apply(&role).await;

    scene.set_up(&["a"], &login).await;
    scene.says("Ready", "True", "Synced").await;
    events_are(&scene, &[]).await;
    scene.kubectl(&["delete", "cps", "untold"]).await;
    scene.gone("nothing is left").await;
}
