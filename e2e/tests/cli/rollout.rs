//! `rollout`: what it applies, what it waits for, and what is left.

pub(super) mod installation;
mod removal;
mod secrecy;

use std::path::PathBuf;

use e2e::SYSTEM_NAMESPACE;
use e2e::oracle::{self, Login};
use e2e::scenario::{SOON, Scenario};
use e2e::wait::eventually;
use serde_json::{Value, json};

use crate::cli::tool::Tool;

/// The source and the object of a scenario, in one file.
fn file(scenario: &Scenario, login: &Login) -> PathBuf {
    let Login { username, password } = login;
    let source = json!({
        "apiVersion": "v1", "kind": "Secret", "type": "kubernetes.io/basic-auth",
        "metadata": {"name": scenario.name(), "namespace": SYSTEM_NAMESPACE},
        "stringData": {"username": username, "password": password},
    });
    let path = scenario.cluster().folder().join(format!("{}.yaml", scenario.name()));
    std::fs::write(&path, format!("{source}\n---\n{}\n", scenario.object())).unwrap();
    path
}

/// The verb with a file, for scripts.
async fn rollout(scenario: &Scenario, tool: &Tool, login: &Login, more: &[&str]) -> (Option<i32>, Value) {
    let path = file(scenario, login).display().to_string();
    tool.json(&[&["rollout", "-f", &path, "--yes"], more].concat()).await
}

/// What each write of a context did.
fn done(report: &Value, context: usize) -> Vec<String> {
    let written = report["contexts"][context]["written"].as_array().unwrap();
    let done = written
        .iter()
        .map(|one| format!("{} {}", one["name"].as_str().unwrap(), one["done"].as_str().unwrap()));
    done.collect()
}

/// What is left in a context.
fn left(report: &Value, context: usize) -> Vec<String> {
    let text = |value: &Value| value.as_str().unwrap_or("-").to_owned();
    let left = report["contexts"][context]["left"].as_array().unwrap().iter();
    left.map(|one| [&one["object"], &one["namespace"], &one["reason"]].map(text).join(" "))
        .collect()
}

/// A kubeconfig with a context that cannot be reached, to be merged.
fn far(scenario: &Scenario) -> PathBuf {
    let path = scenario.cluster().folder().join(format!("{}.far", scenario.name()));
    let kubeconfig = json!({
        "apiVersion": "v1", "kind": "Config", "users": [],
        "clusters": [{"name": "far", "cluster": {"server": "https://127.0.0.1:1"}}],
        "contexts": [{"name": "far", "context": {"cluster": "far", "user": ""}}],
    });
    std::fs::write(&path, kubeconfig.to_string()).unwrap();
    path
}

/// Nothing is stored by a dry run, nor without consent. Then each context that can be reached is served.
#[tokio::test]
async fn a_rollout_serves_each_context() {
    let scenario = Scenario::shared("rolled").await;
    scenario.namespaces(&["a", "b"]).await;
    let login = scenario.login("first");
    let admin = scenario.cluster().kubeconfig_path().display().to_string();
    let both = format!("{admin}:{}", far(&scenario).display());
    let tool = Tool::new(scenario.cluster().kubeconfig_path())
        .await
        .with_kubeconfig(both);
    let path = file(&scenario, &login).display().to_string();
    let (secret, object) = (
        format!("secret/{}", scenario.name()),
        format!("clusterpullsecret/{}", scenario.name()),
    );

    let unasked = tool.run(&["rollout", "-f", &path, "--context=e2e"]).await;
    assert_eq!(unasked.code, Some(2), "{unasked:#?}");
    assert!(unasked.err.contains("give --yes"), "{unasked:#?}");
    let (code, tried) = rollout(&scenario, &tool, &login, &["--context=e2e", "--dry-run=server"]).await;
    assert_eq!((code, &tried["dryRun"]), (Some(0), &json!(true)), "{tried:#}");
    assert_eq!(
        done(&tried, 0),
        [format!("{secret} Created"), format!("{object} Created")]
    );
    let stored = ["get", "cps", scenario.name(), "--ignore-not-found", "-o", "name"];
    assert_eq!(scenario.kubectl(&stored).await, "");

    let (code, report) = rollout(&scenario, &tool, &login, &["--context=e2e", "--context=f*"]).await;
    assert_eq!((code, &report["complete"]), (Some(2), &json!(false)), "{report:#}");
    assert_eq!(
        done(&report, 0),
        [format!("{secret} Created"), format!("{object} Created")]
    );
    assert_eq!(left(&report, 0), Vec::<String>::new(), "{report:#}");
    assert_eq!(report["contexts"][0]["served"], 2, "{report:#}");
    assert_eq!(left(&report, 1), ["- - NotSeen"]);
    let expected = scenario.expected(&["a", "b"], &login);
    oracle::check(scenario.client(), &expected).await.unwrap();

    let again = tool.run(&["rollout", "-f", &path, "--context=e2e", "--yes"]).await;
    assert_eq!(again.code, Some(0), "{again:#?}");
    assert_eq!(again.out, "e2e   2 unchanged, 2 of 2 namespaces served\n", "{again:#?}");
    for part in [
        "To apply:",
        &format!("Secret {SYSTEM_NAMESPACE}/{}", scenario.name()),
        "in 1 context:\n  e2e   127.0.0.1:",
    ] {
        assert!(again.err.contains(part), "{part}: {again:#?}");
    }
    let names = tool
        .run(&["rollout", "-f", &path, "--context=e2e", "--yes", "-q", "-o", "name"])
        .await;
    assert_eq!(names.out, format!("e2e/{SYSTEM_NAMESPACE}/{secret}\ne2e/{object}\n"));
}

