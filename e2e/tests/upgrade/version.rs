//! Two versions of the product, one of them the previous one, and what must hold between them.
//!
//! The previous version is the last tag `v*` before this commit: its manifests and its chart, and its operator built from
//! its sources. Without a tag, tests update this version to itself, under another image.
//! `PULLSECRETS_E2E_PREVIOUS=REVISION` selects another commit.

use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Duration;

use anyhow::{Context, ensure};
use e2e::{binaries, workspace};

const PREVIOUS: &str = "PULLSECRETS_E2E_PREVIOUS";
/// The image of the previous version.
pub(crate) const OLD: &str = "registry.example.com/pullsecrets:old";
/// The image of this version.
pub(crate) const NEW: &str = "registry.example.com/pullsecrets:new";

/// One version: its manifests and its operator.
#[derive(Clone)]
pub(crate) struct Version {
    pub(crate) tree: PathBuf,
    pub(crate) binary: PathBuf,
    pub(crate) image: &'static str,
}

/// Returns this version.
pub(crate) fn this() -> Version {
    Version {
        tree: workspace(),
        binary: binaries::operator().unwrap(),
        image: NEW,
    }
}

/// Returns the previous version: the commit in the environment variable, the last release, or this version again.
pub(crate) fn previous(folder: &Path) -> anyhow::Result<Version> {
    let named = std::env::var(PREVIOUS).ok().filter(|value| !value.is_empty());
    let Some(revision) = named.or_else(last_release) else {
        return Ok(Version { image: OLD, ..this() });
    };
    eprintln!("from {revision}");
    let (archive, tree) = (folder.join("previous.tar"), folder.join("previous"));
    std::fs::create_dir(&tree)?;
    run(Command::new("git")
        .arg("-C")
        .arg(workspace())
        .args(["archive", "-o"])
        .arg(&archive)
        .arg(revision))?;
    run(Command::new("tar").arg("-xf").arg(&archive).arg("-C").arg(&tree))?;
    // The dependencies that it shares with this version are already compiled.
    let build = ["build", "--quiet", "--package=operator", "--bin=pullsecrets"];
    run(binaries::cargo()
        .args(build)
        .current_dir(&tree)
        .env("CARGO_BUILD_BUILD_DIR", workspace().join("target"))
        .env("CARGO_TARGET_DIR", folder.join("target")))?;
    let binary = folder.join("target/debug/pullsecrets");
    Ok(Version {
        tree,
        binary,
        image: OLD,
    })
}

/// Returns the last tag of a release before this commit. A release is not updated to itself.
fn last_release() -> Option<String> {
    let described = Command::new("git")
        .arg("-C")
        .arg(workspace())
        .args(["describe", "--tags", "--abbrev=0", "--match=v[0-9]*", "HEAD^"])
        .output()
        .ok()
        .filter(|output| output.status.success())?;
    let tag = String::from_utf8(described.stdout).ok()?;
    Some(tag.trim().to_owned())
}

fn run(command: &mut Command) -> anyhow::Result<()> {
    let status = command.status().with_context(|| format!("{command:?}"))?;
    ensure!(status.success(), "{command:?}: {status}");
    Ok(())
}

/// The fewest looks. A change may end sooner, and what it breaks may show after it.
const LOOKS: usize = 50;

/// Repeats `look` until the change has ended; its first error is a gap.
pub(crate) async fn without_a_gap(look: impl AsyncFn() -> Result<(), String>, change: impl Future<Output = ()>) {
    let mut change = std::pin::pin!(change);
    let (mut looks, mut ended) = (0, false);
    while !ended || looks < LOOKS {
        if let Err(gap) = look().await {
            panic!("a gap, at look {looks}: {gap}");
        }
        looks += 1;
        tokio::select! {
            () = &mut change, if !ended => ended = true,
            () = tokio::time::sleep(Duration::from_millis(10)) => {}
        }
    }
    eprintln!("no gap in {looks} looks");
}
