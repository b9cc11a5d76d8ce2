//! A child process that cannot outlive the process that started it.
//!
//! Each child leads a process group of its own. Before it becomes the program that is asked for, it waits as a shell for
//! one line from us, which is sent when the guardian knows the group. So whenever we die, the child
//! either reads the end of its input and leaves, or is killed by the guardian: there is no moment between.

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

/// How often an ending process is looked at.
const PAUSE: Duration = Duration::from_millis(5);

/// What to run.
#[derive(Debug, Clone)]
pub struct Program {
    /// The executable.
    pub path: PathBuf,
    /// Its arguments.
    pub arguments: Vec<OsString>,
    /// Variables added to our own environment.
    pub environment: Vec<(String, OsString)>,
}

impl Program {
    /// An executable with arguments and nothing added to the environment.
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
    /// When there is no shell, or `log` cannot be opened. A missing executable shows as an early end with code 127.
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
        // From here on, leaving early drops (and so kills) the child.
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

    /// The name that it was started under.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// Its number, which is also that of its group. Another process may have it once this one has ended.
    pub fn pid(&self) -> u32 {
        self.child.id()
    }

    /// How it ended; `None` while it runs.
    ///
    /// # Errors
    ///
    /// When the system does not tell.
    pub fn ended(&mut self) -> std::io::Result<Option<ExitStatus>> {
        if self.ended.is_none()
            && let Some(status) = self.child.try_wait()?
        {
            self.ended = Some(status);
            // The guardian is gone only if this process is about to be.
            let _ = guardian::group_ended(self.child.id());
        }
        Ok(self.ended)
    }

    /// Asks it to end with `signal` and waits; kills it after `grace`.
    ///
    /// # Errors
    ///
    /// When it had to be killed, so that a server which does not stop by itself is noticed.
    pub fn stop(&mut self, signal: Signal, grace: Duration) -> anyhow::Result<ExitStatus> {
        self.signal(signal)?;
        if let Some(status) = self.wait(grace)? {
            return Ok(status);
        }
        self.kill()?;
        bail!("{} was killed: it did not end within {grace:?} of {signal}", self.name);
    }

    /// Ends it at once, as a crash of the machine would (SIGKILL), and reaps it.
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

    /// Stops its clock (SIGSTOP): it keeps its connections and answers nothing.
    ///
    /// # Errors
    ///
    /// When the signal cannot be sent.
    pub fn pause(&mut self) -> anyhow::Result<()> {
        self.signal(Signal::SIGSTOP)
    }

    /// Lets it go on after [`pause`](Self::pause).
    ///
    /// # Errors
    ///
    /// When the signal cannot be sent.
    pub fn resume(&mut self) -> anyhow::Result<()> {
        self.signal(Signal::SIGCONT)
    }

    /// Resident memory now, in KiB (`VmRSS`).
    ///
    /// # Errors
    ///
    /// When it has ended, or the system is not Linux.
    pub fn rss_kib(&self) -> anyhow::Result<u64> {
        self.memory("VmRSS:")
    }

    /// The most resident memory that it ever had, in KiB (`VmHWM`).
    ///
    /// # Errors
    ///
    /// When it has ended, or the system is not Linux.
    pub fn peak_kib(&self) -> anyhow::Result<u64> {
        self.memory("VmHWM:")
    }

    /// All that it wrote to its output and errors so far; empty when that cannot be read.
    pub fn log(&self) -> String {
        std::fs::read(&self.log)
            .map(|bytes| String::from_utf8_lossy(&bytes).into_owned())
            .unwrap_or_default()
    }

    /// The last `lines` lines of [`log`](Self::log), under a heading, for a person.
    pub fn tail(&self, lines: usize) -> String {
        let log = self.log();
        let all: Vec<&str> = log.lines().collect();
        let last = all[all.len().saturating_sub(lines)..].join("\n");
        format!("---- {} ({}) ----\n{last}", self.name, self.log.display())
    }

    /// Sends to the whole group; nothing to do once the process was reaped, since its number may be another's then.
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
            .with_context(|| format!("the system tells no {field} of {}", self.name))?
            .parse()
            .context("a number of KiB")
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        // A process that cannot be killed here is killed by the guardian.
        let _ = self.kill();
    }
}

#[cfg(test)]
mod tests;
