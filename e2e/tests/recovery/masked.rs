//! Pods that the operator must not delete, beside one that it replaces.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use e2e::scenario::SOON;
use e2e::wait::{eventually, quiet};
use serde_json::json;

use crate::recovery::env::{Env, Seen, runs, waits};
use crate::recovery::kubelet::{PUBLIC, STUCK};
use crate::recovery::workloads::{Workload, workload};

/// Longer than the operator waits before it replaces a Pod.
const A_WHILE: Duration = Duration::from_secs(15);

/// Pods with a list of their own that wait: reported as masked.
fn masked() -> Vec<Workload> {
    let many: Vec<_> = (0..60)
        .map(|at| json!({"name": format!("a-long-name-of-a-secret-{at}")}))
        .collect();
    vec![
        Workload {
            pod: json!({"imagePullSecrets": [{"name": "theirs"}]}),
            ..workload("ReplicaSet", "own-list", 2)
        },
        // The account's list, written down by hand.
        Workload {
            pod: json!({"imagePullSecrets": [{"name": "of-account"}]}),
            ..workload("StatefulSet", "same-list", 1)
        },
        Workload {
            pod: json!({"imagePullSecrets": many}),
            ..workload("ReplicaSet", "long-list", 1)
        },
    ]
}

/// Pods that wait for the image and that a person must recreate.
fn left() -> Vec<Workload> {
    let indexed = json!({"backoffLimitPerIndex": 1, "completionMode": "Indexed", "backoffLimit": 20});
    vec![
        workload("Pod", "bare", 1),
        Workload {
            spec: json!({"backoffLimit": 0}),
            ..workload("Job", "no-failure-left", 1)
        },
        Workload {
            spec: indexed,
            ..workload("Job", "per-index", 1)
        },
    ]
}

/// Pods that recovery must leave alone.
fn foreign() -> Vec<Workload> {
    let stuck = |name: &str, reason: &str| Workload {
        labels: json!({STUCK: reason}),
        ..workload("ReplicaSet", name, 1)
    };
    vec![
        Workload {
            image: format!("{PUBLIC}/app"),
            ..workload("ReplicaSet", "running", 1)
        },
        Workload {
            image: "other.example.com/app".to_owned(),
            ..workload("ReplicaSet", "other-server", 1)
        },
        stuck("other-reason", "CreateContainerConfigError"),
        stuck("invalid-image", "InvalidImageName"),
        stuck("creating", "ContainerCreating"),
    ]
}

/// Of all Pods that wait, exactly those of the control are deleted. The others are counted, and Events name them.
#[tokio::test]
async fn pods_that_need_a_person_are_left_alone() {
    let env = Env::start("masked").await;
    env.scenario.namespaces(&["a"]).await;
    let namespace = env.scenario.in_scenario(&["a"]).remove(0);
    env.scenario.wait_for_accounts(std::slice::from_ref(&namespace)).await;
    let account = json!({"apiVersion": "v1", "kind": "ServiceAccount", "imagePullSecrets": [{"name": "of-account"}],
        "metadata": {"name": "default", "namespace": namespace}});
    env.scenario.apply(&account).await;
    let controls = vec![workload("ReplicaSet", "control", 1)];
    let all: Vec<Workload> = [masked(), left(), foreign(), controls].concat();
    let workloads: Vec<_> = all.into_iter().map(|one| (namespace.clone(), one)).collect();
    env.make(&workloads).await;
    foreign_controller(&env, &namespace).await;
    let count = 1 + workloads.iter().map(|(_, one)| one.replicas).sum::<usize>();
    let has_settled = |pod: &Seen| waits(pod) || runs(pod) || !pod.waits.is_empty();
    let before = env.pods_are("all Pods wait or run", count, SOON, has_settled).await;

    env.start_operator().await;
    let mark = env.scenario.mark().await;
    env.scenario.source(&env.scenario.login("first")).await;
    env.scenario.apply(&env.scenario.object()).await;
    let is_control = |pod: &&Seen| pod.app == "control";
    eventually("the control is replaced", SOON, async || {
        let pods = env.pods().await?;
        let control: Vec<&Seen> = pods.values().filter(is_control).collect();
        let done = control.len() == 1 && runs(control[0]);
        if done { Ok(()) } else { Err(format!("{control:?}")) }
    })
    .await;
    quiet("no other Pod is deleted", A_WHILE, async || {
        let pods = env.pods().await?;
        let others = before.iter().filter(|(_, pod)| pod.app != "control");
        let gone: Vec<&Seen> = others
            .filter(|(uid, _)| !pods.contains_key(*uid))
            .map(|(_, pod)| pod)
            .collect();
        if gone.is_empty() {
            Ok(())
        } else {
            Err(format!("{gone:?} are gone"))
        }
    })
    .await;
    assert_eq!(env.deleted(mark).await.len(), 1, "the control alone");
    let waiting = 4 + 3 + 1;
    env.counts(waiting, 1, 4).await;
    check_reports(&env, &namespace).await;
}

