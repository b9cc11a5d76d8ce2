//! Policies, init containers, image volumes, unreadable Secrets, and images that are on the node already.

use e2e::wait::eventually;
use serde_json::json;

use super::story::{ASKED, PULL, REFUSED, SOON, Story, only};

/// One Secret in a Pod's list that no kubelet can read stops all of its pulls, those with our copy too.
#[tokio::test]
#[cfg_attr(no_node, ignore = "needs a node")]
async fn one_unreadable_secret_stops_every_pull() {
    let story = Story::begin("unreadable").await;
    let image = story.image("app").await;
    story.serve(&story.registry().await, &story.login).await;
    let namespace = story.served("team").await;
    let (broken, harmless) = (json!({"auth": "bm8tY29sb24="}), json!({"auth": "dXNlcjpwYXNz"})); // no-colon, user:pass
    story
        .secret(&namespace, "theirs", &json!({"auths": {"other.example.com": broken}}))
        .await;
    let list = json!([{"name": "theirs"}, {"name": story.scenario.name()}]);
    story
        .pod(&namespace, "app", &image, |spec| spec["imagePullSecrets"] = list)
        .await;
    // The kubelet gives the error as the reason.
    let pods = story.pods(&namespace);
    eventually("the Pod names what it cannot read", SOON, async || {
        let pod = pods.get("app").await.map_err(|error| error.to_string())?;
        let seen = format!("{:?}", super::pods::statuses(&pod));
        if seen.contains("unable to parse auth field") {
            Ok(())
        } else {
            Err(seen)
        }
    })
    .await;
    assert_eq!(story.requests("app").await, "");

    story
        .secret(&namespace, "theirs", &json!({"auths": {"other.example.com": harmless}}))
        .await;
    let _steady = story.try_again().await;
    story.runs(&namespace, "app").await;
    assert_eq!(story.pulls("app").await, PULL);
    story.end().await;
}

/// Of two wrong and right logins for one server, the kubelet uses the right one, in any order.
#[tokio::test]
#[cfg_attr(no_node, ignore = "needs a node")]
async fn a_wrong_login_beside_ours_costs_checks() {
    let story = Story::begin("beside").await;
    let server = story.registry().await;
    story.serve(&server, &story.login).await;
    let namespace = story.served("team").await;
    let wrong = story.scenario.login("wrong");
    let entry = json!({"username": wrong.username, "password": "of no use"});
    story
        .secret(&namespace, "theirs", &json!({"auths": {server: entry}}))
        .await;
    let (ours, theirs) = (json!({"name": story.scenario.name()}), json!({"name": "theirs"}));
    for (name, list, failed) in [
        ("ours-first", json!([ours, theirs]), 0),
        ("theirs-first", json!([theirs, ours]), 4),
    ] {
        let image = story.image(name).await;
        let before = story.failed_checks().await;
        story
            .starts(&namespace, name, &image, |spec| spec["imagePullSecrets"] = list)
            .await;
        let requests = story.requests(name).await;
        assert_eq!(story.failed_checks().await - before, failed, "{name}: {requests}");
        assert!(story.requests(name).await.ends_with(PULL), "{name}");
    }
    story.end().await;
}

/// `Always` asks each time, `IfNotPresent` and `Never` do not ask for an image that this login has pulled.
#[tokio::test]
#[cfg_attr(no_node, ignore = "needs a node")]
async fn pull_policies_decide_who_asks() {
    let story = Story::begin("policies").await;
    let image = story.image("app").await;
    story.serve(&story.registry().await, &story.login).await;
    let namespace = story.served("team").await;
    let mut expected = String::new();
    let steps = [
        ("first", "IfNotPresent", PULL),
        ("second", "IfNotPresent", ""),
        ("third", "Never", ""),
    ];
    for (name, policy, requests) in steps.into_iter().chain([("fourth", "Always", ASKED)]) {
        story
            .starts(&namespace, name, &image, |spec| {
                spec["containers"][0]["imagePullPolicy"] = policy.into();
            })
            .await;
        if !requests.is_empty() {
            expected.push_str(if expected.is_empty() { "" } else { ", " });
            expected.push_str(requests);
        }
        assert_eq!(story.pulls("app").await, expected, "{policy}");
    }
    let absent = story.image("absent").await;
    story
        .pod(&namespace, "fifth", &absent, |spec| {
            spec["containers"][0]["imagePullPolicy"] = "Never".into();
        })
        .await;
    story.waits(&namespace, "fifth", &["ErrImageNeverPull"]).await;
    assert_eq!(story.requests("absent").await, "");
    story.end().await;
}

/// The images of init containers and of volumes are pulled with the same login.
#[tokio::test]
#[cfg_attr(no_node, ignore = "needs a node")]
async fn init_containers_and_image_volumes_pull() {
    let story = Story::begin("parts").await;
    story.serve(&story.registry().await, &story.login).await;
    let namespace = story.served("team").await;
    let (main, init, volume) = (
        story.image("main").await,
        story.image("init").await,
        story.image("volume").await,
    );
    story
        .starts(&namespace, "app", &main, |spec| {
            spec["initContainers"] = json!([{"name": "init", "image": init, "args": ["once"]}]);
            spec["volumes"] = json!([{"name": "data", "image": {"reference": volume}}]);
            spec["containers"][0]["volumeMounts"] = json!([{"name": "data", "mountPath": "/data"}]);
        })
        .await;
    for part in ["main", "init", "volume"] {
        assert_eq!(story.pulls(part).await, PULL, "{part}");
    }
    story.end().await;
}

/// The same login in another namespace, or in a copy that was made again, starts what is on the node without a request.
/// A namespace without a login is refused.
#[tokio::test]
#[cfg_attr(no_node, ignore = "needs a node")]
async fn the_same_login_elsewhere_needs_no_request() {
    let story = Story::begin("same").await;
    let image = story.image("app").await;
    story.serve(&story.registry().await, &story.login).await;
    let (first, second) = (story.served("first").await, story.served("second").await);
    let third = story.unserved("third").await;
    story.starts(&first, "app", &image, |_| ()).await;
    story.starts(&second, "app", &image, |_| ()).await;
    assert_eq!(story.pulls("app").await, PULL);

    let before = story.scenario.uids().await[&second].clone();
    story.delete_copy(&second).await;
    eventually("the copy is there again", SOON, async || {
        let uids = story.scenario.uids().await;
        let again = uids.get(&second).is_some_and(|uid| *uid != before);
        if again { Ok(()) } else { Err(format!("{uids:?}")) }
    })
    .await;
    story.starts(&second, "again", &image, |_| ()).await;
    assert_eq!(story.pulls("app").await, PULL);

    let pulled = story.requests("app").await;
    story.is_refused(&third, "app", &image, |_| ()).await;
    let requests = story.requests("app").await;
    let asked = requests.strip_prefix(&pulled).and_then(|rest| rest.strip_prefix(", "));
    assert!(asked.is_some_and(|asked| only(asked, REFUSED)), "{requests}");
    story.end().await;
}
