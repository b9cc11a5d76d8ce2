//! A new password while Pods start all the time, and what it costs the registry.

use std::time::Duration;

use e2e::wait::eventually;

use super::story::{LATER, PULL, Story, dozens};

/// Pods that start during the rotation.
const PODS: usize = 40;

/// Time between two of them.
const EVERY: Duration = Duration::from_millis(75);

/// Pods that start before the first step.
const FIRST: u32 = 10;

/// Failed checks after which the second step follows: those of five Pods.
const ENOUGH: usize = 20;

/// The order of a rotation.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Order {
    /// The registry accepts only the new password, then the source has it.
    RegistryFirst,
    /// The source has the new password, then the registry accepts it, and the old one no longer.
    SourceFirst,
    /// The registry accepts a second login, then the source has it.
    BothAccepted,
}

/// Rotates while [`PODS`] start that ask the registry each time, and returns how many checks of passwords failed.
async fn rotate(order: Order) -> usize {
    let _dozens = dozens().await;
    let name = format!("{order:?}").to_lowercase();
    let story = Story::begin(&name).await;
    let image = story.image("app").await;
    story.serve(&story.registry().await, &story.login).await;
    let namespace = story.served("team").await;
    story.starts(&namespace, "before", &image, |_| ()).await;
    assert_eq!(story.pulls("app").await, PULL);

    let mut new = story.scenario.login("new");
    if order == Order::BothAccepted {
        new.username.push_str("-second");
    }
    let starting = async {
        for number in 0..PODS {
            let always = |spec: &mut serde_json::Value| spec["containers"][0]["imagePullPolicy"] = "Always".into();
            story.pod(&namespace, &format!("pod-{number}"), &image, always).await;
            tokio::time::sleep(EVERY).await;
        }
    };
    let rotating = async {
        tokio::time::sleep(EVERY * FIRST).await;
        if order == Order::SourceFirst {
            story.scenario.source(&new).await;
            refused(&story).await;
            story.accept(&new).await;
        } else {
            story.accept(&new).await;
            if order == Order::RegistryFirst {
                refused(&story).await;
            }
            story.scenario.source(&new).await;
        }
    };
    let steady = story.steady().await;
    tokio::join!(starting, rotating);
    story.has_copy(&namespace, &new).await;
    story.all_settle(&namespace).await;
    drop(steady);
    let _steady = story.try_again().await;
    story.all_run(&namespace).await;
    let failed = story.failed_checks().await;
    eprintln!("{order:?}: {failed} failed checks for {PODS} Pods");
    story.end().await;
    failed
}

/// Waits between the steps until Pods have been refused.
async fn refused(story: &Story) {
    eventually("Pods are refused between the steps", LATER, async || {
        let failed = story.failed_checks().await;
        if failed >= ENOUGH {
            Ok(())
        } else {
            Err(format!("{failed} failed checks"))
        }
    })
    .await;
}

/// Each attempt between the steps costs four failed checks, and no other any.
fn is_bounded(failed: usize) {
    assert!(failed <= 4 * PODS, "{failed} failed checks of {PODS} Pods");
}

/// The registry has the new password first: Pods in between wait, and all run after the second step.
#[tokio::test]
#[cfg_attr(no_node, ignore = "needs a node")]
async fn rotation_works_with_the_registry_first() {
    is_bounded(rotate(Order::RegistryFirst).await);
}

/// The source has it first.
#[tokio::test]
#[cfg_attr(no_node, ignore = "needs a node")]
async fn rotation_works_with_the_source_first() {
    is_bounded(rotate(Order::SourceFirst).await);
}

/// A registry that accepts both logins for a while refuses no Pod.
#[tokio::test]
#[cfg_attr(no_node, ignore = "needs a node")]
async fn rotation_with_two_logins_refuses_no_pod() {
    assert_eq!(rotate(Order::BothAccepted).await, 0);
}
