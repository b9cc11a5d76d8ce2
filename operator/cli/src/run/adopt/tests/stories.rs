//! Adoption, its interruption and its way back, for each tool.

use serde_json::{Value, json};

use super::Story;
use crate::adopt::Verdict;
use crate::adopt::tests::rows::rows;
use crate::adopt::tests::{CANARY, login, secret};
use crate::cluster::fake::{Actor, Key, Store, key};

/// Everything that must hold after an adoption.
fn judge_end(story: &Story) {
    let object = story.object().expect("the object");
    assert_eq!(object["spec"]["suspend"], json!(false), "{object:#}");
    assert_eq!(object["spec"]["secret"]["conflictPolicy"], "Fail");
    for copy in story.copies_now() {
        assert_eq!(
            copy["metadata"]["labels"]["pullsecrets.dev/cluster-pull-secret"],
            object["metadata"]["name"]
        );
        let owners = copy["metadata"]["ownerReferences"].as_array().expect("owners");
        assert_eq!(owners.len(), 1, "{owners:#?}");
    }
    assert_eq!(story.attached(), vec![json!(story.row.secret); 3]);
    story.judge_history();
}

#[tokio::test]
async fn each_tool_is_adopted_in_place() {
    for row in rows() {
        let story = Story::new(row);
        let written = story.run(false, false).await.expect("an adoption");
        assert!(written.iter().all(|line| !line.contains(CANARY)), "{written:#?}");
        judge_end(&story);
        assert_eq!(story.planned().await, Verdict::Adopted, "{}", story.row.secret);
        assert_eq!(
            story.run(false, false).await,
            Ok(Vec::new()),
            "a second run writes nothing"
        );
    }
}

/// A run that ends after any number of writes is finished by the next one.
#[tokio::test]
async fn an_interrupted_run_goes_on() {
    for at in 0..rows().len() {
        for writes in 0.. {
            let story = Story::new(rows().swap_remove(at));
            story.fake.with(|store| store.writes_left = Some(writes));
            let first = story.run(false, false).await;
            story.fake.with(|store| store.writes_left = None);
            if first.is_err() {
                story.run(false, false).await.expect("the rest of an adoption");
            }
            judge_end(&story);
            if first.is_ok() {
                assert!(writes > 7, "each of several writes was interrupted");
                break;
            }
        }
    }
}

#[tokio::test]
async fn a_dry_run_stores_nothing() {
    for row in rows() {
        let story = Story::new(row);
        let before = story.fake.with(|store| store.history.len());
        let written = story.run(false, true).await.expect("a dry run");
        assert!(written.len() > 6, "{written:#?}");
        story.judge_history();
        assert_eq!(story.object(), None);
        let writers = story.fake.with(|store| store.history.len()) - before;
        assert!(writers < 4, "{writers} writes, and those of the tool end at once");
    }
}

#[tokio::test]
async fn undo_gives_each_secret_back() {
    for row in rows() {
        let story = Story::new(row);
        story.run(false, false).await.expect("an adoption");
        story.run(true, false).await.expect("an undo");
        story.judge_history();
        assert_eq!(story.object(), None);
        assert_eq!(story.attached(), vec![Value::Null; 3]);
        for copy in story.copies_now() {
            let metadata = copy["metadata"].to_string();
            assert!(!metadata.contains("pullsecrets.dev"), "{metadata}");
            assert_ne!(
                copy["metadata"]["labels"]["app.kubernetes.io/managed-by"],
                "pullsecrets"
            );
        }
        let source = story.fake.with(|store| store.all("secrets"));
        let made = format!("{}-source", story.row.secret);
        assert!(source.iter().all(|secret| secret["metadata"]["name"] != *made));
        assert_eq!(
            story.run(true, false).await,
            Ok(Vec::new()),
            "a second undo writes nothing"
        );
    }
}

/// Does something once, when the object is there.
fn once_planned(what: impl Fn(&mut Store) + Send + 'static) -> Actor {
    let mut is_done = false;
    Box::new(move |store| {
        let objects = store.all("clusterpullsecrets");
        let is_ours = |object: &Value| object["apiVersion"] == "pullsecrets.dev/v1alpha1";
        if !is_done && objects.iter().any(is_ours) {
            is_done = true;
            what(store);
        }
    })
}

/// Helm, Argo CD or an addon manager may scale a workload up again between the plan and the first write.
#[tokio::test]
async fn a_tool_that_starts_again_stops_the_run() {
    let row = rows().swap_remove(0);
    let deployment = key(&row.stopped[0]);
    let started = deployment.clone();
    let scale = |store: &mut Store, deployment: &Key, replicas: u8| {
        let mut object = store.get(deployment).expect("the Deployment").clone();
        object["spec"]["replicas"] = replicas.into();
        object["status"]["replicas"] = replicas.into();
        store.put(object);
    };
    let story = Story::with(row, Some(once_planned(move |store| scale(store, &started, 1))));
    let before = story.copies_now();
    let why = story.run(false, false).await.expect_err("the tool runs");
    assert!(why.contains("the tool would write"), "{why}");
    assert_eq!(story.copies_now(), before, "no Secret was written");
    let object = story.object().expect("the object");
    assert_eq!(
        object["spec"]["suspend"],
        json!(true),
        "and the operator takes none over"
    );
    story.fake.with(|store| scale(store, &deployment, 0));
    story.run(false, false).await.expect("an adoption");
    judge_end(&story);
}

/// A login that another writer rotates between the plan and the first write is not overwritten.
#[tokio::test]
async fn a_login_that_changes_stops_the_run() {
    let row = rows().pop().expect("a row");
    let rotated = secret("b", row.secret, &json!({}), &login("r.example.com", "other"));
    let rotated_key = key(&rotated);
    let data = rotated["data"].clone();
    let rotate = once_planned(move |store| {
        let mut copy = store.get(&rotated_key).expect("the copy").clone();
        copy["data"] = data.clone();
        store.put(copy);
    });
    let story = Story::with(row, Some(rotate));
    let why = story.run(false, false).await.expect_err("a copy deviates");
    assert!(why.contains("namespace b"), "{why}");
    let now = story
        .fake
        .with(|store| store.get(&key(&rotated)).cloned())
        .expect("the copy");
    assert_eq!(now["data"], rotated["data"]);
    story.judge_history();
}
