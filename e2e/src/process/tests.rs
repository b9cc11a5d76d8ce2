//! Children end with their parent, and a child that ignores SIGTERM is reported.

use super::*;
use crate::folder::Folder;

/// Set in a second run of this test binary. There [`victim`] is the process that gets killed, rather than a test.
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

/// A process that does not end on SIGTERM is killed, and that is an error.
#[test]
fn process_that_ignores_sigterm_is_killed() {
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
