//! The operator, as Cargo builds it from this workspace.

use std::path::PathBuf;
use std::process::{Command, Stdio};
use std::sync::OnceLock;

use anyhow::{Context, anyhow, bail};
use serde_json::Value;

use crate::workspace;

/// The environment variable that chooses the profile: `release`, else the one for development.
pub(super) const PROFILE: &str = "PULLSECRETS_E2E_PROFILE";

/// The path of the `pullsecrets` binary of the sources as they are now, built first where needed.
///
/// So neither `cargo test` nor `cargo demo` needs anything to be run before it. Cargo is asked once for each process.
///
/// # Errors
///
/// When it does not compile; the compiler's output is on standard error.
pub fn operator() -> anyhow::Result<PathBuf> {
    static BUILT: OnceLock<Result<PathBuf, String>> = OnceLock::new();
    BUILT
        .get_or_init(|| build().map_err(|error| format!("{error:#}")))
        .clone()
        .map_err(|error| anyhow!("{error}"))
}

fn build() -> anyhow::Result<PathBuf> {
    let cargo = std::env::var_os("CARGO").unwrap_or_else(|| "cargo".into());
    let mut command = Command::new(cargo);
    command.current_dir(workspace()).args([
        "build",
        "--quiet",
        "--package=operator",
        "--bin=pullsecrets",
        "--message-format=json-render-diagnostics",
    ]);
    if std::env::var(PROFILE).is_ok_and(|profile| profile == "release") {
        command.arg("--release");
    }
    let output = command
        .stderr(Stdio::inherit())
        .output()
        .context("cannot run cargo for the operator")?;
    if !output.status.success() {
        bail!("the operator does not build");
    }
    String::from_utf8_lossy(&output.stdout)
        .lines()
        .filter_map(executable)
        .next_back()
        .context("cargo names no binary of the operator")
}

/// The path in one of Cargo's messages, if it is about the binary.
fn executable(line: &str) -> Option<PathBuf> {
    let message: Value = serde_json::from_str(line).ok()?;
    (message["target"]["name"] == "pullsecrets").then_some(())?;
    Some(PathBuf::from(message["executable"].as_str()?))
}
