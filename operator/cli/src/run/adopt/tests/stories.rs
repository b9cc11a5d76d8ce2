//! Adoption, its interruption and its way back, for each tool.

use serde_json::{Value, json};

use super::Story;
use crate::adopt::Verdict;
use crate::adopt::tests::CANARY;
use crate::adopt::tests::rows::rows;

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
