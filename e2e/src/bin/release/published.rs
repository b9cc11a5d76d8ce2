//! The release in a local registry.

use std::path::{Path, PathBuf};
use std::process::Stdio;

use anyhow::{Context, bail, ensure};
use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use e2e::folder::Folder;
use e2e::registry::Registry;
use e2e::workspace;
use serde_json::{Value, json};
use tokio::process::Command;

/// The user who may push and pull.
const USER: &str = "release";

/// The architecture whose binaries run here.
pub(crate) const ARCHITECTURE: &str = match std::env::consts::ARCH.as_bytes() {
    b"aarch64" => "arm64",
    _ => "amd64",
};

/// Image and chart, pushed and pulled back.
pub(crate) struct Published {
    registry: Registry,
    folder: Folder,
    image: String,
    version: String,
}

impl Published {
    /// Pushes image and chart with the steps of the release, and pulls them back.
    ///
    /// # Errors
    ///
    /// When a step fails, or when the registry returns another digest or another byte.
    pub(crate) async fn push(release: &Path) -> anyhow::Result<Self> {
        let mut registry = Registry::start().await?;
        let folder = Folder::new("pullsecrets-release")?;
        let password: String = std::iter::repeat_with(|| char::from(rand::random_range(b'a'..=b'z')))
            .take(20)
            .collect();
        registry.set_password(USER, &password)?;
        let auth = STANDARD.encode(format!("{USER}:{password}"));
        let config = json!({"auths": {registry.address(): {"auth": auth}}});
        std::fs::write(folder.join("config.json"), config.to_string())?;
        let version = std::fs::read_to_string(release.join("image/index.json")).context("the release has an image")?;
        let version: Value = serde_json::from_str(&version)?;
        let version = &version["manifests"][0]["annotations"]["org.opencontainers.image.ref.name"];
        let published = Self {
            version: version.as_str().context("the image has a version")?.to_owned(),
            image: std::fs::read_to_string(release.join("image.txt"))?.trim().to_owned(),
            registry,
            folder,
        };
        let place = published.place();
        let printed = published.step(&["push".as_ref(), release, place.as_ref()]).await?;
        let digest = published.image.split_once('@').context("an image by digest")?.1;
        let expected = format!("image={place}/pullsecrets@{digest}");
        ensure!(printed.lines().any(|line| line == expected), "{printed}");
        let to = published.folder.join("pulled");
        published.step(&["pull".as_ref(), release, place.as_ref(), &to]).await?;
        eprintln!("pushed and pulled back: {printed}");
        Ok(published)
    }

    /// Returns where images and charts are, without the scheme.
    fn place(&self) -> String {
        format!("{}/pullsecrets", self.registry.address())
    }

    /// Runs a step of the release.
    async fn step(&self, arguments: &[&Path]) -> anyhow::Result<String> {
        let mut command = Command::new(workspace().join(".ci/release"));
        command.args(arguments).env("DOCKER_CONFIG", self.folder.path());
        said(&mut command).await
    }

    /// Returns the address of the chart.
    pub(crate) fn chart(&self) -> String {
        format!("oci://{}/charts/pullsecrets", self.place())
    }

    /// Returns the version of the release.
    pub(crate) fn version(&self) -> &str {
        &self.version
    }

    /// Returns the image, as chart and manifest name it.
    pub(crate) fn image(&self) -> &str {
        &self.image
    }

    /// Returns the binary from the image that the registry returned.
    pub(crate) fn binary(&self) -> PathBuf {
        self.folder.join("pulled").join(ARCHITECTURE).join("pullsecrets")
    }

    /// Returns the file with the login for the registry.
    pub(crate) fn login(&self) -> PathBuf {
        self.folder.join("config.json")
    }

    /// Returns a folder for settings of Helm.
    pub(crate) fn settings(&self) -> PathBuf {
        self.folder.join("helm")
    }
}

/// Runs a command, and returns its standard output. What it prints as errors goes on.
///
/// # Errors
///
/// When it fails.
pub(crate) async fn said(command: &mut Command) -> anyhow::Result<String> {
    let output = command
        .current_dir(workspace())
        .stdin(Stdio::null())
        .stderr(Stdio::inherit())
        .kill_on_drop(true)
        .output()
        .await
        .with_context(|| command.as_std().get_program().display().to_string())?;
    if !output.status.success() {
        bail!("{}: {}", command.as_std().get_program().display(), output.status);
    }
    Ok(String::from_utf8(output.stdout)?)
}
