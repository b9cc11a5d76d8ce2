//! `status` and completion.

use std::time::Duration;

use e2e::folder::Folder;
use e2e::scenario::{SOON, Scenario};
use e2e::wait::blocking;
use serde_json::json;

use crate::cli::tool::Tool;

/// The table, the tree, and a deletion that waits for the operator.
#[tokio::test]
async fn status_shows_objects_and_deletions() {
    let scenario = Scenario::own("shown").await;
    let login = scenario.login("first");
    scenario.set_up(&["a", "b"], &login).await;
    scenario.says("Ready", "True", "Synced").await;
    let tool = Tool::new(scenario.cluster().kubeconfig_path()).await;
    let all = tool.run(&["status"]).await;
    assert_eq!(all.code, Some(0), "{all:#?}");
    let row = all
        .out
        .lines()
        .nth(1)
        .unwrap_or_default()
        .split_whitespace()
        .collect::<Vec<_>>();
    assert_eq!(row, ["e2e", "shown", "True", "Synced", "2/2", "2/2"], "{}", all.out);
    let one = tool.run(&["status", "shown"]).await;
    assert_eq!(one.code, Some(0), "{one:#?}");
    for part in [
        "shown   Ready=True Synced",
        "registry.example.com   Resolved",
        "namespaces 2 of 2",
        "accounts 2 of 2",
    ] {
        assert!(one.out.contains(part), "{part}: {}", one.out);
    }
    let gone = tool.run(&["status", "nothing"]).await;
    assert_eq!(gone.code, Some(2), "{gone:#?}");
    assert!(gone.out.contains("there is no ClusterPullSecret nothing"), "{gone:#?}");

    scenario.stop_operator().await;
    scenario.kubectl(&["delete", "cps", "shown", "--wait=false"]).await;
    let (code, waiting) = tool.json(&["status", "shown"]).await;
    assert_eq!(code, Some(1), "{waiting:#}");
    let deletion = &waiting["objects"][0]["deletion"];
    assert_eq!(deletion["finalizers"], json!(["pullsecrets.dev/cleanup"]));
    assert_eq!(deletion["copies"], json!(["shown-a/shown", "shown-b/shown"]));
    let tree = tool.run(&["status", "shown"]).await;
    assert!(
        tree.out.contains("waits for: the operator removes 2 copies"),
        "{}",
        tree.out
    );
    scenario.start_operator().await;
}

/// Candidates come from the cluster, in kubectl's protocol, and each error is silent.
#[tokio::test]
async fn completion_speaks_the_protocol_of_kubectl() {
    let scenario = Scenario::shared("complete").await;
    scenario.unselected_namespaces(&["a", "b"]).await;
    let tool = Tool::new(scenario.cluster().kubeconfig_path()).await;
    let name = scenario.name();
    let namespaces = tool.run(&["__complete", "audit", "-n", &format!("{name}-")]).await;
    assert_eq!(namespaces.out, format!("{name}-a\n{name}-b\n:4\n"), "{namespaces:#?}");
    let contexts = tool.run(&["__complete", "audit", "--context="]).await;
    assert_eq!(contexts.out, "--context=e2e\n:4\n", "{contexts:#?}");
    let broken = tool.with_kubeconfig("/no/such/file".to_owned());
    let began = std::time::Instant::now();
    let silent = broken.run(&["__complete", "status", ""]).await;
    assert_eq!(
        (silent.code, silent.out.as_str(), silent.err.as_str()),
        (Some(0), ":4\n", "")
    );
    assert!(began.elapsed() < Duration::from_secs(20));
}

/// The real kubectl finds the plugin by its name, and completes through the script that the tool prints.
#[tokio::test]
async fn kubectl_runs_the_plugin_and_completes() {
    let scenario = Scenario::shared("plugin").await;
    let folder = Folder::new("pullsecrets-plugin").unwrap();
    let binary = blocking(e2e::binaries::cli).await.unwrap();
    std::os::unix::fs::symlink(&binary, folder.join("kubectl-pullsecrets")).unwrap();
    let script = "PATH=$PWD:$PATH
        kubectl pullsecrets completion kubectl > kubectl_complete-pullsecrets
        chmod +x kubectl_complete-pullsecrets
        kubectl pullsecrets version
        kubectl pullsecrets audit --help | grep Usage
        kubectl __complete pullsecrets audit --fail-on ''";
    let kubectl = scenario.cluster().kubectl();
    let output = kubectl.script(script, folder.path(), SOON).await.unwrap();
    let out = String::from_utf8(output.stdout).unwrap();
    let lines: Vec<&str> = out.lines().map(|line| line.split('\t').next().unwrap()).collect();
    assert!(lines[0].starts_with("kubectl-pullsecrets "), "{out}");
    assert_eq!(
        lines[1],
        "Usage: kubectl pullsecrets audit [OPTIONS] [SERVER[/PATH]]..."
    );
    assert_eq!(lines[2..], ["next-pod", "restart", "now", ":4"], "{out}");
}
