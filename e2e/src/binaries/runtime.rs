//! What a node runs besides the kubelet: containerd and CNI plugins from Go modules, and the machine's runc.
//!
//! How containerd pulls differs from version to version, so `e2e/runtime/go.mod` chooses it. runc has no part in that.
//! It would need cgo and the headers of libseccomp, so it comes from the path, or from the package of the distribution,
//! unpacked into the cache.

use std::fs::File;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use anyhow::{Context, ensure};

use super::go::{self, Module};
use super::once::{Kept, once};
use crate::machine;

/// Programs that lie in one folder, because containerd looks for its shim on its path.
const PROGRAMS: [&str; 6] = [
    "github.com/containerd/containerd/v2/cmd/containerd",
    "github.com/containerd/containerd/v2/cmd/containerd-shim-runc-v2",
    "github.com/containerd/containerd/v2/cmd/ctr",
    "github.com/containernetworking/plugins/plugins/ipam/host-local",
    "github.com/containernetworking/plugins/plugins/main/loopback",
    "github.com/containernetworking/plugins/plugins/main/ptp",
];

/// Programs of a node.
#[derive(Debug, Clone)]
pub struct Runtime {
    /// The folder of containerd, its shim, `ctr` and the CNI plugins.
    pub folder: PathBuf,
    /// runc.
    pub runc: PathBuf,
    /// The program in the images of the tests.
    pub container: PathBuf,
}

/// Returns the programs of a node, and builds them first if the cache lacks them: about a minute and a half on two
/// cores, once.
///
/// # Errors
///
/// As [`binaries`](super::binaries), and when the machine has no runc and cannot download it.
pub fn runtime() -> anyhow::Result<&'static Runtime> {
    static BUILT: Kept<Runtime> = Kept::new();
    once(&BUILT, build)
}

fn build() -> anyhow::Result<Runtime> {
    let version = go::version()?;
    for package in PROGRAMS {
        Module::runtime(package).built(&version)?;
    }
    let container = Module::container().built(&version)?;
    Ok(Runtime {
        folder: container.parent().context("a program in a folder")?.to_owned(),
        runc: runc()?,
        container,
    })
}

fn runc() -> anyhow::Result<PathBuf> {
    if let Some(installed) = machine::on_path("runc") {
        return Ok(installed);
    }
    let folder = go::cache()?.join("runc");
    let binary = folder.join("runc");
    std::fs::create_dir_all(&folder)?;
    let lock = File::create(folder.join("lock"))?;
    lock.lock().context("cannot lock the cache of runc")?;
    if !binary.exists() {
        unpack(&folder, &binary).context("no runc on the path, and its package cannot be unpacked")?;
    }
    Ok(binary)
}

/// Unpacks the package without installing it, so that no file of the machine changes.
fn unpack(folder: &Path, binary: &Path) -> anyhow::Result<()> {
    let download = || run(folder, "apt-get", &["-qq", "download", "runc"]);
    if download().is_err() {
        // A new machine has no lists of packages.
        run(folder, "apt-get", &["-qq", "update"])?;
        download()?;
    }
    let entries = std::fs::read_dir(folder)?.filter_map(Result::ok);
    let package = entries
        .map(|entry| entry.path())
        .find(|path| path.extension().is_some_and(|extension| extension == "deb"))
        .context("apt-get downloaded no package")?;
    let package = package.to_str().context("a path in UTF-8")?;
    run(folder, "dpkg", &["-x", package, "unpacked"])?;
    let found = ["usr/sbin/runc", "usr/bin/runc"].map(|path| folder.join("unpacked").join(path));
    let found = found.iter().find(|path| path.exists());
    std::fs::rename(found.context("the package has no runc")?, binary)?;
    Ok(())
}

fn run(folder: &Path, program: &str, arguments: &[&str]) -> anyhow::Result<()> {
    let output = Command::new(program)
        .args(arguments)
        .current_dir(folder)
        .stdin(Stdio::null())
        .output()
        .with_context(|| format!("cannot run {program}"))?;
    let reason = String::from_utf8_lossy(&output.stderr);
    ensure!(output.status.success(), "{program} {}: {reason}", arguments.join(" "));
    Ok(())
}
