//! The verdict on Pods that exist, and on what creates them.

use cli::audit::{Fails, NotSeen};
use cli::verdict::{Probe, Reason};
use cli::world::Kind;
use serde_json::json;

use crate::cluster::{Cluster, IMAGE, metadata, running, spec, waiting};

/// The table of registries and the total agree about a workload whose Pods alone are not ready.
#[test]
fn rows_of_registries_count_pods() {
    let cluster = Cluster::listing(&["company"])
        .login("company", &["r.example.com"])
        .deployment(&[])
        .pod("api-1", &[], "Always", &running());
    let report = cluster.report(&[]);
    let context = &report.contexts[0];
    let [registry] = context.registries.as_slice() else {
        panic!("{:#?}", context.registries);
    };
    assert_eq!((registry.workloads, registry.ready), (1, 0));
    assert_eq!(registry.by_reason, context.summary.by_reason);
    assert_eq!(registry.by_reason.get(&Reason::TooEarly), Some(&1));
}

#[test]
fn a_pod_without_the_reference_came_too_early() {
    let cluster = |policy, state| {
        Cluster::listing(&["company"])
            .login("company", &["r.example.com"])
            .deployment(&[])
            .pod("api-1", &[], policy, &state)
            .pod("api-2", &["company"], policy, &running())
    };
    let found = cluster("Always", running()).finding();
    assert_eq!((found.reason, found.fails), (Reason::TooEarly, Fails::OnRestart));
    assert_eq!(
        found.why,
        "1 of 2 Pods were admitted before account default had the reference, and pull Always"
    );
    assert_eq!(
        found.fix.as_deref(),
        Some("kubectl rollout restart deployment/api -n ns")
    );
    assert_eq!((found.pods.all, found.pods.waiting, found.pods.on_restart), (2, 0, 1));
    let found = cluster("IfNotPresent", waiting("ImagePullBackOff")).finding();
    assert_eq!((found.reason, found.fails), (Reason::TooEarly, Fails::Now));
    let ready = cluster("Never", running());
    assert_eq!(ready.report(&[]).findings, []);
    let ended = cluster("Always", json!({"terminated": {"exitCode": 0}}));
    assert_eq!(ended.finding().fails, Fails::OnRestart, "the restart policy is Always");
}

#[test]
fn a_waiting_pod_makes_a_failure_urgent() {
    let cluster = Cluster::listing(&[]).deployment(&[]);
    let cluster = cluster.pod("api-1", &[], "IfNotPresent", &waiting("ErrImagePull"));
    let found = cluster.finding();
    assert_eq!(
        (found.reason, found.fails, found.pods.waiting),
        (Reason::NoReference, Fails::Now, 1)
    );
    let report = cluster.report(&[]);
    assert_eq!((report.exit_code(Fails::Now), report.exit_code(Fails::NextPod)), (1, 1));
    let quiet = Cluster::listing(&[]).deployment(&[]).report(&[]);
    assert_eq!(
        (quiet.exit_code(Fails::OnRestart), quiet.exit_code(Fails::NextPod)),
        (0, 1)
    );
}

#[test]
fn a_login_of_the_node_is_noticed() {
    let mut cluster = Cluster::listing(&[])
        .deployment(&[])
        .pod("api-1", &[], "IfNotPresent", &running());
    cluster.evidence.probe(IMAGE, Probe::Closed);
    let reasons: Vec<Reason> = cluster
        .report(&[])
        .findings
        .iter()
        .map(|finding| finding.reason)
        .collect();
    assert_eq!(reasons, [Reason::NodeOnly, Reason::NoReference]);
    cluster.evidence.probe(IMAGE, Probe::Open);
    assert_eq!(cluster.finding().reason, Reason::NoReference);
}

#[test]
fn every_use_of_an_image_counts() {
    let object = json!({
        "metadata": metadata("all"),
        "spec": {"template": {"spec": {
            "containers": [{"name": "a", "image": "r.example.com/a:1"}],
            "initContainers": [{"name": "b", "image": "r.example.com/b:1"}],
            "volumes": [{"name": "c", "image": {"reference": "r.example.com/c:1"}}, {"name": "d", "emptyDir": {}}],
        }}},
    });
    let mut pod = spec(&[], &[("q.example.com/x:1", "Always")]);
    pod["ephemeralContainers"] = json!([{"name": "debug", "image": "r.example.com/d:1"}]);
    let ephemeral =
        json!({"ephemeralContainerStatuses": [{"name": "debug", "state": {"waiting": {"reason": "ErrImagePull"}}}]});
    let cluster = Cluster::listing(&[]).add(Kind::DaemonSet, object).add(
        Kind::Pod,
        json!({"metadata": metadata("bare"), "spec": pod, "status": ephemeral}),
    );
    let report = cluster.report(&["r.example.com"]);
    let users: Vec<Vec<&str>> = report
        .findings
        .iter()
        .map(|finding| finding.images.iter().map(|image| image.user.as_str()).collect())
        .collect();
    assert_eq!(users, [vec!["a", "b", "c"], vec!["debug"]]);
    assert_eq!(report.findings[1].fails, Fails::Now);
}

#[test]
fn parts_and_finished_jobs_are_left_out() {
    let finished = json!({
        "metadata": metadata("done"),
        "spec": {"template": {"spec": spec(&[], &[(IMAGE, "Always")])}},
        "status": {"conditions": [{"type": "Complete", "status": "True"}]},
    });
    let mut part = metadata("api-6c9f7");
    part["ownerReferences"] = json!([{"kind": "Deployment", "name": "api", "controller": true}]);
    let part = json!({"metadata": part, "spec": {"template": {"spec": spec(&[], &[(IMAGE, "Always")])}}});
    let cluster = Cluster::listing(&[])
        .deployment(&[])
        .add(Kind::Job, finished)
        .add(Kind::ReplicaSet, part);
    assert_eq!(cluster.finding().workload.to_string(), "Deployment/api");
}

#[test]
fn static_pods_are_not_seen() {
    let mut statics = metadata("etcd");
    statics["annotations"] = json!({"kubernetes.io/config.mirror": "x"});
    let cluster = Cluster::listing(&[]).add(
        Kind::Pod,
        json!({"metadata": statics, "spec": spec(&[], &[(IMAGE, "Always")])}),
    );
    let report = cluster.report(&[]);
    assert_eq!(report.findings, []);
    assert!(report.contexts[0].not_seen.contains(&NotSeen::StaticPods));
}

#[test]
fn a_namespace_that_goes_gets_no_new_pods() {
    let going = json!({"metadata": {"name": "ns", "deletionTimestamp": "2026-11-30T10:00:00Z"}});
    let cluster = Cluster::listing(&[]).deployment(&[]).add(Kind::Namespace, going);
    assert_eq!(cluster.report(&[]).findings, []);
}

#[test]
fn pull_secrets_that_admission_adds_are_named() {
    let found = Cluster::listing(&[])
        .deployment(&[])
        .pod("api-1", &["injected"], "Always", &running())
        .finding();
    assert_eq!((found.reason, found.fails), (Reason::NoReference, Fails::OnRestart));
    assert!(
        found
            .why
            .contains("its Pods list [injected], which an admission policy adds"),
        "{}",
        found.why
    );
}
