//! Each tool from its first copy to its removal.

use std::sync::Arc;

use e2e::SYSTEM_NAMESPACE;
use e2e::cluster::Cluster;
use e2e::folder::Folder;
use e2e::scenario::{SERVER, SOON, Scenario};
use serde_json::{Value, json};

use super::history::History;
use super::left::{Left, definitions, secret};
use super::tools::{self, all};
use super::writers::Writer;
use super::{create, read};
use crate::cli::tool::Tool;

/// Most rounds of steps: a tool may ask for several, and its Pods need time to end.
const ROUNDS: usize = 20;

/// The addon of minikube is off once its Deployment is gone.
const MINIKUBE: &str = r#"minikube() {
    test "$*" = "addons disable registry-creds"
    kubectl delete deployment registry-creds -n kube-system
}
"#;

/// Runs the commands of steps, word for word. Returns how many there were.
pub(crate) async fn run(cluster: &Cluster, groups: &Value, steps: &str) -> usize {
    let folder = Folder::new("pullsecrets-steps").unwrap();
    let groups = groups.as_array().unwrap();
    let steps = groups
        .iter()
        .flat_map(|group| group[steps].as_array().into_iter().flatten());
    let mut commands: Vec<&str> = Vec::new();
    for command in steps.filter_map(|step| step["command"].as_str()) {
        // Two groups of one tool have steps in common.
        if !commands.contains(&command) {
            commands.push(command);
        }
    }
    for command in &commands {
        let script = format!("{MINIKUBE}{command}");
        let output = cluster.kubectl().script(&script, folder.path(), SOON).await.unwrap();
        assert!(
            output.status.success(),
            "{command}: {}",
            String::from_utf8_lossy(&output.stderr)
        );
    }
    commands.len()
}

/// The groups of a plan, by the arguments.
pub(crate) async fn groups(tool: &Tool, arguments: &[&str]) -> Value {
    let (_, plan) = tool.json(&[&["adopt"], arguments].concat()).await;
    plan["contexts"][0]["groups"].clone()
}

fn group<'a>(groups: &'a Value, left: &Left) -> &'a Value {
    let mut groups = groups.as_array().unwrap().iter();
    let found = groups.find(|group| group["secret"] == left.tool.secret);
    found.unwrap_or_else(|| panic!("no group for {}", left.tool.name))
}

/// What a tool has left in namespaces of the scenario.
async fn left(scenario: &Scenario, tool: tools::Tool) -> Arc<Left> {
    let mut parts = ["a", "b"].map(|part| format!("{}-{part}", tool.key)).to_vec();
    parts.extend(tool.source.map(|_| format!("{}-source", tool.key)));
    let parts: Vec<&str> = parts.iter().map(String::as_str).collect();
    scenario.unselected_namespaces(&parts).await;
    let login = scenario.login("left behind");
    let entries = ["first", tool.secret, "last"];
    let namespaces = scenario.in_scenario(&parts);
    Arc::new(Left::make(scenario.cluster(), tool, namespaces, (SERVER, &login), &entries).await)
}

/// A Secret of `OpenShift`, which nothing may write. Returns its path and its version.
async fn platform(scenario: &Scenario, namespace: &str) -> (String, Value) {
    let object = json!({"apiVersion": "v1", "kind": "Secret", "type": "kubernetes.io/dockercfg",
        "metadata": {"namespace": namespace, "name": "default-dockercfg-x7k2p",
            "annotations": {"openshift.io/internal-registry-auth-token.service-account": "default"}},
        "stringData": {".dockercfg": json!({SERVER: {"auth": "YTpi"}}).to_string()}});
    let created = create(scenario.cluster(), &object).await;
    let path = format!("/api/v1/namespaces/{namespace}/secrets/default-dockercfg-x7k2p");
    (path, created["metadata"]["resourceVersion"].clone())
}

/// A Pod and a Deployment beside one copy of each tool: the uid of the one, and the generation of the other. A restart
/// changes one of them.
#[derive(Debug, PartialEq)]
struct Workloads(Vec<(Value, Value)>);

impl Workloads {
    async fn create(scenario: &Scenario, left: &[Arc<Left>]) -> Self {
        for namespace in left.iter().map(|left| &left.namespaces[0]) {
            let here = ["app", "--image=app", "-n", namespace];
            scenario.kubectl(&[&["run"], &here[..]].concat()).await;
            scenario.kubectl(&[&["create", "deployment"], &here[..]].concat()).await;
        }
        Self::seen(scenario, left).await
    }

