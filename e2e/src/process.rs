//! A child process that cannot outlive the process that started it.
//!
//! Each child leads its own process group. It first waits as a shell for one line from its parent, which follows when
//! the guardian knows the group. Then it becomes the requested program. If the parent dies, the child either reads the
//! end of its input and exits, or the guardian kills it. No gap exists between the two.

use std::ffi::{OsStr, OsString};
use std::fs::File;
use std::io::Write;
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, ExitStatus, Stdio};
use std::time::{Duration, Instant};

use anyhow::{Context, bail};
use nix::sys::signal::{Signal, killpg};
use nix::unistd::Pid;

use crate::guardian;

const GATE: &str = r#"read -r _ && exec "$@" </dev/null"#;

/// Poll interval for an ending process.
const PAUSE: Duration = Duration::from_millis(5);

/// The program to run.
#[derive(Debug, Clone)]
pub struct Program {
    /// The executable.
    pub path: PathBuf,
    /// Its arguments.
    pub arguments: Vec<OsString>,
    /// Variables in addition to those of this process.
    pub environment: Vec<(String, OsString)>,
}

impl Program {
    /// Creates a program with arguments and an unchanged environment.
    pub fn new<A: AsRef<OsStr>>(path: impl Into<PathBuf>, arguments: impl IntoIterator<Item = A>) -> Self {
        Self {
            path: path.into(),
            arguments: arguments
                .into_iter()
                .map(|argument| argument.as_ref().to_owned())
                .collect(),
            environment: Vec::new(),
        }
    }
}

/// A running or ended child. Dropping it kills it.
#[derive(Debug)]
pub struct Process {
    name: String,
    child: Child,
    group: Pid,
    log: PathBuf,
    ended: Option<ExitStatus>,
}

impl Process {
    /// Starts `program`; its output and errors go to the end of the file `log`.
    ///
    /// # Errors
    ///
    /// When there is no shell, or `log` cannot be opened. A missing executable appears as an early end with code 127.
    pub fn start(name: &str, program: &Program, log: &Path) -> anyhow::Result<Self> {
        let output = File::options()
            .create(true)
            .append(true)
            .open(log)
            .with_context(|| format!("cannot open {}", log.display()))?;
        let mut child = Command::new("sh")
            .args(["-c", GATE, name])
            .arg(&program.path)
            .args(&program.arguments)
            .envs(program.environment.iter().map(|(name, value)| (name, value)))
            .stdin(Stdio::piped())
            .stdout(output.try_clone()?)
            .stderr(output)
            .process_group(0)
            .spawn()
            .with_context(|| format!("cannot start {name}"))?;
        let gate = child.stdin.take();
        let group = Pid::from_raw(i32::try_from(child.id())?);
        // From here on, an early return drops (and so kills) the child.
        let process = Self {
            name: name.to_owned(),
            child,
            group,
            log: log.to_owned(),
            ended: None,
        };
        guardian::watch_group(process.pid())?;
        gate.context("the child has no input")?
            .write_all(b"go\n")
            .with_context(|| format!("{name} did not wait to be started"))?;
        Ok(process)
    }

    /// Returns the name given at its start.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// Returns its number, which is also that of its group. Another process may get the number after its end.
    pub fn pid(&self) -> u32 {
        self.child.id()
    }

    /// Returns its exit status, or `None` while it runs.
    ///
    /// # Errors
    ///
    /// When the system call fails.
    pub fn ended(&mut self) -> std::io::Result<Option<ExitStatus>> {
        if self.ended.is_none()
            && let Some(status) = self.child.try_wait()?
        {
            self.ended = Some(status);
            // The guardian is gone only if this process is about to end.
            let _ = guardian::group_ended(self.child.id());
        }
        Ok(self.ended)
    }

