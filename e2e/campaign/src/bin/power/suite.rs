//! Bugs that the campaign does not reach, because they need workloads and kubelets: tests of the suites notice them.

use std::path::Path;
use std::process::Stdio;

use anyhow::Context;
use e2e::binaries::cargo;
use e2e::workspace;

/// The variable of the tests that names the operator.
pub(crate) const OPERATOR: &str = "PULLSECRETS_E2E_OPERATOR";

/// The variable of the tests that names the command-line tool.
pub(crate) const TOOL: &str = "PULLSECRETS_E2E_CLI";

/// Returns whether this test of `e2e/tests/suites.rs` passes with the binary that the variable names.
pub(crate) fn passes(test: &str, variable: &str, binary: &Path) -> anyhow::Result<bool> {
    let status = cargo()
        .args([
            "test",
            "--quiet",
            "--package=e2e",
            "--test=suites",
            "--",
            "--exact",
            test,
        ])
        .env(variable, binary)
        .current_dir(workspace())
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .status()
        .context("cannot run cargo")?;
    Ok(status.success())
}
