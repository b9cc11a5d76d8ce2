//! The folder for data, keys and logs of a cluster, and the folder of the workspace.

use std::os::unix::fs::DirBuilderExt;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU32, Ordering};

use anyhow::Context;

use crate::guardian;

/// The environment variable that keeps folders after the run, if it is not empty.
pub const KEEP: &str = "PULLSECRETS_E2E_KEEP";

/// A new folder under the system's temporary folder. Only this user can read it, because it holds private keys.
///
/// It is removed when this value is dropped, or when this process ends in any way. With [`KEEP`] it stays.
#[derive(Debug)]
pub struct Folder {
    path: PathBuf,
    keep: bool,
}

impl Folder {
    /// Creates a new, empty folder whose name starts with `prefix`.
    ///
    /// # Errors
    ///
    /// When it cannot be created, or the guardian of this process cannot be started.
    pub fn new(prefix: &str) -> anyhow::Result<Self> {
        static NEXT: AtomicU32 = AtomicU32::new(0);
        let number = NEXT.fetch_add(1, Ordering::Relaxed);
        let name = format!("{prefix}-{}-{number}", std::process::id());
        let path = std::env::temp_dir().join(name);
        let keep = std::env::var_os(KEEP).is_some_and(|value| !value.is_empty());
        remove(&path)?; // left by an earlier process of the same number
        std::fs::DirBuilder::new()
            .mode(0o700)
            .create(&path)
            .with_context(|| format!("cannot make {}", path.display()))?;
        if !keep {
            guardian::watch_folder(&path)?;
        }
        Ok(Self { path, keep })
    }

    /// Returns its path.
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// Returns the path of `name` in it.
    pub fn join(&self, name: impl AsRef<Path>) -> PathBuf {
        self.path.join(name)
    }
}

impl Drop for Folder {
    fn drop(&mut self) {
        if self.keep {
            eprintln!("kept: {}", self.path.display());
        } else {
            // If this fails, the guardian removes the rest when this process ends.
            let _ = remove(&self.path);
        }
    }
}

fn remove(path: &Path) -> std::io::Result<()> {
    match std::fs::remove_dir_all(path) {
        Err(error) if error.kind() != std::io::ErrorKind::NotFound => Err(error),
        _ => Ok(()),
    }
}

/// Returns the folder of the workspace that this crate was compiled in.
pub fn workspace() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR"))
        .parent()
        .map_or_else(PathBuf::new, Path::to_path_buf)
}
