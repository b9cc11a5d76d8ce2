//! Many Pods of many controllers.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use e2e::audit::Record;
use e2e::scenario::SOON;
use serde_json::Value;
use tokio::time::Instant;

use crate::recovery::env::{Env, Seen, runs, waits};
use crate::recovery::kubelet::NODES;
use crate::recovery::workloads::{Workload, workload};

/// The promise of `config/README.md` for 500 Pods of 100 controllers, and what a busy machine takes beyond it: the
/// controllers, the API server and this test share it.
const WITHIN: Duration = Duration::from_mins(2);
const BUSY_MACHINE: Duration = Duration::from_mins(2);

/// The workloads in each namespace: one of each kind, and its number of Pods. The controller of Jobs delays each Pod
/// that follows a failed one, and doubles the delay each time.
const KINDS: [(&str, usize); 5] = [
    ("ReplicaSet", 7),
    ("StatefulSet", 6),
    ("DaemonSet", NODES),
    ("Job", 1),
    ("ReplicationController", 6),
];
const NAMESPACES: usize = 20;
const PODS: usize = 500;

/// 500 Pods of 100 controllers of every kind run soon after the object is applied. Each of them is deleted once, no
/// successor is, and no Job fails.
#[tokio::test]
async fn waiting_pods_of_every_kind_are_replaced() {
    let env = Env::start("crowd").await;
    let parts: Vec<String> = (0..NAMESPACES).map(|number| format!("n{number}")).collect();
    let parts: Vec<&str> = parts.iter().map(String::as_str).collect();
    env.scenario.namespaces(&parts).await;
    let namespaces = env.scenario.in_scenario(&parts);
    env.scenario.wait_for_accounts(&namespaces).await;
    let of = |namespace: &String| {
        let one =
            |(kind, pods): &(&'static str, usize)| (namespace.clone(), workload(kind, &kind.to_lowercase(), *pods));
        KINDS.iter().map(one).collect::<Vec<(String, Workload)>>()
    };
    let workloads: Vec<(String, Workload)> = namespaces.iter().flat_map(of).collect();
    env.make(&workloads).await;
    let before = env.pods_are("all Pods wait", PODS, SOON * 3, waits).await;

    env.start_operator().await;
    let mark = env.scenario.mark().await;
    env.scenario.source(&env.scenario.login("first")).await;
    let began = Instant::now();
    env.scenario.apply(&env.scenario.object()).await;
    let after = env.pods_are("all Pods run", PODS, WITHIN + BUSY_MACHINE, runs).await;
    println!("{PODS} Pods replaced after {:.1} s", began.elapsed().as_secs_f64());

    assert!(
        after.keys().all(|uid| !before.contains_key(uid)),
        "every Pod is a new one"
    );
    let deleted = env.deleted(mark).await;
    assert_eq!(deleted.len(), PODS, "each Pod was deleted once");
    assert_eq!(after.len(), deleted.len());
    no_job_has_failed(&env).await;
    env.counts(0, PODS.try_into().unwrap(), 0).await;
    assert_eq!(owners(&before), owners(&after));
    let metrics = env.scenario.metrics().await;
    for line in [
        r#"pullsecrets_pods_recovered{object="crowd"} 500"#,
        r#"pullsecrets_pods_waiting{object="crowd"} 0"#,
        r#"pullsecrets_pods_masked{object="crowd"} 0"#,
        r#"pullsecrets_writes_total{kind="pod",result="done"} 500"#,
    ] {
        assert!(metrics.lines().any(|other| other == line), "{line}: {metrics}");
    }
    let events = env.events(&namespaces[0], "PodReplaced").await;
    let about: BTreeSet<&str> = events.iter().map(|(kind, _, _)| kind.as_str()).collect();
    assert_eq!(about, KINDS.into_iter().map(|(kind, _)| kind).collect(), "{events:?}");
    let refused: Vec<String> = env
        .requests(mark)
        .await
        .iter()
        .filter(|one| !one.authorized)
        .map(Record::summary)
        .collect();
    assert!(refused.is_empty(), "{refused:?}");
}

/// How many Pods each workload has.
fn owners(pods: &BTreeMap<String, Seen>) -> BTreeMap<(String, String), usize> {
    let mut owners = BTreeMap::new();
    for pod in pods.values() {
        *owners.entry((pod.namespace.clone(), pod.app.clone())).or_default() += 1;
    }
    owners
}

async fn no_job_has_failed(env: &Env) {
    let get = ["get", "jobs", "-A", "-o", "json"];
    let jobs: Value = serde_json::from_str(&env.scenario.kubectl(&get).await).unwrap();
    for job in jobs["items"].as_array().unwrap() {
        let conditions = job["status"]["conditions"].as_array().cloned().unwrap_or_default();
        assert!(conditions.is_empty(), "{}: {conditions:?}", job["metadata"]["name"]);
    }
}
