//! Seeded bugs: patches in `e2e/bugs` with bugs that other operators had, or that this design warns of. An oracle must
//! notice each.
//!
//! A patch begins with a line that describes the bug. A line `try: ` follows for each plan, or workload without a
//! fault, that should show it. A line `test: ` names a test of the suites that must fail; the campaign has no kubelets and
//! does not run the command-line tool. `M01` to `M16` are bugs of similar operators. The others have names, and those of
//! the tool begin with `cli-`.

use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context, ensure};

use e2e::faults::plan::{Fault, Plan, Trigger};
use e2e::workspace;

/// One seeded bug.
#[derive(Debug, Clone)]
pub struct Bug {
    /// The name of its file.
    pub name: String,
    /// Description of the bug.
    pub seeds: String,
    /// The plans that should show it; the first that does is enough.
    pub tries: Vec<Try>,
    /// The tests of the suites that should fail; the first that does is enough.
    pub tests: Vec<String>,
    /// The patch.
    pub patch: PathBuf,
    /// The bug is in the command-line tool. Otherwise it is in the operator.
    pub of_tool: bool,
}

/// A workload, and its fault.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Try {
    /// The workload.
    pub workload: String,
    /// The trigger and the fault, or none in a clean run.
    pub strike: Option<(Trigger, Fault)>,
}

impl Try {
    fn parse(line: &str) -> anyhow::Result<Self> {
        if !line.starts_with('{') {
            return Ok(Self {
                workload: line.to_owned(),
                strike: None,
            });
        }
        let Plan {
            workload,
            trigger,
            fault,
        } = line.parse()?;
        Ok(Self {
            workload,
            strike: Some((trigger, fault)),
        })
    }
}

/// Returns all bugs, by name.
///
/// # Errors
///
/// When a patch does not begin as it must.
pub fn all() -> anyhow::Result<Vec<Bug>> {
    let folder = workspace().join("e2e/bugs");
    let mut patches = Vec::new();
    for entry in std::fs::read_dir(&folder).with_context(|| format!("{}", folder.display()))? {
        let path = entry?.path();
        if path.extension().is_some_and(|extension| extension == "patch") {
            patches.push(path);
        }
    }
    patches.sort();
    patches.into_iter().map(read).collect()
}

fn read(patch: PathBuf) -> anyhow::Result<Bug> {
    let text = std::fs::read_to_string(&patch)?;
    let head: Vec<&str> = text.lines().take_while(|line| !line.is_empty()).collect();
    let tries = head.iter().filter_map(|line| line.strip_prefix("try: "));
    let tests = head.iter().filter_map(|line| line.strip_prefix("test: "));
    let name = patch.file_stem().and_then(|name| name.to_str()).unwrap_or_default();
    let bug = Bug {
        name: name.to_owned(),
        seeds: head.first().copied().unwrap_or_default().to_owned(),
        tries: tries.map(Try::parse).collect::<anyhow::Result<_>>()?,
        tests: tests.map(ToOwned::to_owned).collect(),
        patch,
        of_tool: text.contains("\n+++ b/operator/cli/"),
    };
    let is_shown = !bug.tries.is_empty() || !bug.tests.is_empty();
    ensure!(
        is_shown,
        "{} has neither a line `try: ` nor `test: `",
        bug.patch.display()
    );
    Ok(bug)
}

impl Bug {
    /// Applies the patch to a tree, or only checks that it applies.
    ///
    /// # Errors
    ///
    /// When it does not apply: the error of git.
    pub fn apply(&self, tree: &Path, only_check: bool) -> anyhow::Result<()> {
        let mut git = Command::new("git");
        git.arg("apply").current_dir(tree);
        if let Some(parent) = tree.parent() {
            // Git must not use the outer working copy for a tree inside it.
            git.env("GIT_CEILING_DIRECTORIES", parent);
        }
        if only_check {
            git.arg("--check");
        }
        let output = git.arg(&self.patch).output().context("no git on PATH")?;
        ensure!(
            output.status.success(),
            "{} does not apply: {}",
            self.name,
            String::from_utf8_lossy(&output.stderr)
        );
        Ok(())
    }
}
