//! Each tool from its first copy to its removal.

use std::sync::Arc;

use e2e::folder::Folder;
use e2e::scenario::{SOON, Scenario};
use serde_json::Value;

use super::history::History;
use super::left::{Left, definitions, lasting};
use super::tools::all;
use super::writers::Writer;
use super::{create, read};
use crate::cli::tool::Tool;

/// Most rounds of steps that a tool asks for.
const ROUNDS: usize = 10;

/// Runs the commands of steps, word for word. Returns how many there were.
async fn run(scenario: &Scenario, groups: &Value, steps: &str) -> usize {
    let folder = Folder::new("pullsecrets-steps").unwrap();
    let groups = groups.as_array().unwrap();
    let steps = groups
        .iter()
        .flat_map(|group| group[steps].as_array().into_iter().flatten());
    let mut commands: Vec<&str> = steps.filter_map(|step| step["command"].as_str()).collect();
    commands.dedup();
    for command in &commands {
        let kubectl = scenario.cluster().kubectl();
        let output = kubectl.script(command, folder.path(), SOON).await.unwrap();
        assert!(
            output.status.success(),
            "{command}: {}",
            String::from_utf8_lossy(&output.stderr)
        );
    }
    commands.len()
}

/// The groups of a plan, by the arguments.
async fn groups(tool: &Tool, arguments: &[&str]) -> Value {
    let (_, plan) = tool.json(&[&["adopt"], arguments].concat()).await;
    plan["contexts"][0]["groups"].clone()
}

fn group<'a>(groups: &'a Value, left: &Left) -> &'a Value {
    let mut groups = groups.as_array().unwrap().iter();
    let found = groups.find(|group| group["secret"] == left.tool.secret);
    found.unwrap_or_else(|| panic!("no group for {}", left.tool.name))
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

/// Each tool is refused while it would fight, and adopted after the steps that the plan prints. Uninstalling it by the
/// commands that the plan prints undoes no part.
#[tokio::test]
async fn each_tool_is_taken_over_in_place() {
    let scenario = Scenario::own("left").await;
    for definition in definitions() {
        create(&scenario, &definition).await;
    }
    scenario
        .kubectl(&["wait", "--for=condition=Established", "crd", "--all", "--timeout=60s"])
        .await;
    lasting(&scenario).await;
    let mut left = Vec::new();
    for tool in all() {
        left.push(Arc::new(Left::make(&scenario, tool).await));
    }
    let history = History::start(scenario.client());
    let start = |left: &Arc<Left>| Writer::start(scenario.client().clone(), Arc::clone(left));
    let writers: Vec<Writer> = left.iter().map(start).collect();
    let tool = Tool::new(scenario.cluster().kubeconfig_path()).await;

    let first = groups(&tool, &["--source", "lasting"]).await;
    for left in &left {
        let group = group(&first, left);
        assert_eq!(group["leftBy"][0]["tool"], left.tool.name, "{group:#}");
    }
    let mut rounds = 0;
    while run(&scenario, &groups(&tool, &["--source", "lasting"]).await, "first").await > 0 {
        rounds += 1;
        assert!(rounds <= ROUNDS, "a step must come first, again and again");
    }
    let before = versions(&scenario, &left).await;
    let dry = tool.run(&["adopt", "--source", "lasting", "--dry-run=server"]).await;
    assert_eq!(dry.code, Some(0), "{dry:#?}");
    assert_eq!(versions(&scenario, &left).await, before, "a dry run stores no write");

    let (lasts, renewed): (Vec<_>, Vec<_>) = left.iter().cloned().partition(|left| !left.tool.short_lived);
    for (source, part) in [(None, &lasts), (Some("lasting"), &renewed)] {
        let names: Vec<String> = part
            .iter()
            .map(|left| format!("--from=name={}", left.tool.secret))
            .collect();
        let mut arguments = vec!["adopt", "--apply", "--yes"];
        arguments.extend(names.iter().map(String::as_str));
        arguments.extend(source.iter().flat_map(|source| ["--source", *source]));
        let ran = tool.run(&arguments).await;
        assert_eq!(ran.code, Some(0), "{ran:#?}");
        assert!(scenario.canary().found_in(&(ran.out + &ran.err)).is_none());
        adopted(&scenario, part).await;
    }
    let after = groups(&tool, &[]).await;
    assert!(run(&scenario, &after, "after").await > 0);
    adopted(&scenario, &left).await;
    for writer in writers {
        writer.stop().await;
    }
    for left in &left {
        let wrong = history.violations(scenario.client(), left).await;
        assert!(wrong.is_empty(), "{}: {wrong:#?}", left.tool.name);
    }
    scenario.kubectl(&["delete", "cps", "--all"]).await;
    for definition in definitions() {
        let name = definition["metadata"]["name"].as_str().unwrap();
        scenario.kubectl(&["delete", "crd", name]).await;
    }
}

/// Copies and entries stay, and the marks of the tool return.
#[tokio::test]
async fn an_undo_gives_the_copies_back() {
    let scenario = Scenario::own("back").await;
    let script = all().into_iter().find(|tool| tool.key == "script").unwrap();
    let left = vec![Arc::new(Left::make(&scenario, script).await)];
    let history = History::start(scenario.client());
    let tool = Tool::new(scenario.cluster().kubeconfig_path()).await;
    let ran = tool.run(&["adopt", "--apply", "--yes"]).await;
    assert_eq!(ran.code, Some(0), "{ran:#?}");
    adopted(&scenario, &left).await;
    let ran = tool.run(&["adopt", "--undo", "--yes"]).await;
    assert_eq!(ran.code, Some(0), "{ran:#?}");
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
