//! What is taken away stops new Pods, and no running one.

use super::story::{REFUSED, Story, only};

/// Which way a namespace loses its login.
enum Ending {
    Label,
    Object,
}

/// A namespace that loses the label, or its object: new Pods are refused, although the image is on the node, and
/// running Pods go on.
async fn ends(name: &str, ending: Ending) {
    let story = Story::begin(name).await;
    let image = story.image("app").await;
    story.serve(&story.registry().await, &story.login).await;
    let namespace = story.served("team").await;
    story.starts(&namespace, "before", &image, |_| ()).await;
    let uid = story.pods(&namespace).get("before").await.unwrap().metadata.uid;
    let pulled = story.requests("app").await;

    match ending {
        Ending::Label => {
            story
                .scenario
                .kubectl(&["label", "namespace", &namespace, "scenario-"])
                .await;
        }
        Ending::Object => {
            story.scenario.kubectl(&["delete", "cps", story.scenario.name()]).await;
        }
    }
    story.has_no_copy(&namespace).await;
    story.is_refused(&namespace, "after", &image, |_| ()).await;
    let asked = story.requests("app").await;
    let asked = asked.strip_prefix(&pulled).and_then(|rest| rest.strip_prefix(", "));
    assert!(asked.is_some_and(|asked| only(asked, REFUSED)), "{asked:?}");
    assert_eq!(story.failed_checks().await, 0);
    assert_eq!(story.runs(&namespace, "before").await.metadata.uid, uid);
    story.end().await;
}

#[tokio::test]
#[cfg_attr(no_node, ignore = "needs a node")]
async fn removed_label_refuses_new_pods_only() {
    ends("unlabelled", Ending::Label).await;
}

#[tokio::test]
#[cfg_attr(no_node, ignore = "needs a node")]
async fn deleted_object_refuses_new_pods_only() {
    ends("deleted", Ending::Object).await;
}
