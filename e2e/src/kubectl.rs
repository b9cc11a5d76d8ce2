//! The real kubectl, as a user runs it.

use std::path::{Path, PathBuf};
use std::process::{Output, Stdio};
use std::time::Duration;

use anyhow::{Context, bail};
use tokio::io::AsyncWriteExt;

/// kubectl with one kubeconfig.
#[derive(Debug, Clone)]
pub struct Kubectl {
    binary: PathBuf,
    kubeconfig: PathBuf,
    cache: PathBuf,
}

impl Kubectl {
    /// Creates a kubectl that runs `binary` with `kubeconfig`. It caches discovery in the folder `cache`. The default
    /// cache is keyed by address, and a later cluster may have the same port.
    pub fn new(binary: &Path, kubeconfig: &Path, cache: &Path) -> Self {
        Self {
            binary: binary.to_owned(),
            kubeconfig: kubeconfig.to_owned(),
            cache: cache.to_owned(),
        }
    }

    /// Returns the executable, which also works for people.
    pub fn binary(&self) -> &Path {
        &self.binary
    }

    /// Runs it with `input` as standard input and waits. A refusal is not an error; the output contains it.
    ///
    /// # Errors
    ///
    /// When it cannot be run.
    pub async fn output(&self, arguments: &[&str], input: &str) -> anyhow::Result<Output> {
        let mut child = self
            .environment(tokio::process::Command::new(&self.binary))
            .args(arguments)
            .current_dir(crate::workspace())
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .kill_on_drop(true)
            .spawn()
            .context("cannot run kubectl")?;
        let mut stdin = child.stdin.take().context("kubectl has no input")?;
        // kubectl may end before it has read all input. Its message then matters, rather than the broken pipe.
        let _ = stdin.write_all(input.as_bytes()).await;
        drop(stdin);
        child.wait_with_output().await.context("kubectl does not end")
    }

    /// Runs a shell script in `folder`, with this kubectl on the path and this kubeconfig. It ends with its first
    /// failing command.
    ///
    /// # Errors
    ///
    /// When there is no shell, or the script takes longer than `patience`.
    pub async fn script(&self, script: &str, folder: &Path, patience: Duration) -> anyhow::Result<Output> {
        let own = std::env::var_os("PATH").unwrap_or_default();
        let folders = self.binary.parent().map(Path::to_owned).into_iter();
        let path = std::env::join_paths(folders.chain(std::env::split_paths(&own)))?;
        let running = self
            .environment(tokio::process::Command::new("sh"))
            .args(["-e", "-u", "-c", script])
            .env("PATH", path)
            .current_dir(folder)
            .stdin(Stdio::null())
            .kill_on_drop(true)
            .output();
        tokio::time::timeout(patience, running)
            .await
            .with_context(|| format!("not within {patience:?}: {script}"))?
            .context("cannot run sh")
    }

    fn environment(&self, mut command: tokio::process::Command) -> tokio::process::Command {
        command
            .env("KUBECONFIG", &self.kubeconfig)
            .env("KUBECACHEDIR", &self.cache);
        command
    }

    /// Runs it and returns its standard output.
    ///
    /// # Errors
    ///
    /// When it cannot be run or fails. The error has the command and its standard error, never its input, because
    /// manifests hold passwords.
    pub async fn run(&self, arguments: &[&str], input: &str) -> anyhow::Result<String> {
        let output = self.output(arguments, input).await?;
        if !output.status.success() {
            let reason = String::from_utf8_lossy(&output.stderr);
            bail!("kubectl {}: {}", arguments.join(" "), reason.trim());
        }
        Ok(String::from_utf8_lossy(&output.stdout).into_owned())
    }

    /// Runs `kubectl apply -f -` for one or more YAML documents.
    ///
    /// # Errors
    ///
    /// As [`run`](Self::run).
    pub async fn apply(&self, manifest: &str) -> anyhow::Result<String> {
        self.run(&["apply", "-f", "-"], manifest).await
    }
}
