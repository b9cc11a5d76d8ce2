//! The operator and the command-line tool, built by Cargo from this workspace.

use std::path::PathBuf;
use std::process::{Command, Stdio};

use anyhow::{Context, bail};
use serde_json::Value;

use super::once::{Kept, once};
use crate::workspace;

/// The environment variable that chooses the profile. `release` is optimised. `static` is `release` without a dynamic C
/// library, as images have it. The default is the development profile.
pub(super) const PROFILE: &str = "PULLSECRETS_E2E_PROFILE";

/// The environment variable that names an existing binary, for instance one from an image.
pub(super) const BINARY: &str = "PULLSECRETS_E2E_OPERATOR";

/// As [`BINARY`], for the command-line tool.
const CLI_BINARY: &str = "PULLSECRETS_E2E_CLI";

/// Requires `rustup target add`.
const STATIC_TARGET: &str = "x86_64-unknown-linux-musl";

const STATIC_COMPILER: &str = "CC_x86_64_unknown_linux_musl";

/// Returns the path of the `pullsecrets` binary, and builds it first if its sources changed. `PULLSECRETS_E2E_OPERATOR`
/// names another binary. `PULLSECRETS_E2E_PROFILE=release` builds it optimised, and `=static` as in the image.
///
/// Because of this, `cargo test` and `cargo demo` need no build step. Each process asks Cargo once.
///
/// # Errors
///
/// When it does not compile; the compiler's output is on standard error.
pub fn operator() -> anyhow::Result<PathBuf> {
    static BUILT: Kept<PathBuf> = Kept::new();
    once(&BUILT, || built(BINARY, "operator", "pullsecrets")).cloned()
}

/// Returns the path of the `kubectl-pullsecrets` binary, and builds it first if its sources changed.
/// `PULLSECRETS_E2E_CLI` names another binary. The profile is that of [`operator`].
///
/// # Errors
///
/// When it does not compile; the compiler's output is on standard error.
pub fn cli() -> anyhow::Result<PathBuf> {
    static BUILT: Kept<PathBuf> = Kept::new();
    once(&BUILT, || {
        built(CLI_BINARY, "kubectl-pullsecrets", "kubectl-pullsecrets")
    })
    .cloned()
}

/// Returns a Cargo command with the environment of the first Cargo. If a variable differs, the build scripts of ring
/// and proc-macro2 run again. Their output would then replace files that the first Cargo has yet to link.
pub fn cargo() -> Command {
    let mut command = Command::new(std::env::var_os("CARGO").unwrap_or_else(|| "cargo".into()));
    for (name, _) in std::env::vars_os() {
        let text = name.to_string_lossy();
        // `.ci/timed` sets the first; Cargo sets the others for a test.
        if text == "RUSTC_BOOTSTRAP" || text.starts_with("CARGO_PKG_") || text.starts_with("CARGO_MANIFEST_") {
            command.env_remove(&name);
        }
    }
    command
}

/// Returns a binary of a package: the one that `variable` names, or the one that Cargo builds.
fn built(variable: &str, package: &str, name: &str) -> anyhow::Result<PathBuf> {
    if let Some(binary) = std::env::var_os(variable).filter(|value| !value.is_empty()) {
        return Ok(PathBuf::from(binary));
    }
    let mut command = cargo();
    command.current_dir(workspace()).args([
        "build",
        "--quiet",
        "--package",
        package,
        "--bin",
        name,
        "--message-format=json-render-diagnostics",
    ]);
    match std::env::var(PROFILE).as_deref() {
        Ok("release") => {
            command.arg("--release");
        }
        Ok("static") => {
            command.args(["--release", "--target", STATIC_TARGET]);
            // The little C code (in ring) needs no header of a C library, so any compiler works.
            if std::env::var_os(STATIC_COMPILER).is_none() {
                command.env(STATIC_COMPILER, "cc");
            }
        }
        _ => {}
    }
    let output = command.stderr(Stdio::inherit()).output().context("cannot run cargo")?;
    if !output.status.success() {
        bail!("{name} does not build");
    }
    String::from_utf8_lossy(&output.stdout)
        .lines()
        .filter_map(|line| executable(line, name))
        .next_back()
        .with_context(|| format!("cargo names no binary {name}"))
}

/// Returns the path in one of Cargo's messages, if the message is about the binary.
fn executable(line: &str, name: &str) -> Option<PathBuf> {
    let message: Value = serde_json::from_str(line).ok()?;
    (message["target"]["name"] == name && message["executable"].is_string()).then_some(())?;
    Some(PathBuf::from(message["executable"].as_str()?))
}
