//! The way of a Pod from its namespace to its first process.

use std::time::Instant;

use e2e::wait::eventually;
use serde_json::json;

use super::story::{PULL, REFUSED, SOON, Story, WRONG, only, unread};

/// Namespaces of the measurement.
const SAMPLES: usize = 50;

/// A namespace that has just been created runs a Pod with a private image. It takes one pull.
#[tokio::test]
#[cfg_attr(no_node, ignore = "needs a node")]
async fn new_namespace_runs_its_private_pod() {
    let story = Story::begin("fresh").await;
    let image = story.image("app").await;
    story.serve(&story.registry().await, &story.login).await;
    let namespace = story.served("team").await;
    story.starts(&namespace, "app", &image, |_| ()).await;
    assert_eq!(story.pulls("app").await, PULL);
    assert_eq!(story.failed_checks().await, 0);
    story.end().await;
}

/// Without the reference a Pod waits, and gets it never: it asks without a login each time.
#[tokio::test]
#[cfg_attr(no_node, ignore = "needs a node")]
async fn pod_without_reference_ends_in_back_off() {
    let story = Story::begin("unserved").await;
    let image = story.image("app").await;
    story.serve(&story.registry().await, &story.login).await;
    let namespace = story.unserved("team").await;
    story.is_refused(&namespace, "early", &image, |_| ()).await;
    story.waits(&namespace, "early", &["ImagePullBackOff"]).await;
    let requests = story.requests("app").await;
    assert!(only(&requests, REFUSED), "{requests}");
    assert_eq!(story.failed_checks().await, 0);

    // Reference and copy come too late for this Pod. The next one runs.
    story.select(&namespace).await;
    drop(story.try_again().await);
    eventually("the early Pod has tried again", SOON, async || {
        let again = story.requests("app").await;
        if again.len() > requests.len() {
            Ok(())
        } else {
            Err(again)
        }
    })
    .await;
    story
        .waits(&namespace, "early", &["ErrImagePull", "ImagePullBackOff"])
        .await;
    story.starts(&namespace, "late", &image, |_| ()).await;
    story.end().await;
}

/// A Pod that names the copy itself, before it is there, runs once the copy comes, and is not touched.
#[tokio::test]
#[cfg_attr(no_node, ignore = "needs a node")]
async fn pod_that_names_the_copy_waits_for_it() {
    let story = Story::begin("named").await;
    let image = story.image("app").await;
    story.serve(&story.registry().await, &story.login).await;
    let namespace = story.unserved("team").await;
    let list = json!([{"name": story.scenario.name()}]);
    story
        .is_refused(&namespace, "app", &image, |spec| spec["imagePullSecrets"] = list)
        .await;
    let uid = story.pods(&namespace).get("app").await.unwrap().metadata.uid;
    story.select(&namespace).await;
    let _steady = story.try_again().await;
    assert_eq!(story.runs(&namespace, "app").await.metadata.uid, uid);
    assert_eq!(unread(&story.scenario).await.into_keys().next(), uid);
    assert_eq!(story.pulls("app").await, PULL);
    assert_eq!(story.failed_checks().await, 0);
    story.end().await;
}

/// A Pod that waits because of a wrong login runs once its source is right, and is not touched.
#[tokio::test]
#[cfg_attr(no_node, ignore = "needs a node")]
async fn wrong_login_heals_with_its_source() {
    let story = Story::begin("wrong").await;
    let (image, wrong) = (story.image("app").await, story.scenario.login("wrong"));
    story.serve(&story.registry().await, &wrong).await;
    story.scenario.namespaces(&["team"]).await;
    let namespace = story.namespace("team");
    story.has_copy(&namespace, &wrong).await;
    story.is_refused(&namespace, "app", &image, |_| ()).await;
    // Each attempt costs four failed checks of the password.
    let (requests, failed) = (story.requests("app").await, story.failed_checks().await);
    assert!(only(&requests, WRONG), "{requests}");
    assert!(failed > 0 && failed % 4 == 0, "{failed} failed checks");

    story.scenario.source(&story.login).await;
    story.has_copy(&namespace, &story.login).await;
    let before = story.pods(&namespace).get("app").await.unwrap().metadata;
    let _steady = story.try_again().await;
    let after = story.runs(&namespace, "app").await.metadata;
    assert_eq!(before.uid, after.uid);
    assert_eq!(before.generation, after.generation);
    assert!(story.requests("app").await.ends_with(PULL));
    story.end().await;
}

/// From a namespace to a running Pod, for the numbers in `e2e/README.md`.
#[tokio::test]
#[ignore = "a measurement: run it by name on an idle machine"]
async fn namespace_to_running_is_measured() {
    let story = Story::begin("measured").await;
    story.serve(&story.registry().await, &story.login).await;
    let mut times = Vec::new();
    for number in 0..SAMPLES {
        let (part, name) = (number.to_string(), format!("app-{number}"));
        let image = story.image(&name).await;
        let began = Instant::now();
        let namespace = story.served(&part).await;
        story.starts(&namespace, "app", &image, |_| ()).await;
        times.push(began.elapsed());
        assert_eq!(story.pulls(&name).await, PULL);
    }
    times.sort_unstable();
    let (p50, p99) = (times[SAMPLES / 2], times[SAMPLES * 99 / 100]);
    eprintln!("namespace to Running: p50 {p50:.2?}, p99 {p99:.2?} of {SAMPLES}");
    eprintln!("memory in MiB with {SAMPLES} Pods: {:?}", story.memory().await);
    story.end().await;
}
