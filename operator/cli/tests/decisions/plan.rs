//! The order of steps that closes a registry.

use cli::audit::StepKind;
use cli::world::Kind;
use serde_json::json;

use crate::cluster::{Cluster, IMAGE, running};

#[test]
fn the_plan_restarts_only_pods_that_came_too_early() {
    let cluster = Cluster::listing(&["company"])
        .login("company", &["r.example.com"])
        .deployment(&[])
        .pod("api-1", &[], "Always", &running())
        .workload(Kind::StatefulSet, "index", &["old"], &[(IMAGE, "Always")]);
    let report = cluster.report(&["r.example.com"]);
    let kinds: Vec<StepKind> = report.plan.iter().map(|step| step.step).collect();
    assert_eq!(
        kinds,
        [
            StepKind::TryLogin,
            StepKind::ApplyObject,
            StepKind::FixWorkloads,
            StepKind::RestartPods,
            StepKind::AuditClean,
            StepKind::CloseRegistry,
            StepKind::DrainOneNode,
        ]
    );
    assert_eq!(
        report.plan[3].commands,
        ["kubectl rollout restart deployment/api -n ns"]
    );
    assert_eq!(report.plan[2].commands.len(), 1);
    assert!(report.plan.iter().all(|step| !step.done));
}

#[test]
fn a_ready_object_ends_its_step() {
    let object = |status: &str| {
        json!({
            "metadata": {"name": "company"},
            "spec": {
                "registries": [{
                    "server": "r.example.com",
                    "credentials": {"basicAuth": {"secretRef": {"name": "source"}}},
                }],
                "namespaces": {"selectors": [{}]},
            },
            "status": {"conditions": [{
                "type": "Ready", "status": status, "reason": "Reconciled", "message": "",
                "lastTransitionTime": "2026-11-30T10:00:00Z",
            }]},
        })
    };
    let done = |server: &str, status: &str| {
        let cluster = Cluster::listing(&[]).add(Kind::ClusterPullSecret, object(status));
        assert_eq!(cluster.world.problems, []);
        cluster.report(&[server]).plan[1].done
    };
    assert!(done("r.example.com", "True"));
    assert!(done("r.example.com/team", "True"), "a login for the host serves a path");
    assert!(!done("r.example.com", "False"));
    assert!(!done("q.example.com", "True"));
}
