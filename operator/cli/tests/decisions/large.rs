//! A large cluster.

use std::time::Instant;

use cli::world::{Kind, World};
use serde_json::{Value, json};

use crate::cluster::{Cluster, IMAGE, running, spec};

const NAMESPACES: usize = 1_000;

/// 2,000 workloads and 10,000 Pods, of which each twentieth came too early.
#[test]
fn a_large_cluster_is_audited_as_a_whole() {
    let (mut world, began) = (World::default(), Instant::now());
    for namespace in (0..NAMESPACES).map(|at| format!("ns-{at:04}")) {
        let metadata = |name: &str| json!({"name": name, "namespace": namespace});
        let mut add = |kind, object: &Value| world.add(kind, &object.to_string());
        add(Kind::Namespace, &json!({"metadata": {"name": namespace}}));
        add(
            Kind::ServiceAccount,
            &json!({"metadata": metadata("default"), "imagePullSecrets": [{"name": "company"}]}),
        );
        let data = json!({".dockerconfigjson": "eyJhdXRocyI6eyJyLmV4YW1wbGUuY29tIjp7ImF1dGgiOiJkVHB3In19fQ=="});
        add(
            Kind::Secret,
            &json!({"metadata": metadata("company"), "type": "kubernetes.io/dockerconfigjson", "data": data}),
        );
        for workload in ["api", "web"] {
            let images = [(IMAGE, "Always"), ("r.example.com/sidecar:1", "IfNotPresent")];
            let template = json!({"spec": spec(&[], &images)});
            add(
                Kind::Deployment,
                &json!({"metadata": metadata(workload), "spec": {"template": template}}),
            );
            for pod in 0..5 {
                let mut of_pod = metadata(&format!("{workload}-{pod}"));
                of_pod["ownerReferences"] = json!([{"kind": "Deployment", "name": workload, "controller": true}]);
                let early = pod == 0 && workload == "api" && namespace.ends_with('0');
                let list: &[&str] = if early { &[] } else { &["company"] };
                let status = json!({"containerStatuses": [{"name": "c0", "state": running()}]});
                add(
                    Kind::Pod,
                    &json!({"metadata": of_pod, "spec": spec(list, &images), "status": status}),
                );
            }
        }
    }
    eprintln!("read in {} ms", began.elapsed().as_millis());
    let cluster = Cluster {
        world,
        ..Cluster::default()
    };
    let began = Instant::now();
    let report = cluster.report(&["r.example.com"]);
    eprintln!("audited in {} ms", began.elapsed().as_millis());
    let summary = &report.contexts[0].summary;
    assert_eq!(
        (summary.workloads, summary.ready),
        (2 * NAMESPACES, 2 * NAMESPACES - NAMESPACES / 10)
    );
    assert_eq!(report.findings.len(), NAMESPACES / 10);
}