    async fn seen(scenario: &Scenario, left: &[Arc<Left>]) -> Self {
        let mut seen = Vec::new();
        for namespace in left.iter().map(|left| &left.namespaces[0]) {
            let pod = format!("/api/v1/namespaces/{namespace}/pods/app");
            let pod = read(scenario.client(), &pod).await.unwrap();
            let deployment = format!("/apis/apps/v1/namespaces/{namespace}/deployments/app");
            let deployment = read(scenario.client(), &deployment).await.unwrap();
            let metadata = |object: &Value, field: &str| object["metadata"][field].clone();
            seen.push((metadata(&pod, "uid"), metadata(&deployment, "generation")));
        }
        Self(seen)
    }
}

async fn versions(scenario: &Scenario, left: &[Arc<Left>]) -> Vec<Value> {
    let mut versions = Vec::new();
    for left in left {
        for namespace in &left.namespaces {
            let copy = read(scenario.client(), &left.path(namespace)).await.unwrap();
            versions.push(copy["metadata"]["resourceVersion"].clone());
        }
    }
    versions
}

async fn adopted(scenario: &Scenario, left: &[Arc<Left>]) {
    for left in left {
        for namespace in &left.namespaces {
            let copy = read(scenario.client(), &left.path(namespace)).await.unwrap();
            let label = &copy["metadata"]["labels"]["pullsecrets.dev/cluster-pull-secret"];
            assert_eq!(label, left.tool.secret, "{namespace}");
            let path = format!("/api/v1/namespaces/{namespace}/serviceaccounts/default");
            let account = read(scenario.client(), &path).await.unwrap();
            let attached = &account["metadata"]["annotations"]["pullsecrets.dev/attached"];
            assert_eq!(attached, left.tool.secret, "{namespace}");
        }
    }
}

/// Runs the steps that must come first, until none is left.
pub(crate) async fn steps_first(cluster: &Cluster, tool: &Tool, arguments: &[&str]) {
    let mut rounds = 0;
    while run(cluster, &groups(tool, arguments).await, "first").await > 0 {
        rounds += 1;
        assert!(rounds <= ROUNDS, "a step must come first, again and again");
    }
}

async fn a_dry_run_stores_nothing(scenario: &Scenario, tool: &Tool, left: &[Arc<Left>]) {
    let before = versions(scenario, left).await;
    silent(scenario, tool, &["--source", "lasting", "--dry-run=server"], 0).await;
    assert_eq!(versions(scenario, left).await, before);
}

/// No run shows a login, and it ends with this code.
async fn silent(scenario: &Scenario, tool: &Tool, arguments: &[&str], code: i32) {
    let ran = tool.run(&[&["adopt"], arguments].concat()).await;
    assert_eq!(ran.code, Some(code), "{ran:#?}");
    let found = scenario.canary().found_in(&format!("{}{}", ran.out, ran.err));
    assert!(found.is_none(), "{arguments:?}: {found:?} in {ran:#?}");
}

/// Adopts what these tools left, from a source of its own or from a copy of it.
async fn adopt(scenario: &Scenario, tool: &Tool, left: &[Arc<Left>], source: Option<&str>) {
    let names = left.iter().map(|left| format!("--from=name={}", left.tool.secret));
    let names: Vec<String> = names.collect();
    let mut arguments = vec!["--apply", "--yes"];
    arguments.extend(names.iter().map(String::as_str));
    arguments.extend(source.iter().flat_map(|source| ["--source", *source]));
    silent(scenario, tool, &arguments, 0).await;
    adopted(scenario, left).await;
}

