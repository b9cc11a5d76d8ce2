//! Bugs that the campaign does not reach, because they need workloads and kubelets: tests of the suites notice them.

use std::path::Path;
use std::process::Stdio;

use anyhow::Context;
use e2e::binaries::cargo;
use e2e::workspace;

/// Returns whether this test of `e2e/tests/suites.rs` passes with this operator.
pub(crate) fn passes(test: &str, operator: &Path) -> anyhow::Result<bool> {
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
        .env("PULLSECRETS_E2E_OPERATOR", operator)
        .current_dir(workspace())
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .status()
        .context("cannot run cargo")?;
    Ok(status.success())
}
