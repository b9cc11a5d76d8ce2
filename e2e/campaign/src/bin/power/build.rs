//! Builds the operator or the tool with a bug from a copy of the tree.

use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context, ensure};
use campaign::bugs::Bug;
use e2e::{binaries, workspace};

/// Returns the folder of the copy, its build and the binaries.
fn folder() -> PathBuf {
    workspace().join("target/power")
}

/// Returns the path of the operator, or of the tool, with this bug, once built.
pub(crate) fn binary(bug: &Bug) -> PathBuf {
    folder().join("binaries").join(&bug.name)
}

/// Builds it. Equal files of the copy are not rewritten, so Cargo compiles only the patched crates again.
pub(crate) fn build(bug: &Bug) -> anyhow::Result<()> {
    let tree = folder().join("tree");
    copy(&tree)?;
    bug.apply(&tree, false)?;
    let compiled = folder().join("compiled");
    let (package, name) = if bug.of_tool {
        ("kubectl-pullsecrets", "kubectl-pullsecrets")
    } else {
        ("operator", "pullsecrets")
    };
    let status = binaries::cargo()
        .args(["build", "--quiet", "--package", package, "--bin", name])
        .env("CARGO_TARGET_DIR", &compiled)
        .current_dir(&tree)
        .status()
        .context("cannot run cargo")?;
    ensure!(status.success(), "{name} with the bug {} does not build", bug.name);
    let binary = binary(bug);
    std::fs::create_dir_all(folder().join("binaries"))?;
    std::fs::copy(compiled.join("debug").join(name), &binary)?;
    Ok(())
}

/// Copies the tree, without files that git ignores.
fn copy(tree: &Path) -> anyhow::Result<()> {
    let listed = Command::new("git")
        .args(["ls-files", "-z", "--cached", "--others", "--exclude-standard"])
        .current_dir(workspace())
        .output()
        .context("no git on PATH")?;
    ensure!(listed.status.success(), "the tree is no working copy of git");
    for path in String::from_utf8(listed.stdout)?.split_terminator('\0') {
        let (from, to) = (workspace().join(path), tree.join(path));
        // A deleted file that the index still has.
        let Ok(new) = std::fs::read(&from) else {
            continue;
        };
        if std::fs::read(&to).is_ok_and(|old| old == new) {
            continue;
        }
        if let Some(parent) = to.parent() {
            std::fs::create_dir_all(parent)?;
        }
        std::fs::write(&to, new).with_context(|| format!("{}", to.display()))?;
    }
    Ok(())
}
