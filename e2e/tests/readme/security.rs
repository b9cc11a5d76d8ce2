//! Claims of the section Security without another test: readers of the audit log and of the store, nodes, and tenants.

use std::path::Path;

use e2e::audit::Mark;
use e2e::cluster::Options;
use e2e::folder::Folder;
use e2e::scenario::{SOON, Scenario};
use e2e::wait::eventually;
use e2e::{OPERATOR_ACCOUNT, OPERATOR_USER, SYSTEM_NAMESPACE};
use serde_json::{Value, json};

use crate::readme::blocks::block;

/// A scenario with the operator at work, on a cluster whose API server reads this block of README through `flag`.
async fn configured(name: &str, folder: &Folder, flag: &str, text: &str) -> Scenario {
    let file = folder.join("configuration.yaml");
    std::fs::write(&file, text).unwrap();
    let options = Options {
        apiserver_flags: vec![format!("--{flag}={}", file.display())],
        ..Options::default()
    };
    let scenario = Scenario::without_operator(name, options).await;
    scenario.start_operator().await;
    scenario
}

/// With the audit policy of README no login is logged, and every change is.
#[tokio::test]
async fn audit_policy_logs_changes_and_no_login() {
    let folder = Folder::new("pullsecrets-audit").unwrap();
    let scenario = configured("audited", &folder, "audit-policy-file", &block("audit-policy")).await;
    let (first, second) = (scenario.login("first"), scenario.login("second"));
    scenario.set_up(&["a", "b"], &first).await;
    scenario.source(&second).await;
    scenario
        .holds("another password", &scenario.expected(&["a", "b"], &second))
        .await;
    scenario.kubectl(&["get", "secrets", "-A", "-o", "yaml"]).await;
    scenario.mark().await;

    let log = std::fs::read_to_string(scenario.cluster().audit().file()).unwrap();
    assert_eq!(scenario.canary().found_in(&log), None);
    let bodies = |resource: &str| {
        let records = log.lines().map(|line| serde_json::from_str::<Value>(line).unwrap());
        let of = records.filter(move |record| record["objectRef"]["resource"] == resource);
        let all: Vec<bool> = of.map(|record| !record["requestObject"].is_null()).collect();
        (all.len(), all.into_iter().filter(|&body| body).count())
    };
    let (secrets, with_body) = bodies("secrets");
    assert!(secrets > 5 && with_body == 0, "{with_body} of {secrets}");
    assert!(bodies("serviceaccounts").1 > 0 && bodies("clusterpullsecrets").1 > 0);

    // What to look for in the log: such a request is not the operator's, whatever its name. Nothing stands in its way here.
    let records = scenario.cluster().audit().since(Mark::default()).unwrap();
    let reads = records
        .iter()
        .filter(|record| record.user == OPERATOR_USER && record.resource == "secrets");
    let unlabelled = reads.filter(|record| {
        matches!(record.verb.as_str(), "get" | "list" | "watch")
            && record.namespace != SYSTEM_NAMESPACE
            && !record
                .request_uri
                .contains("labelSelector=pullsecrets.dev%2Fcluster-pull-secret")
    });
    assert_eq!(unlabelled.count(), 0);
}

/// With encryption at rest no login is in the store.
#[tokio::test]
async fn encryption_at_rest_hides_every_login() {
    let folder = Folder::new("pullsecrets-encrypted").unwrap();
    let key = "MDEyMzQ1Njc4OWFiY2RlZjAxMjM0NTY3ODlhYmNkZWY=";
    let text = block("encryption").replace("BASE64_OF_32_RANDOM_BYTES", key);
    let scenario = configured("encrypted", &folder, "encryption-provider-config", &text).await;
    scenario.set_up(&["a"], &scenario.login("first")).await;
    let readable = [
        "create",
        "configmap",
        "readable",
        "-n",
        "encrypted-a",
        "--from-literal=a=not-encrypted-at-all",
    ];
    scenario.kubectl(&readable).await;
    let stored = contents(&scenario.cluster().folder().join("etcd"));
    assert!(
        stored.contains("not-encrypted-at-all"),
        "else the search could not find any login"
    );
    assert_eq!(scenario.canary().found_in(&stored), None);
}

fn contents(folder: &Path) -> String {
    let mut all = String::new();
    for entry in std::fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            all.push_str(&contents(&path));
        } else {
            all.push_str(&String::from_utf8_lossy(&std::fs::read(path).unwrap()));
        }
    }
    all
}

/// No manifest adds rights to the roles that people have.
/// Kubernetes adds a role with such a label to another role.
#[test]
fn no_manifest_widens_the_users_roles() {
    let roles = contents(&e2e::workspace().join("config"));
    assert!(roles.contains("kind: ClusterRole\n"));
    assert!(!roles.contains("rbac.authorization.k8s.io/aggregate-to"));
}