/// Each tool is refused while it would fight, and adopted after the steps that the plan prints. Uninstalling it by the
/// commands that the plan prints undoes no part.
#[tokio::test]
async fn each_tool_is_taken_over_in_place() {
    let scenario = Scenario::own("left").await;
    for definition in definitions() {
        create(scenario.cluster(), &definition).await;
    }
    scenario
        .kubectl(&["wait", "--for=condition=Established", "crd", "--all", "--timeout=60s"])
        .await;
    // For the tools whose logins last for hours.
    let lasting = (SERVER, &scenario.login("lasting"));
    create(
        scenario.cluster(),
        &secret((SYSTEM_NAMESPACE, "lasting"), lasting, None),
    )
    .await;
    let mut left = Vec::new();
    for tool in all() {
        left.push(self::left(&scenario, tool).await);
    }
    let (platform, version) = platform(&scenario, &left[0].namespaces[0]).await;
    let workloads = Workloads::create(&scenario, &left).await;
    let history = History::start(scenario.client());
    let start = |left: &Arc<Left>| Writer::start(scenario.client().clone(), Arc::clone(left));
    let writers: Vec<Writer> = left.iter().map(start).collect();
    let tool = Tool::new(scenario.cluster().kubeconfig_path()).await;

    let first = groups(&tool, &["--source", "lasting"]).await;
    for left in &left {
        let group = group(&first, left);
        assert_eq!(group["leftBy"][0]["tool"], left.tool.name, "{group:#}");
    }
    let refused = first.as_array().unwrap().iter();
    let refused = refused.filter(|group| group["leftBy"][0]["tool"] == "OpenShift");
    let reasons: Vec<&Value> = refused.map(|group| &group["leftAlone"][0]["reason"]).collect();
    assert_eq!(reasons, ["WrittenAgain"]);
    steps_first(scenario.cluster(), &tool, &["--source", "lasting"]).await;
    a_dry_run_stores_nothing(&scenario, &tool, &left).await;
    let (lasts, renewed): (Vec<_>, Vec<_>) = left.iter().cloned().partition(|left| !left.tool.short_lived);
    adopt(&scenario, &tool, &lasts, None).await;
    adopt(&scenario, &tool, &renewed, Some("lasting")).await;
    let after = groups(&tool, &[]).await;
    assert!(run(scenario.cluster(), &after, "after").await > 0);
    adopted(&scenario, &left).await;
    for writer in writers {
        writer.stop().await;
    }
    for left in &left {
        let wrong = history.violations(scenario.client(), left).await;
        assert!(wrong.is_empty(), "{}: {wrong:#?}", left.tool.name);
    }
    assert_eq!(Workloads::seen(&scenario, &left).await, workloads);
    let now = read(scenario.client(), &platform).await.unwrap();
    assert_eq!(now["metadata"]["resourceVersion"], version);
    scenario.kubectl(&["delete", "cps", "--all"]).await;
    for definition in definitions() {
        let name = definition["metadata"]["name"].as_str().unwrap();
        scenario.kubectl(&["delete", "crd", name]).await;
    }
}

/// Without the operator, a run waits. A person interrupts it, and what was written stays.
async fn interrupted(scenario: &Scenario, tool: &Tool, left: &Left) {
    scenario.stop_operator().await;
    let created = e2e::wait::eventually("the object is created", SOON, async || {
        let get = ["get", "cps", left.tool.secret, "--ignore-not-found", "-o", "name"];
        match scenario.kubectl(&get).await.as_str() {
            "" => Err("it is not".to_owned()),
            _ => Ok(()),
        }
    });
    let ran = tool.interrupted(&["adopt", "--apply", "--yes"], created).await;
    assert_eq!(ran.code, Some(130), "{ran:#?}");
    let shown = format!("{}{}", ran.out, ran.err);
    assert!(shown.contains("interrupted: what was written stays"), "{ran:#?}");
    assert!(scenario.canary().found_in(&shown).is_none(), "{ran:#?}");
    scenario.kubectl(&["get", "cps", left.tool.secret]).await;
    scenario.start_operator().await;
}

/// A run goes on where another one was interrupted. After an undo, copies and entries stay, and the marks of the tool
/// return. No run shows a login, in any format and with all logs.
#[tokio::test]
async fn an_undo_gives_the_copies_back() {
    let scenario = Scenario::own("back").await;
    let script = all().into_iter().find(|tool| tool.key == "script").unwrap();
    let left = vec![self::left(&scenario, script).await];
    let history = History::start(scenario.client());
    let tool = Tool::new(scenario.cluster().kubeconfig_path()).await;
    let tool = tool.with("RUST_LOG", "trace");
    for format in ["table", "json", "yaml"] {
        silent(&scenario, &tool, &["-o", format], 1).await;
    }
    silent(&scenario, &tool, &["--apply"], 2).await;
    interrupted(&scenario, &tool, &left[0]).await;
    silent(&scenario, &tool, &["--apply", "--yes"], 0).await;
    adopted(&scenario, &left).await;
    silent(&scenario, &tool, &["--undo", "--yes"], 0).await;
    for namespace in &left[0].namespaces {
        let copy = read(scenario.client(), &left[0].path(namespace)).await.unwrap();
        assert!(
            !copy["metadata"]["labels"].to_string().contains("pullsecrets"),
            "{namespace}"
        );
        let path = format!("/api/v1/namespaces/{namespace}/serviceaccounts/default");
        let account = read(scenario.client(), &path).await.unwrap();
        assert!(account["metadata"]["annotations"]["pullsecrets.dev/attached"].is_null());
    }
    let wrong = history.violations(scenario.client(), &left[0]).await;
    assert!(wrong.is_empty(), "{wrong:#?}");
}
