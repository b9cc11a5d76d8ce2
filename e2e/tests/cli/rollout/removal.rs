//! `rollout --delete`.

use e2e::SYSTEM_NAMESPACE;
use e2e::oracle;
use e2e::scenario::{SERVER, Scenario};
use serde_json::{Value, json};

use super::{done, file, left};
use crate::cli::tool::Tool;

/// With a file: the object and its copies go first, then the source. With flags the tool deletes only what it made, and
/// nothing that another object reads.
#[tokio::test]
async fn a_removal_keeps_what_others_read() {
    let scenario = Scenario::own("removed").await;
    scenario.namespaces(&["a", "b"]).await;
    let tool = Tool::new(scenario.cluster().kubeconfig_path()).await;
    let login = scenario.login("first");
    let name = scenario.name();
    let (secret, object) = (format!("secret/{name}"), format!("clusterpullsecret/{name}"));

    let given = [
        "rollout",
        "--server",
        SERVER,
        "--name",
        name,
        "--username",
        &login.username,
        "--password-stdin",
    ];
    let ignored = ["--ignore", "default,*-b", "--yes", "-o", "json"];
    let ran = tool.run_with(&[&given[..], &ignored].concat(), &login.password).await;
    assert_eq!(ran.code, Some(0), "{ran:#?}");
    let expected = scenario.expected(&["a"], &login);
    oracle::check(scenario.client(), &expected).await.unwrap();

    let mut other = scenario.object();
    other["metadata"]["name"] = json!("other");
    other["spec"]["namespaces"] = json!({"names": ["none"]});
    scenario.apply(&other).await;
    let removal = ["rollout", "--server", SERVER, "--name", name, "--delete", "--yes"];
    let (code, report) = tool.json(&removal).await;
    assert_eq!(code, Some(2), "{report:#}");
    assert_eq!(done(&report, 0), [format!("{object} Deleted")]);
    assert_eq!(left(&report, 0), [format!("{secret} - InUse")]);
    scenario.gone("object and copies are gone").await;
    scenario.kubectl(&["delete", "cps", "other"]).await;
    let (code, report) = tool.json(&removal).await;
    assert_eq!(code, Some(0), "{report:#}");
    assert_eq!(
        done(&report, 0),
        [format!("{object} Absent"), format!("{secret} Deleted")]
    );
    only_what_is_ours_is_removed(&scenario, &tool, &removal).await;
}

/// A Secret of that name that another tool has made stays, unless a file names it.
async fn only_what_is_ours_is_removed(scenario: &Scenario, tool: &Tool, removal: &[&str]) {
    let login = scenario.login("second");
    let (secret, object) = (
        format!("secret/{}", scenario.name()),
        format!("clusterpullsecret/{}", scenario.name()),
    );
    scenario.source(&login).await;
    let (code, report) = tool.json(removal).await;
    assert_eq!(
        (code, left(&report, 0)),
        (Some(2), vec![format!("{secret} - NotOurs")]),
        "{report:#}"
    );

    scenario.apply(&scenario.object()).await;
    let path = file(scenario, &login).display().to_string();
    let (code, report) = tool.json(&["rollout", "-f", &path, "--delete", "--yes"]).await;
    assert_eq!(code, Some(0), "{report:#}");
    assert_eq!(
        done(&report, 0),
        [format!("{object} Deleted"), format!("{secret} Deleted")]
    );
    scenario.gone("object and copies are gone").await;
    let sources = scenario
        .kubectl(&["get", "secrets", "-n", SYSTEM_NAMESPACE, "-o", "json"])
        .await;
    let sources: Value = serde_json::from_str(&sources).unwrap();
    let names = sources["items"]
        .as_array()
        .unwrap()
        .iter()
        .map(|one| &one["metadata"]["name"]);
    assert!(!names.into_iter().any(|found| found == scenario.name()), "{sources:#}");
}

/// Without the operator, the object waits, and so does its source.
#[tokio::test]
async fn a_removal_without_the_operator_waits() {
    let scenario = Scenario::own("waiting").await;
    let login = scenario.login("first");
    scenario.set_up(&["a"], &login).await;
    scenario.stop_operator().await;
    let tool = Tool::new(scenario.cluster().kubeconfig_path()).await;
    let path = file(&scenario, &login).display().to_string();
    let (code, report) = tool
        .json(&["rollout", "-f", &path, "--delete", "--yes", "--timeout=3s"])
        .await;
    assert_eq!(code, Some(1), "{report:#}");
    assert_eq!(
        left(&report, 0),
        [format!("clusterpullsecret/{} - Deleting", scenario.name())]
    );
    let source = ["get", "secret", scenario.name(), "-n", SYSTEM_NAMESPACE];
    scenario.kubectl(&source).await;
    scenario.start_operator().await;
    scenario.gone("object and copies are gone").await;
}
