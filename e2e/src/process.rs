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
mod tests {
    use super::*;
    use crate::folder::Folder;

    /// Set in a second run of this test binary, in which [`victim`] is not a test but the process that gets killed.
    const VICTIM: &str = "PULLSECRETS_E2E_VICTIM";

    fn sleeper(folder: &Folder) -> Process {
        let program = Program::new("sleep", ["1000"]);
        Process::start("sleeper", &program, &folder.join("sleeper.log")).unwrap()
    }

    fn lives(pid: &str) -> bool {
        // A zombie has no command line.
        std::fs::read(format!("/proc/{pid}/cmdline")).is_ok_and(|line| !line.is_empty())
    }

    #[test]
    fn victim() {
        if std::env::var_os(VICTIM).is_none() {
            return;
        }
        let folder = Folder::new("pullsecrets-e2e-victim").unwrap();
        let sleeper = sleeper(&folder);
        println!("left: {} {}", sleeper.pid(), folder.path().display());
        nix::sys::signal::kill(Pid::this(), Signal::SIGKILL).unwrap();
    }

    #[tokio::test]
    async fn nothing_outlives_a_process_that_is_killed() {
        let output = Command::new(std::env::current_exe().unwrap())
            .args(["--exact", "process::tests::victim", "--nocapture"])
            .env(VICTIM, "yes")
            .output()
            .unwrap();
        let output = String::from_utf8_lossy(&output.stdout);
        let left = output.lines().find_map(|line| line.split_once("left: ")).unwrap().1;
        let (pid, folder) = left.split_once(' ').unwrap();
        crate::wait::eventually("its child and its folder go", Duration::from_secs(10), async || match (
            lives(pid),
            Path::new(folder).exists(),
        ) {
            (false, false) => Ok(()),
            left => Err(format!("child, folder: {left:?}")),
        })
        .await;
    }

    #[test]
    fn a_dropped_process_is_dead() {
        let folder = Folder::new("pullsecrets-e2e-drop").unwrap();
        let pid = sleeper(&folder).pid().to_string();
        assert!(!lives(&pid));
    }

    #[test]
    fn a_process_that_does_not_listen_is_killed_and_that_is_an_error() {
        let folder = Folder::new("pullsecrets-e2e-deaf").unwrap();
        let program = Program::new("sh", ["-c", "trap '' TERM; echo deaf; while :; do sleep 1000; done"]);
        let mut deaf = Process::start("deaf", &program, &folder.join("deaf.log")).unwrap();
        while deaf.log().is_empty() {
            std::thread::yield_now();
        }
        let told = deaf.stop(Signal::SIGTERM, Duration::from_millis(50)).unwrap_err();
        assert!(told.to_string().contains("was killed"), "{told}");
        assert!(deaf.ended().unwrap().is_some());
    }
}
