//! Verdicts of the tools' own engines, with this project's configuration for them.

use std::io::Write as _;
use std::process::{Command, Stdio};

use e2e::binaries::binaries;
use e2e::wait::blocking;
use serde_json::Value;

/// The same object in the words of each tool.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Verdict {
    /// By `config/argocd`.
    pub(crate) argo_cd: String,
    /// By the expressions of `config/samples/flux-kustomization.yaml`.
    pub(crate) flux: String,
    /// By its rules for kinds that it does not know.
    pub(crate) kstatus: String,
}

/// Returns the verdicts on these objects, in order.
pub(crate) async fn judge(objects: &[Value]) -> Vec<Verdict> {
    let lines = objects.iter().map(Value::to_string).collect::<Vec<_>>().join("\n");
    let argo_cd = ask(&["lua", "config/argocd/health.yaml"], &lines).await;
    let flux = ask(&["cel", "config/samples/flux-kustomization.yaml"], &lines).await;
    let kstatus = ask(&["kstatus"], &lines).await;
    assert_eq!((argo_cd.len(), flux.len()), (objects.len(), kstatus.len()));
    let columns = argo_cd.into_iter().zip(flux).zip(kstatus);
    columns
        .map(|((argo_cd, flux), kstatus)| Verdict { argo_cd, flux, kstatus })
        .collect()
}

/// Returns the status in each line of the answer.
async fn ask(arguments: &[&str], lines: &str) -> Vec<String> {
    let arguments: Vec<String> = arguments.iter().map(|&argument| argument.to_owned()).collect();
    let lines = lines.to_owned();
    let answer = blocking(move || {
        let mut child = Command::new(&binaries()?.controlplane)
            .args(&arguments)
            .current_dir(e2e::workspace())
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()?;
        let mut input = child.stdin.take().expect("standard input");
        // Written in a second thread: the child answers each object at once, and this thread reads only later.
        let writer = std::thread::spawn(move || input.write_all(lines.as_bytes()));
        let output = child.wait_with_output()?;
        writer.join().expect("the writer")?;
        anyhow::ensure!(output.status.success(), "{arguments:?} failed");
        Ok(String::from_utf8(output.stdout)?)
    });
    let answer = answer.await.unwrap();
    let status = |line: &str| {
        serde_json::from_str::<Value>(line).unwrap()["status"]
            .as_str()
            .unwrap()
            .to_owned()
    };
    answer.lines().map(status).collect()
}