/// At its end each copy has the new login, although the object has not changed.
#[tokio::test]
async fn a_rollout_waits_for_the_new_login() {
    let scenario = Scenario::shared("renewed").await;
    scenario.namespaces(&["a", "b", "c"]).await;
    let tool = Tool::new(scenario.cluster().kubeconfig_path()).await;
    for what in ["first", "second", "third"] {
        let login = scenario.login(what);
        let (code, report) = rollout(&scenario, &tool, &login, &[]).await;
        assert_eq!(code, Some(0), "{report:#}");
        let expected = scenario.expected(&["a", "b", "c"], &login);
        oracle::check(scenario.client(), &expected).await.unwrap();
    }
}

/// The object or the source was applied by another tool before.
#[tokio::test]
async fn fields_of_other_tools_are_named() {
    let scenario = Scenario::shared("claimed").await;
    scenario.namespaces(&["a"]).await;
    scenario.source(&scenario.login("first")).await;
    scenario.apply(&scenario.object()).await;
    let tool = Tool::new(scenario.cluster().kubeconfig_path()).await;
    let login = scenario.login("second");
    let (code, report) = rollout(&scenario, &tool, &login, &[]).await;
    assert_eq!(code, Some(2), "{report:#}");
    let why = report["contexts"][0]["left"][0]["why"].as_str().unwrap();
    assert!(
        why.contains("kubectl-client-side-apply set data.password") && why.contains("--force-conflicts"),
        "{why}"
    );
    assert_eq!(done(&report, 0), Vec::<String>::new());

    let path = file(&scenario, &login).display().to_string();
    let forced = tool.run(&["rollout", "-f", &path, "--yes", "--force-conflicts"]).await;
    assert_eq!(forced.code, Some(0), "{forced:#?}");
    let note = "kubectl apply has left the login in an annotation of Secret";
    assert!(forced.err.contains(note), "{forced:#?}");
    let expected = scenario.expected(&["a"], &login);
    oracle::check(scenario.client(), &expected).await.unwrap();

    // Another tool adds a field that the file does not have. A server-side apply keeps it.
    let retained = json!({"spec": {"deletionPolicy": "Retain"}}).to_string();
    let retain = ["patch", "cps", scenario.name(), "--type=merge", "-p", &retained];
    scenario.kubectl(&retain).await;
    let (code, report) = rollout(&scenario, &tool, &login, &[]).await;
    assert_eq!(code, Some(2), "{report:#}");
    assert_eq!(
        left(&report, 0),
        [format!("clusterpullsecret/{} - Differs", scenario.name())]
    );
    let back = json!({"spec": {"deletionPolicy": "Delete"}}).to_string();
    scenario
        .kubectl(&["patch", "cps", scenario.name(), "--type=merge", "-p", &back])
        .await;
}

