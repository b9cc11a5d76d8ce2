//! The tool, and what it prints.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::process::Stdio;
use std::time::Duration;

use e2e::wait::blocking;
use serde_json::Value;

/// Longer than any run takes on a busy machine.
const PATIENCE: Duration = Duration::from_mins(2);

/// The tool with one kubeconfig, or several.
pub(super) struct Tool {
    binary: PathBuf,
    kubeconfig: String,
    variables: Vec<(String, String)>,
}

/// What came of a run.
#[derive(Debug)]
pub(super) struct Ran {
    pub(super) code: Option<i32>,
    pub(super) out: String,
    pub(super) err: String,
}

impl Tool {
    /// Builds the tool.
    pub(super) async fn new(kubeconfig: &Path) -> Self {
        Self {
            binary: blocking(e2e::binaries::cli).await.unwrap(),
            kubeconfig: kubeconfig.display().to_string(),
            variables: Vec::new(),
        }
    }

    /// The same tool with `KUBECONFIG` as given.
    pub(super) fn with_kubeconfig(&self, kubeconfig: String) -> Self {
        Self {
            binary: self.binary.clone(),
            kubeconfig,
            variables: self.variables.clone(),
        }
    }

    /// Sets a variable of its environment.
    pub(super) fn with(mut self, name: &str, value: &str) -> Self {
        self.variables.push((name.to_owned(), value.to_owned()));
        self
    }

    /// Runs it, without a terminal.
    pub(super) async fn run(&self, arguments: &[&str]) -> Ran {
        let running = tokio::process::Command::new(&self.binary)
            .args(arguments)
            .env("KUBECONFIG", &self.kubeconfig)
            .env_remove("RUST_LOG")
            .env_remove("COLUMNS")
            .envs(self.variables.iter().map(|(name, value)| (name, value)))
            .stdin(Stdio::null())
            .kill_on_drop(true)
            .output();
        let output = tokio::time::timeout(PATIENCE, running).await.expect("it ends").unwrap();
        Ran {
            code: output.status.code(),
            out: String::from_utf8(output.stdout).unwrap(),
            err: String::from_utf8(output.stderr).unwrap(),
        }
    }

    /// Runs it for JSON.
    pub(super) async fn json(&self, arguments: &[&str]) -> (Option<i32>, Value) {
        let ran = self.run(&[arguments, &["-o", "json"]].concat()).await;
        let parsed = serde_json::from_str(&ran.out);
        (ran.code, parsed.unwrap_or_else(|error| panic!("{error}: {ran:#?}")))
    }
}

/// The reasons of each workload of an audit, each with when it fails.
pub(super) fn reasons(report: &Value) -> BTreeMap<String, String> {
    let mut found: BTreeMap<String, Vec<String>> = BTreeMap::new();
    let text = |value: &Value| value.as_str().unwrap().to_owned();
    for finding in report["findings"].as_array().unwrap() {
        let workload = &finding["workload"];
        let workload = format!("{}/{}", text(&workload["kind"]), text(&workload["name"]));
        let reason = format!("{} {}", text(&finding["reason"]), text(&finding["fails"]));
        found.entry(workload).or_default().push(reason);
    }
    let joined = found
        .into_iter()
        .map(|(workload, reasons)| (workload, reasons.join(", ")));
    joined.collect()
}
