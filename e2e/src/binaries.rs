//! Programs under test and their environment; each is built when its sources change.
//!
//! The control plane and the registry are two small Go modules in this crate's folder; others are built for the tests
//! that need them. The cache keeps the builds outside of the tree, under the hash of their inputs. So they survive a
//! clean checkout and are never stale:
//!
//! ```text
//! $XDG_CACHE_HOME/pullsecrets-e2e/<key>/controlplane     (without XDG_CACHE_HOME: ~/.cache)
//!                                      /kubectl          a link to it, for people
//! ```
//!
//! Cargo builds the operator and the command-line tool, because it tracks those changes itself.

mod go;
mod once;
mod operator;
mod progress;
mod runtime;

use std::path::PathBuf;

use go::Module;
use once::{Kept, once};

pub use operator::{cargo, cli, operator};
pub use runtime::{Runtime, runtime};

/// Binaries of the Go modules.
#[derive(Debug, Clone)]
pub struct Binaries {
    /// The multi-call binary. Its first argument chooses etcd, kube-apiserver, kube-controller-manager or kubectl.
    pub controlplane: PathBuf,
    /// The same file, under a name that makes it act as kubectl.
    pub kubectl: PathBuf,
    /// The registry.
    pub registry: PathBuf,
}

/// Returns the Go binaries, and builds them first if the cache lacks them: about seven minutes on two cores, once.
///
/// Progress goes to standard error. Several processes that need the same build wait for one of them. The result, also
/// an error, is kept for the life of this process.
///
/// # Errors
///
/// When Go is missing or too old, with the fix. When the build fails, with the compiler's last lines. When the cache
/// folder cannot be written.
pub fn binaries() -> anyhow::Result<&'static Binaries> {
    static BUILT: Kept<Binaries> = Kept::new();
    once(&BUILT, build)
}

/// Returns the program that evaluates alerting rules, `e2e/alerts`. Its build takes half a minute on two cores, once.
///
/// # Errors
///
/// As [`binaries`].
pub fn alerts() -> anyhow::Result<PathBuf> {
    Module::alerts().built(&go::version()?)
}

/// Returns the program that judges objects as other tools do, `e2e/readers`. Its build takes a minute on two cores,
/// once.
///
/// # Errors
///
/// As [`binaries`].
pub fn readers() -> anyhow::Result<PathBuf> {
    Module::readers().built(&go::version()?)
}

/// Returns Helm 3. Its build takes a minute on two cores, once.
///
/// # Errors
///
/// As [`binaries`].
pub fn helm_3() -> anyhow::Result<PathBuf> {
    Module::helm_3().built(&go::version()?)
}

/// Returns Helm 4. Its build takes a minute on two cores, once.
///
/// # Errors
///
/// As [`binaries`].
pub fn helm_4() -> anyhow::Result<PathBuf> {
    Module::helm_4().built(&go::version()?)
}

/// Returns kubeconform, which compares manifests with schemas.
///
/// # Errors
///
/// As [`binaries`].
pub fn kubeconform() -> anyhow::Result<PathBuf> {
    Module::kubeconform().built(&go::version()?)
}

/// Returns the sources of the Prometheus operator, for the definitions of its kinds.
///
/// # Errors
///
/// When Go is missing or cannot download them, or when their hash is not the reviewed one.
pub fn prometheus_operator() -> anyhow::Result<PathBuf> {
    let module = "github.com/prometheus-operator/prometheus-operator@v0.85.0";
    go::download(module, "h1:M5xLCLEoaW2IJfnuCwFzzpL+jSVQu3KGT84Pye+fW8s=")
}

fn build() -> anyhow::Result<Binaries> {
    let version = go::version()?;
    let controlplane = Module::controlplane().built(&version)?;
    let kubectl = go::link(&controlplane, "kubectl")?;
    let registry = Module::registry().built(&version)?;
    Ok(Binaries {
        controlplane,
        kubectl,
        registry,
    })
}