/// Two namespaces. Returns the second one, in which a foreign Secret is in the way of the copy.
async fn one_in_the_way(scenario: &Scenario) -> String {
    scenario.namespaces(&["a", "b"]).await;
    let namespace = scenario.in_scenario(&["b"]).remove(0);
    let foreign = ["create", "secret", "generic", scenario.name(), "-n", &namespace];
    scenario.kubectl(&foreign).await;
    namespace
}

/// A foreign Secret in the way of a copy, until the time is over.
#[tokio::test]
async fn what_is_left_is_a_row() {
    let scenario = Scenario::shared("left").await;
    let namespace = one_in_the_way(&scenario).await;
    let tool = Tool::new(scenario.cluster().kubeconfig_path()).await;
    let login = scenario.login("first");
    let (code, report) = rollout(&scenario, &tool, &login, &["--timeout=15s"]).await;
    assert_eq!((code, &report["complete"]), (Some(1), &json!(true)), "{report:#}");
    let object = format!("clusterpullsecret/{}", scenario.name());
    assert_eq!(left(&report, 0), [format!("{object} {namespace} SecretConflict")]);
    let path = file(&scenario, &login).display().to_string();
    let table = tool.run(&["rollout", "-f", &path, "--yes", "--timeout=1s"]).await;
    assert_eq!(table.code, Some(1), "{table:#?}");
    assert!(
        table.out.contains("CONTEXT   OBJECT") && table.out.contains("1 of 2 namespaces served"),
        "{table:#?}"
    );
    scenario
        .kubectl(&["delete", "secret", scenario.name(), "-n", &namespace])
        .await;
    let (code, report) = rollout(&scenario, &tool, &login, &[]).await;
    assert_eq!(code, Some(0), "{report:#}");
}

/// Ctrl-C ends the wait, says what is written, and takes nothing back.
#[tokio::test]
async fn an_interrupt_keeps_what_is_written() {
    let scenario = Scenario::shared("stopped").await;
    let namespace = one_in_the_way(&scenario).await;
    let tool = Tool::new(scenario.cluster().kubeconfig_path()).await;
    let path = file(&scenario, &scenario.login("first")).display().to_string();
    let served = eventually("the other namespace is served", SOON, async || {
        let get = [
            "get",
            "secret",
            scenario.name(),
            "-n",
            &scenario.in_scenario(&["a"])[0],
            "--ignore-not-found",
        ];
        match scenario.kubectl(&get).await.as_str() {
            "" => Err("it is not".to_owned()),
            _ => Ok(()),
        }
    });
    let ran = tool.interrupted(&["rollout", "-f", &path, "--yes"], served).await;
    assert_eq!(ran.code, Some(130), "{ran:#?}");
    assert!(ran.out.starts_with("e2e   2 created"), "{ran:#?}");
    assert!(ran.err.contains("interrupted: what was written stays"), "{ran:#?}");
    scenario.kubectl(&["get", "cps", scenario.name()]).await;
    scenario
        .kubectl(&["delete", "secret", scenario.name(), "-n", &namespace])
        .await;
}

/// A right that is missing, and an object that the schema refuses, are rows. What follows is not written.
#[tokio::test]
async fn refused_writes_become_rows() {
    let scenario = Scenario::shared("refused").await;
    let tool = Tool::new(scenario.cluster().kubeconfig_path()).await;
    let login = scenario.login("first");
    let (secret, object) = (
        format!("secret/{}", scenario.name()),
        format!("clusterpullsecret/{}", scenario.name()),
    );
    let (code, report) = rollout(&scenario, &tool, &login, &["--as=nobody"]).await;
    assert_eq!(
        (code, left(&report, 0)),
        (Some(2), vec![format!("{secret} - Forbidden")]),
        "{report:#}"
    );
    assert_eq!(done(&report, 0), Vec::<String>::new());

    let mut changed = scenario.object();
    changed["spec"]["secret"] = json!({"labels": {"argocd.argoproj.io/instance": "x"}});
    let path = scenario.cluster().folder().join(format!("{}.labels", scenario.name()));
    std::fs::write(&path, changed.to_string()).unwrap();
    let given = ["rollout", "-f", &path.display().to_string(), "--yes"];
    let (code, report) = tool.json(&given).await;
    assert_eq!(
        (code, left(&report, 0)),
        (Some(2), vec![format!("{object} - Refused")]),
        "{report:#}"
    );
    assert_eq!(done(&report, 0), Vec::<String>::new());
}