    /// Sends `signal` and waits; kills the child after `grace`.
    ///
    /// # Errors
    ///
    /// When it had to be killed, so that a server that ignores the signal is reported.
    pub fn stop(&mut self, signal: Signal, grace: Duration) -> anyhow::Result<ExitStatus> {
        self.signal(signal)?;
        if let Some(status) = self.wait(grace)? {
            return Ok(status);
        }
        self.kill()?;
        bail!("{} was killed: it did not end within {grace:?} of {signal}", self.name);
    }

    /// Kills the child with SIGKILL, as a crash of the machine would, and reaps it.
    ///
    /// # Errors
    ///
    /// When the kernel still holds it after ten seconds.
    pub fn kill(&mut self) -> anyhow::Result<()> {
        self.signal(Signal::SIGKILL)?;
        match self.wait(Duration::from_secs(10))? {
            Some(_) => Ok(()),
            None => bail!("{} does not die", self.name),
        }
    }

    /// Stops it (SIGSTOP). It keeps its connections, but does not answer.
    ///
    /// # Errors
    ///
    /// When the signal cannot be sent.
    pub fn pause(&mut self) -> anyhow::Result<()> {
        self.signal(Signal::SIGSTOP)
    }

    /// Continues it after [`pause`](Self::pause).
    ///
    /// # Errors
    ///
    /// When the signal cannot be sent.
    pub fn resume(&mut self) -> anyhow::Result<()> {
        self.signal(Signal::SIGCONT)
    }

    /// Returns its resident memory now, in KiB (`VmRSS`).
    ///
    /// # Errors
    ///
    /// When it has ended, or the system is not Linux.
    pub fn rss_kib(&self) -> anyhow::Result<u64> {
        self.memory("VmRSS:")
    }

    /// Returns its peak resident memory, in KiB (`VmHWM`).
    ///
    /// # Errors
    ///
    /// When it has ended, or the system is not Linux.
    pub fn peak_kib(&self) -> anyhow::Result<u64> {
        self.memory("VmHWM:")
    }

    /// Returns its output and errors so far, or an empty text if the log cannot be read.
    pub fn log(&self) -> String {
        std::fs::read(&self.log)
            .map(|bytes| String::from_utf8_lossy(&bytes).into_owned())
            .unwrap_or_default()
    }

    /// Returns the last `lines` lines of [`log`](Self::log), under a heading, for people.
    pub fn tail(&self, lines: usize) -> String {
        let log = self.log();
        let all: Vec<&str> = log.lines().collect();
        let last = all[all.len().saturating_sub(lines)..].join("\n");
        format!("---- {} ({}) ----\n{last}", self.name, self.log.display())
    }

    /// Sends the signal to the whole group. After the process was reaped it does not, because its number may belong to
    /// another process.
    fn signal(&mut self, signal: Signal) -> anyhow::Result<()> {
        if self.ended()?.is_some() {
            return Ok(());
        }
        killpg(self.group, signal).with_context(|| format!("cannot send {signal} to {}", self.name))
    }

    fn wait(&mut self, grace: Duration) -> std::io::Result<Option<ExitStatus>> {
        let end = Instant::now() + grace;
        loop {
            if let Some(status) = self.ended()? {
                return Ok(Some(status));
            }
            if Instant::now() >= end {
                return Ok(None);
            }
            std::thread::sleep(PAUSE);
        }
    }

    fn memory(&self, field: &str) -> anyhow::Result<u64> {
        let status = std::fs::read_to_string(format!("/proc/{}/status", self.pid()))
            .with_context(|| format!("{} has ended", self.name))?;
        status
            .lines()
            .find_map(|line| line.strip_prefix(field))
            .and_then(|rest| rest.trim().strip_suffix(" kB"))
            .with_context(|| format!("the system reports no {field} of {}", self.name))?
            .parse()
            .context("a number of KiB")
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        // If this fails, the guardian kills the process.
        let _ = self.kill();
    }
}

#[cfg(test)]
mod tests;
