//! The operator as it is without the flag.

use e2e::audit::Mark;
use e2e::operator;
use e2e::scenario::SOON;
use e2e::wait::eventually;

use crate::recovery::env::{Env, waits};
use crate::recovery::workloads::workload;

/// Without the flag the operator asks for no Pod and no controller, and its status has no numbers of Pods.
#[tokio::test]
async fn operator_without_flag_requests_no_pod() {
    let env = Env::start("off").await;
    env.scenario.namespaces(&["a"]).await;
    let namespace = env.scenario.in_scenario(&["a"]).remove(0);
    env.scenario.wait_for_accounts(std::slice::from_ref(&namespace)).await;
    env.make(&[(namespace.clone(), workload("ReplicaSet", "early", 2))])
        .await;
    let before = env.pods_are("both Pods wait", 2, SOON, waits).await;
    env.scenario.start_operator_with(operator::Options::default()).await;
    env.scenario.source(&env.scenario.login("first")).await;
    env.scenario.apply(&env.scenario.object()).await;
    env.scenario.says("Ready", "True", "Synced").await;
    // A new Pod shows that the reference is there, long after the operator could have deleted an old one.
    env.make(&[(namespace.clone(), workload("ReplicaSet", "late", 1))])
        .await;
    eventually("the new Pod runs", SOON, async || {
        let pods = env.pods().await?;
        let done = pods.values().any(|pod| pod.app == "late" && pod.phase == "Running");
        if done { Ok(()) } else { Err(format!("{pods:?}")) }
    })
    .await;
    let after = env.pods().await.unwrap();
    assert!(before.keys().all(|uid| after.contains_key(uid)));
    let about = [
        "pods",
        "replicasets",
        "statefulsets",
        "daemonsets",
        "replicationcontrollers",
        "jobs",
    ];
    let requests = env.requests(Mark::default()).await;
    let of_pods = requests
        .iter()
        .filter(|record| about.contains(&record.resource.as_str()));
    assert_eq!(of_pods.count(), 0, "among {} requests", requests.len());
    assert!(requests.len() > 10, "{} requests", requests.len());
    assert!(env.object().await["status"].get("pods").is_none());
    assert!(!env.scenario.metrics().await.contains("pullsecrets_pods_waiting{"));
}
