//! Guardian: a small shell that ends everything this process started, however this process ends.
//!
//! A destructor does not run when a process is killed, nor for a `static`. So the first watched process or folder
//! starts one shell with a pipe. The kernel closes this end of the pipe when this process ends. The shell then kills
//! the watched process groups and removes the folders.

use std::fmt::Display;
use std::io::Write;
use std::os::unix::process::CommandExt;
use std::path::Path;
use std::process::{Child, ChildStdin, Command, Stdio};
use std::sync::{Mutex, OnceLock, PoisonError};

use anyhow::{Context, anyhow};

/// Reads one order per line. It forgets groups that have ended, because another process may get their number. A missing
/// folder is no error. It waits for killed groups, so that none of them writes into a folder during its removal. The
/// wait is a second at most, because a zombie without a parent that reaps it counts as alive. `kill -s` because dash
/// takes no group after `kill -KILL --`. A control group can be removed when the kernel has let go of its processes,
/// which takes up to two seconds.
const SCRIPT: &str = r#"
trap '' HUP INT QUIT TERM PIPE
groups=
cgroups=
while read -r order subject; do
  case $order in
    group) groups="$groups $subject" ;;
    ended)
      rest=
      for group in $groups; do [ "$group" = "$subject" ] || rest="$rest $group"; done
      groups=$rest ;;
    cgroup) cgroups="$cgroups $subject" ;;
    folder) set -- "$@" "$subject" ;;
  esac
done
for group in $groups; do kill -s KILL -- "-$group" 2>/dev/null; done
looks=0
for group in $groups; do
  while [ $looks -lt 20 ] && kill -s 0 -- "-$group" 2>/dev/null; do sleep 0.05; looks=$((looks + 1)); done
done
for cgroup in $cgroups; do
  looks=0
  while [ $looks -lt 40 ] && [ -d "$cgroup" ]; do
    find "$cgroup" -depth -type d -exec rmdir {} + 2>/dev/null || sleep 0.05
    looks=$((looks + 1))
  done
done
for folder in "$@"; do rm -rf -- "$folder"; done
"#;

struct Guardian {
    orders: Mutex<ChildStdin>,
    /// Kept so that this process does not wait for the shell, which ends later.
    _shell: Child,
}

/// Kills the process group `group` when this process ends. The number of a group is that of its first process.
///
/// # Errors
///
/// When the shell cannot be started or does not read.
pub(crate) fn watch_group(group: u32) -> anyhow::Result<()> {
    order("group", group)
}

/// Forgets a group after its first process was reaped, because its number is free for others then.
pub(crate) fn group_ended(group: u32) -> anyhow::Result<()> {
    order("ended", group)
}

/// Removes the folder when this process ends.
///
/// # Errors
///
/// As [`watch_group`].
pub(crate) fn watch_folder(path: &Path) -> anyhow::Result<()> {
    order("folder", path.display())
}

/// Removes the control group, with all below it, when this process ends.
///
/// # Errors
///
/// As [`watch_group`].
pub(crate) fn watch_cgroup(path: &Path) -> anyhow::Result<()> {
    order("cgroup", path.display())
}

fn order(verb: &str, subject: impl Display) -> anyhow::Result<()> {
    static GUARDIAN: OnceLock<Result<Guardian, std::io::Error>> = OnceLock::new();
    let guardian = GUARDIAN
        .get_or_init(Guardian::start)
        .as_ref()
        .map_err(|error| anyhow!("cannot start the shell that ends test processes: {error}"))?;
    let mut orders = guardian.orders.lock().unwrap_or_else(PoisonError::into_inner);
    writeln!(orders, "{verb} {subject}").context("the shell that ends test processes is gone")
}

impl Guardian {
    fn start() -> std::io::Result<Self> {
        let mut shell = Command::new("sh")
            .args(["-c", SCRIPT, "pullsecrets-e2e-guardian"])
            .stdin(Stdio::piped())
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .current_dir("/")
            // Protects the shell from a Ctrl-C in the terminal, which reaches the whole group.
            .process_group(0)
            .spawn()?;
        let orders = shell
            .stdin
            .take()
            .ok_or_else(|| std::io::Error::other("the shell has no input"))?;
        Ok(Self {
            orders: Mutex::new(orders),
            _shell: shell,
        })
    }
}
