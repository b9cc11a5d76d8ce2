//! The verdicts of the command-line tool, beside what a kubelet does with the same Pods.

use std::collections::BTreeMap;

use e2e::wait::eventually;
use serde_json::{Value, json};

use super::pods::{REFUSED_REASONS, statuses};
use super::story::{SOON, Story};
use crate::cli::tool::{Tool, reasons};
use crate::cli::verdicts::account;

/// How the reason of a kubelet begins that cannot read a docker config.
const UNREADABLE: &str = "unable to parse auth field";

/// The Pods, each with the Secrets of its account, and the verdict. `Ready` is no finding.
const PODS: [(&str, &[&str], &str); 7] = [
    ("bare", &[], "NoReference"),
    ("early", &[], "TooEarly"),
    ("masked", &["right"], "Masked"),
    ("missing", &["gone"], "SecretMissing"),
    ("port", &["port"], "NoKey"),
    ("ready", &["right"], "Ready"),
    ("unreadable", &["right", "broken"], "Unreadable"),
];

/// Writes the Secrets: one with the login, and three that nearly have it.
async fn secrets(story: &Story, namespace: &str, server: &str) {
    let entry = json!({"username": story.login.username, "password": story.login.password});
    let host = server.split(':').next().unwrap();
    for (name, key, entry) in [
        ("right", server, &entry),
        ("port", host, &entry),
        ("other", "other.example.com", &entry),
        ("broken", "other.example.com", &json!({"auth": "bm8tY29sb24="})), // no-colon
    ] {
        story.secret(namespace, name, &json!({"auths": {key: entry}})).await;
    }
}

/// Returns whether the kubelet pulled the image: the container is ready, or its image is refused.
async fn is_pulled(story: &Story, namespace: &str, name: &str) -> bool {
    let pods = story.pods(namespace);
    eventually(&format!("{name} is judged"), SOON, async || {
        let pod = pods.get(name).await.map_err(|error| error.to_string())?;
        let statuses = statuses(&pod);
        let status = statuses.first().ok_or("no status")?;
        let waiting = status.state.as_ref().and_then(|state| state.waiting.as_ref());
        let reason = waiting.and_then(|waiting| waiting.reason.clone()).unwrap_or_default();
        let is_refused = REFUSED_REASONS.contains(&reason.as_str()) || reason.starts_with(UNREADABLE);
        (status.ready || is_refused).then_some(status.ready).ok_or(reason)
    })
    .await
}

/// The kubelet pulls the images of the Pods that the tool calls ready, and of no others.
#[tokio::test]
#[cfg_attr(no_node, ignore = "needs a node")]
async fn the_kubelet_confirms_each_verdict() {
    let story = Story::begin("judged").await;
    let server = story.registry().await;
    let namespace = story.unserved("team").await;
    secrets(&story, &namespace, &server).await;
    let steady = story.steady().await;
    for (name, listed, _) in PODS {
        account(&story.scenario, &namespace, name, listed).await;
        let image = story.image(name).await;
        let change = |spec: &mut Value| {
            spec["serviceAccountName"] = name.into();
            if name == "masked" {
                spec["imagePullSecrets"] = json!([{"name": "other"}]);
            }
        };
        story.pod(&namespace, name, &image, change).await;
    }
    account(&story.scenario, &namespace, "early", &["right"]).await;
    let mut pulled = BTreeMap::new();
    for (name, ..) in PODS {
        pulled.insert(name, is_pulled(&story, &namespace, name).await);
    }
    let expected = PODS.map(|(name, _, verdict)| (name, verdict == "Ready"));
    assert_eq!(pulled, expected.into());

    let tool = Tool::new(story.scenario.cluster().kubeconfig_path()).await;
    let (code, report) = tool.json(&["audit", &server, "-n", &namespace]).await;
    let found: BTreeMap<String, String> = reasons(&report)
        .into_iter()
        .map(|(workload, reasons)| (workload, reasons.split(' ').next().unwrap_or_default().to_owned()))
        .collect();
    let expected = PODS.into_iter().filter(|(.., verdict)| *verdict != "Ready");
    let expected = expected.map(|(name, _, verdict)| (format!("Pod/{name}"), verdict.to_owned()));
    assert_eq!(found, expected.collect(), "{report:#}");
    assert_eq!((code, &report["complete"]), (Some(1), &json!(true)), "{report:#}");
    drop(steady);

    // A new Pod of the account that got the reference too late is ready, as the tool says.
    let image = story.image("early").await;
    story
        .starts(&namespace, "successor", &image, |spec| {
            spec["serviceAccountName"] = "early".into();
        })
        .await;
    story.end().await;
}
