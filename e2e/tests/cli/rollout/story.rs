//! The story: three clusters whose registry is about to ask for a login, and one command.

use std::collections::BTreeMap;

use e2e::binaries;
use e2e::canary::Canary;
use e2e::cluster::{Cluster, Options};
use e2e::folder::Folder;
use e2e::node::Node;
use e2e::scenario::SERVER;
use e2e::wait::blocking;
use futures::future::try_join_all;
use serde_json::{Value, json};

use super::installation::IMAGE;
use super::{done, left};
use crate::cli::tool::Tool;

const CONTEXTS: [&str; 3] = ["prod-asia", "prod-eu", "prod-us"];

/// A cluster with a node that runs the operator, and with a workload that has no login.
async fn cluster() -> anyhow::Result<(Cluster, Node)> {
    let options = Options {
        workloads: true,
        ..Options::default()
    };
    let cluster = Cluster::start(options).await?;
    let binary = blocking(binaries::operator).await?;
    let node = Node::start(&cluster, BTreeMap::from([(IMAGE.to_owned(), binary)])).await?;
    let labels = json!({"app": "api"});
    let container = json!({"name": "api", "image": format!("{SERVER}/team/api:1")});
    for object in [
        json!({"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": "payments"}}),
        json!({
            "apiVersion": "apps/v1", "kind": "Deployment", "metadata": {"name": "api", "namespace": "payments"},
            // The next Pod decides.
            "spec": {"replicas": 0, "selector": {"matchLabels": labels},
                "template": {"metadata": {"labels": labels}, "spec": {"containers": [container]}}},
        }),
    ] {
        cluster.kubectl().apply(&object.to_string()).await?;
    }
    Ok((cluster, node))
}

/// One kubeconfig with a context for each cluster.
fn kubeconfig(clusters: &[(Cluster, Node)], folder: &Folder) -> String {
    let mut merged = json!({"apiVersion": "v1", "kind": "Config", "clusters": [], "users": [], "contexts": []});
    for (name, (cluster, _)) in CONTEXTS.iter().zip(clusters) {
        let one: Value = serde_json::from_slice(&std::fs::read(cluster.kubeconfig_path()).unwrap()).unwrap();
        for part in ["clusters", "users", "contexts"] {
            let mut entry = one[part][0].clone();
            entry["name"] = json!(name);
            if part == "contexts" {
                entry["context"] = json!({"cluster": name, "user": name});
            }
            merged[part].as_array_mut().unwrap().push(entry);
        }
    }
    let path = folder.join("kubeconfig");
    std::fs::write(&path, merged.to_string()).unwrap();
    path.display().to_string()
}

/// The audit names the workloads that would break, one command serves all clusters, and the next audit finds nothing.
#[tokio::test]
async fn one_command_serves_three_clusters() {
    let clusters = try_join_all(CONTEXTS.map(|_| cluster())).await.unwrap();
    let folder = Folder::new("pullsecrets-story").unwrap();
    let all = kubeconfig(&clusters, &folder);
    let tool = Tool::new(clusters[0].0.kubeconfig_path()).await.with_kubeconfig(all);
    let canary = Canary::new();
    let login = canary.login("first");
    let audit = ["audit", SERVER, "--context=prod-*"];

    let before = tool.run(&audit).await;
    assert_eq!(before.code, Some(1), "{before:#?}");
    for context in CONTEXTS {
        let is_named = |line: &str| line.starts_with(context) && line.contains("NoReference");
        assert!(before.out.lines().any(is_named), "{context}: {}", before.out);
    }

    let rollout = [
        "rollout",
        "--server",
        SERVER,
        "--username",
        &login.username,
        "--password-stdin",
    ];
    let how = [
        "--ignore",
        "default",
        "--install",
        "--image",
        IMAGE,
        "--context=prod-*",
        "--yes",
    ];
    let rolled_out = tool
        .run_with(&[&rollout[..], &how, &["-o", "json"]].concat(), &login.password)
        .await;
    let troubles: Vec<_> = clusters.iter().map(|(_, node)| node.troubles()).collect();
    assert_eq!(rolled_out.code, Some(0), "{rolled_out:#?}\nthe nodes: {troubles:#?}");
    let report: Value = serde_json::from_str(&rolled_out.out).unwrap();
    for (at, context) in CONTEXTS.iter().enumerate() {
        assert_eq!(report["contexts"][at]["context"], *context);
        assert_eq!(left(&report, at), Vec::<String>::new());
        assert!(done(&report, at).contains(&"deployment/pullsecrets Created".to_owned()));
        assert_eq!(report["contexts"][at]["served"], 1, "{report:#}");
    }

    let after = tool.run(&audit).await;
    assert_eq!(after.code, Some(0), "{after:#?}");
    for ran in [&before, &rolled_out, &after] {
        assert!(
            canary.found_in(&format!("{}{}", ran.out, ran.err)).is_none(),
            "{ran:#?}"
        );
    }
    for (_, node) in &clusters {
        assert_eq!(node.troubles(), Vec::<String>::new());
    }
}
