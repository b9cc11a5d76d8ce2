//! The tool, and what it prints.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::process::{Output, Stdio};
use std::time::Duration;

use e2e::wait::blocking;
use nix::sys::signal::Signal;
use nix::unistd::Pid;
use serde_json::Value;
use tokio::io::AsyncWriteExt as _;
use tokio::process::{Child, Command};

/// Longer than any run takes on a busy machine.
const PATIENCE: Duration = Duration::from_mins(2);

/// Variables of this machine that would change what the tool does.
const NOT_OURS: [&str; 8] = [
    "RUST_LOG",
    "COLUMNS",
    "HTTPS_PROXY",
    "https_proxy",
    "HTTP_PROXY",
    "http_proxy",
    "NO_PROXY",
    "no_proxy",
];

/// The tool with one kubeconfig, or several.
pub(crate) struct Tool {
    binary: PathBuf,
    kubeconfig: String,
    variables: Vec<(String, String)>,
}

/// What came of a run.
#[derive(Debug)]
pub(crate) struct Ran {
    pub(crate) code: Option<i32>,
    pub(crate) out: String,
    pub(crate) err: String,
}

impl Tool {
    /// Builds the tool.
    pub(crate) async fn new(kubeconfig: &Path) -> Self {
        Self {
            binary: blocking(e2e::binaries::cli).await.unwrap(),
            kubeconfig: kubeconfig.display().to_string(),
            variables: Vec::new(),
        }
    }

    /// The same tool with `KUBECONFIG` as given.
    pub(crate) fn with_kubeconfig(&self, kubeconfig: String) -> Self {
        Self {
            binary: self.binary.clone(),
            kubeconfig,
            variables: self.variables.clone(),
        }
    }

    /// Sets a variable of its environment.
    pub(crate) fn with(mut self, name: &str, value: &str) -> Self {
        self.variables.push((name.to_owned(), value.to_owned()));
        self
    }

    /// Returns its command, without a terminal.
    fn command(&self, arguments: &[&str]) -> Command {
        let mut command = Command::new(&self.binary);
        for name in NOT_OURS {
            command.env_remove(name);
        }
        command
            .args(arguments)
            .env("KUBECONFIG", &self.kubeconfig)
            .envs(self.variables.iter().map(|(name, value)| (name, value)))
            .stdin(Stdio::null())
            .kill_on_drop(true);
        command
    }

    /// Runs it, without a terminal.
    pub(crate) async fn run(&self, arguments: &[&str]) -> Ran {
        ended(self.command(arguments).output()).await
    }

    /// As [`run`](Self::run), with this text at standard input.
    pub(crate) async fn run_with(&self, arguments: &[&str], input: &str) -> Ran {
        let mut child = self.started(arguments, Stdio::piped());
        let mut stdin = child.stdin.take().unwrap();
        stdin.write_all(input.as_bytes()).await.unwrap();
        drop(stdin);
        ended(child.wait_with_output()).await
    }

    /// Runs it, and interrupts it as Ctrl-C does when `ready` has come to its end.
    pub(crate) async fn interrupted(&self, arguments: &[&str], ready: impl Future<Output = ()>) -> Ran {
        let child = self.started(arguments, Stdio::null());
        ready.await;
        let pid = Pid::from_raw(child.id().unwrap().try_into().unwrap());
        nix::sys::signal::kill(pid, Signal::SIGINT).unwrap();
        ended(child.wait_with_output()).await
    }

    fn started(&self, arguments: &[&str], stdin: Stdio) -> Child {
        let mut command = self.command(arguments);
        command.stdin(stdin).stdout(Stdio::piped()).stderr(Stdio::piped());
        command.spawn().unwrap()
    }

    /// Runs it for JSON.
    pub(crate) async fn json(&self, arguments: &[&str]) -> (Option<i32>, Value) {
        let ran = self.run(&[arguments, &["-o", "json"]].concat()).await;
        let parsed = serde_json::from_str(&ran.out);
        (ran.code, parsed.unwrap_or_else(|error| panic!("{error}: {ran:#?}")))
    }
}

async fn ended(running: impl Future<Output = std::io::Result<Output>>) -> Ran {
    let output = tokio::time::timeout(PATIENCE, running).await.expect("it ends").unwrap();
    Ran {
        code: output.status.code(),
        out: String::from_utf8(output.stdout).unwrap(),
        err: String::from_utf8(output.stderr).unwrap(),
    }
}

/// The reasons of each workload of an audit, each with when it fails.
pub(crate) fn reasons(report: &Value) -> BTreeMap<String, String> {
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
