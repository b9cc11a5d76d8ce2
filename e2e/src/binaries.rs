//! The programs under test and beside it, each built when its sources changed.
//!
//! The control plane and the registry are two small Go modules in this crate's folder. What was built is kept outside
//! the tree, under the hash of what it was built from, so that it survives a clean checkout and is never stale:
//!
//! ```text
//! $XDG_CACHE_HOME/pullsecrets-e2e/<key>/controlplane     (without XDG_CACHE_HOME: ~/.cache)
//!                                      /kubectl          a link to it, for people
//! ```
//!
//! The operator is built by Cargo, which knows by itself what changed.

mod go;
mod operator;
mod progress;

use std::path::PathBuf;
use std::sync::OnceLock;

use anyhow::anyhow;

use go::Module;

pub use operator::{cargo, operator};

/// What the Go modules gave.
#[derive(Debug, Clone)]
pub struct Binaries {
    /// The multi-call binary: etcd, kube-apiserver, kube-controller-manager and kubectl as its first argument.
    pub controlplane: PathBuf,
    /// The same file under the name that makes it behave as kubectl.
    pub kubectl: PathBuf,
    /// The registry.
    pub registry: PathBuf,
}

/// The Go binaries, built first where needed: about seven minutes on two cores, once.
///
/// Progress is shown on standard error. Several processes that need the same build wait for one of them.
///
/// # Errors
///
/// When Go is missing or too old, with what to do; when the build fails, with the compiler's last words; when the cache
/// folder cannot be written. The answer is kept for the life of this process, the error too.
pub fn binaries() -> anyhow::Result<&'static Binaries> {
    static BUILT: OnceLock<Result<Binaries, String>> = OnceLock::new();
    BUILT
        .get_or_init(|| build().map_err(|error| format!("{error:#}")))
        .as_ref()
        .map_err(|error| anyhow!("{error}"))
}

/// What evaluates alerting rules: `e2e/alerts`. Half a minute on two cores, once.
///
/// # Errors
///
/// As [`binaries`].
pub fn alerts() -> anyhow::Result<PathBuf> {
    Module::alerts().built(&go::version()?)
}

/// The sources of the Prometheus operator, for the definitions of the kinds that it reads.
///
/// # Errors
///
/// When Go is missing or cannot get them, or when they are not the ones that were looked at.
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