/// The flags that make kubectl act as the kubelet of a node.
const AS_NODE: [&str; 2] = ["--as=system:node:one", "--as-group=system:nodes"];

async fn as_node(scenario: &Scenario, arguments: &[&str]) -> Result<(), String> {
    let output = scenario
        .cluster()
        .kubectl()
        .output(&[arguments, &AS_NODE[..]].concat(), "")
        .await
        .unwrap();
    let told = String::from_utf8(output.stderr).unwrap();
    if output.status.success() { Ok(()) } else { Err(told) }
}

/// A node reads the copies of its own Pods; the node that the operator is on has its token.
#[tokio::test]
async fn node_reads_only_its_own_pods_copies() {
    let scenario = Scenario::own("node").await;
    scenario.set_up(&["a", "b"], &scenario.login("first")).await;
    scenario
        .apply(&json!({"apiVersion": "v1", "kind": "Node", "metadata": {"name": "one"}}))
        .await;
    scenario
        .apply(&json!({
            "apiVersion": "v1", "kind": "Pod", "metadata": {"name": "app", "namespace": "node-a"},
            "spec": {"nodeName": "one", "containers": [{"name": "app", "image": "registry.example.com/app"}]},
        }))
        .await;
    eventually("the node may read what its Pod refers to", SOON, async || {
        as_node(&scenario, &["get", "secret", "node", "-n", "node-a"]).await
    })
    .await;
    let forbidden: [&[&str]; 4] = [
        &["get", "secret", "node", "-n", "node-b"],
        &["get", "secret", "node", "-n", SYSTEM_NAMESPACE],
        &["get", "secrets", "-n", "node-a"],
        &["create", "token", OPERATOR_ACCOUNT, "-n", SYSTEM_NAMESPACE],
    ];
    for arguments in forbidden {
        let told = as_node(&scenario, arguments).await.unwrap_err();
        assert!(told.contains("orbidden"), "{arguments:?}: {told}");
    }

    let deployment = scenario
        .kubectl(&["get", "deployment", "pullsecrets", "-n", SYSTEM_NAMESPACE, "-o", "json"])
        .await;
    let deployment: Value = serde_json::from_str(&deployment).unwrap();
    let mut pod = deployment["spec"]["template"].clone();
    pod["apiVersion"] = json!("v1");
    pod["kind"] = json!("Pod");
    pod["metadata"] = json!({"name": "operator", "namespace": SYSTEM_NAMESPACE});
    pod["spec"]["nodeName"] = json!("one");
    scenario.apply(&pod).await;
    let uid = [
        "get",
        "pod",
        "operator",
        "-n",
        SYSTEM_NAMESPACE,
        "-o",
        "jsonpath={.metadata.uid}",
    ];
    let uid = format!("--bound-object-uid={}", scenario.kubectl(&uid).await);
    let bound = ["--bound-object-kind=Pod", "--bound-object-name=operator", &uid];
    let token = [
        &["create", "token", OPERATOR_ACCOUNT, "-n", SYSTEM_NAMESPACE][..],
        &bound[..],
    ]
    .concat();
    eventually("the node has the token of the operator's Pod", SOON, async || {
        as_node(&scenario, &token).await
    })
    .await;
}

/// What a tenant writes into its copy reaches no other namespace.
#[tokio::test]
async fn tenants_edit_reaches_no_other_namespace() {
    let scenario = Scenario::own("tenant").await;
    let login = scenario.login("first");
    scenario.set_up(&["a"], &login).await;
    // Without its source, the operator has only what it remembers.
    scenario
        .kubectl(&["delete", "secret", "tenant", "-n", SYSTEM_NAMESPACE])
        .await;
    scenario.says("CredentialsReady", "False", "SourceNotFound").await;
    let planted =
        r#"{"stringData":{".dockerconfigjson":"{\"auths\":{\"registry.example.com\":{\"auth\":\"YTpi\"}}}"}}"#;
    let plant = [
        "patch",
        "secret",
        "tenant",
        "-n",
        "tenant-a",
        "--type=merge",
        "-p",
        planted,
    ];
    scenario.kubectl(&plant).await;
    scenario.holds("it is mended", &scenario.expected(&["a"], &login)).await;
    scenario.stop_operator().await;
    scenario.kubectl(&plant).await;
    scenario.start_operator().await;
    scenario.namespaces(&["b"]).await;
    scenario
        .holds(
            "an edit while no operator runs reaches no other namespace",
            &scenario.expected(&["a", "b"], &login),
        )
        .await;
}