/// Creates a Pod of a controller of a kind that Kubernetes does not know.
async fn foreign_controller(env: &Env, namespace: &str) {
    let owner = json!({"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": "owner", "namespace": namespace}});
    env.scenario.apply(&owner).await;
    let uid = [
        "get",
        "configmap",
        "owner",
        "-n",
        namespace,
        "-o",
        "jsonpath={.metadata.uid}",
    ];
    let uid = env.scenario.kubectl(&uid).await;
    let mut pod = workload("Pod", "of-another-controller", 1).manifest(namespace);
    pod["metadata"]["ownerReferences"] =
        json!([{"apiVersion": "v1", "kind": "ConfigMap", "name": "owner", "uid": uid, "controller": true}]);
    env.scenario.apply(&pod).await;
}

async fn check_reports(env: &Env, namespace: &str) {
    let expected: BTreeSet<(String, String)> = [
        ("ReplicaSet", "own-list"),
        ("ReplicaSet", "long-list"),
        ("StatefulSet", "same-list"),
        ("Job", "no-failure-left"),
        ("Job", "per-index"),
        ("Pod", "bare"),
        ("Pod", "of-another-controller"),
    ]
    .into_iter()
    .map(|(kind, name)| (kind.to_owned(), name.to_owned()))
    .collect();
    eventually("each of them has an Event", SOON, async || {
        let events = env.events(namespace, "PodNotReplaced").await;
        let about: BTreeSet<(String, String)> = events.into_iter().map(|(kind, name, _)| (kind, name)).collect();
        if about == expected {
            Ok(())
        } else {
            Err(format!("{about:?}"))
        }
    })
    .await;
}

/// A Pod of a suspended object stays. A Pod that has the reference from its account waits for a right login only.
#[tokio::test]
async fn pods_that_heal_by_themselves_stay() {
    let env = Env::start("heal").await;
    env.scenario.namespaces(&["a"]).await;
    let namespace = env.scenario.in_scenario(&["a"]).remove(0);
    env.scenario.wait_for_accounts(std::slice::from_ref(&namespace)).await;
    let mut object = env.scenario.object();
    object["spec"]["suspend"] = json!(true);
    env.scenario.source(&env.scenario.login("first")).await;
    env.scenario.apply(&object).await;
    let early = workload("ReplicaSet", "early", 1);
    env.make(&[(namespace.clone(), early)]).await;
    let before = env.pods_are("the Pod waits", 1, SOON, waits).await;
    env.start_operator().await;
    let mark = env.scenario.mark().await;
    stays(&env, "the Pod of a suspended object stays", &before).await;

    object["spec"]["suspend"] = json!(false);
    env.scenario.apply(&object).await;
    env.pods_are("the Pod without the reference is replaced", 1, SOON, runs)
        .await;
    let with_reference = Workload {
        labels: json!({STUCK: "ErrImagePull"}),
        ..workload("ReplicaSet", "wrong-login", 1)
    };
    env.make(&[(namespace.clone(), with_reference)]).await;
    let before = env
        .pods_are("it waits", 2, SOON, |pod| waits(pod) || pod.app == "early")
        .await;
    stays(&env, "the Pod with the reference stays", &before).await;
    assert_eq!(env.deleted(mark).await.len(), 1);
    env.counts(0, 1, 0).await;
}

/// Checks that these are the Pods for a while.
async fn stays(env: &Env, what: &str, before: &BTreeMap<String, Seen>) {
    quiet(what, A_WHILE, async || {
        let pods = env.pods().await?;
        if pods.keys().eq(before.keys()) {
            Ok(())
        } else {
            Err(format!("{pods:?}"))
        }
    })
    .await;
}
