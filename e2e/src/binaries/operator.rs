//! The operator, as Cargo builds it from this workspace.

use std::path::PathBuf;
use std::process::{Command, Stdio};
use std::sync::OnceLock;

use anyhow::{Context, anyhow, bail};
use serde_json::Value;

use crate::workspace;

/// The environment variable that chooses the profile: `release`; `static`, which is that without a C library to be found
/// where it runs, as images have it; else the one for development.
pub(super) const PROFILE: &str = "PULLSECRETS_E2E_PROFILE";

/// The environment variable that names a binary to be used as it is, for instance one out of an image.
pub(super) const BINARY: &str = "PULLSECRETS_E2E_OPERATOR";

/// `rustup target add` it first.
const STATIC_TARGET: &str = "x86_64-unknown-linux-musl";

const STATIC_COMPILER: &str = "CC_x86_64_unknown_linux_musl";

/// The path of the `pullsecrets` binary of the sources as they are now, built first where needed; or of the one that
/// `PULLSECRETS_E2E_OPERATOR` names. `PULLSECRETS_E2E_PROFILE=release` builds it optimised,
/// `=static` as it is shipped.
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

/// Cargo, in the environment that the first Cargo had: build scripts (ring's, proc-macro2's) run again when a variable
/// differs, and what they make replaces files that the first Cargo has yet to link.
pub fn cargo() -> Command {
    let mut command = Command::new(std::env::var_os("CARGO").unwrap_or_else(|| "cargo".into()));
    for (name, _) in std::env::vars_os() {
        let text = name.to_string_lossy();
        // Set by `.ci/timed`; set by Cargo for a test.
        if text == "RUSTC_BOOTSTRAP" || text.starts_with("CARGO_PKG_") || text.starts_with("CARGO_MANIFEST_") {
            command.env_remove(&name);
        }
    }
    command
}

fn build() -> anyhow::Result<PathBuf> {
    if let Some(binary) = std::env::var_os(BINARY).filter(|value| !value.is_empty()) {
        return Ok(PathBuf::from(binary));
    }
    let mut command = cargo();
    command.current_dir(workspace()).args([
        "build",
        "--quiet",
        "--package=operator",
        "--bin=pullsecrets",
        "--message-format=json-render-diagnostics",
    ]);
    match std::env::var(PROFILE).as_deref() {
        Ok("release") => {
            command.arg("--release");
        }
        Ok("static") => {
            command.args(["--release", "--target", STATIC_TARGET]);
            // What little C there is (in ring) needs no header of a C library, so that any compiler will do.
            if std::env::var_os(STATIC_COMPILER).is_none() {
                command.env(STATIC_COMPILER, "cc");
            }
        }
        _ => {}
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
