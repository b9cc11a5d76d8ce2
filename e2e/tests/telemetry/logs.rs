//! Log lines in JSON with the documented fields, for searches and counts.

use std::collections::BTreeSet;

use e2e::folder::Folder;
use e2e::process::{Process, Program};
use e2e::scenario::{SOON, Scenario};
use e2e::wait::eventually;
use e2e::{binaries, operator};
use serde_json::Value;

const README: &str = include_str!("../../../operator/README.md");

/// Fields of every line.
const ALWAYS: [&str; 4] = ["timestamp", "level", "target", "message"];

/// Returns the fields in README's table, and the names of spans.
fn documented() -> (BTreeSet<&'static str>, BTreeSet<&'static str>) {
    let table = README
        .split_once("| fields of a log line |")
        .expect("README has the table")
        .1;
    let table = table.split_once("\n\n").expect("it ends").0;
    let quoted = |text: &'static str| text.split('`').skip(1).step_by(2).collect::<BTreeSet<_>>();
    let rows = table
        .lines()
        .filter_map(|line| line.strip_prefix("| ")?.split_once(" | "));
    let (mut fields, mut spans) = (BTreeSet::new(), BTreeSet::new());
    for (names, meaning) in rows {
        fields.extend(quoted(names));
        if names.contains("`span`") {
            spans = quoted(meaning);
        }
    }
    assert!(ALWAYS.iter().all(|name| fields.contains(name)), "{fields:?}");
    (fields, spans)
}

/// Parses a line, which must be an object with the common fields.
fn line(text: &str) -> Value {
    let line: Value = serde_json::from_str(text).unwrap_or_default();
    assert!(line.is_object(), "no JSON object: {text}");
    for name in ALWAYS {
        assert!(line[name].is_string(), "no {name}: {text}");
    }
    let timestamp: Result<jiff::Timestamp, _> = line["timestamp"].as_str().unwrap().parse();
    assert!(timestamp.is_ok(), "{text}");
    let level = line["level"].as_str().unwrap();
    assert!(["ERROR", "WARN", "INFO", "DEBUG", "TRACE"].contains(&level), "{text}");
    line
}

fn names(object: &Value) -> impl Iterator<Item = &str> {
    object.as_object().into_iter().flatten().map(|(name, _)| name.as_str())
}

/// Every line is JSON and has only documented fields.
#[tokio::test]
async fn every_line_has_exactly_the_documented_fields() {
    let (fields, spans) = documented();
    let scenario = Scenario::own("logs").await;
    let login = scenario.login("first");
    scenario.set_up(&["a"], &login).await;
    // Causes for the operator to log: a conflict, a lost race, a refusal, an unusable source, a deleted object.
    scenario.unselected_namespaces(&["b"]).await;
    scenario
        .kubectl(&["create", "secret", "generic", "logs", "-n", "logs-b"])
        .await;
    scenario
        .kubectl(&["create", "quota", "none", "-n", "logs-b", "--hard=secrets=1"])
        .await;
    scenario
        .kubectl(&["label", "namespace", "logs-b", "scenario=logs"])
        .await;
    scenario.says("Ready", "False", "NamespacesFailed").await;
    scenario
        .kubectl(&["delete", "secret", "logs", "-n", "pullsecrets-system"])
        .await;
    scenario.says("CredentialsReady", "False", "SourceNotFound").await;
    scenario.kubectl(&["delete", "cps", "logs"]).await;
    scenario.stop_operator().await;

    let log = operator::logged(scenario.cluster()).unwrap();
    let mut seen = BTreeSet::new();
    for text in log.lines() {
        let line = line(text);
        if !line["target"].as_str().unwrap().starts_with("operator") {
            continue;
        }
        let within = line["spans"].as_array().into_iter().flatten().chain(line.get("span"));
        for span in within {
            assert!(spans.contains(span["name"].as_str().unwrap()), "{text}");
            let strange = names(span).find(|name| *name != "name" && !fields.contains(name));
            assert_eq!(strange, None, "of a span, not in README: {text}");
        }
        let strange = names(&line).find(|name| !fields.contains(name));
        assert_eq!(strange, None, "not in README: {text}");
        seen.extend(names(&line).map(str::to_owned));
    }
    for name in ["namespace", "secret", "objects", "writes", "version", "identity"] {
        assert!(seen.contains(name), "{name} is in no line: {seen:?}");
    }
}

/// A failed start is logged as a line like all others.
#[tokio::test]
async fn failed_start_is_logged_like_all_else() {
    let binary = e2e::wait::blocking(binaries::operator).await.unwrap();
    let folder = Folder::new("pullsecrets-e2e-start").unwrap();
    let nowhere = folder.join("nowhere");
    let arguments = [
        "--log-format=json".to_owned(),
        format!("--kubeconfig={}", nowhere.display()),
    ];
    let mut process = Process::start("pullsecrets", &Program::new(binary, arguments), &folder.join("log")).unwrap();
    let status = eventually("it ends", SOON, async || {
        process.ended().unwrap().ok_or_else(|| "it runs".to_owned())
    })
    .await;
    assert_eq!(status.code(), Some(1));
    let log = process.log();
    let lines: Vec<Value> = log.lines().map(line).collect();
    let last = lines.last().expect("it says why");
    assert_eq!(last["level"], "ERROR");
    let message = last["message"].as_str().unwrap();
    assert!(message.contains(&nowhere.display().to_string()), "{message}");
}
