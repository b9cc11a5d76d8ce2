//! The command-line tool, as krew installs it.

use std::path::{Path, PathBuf};

use anyhow::{Context, ensure};
use e2e::folder::Folder;
use e2e::workspace;
use tokio::process::Command;

use crate::published::{ARCHITECTURE, said};

/// The tool from the archive for this machine.
pub(crate) struct Tool {
    folder: Folder,
}

impl Tool {
    /// Installs the archive of each architecture with krew, which checks the manifest and the checksum, and runs the one
    /// for this machine.
    ///
    /// # Errors
    ///
    /// When krew refuses one, when a licence is missing, or when the tool has another version.
    pub(crate) async fn install(release: &Path, version: &str) -> anyhow::Result<Self> {
        let krew = said(Command::new(workspace().join(".ci/tool")).arg("krew")).await?;
        let tool = Self {
            folder: Folder::new("pullsecrets-krew")?,
        };
        let licence = std::fs::read(workspace().join("LICENSE"))?;
        for architecture in ["amd64", "arm64"] {
            let archive = release.join(format!("kubectl-pullsecrets-{version}-linux-{architecture}.tar.gz"));
            let root = tool.folder.join(architecture);
            let mut command = Command::new(krew.trim());
            command
                .arg("install")
                .arg(argument("manifest", &release.join("pullsecrets.yaml")))
                .arg(argument("archive", &archive))
                .env("KREW_ROOT", &root)
                .env("KREW_OS", "linux")
                .env("KREW_ARCH", architecture)
                .env("KREW_NO_UPGRADE_CHECK", "1");
            said(&mut command).await?;
            let installed = root.join(format!("store/pullsecrets/v{version}/LICENSE"));
            let installed = std::fs::read(&installed).with_context(|| installed.display().to_string())?;
            ensure!(installed == licence, "{architecture}: another licence");
        }
        let says = said(Command::new(tool.path()).arg("version")).await?;
        ensure!(says.split(' ').nth(1) == Some(version), "{says}");
        eprintln!("installed by krew: {}", says.trim());
        Ok(tool)
    }

    /// Returns the path of the tool.
    pub(crate) fn path(&self) -> PathBuf {
        self.folder.join(ARCHITECTURE).join("bin/kubectl-pullsecrets")
    }
}

fn argument(name: &str, path: &Path) -> String {
    format!("--{name}={}", path.display())
}
