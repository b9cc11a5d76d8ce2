//! Builds programs of a Go module into the cache.

mod linker;

use std::fmt::Write as _;
use std::fs::File;
use std::io::{BufRead, BufReader, ErrorKind};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use anyhow::{Context, bail, ensure};
use serde::Deserialize;
use sha2::{Digest, Sha256};

use super::progress::Progress;
use linker::{kubernetes_version, newest_kubernetes_of_helm_3};

/// The oldest Go that the `go` lines of the modules allow.
const OLDEST: (u32, u32) = (1, 26);

/// Files that a module is built from, besides its Go files. With them the result depends only on the compiler.
const MODULE_FILES: [&str; 2] = ["go.mod", "go.sum"];

/// How many of the compiler's last lines an error includes.
const LAST_WORDS: usize = 30;

/// A program of a Go module in this crate's folder.
pub(super) struct Module {
    /// The folder of the module.
    name: &'static str,
    /// The name of its file in the cache.
    program: &'static str,
    /// The package with its `main`: the module's own, or one that `go.mod` lists as a tool.
    package: &'static str,
    folder: PathBuf,
    /// Returns linker settings for the text of the module's `go.mod`.
    linker: fn(&str) -> anyhow::Result<String>,
}

impl Module {
    pub(super) fn controlplane() -> Self {
        Self::named("controlplane", kubernetes_version)
    }

    pub(super) fn registry() -> Self {
        Self::named("registry", |_| Ok("-s -w".to_owned()))
    }

    pub(super) fn alerts() -> Self {
        Self::named("alerts", |_| Ok("-s -w".to_owned()))
    }

    pub(super) fn readers() -> Self {
        Self::named("readers", |_| Ok("-s -w".to_owned()))
    }

    pub(super) fn helm_3() -> Self {
        let linker = newest_kubernetes_of_helm_3;
        Self::tool("helm", "helm-3", "helm.sh/helm/v3/cmd/helm", linker)
    }

    pub(super) fn helm_4() -> Self {
        Self::tool("helm", "helm-4", "helm.sh/helm/v4/cmd/helm", |_| Ok("-s -w".to_owned()))
    }

    pub(super) fn kubeconform() -> Self {
        let package = "github.com/yannh/kubeconform/cmd/kubeconform";
        Self::tool("helm", "kubeconform", package, |_| Ok("-s -w".to_owned()))
    }

    /// Returns a program that a node needs, by its package.
    pub(super) fn runtime(package: &'static str) -> Self {
        let program = package.rsplit('/').next().unwrap_or(package);
        Self::tool("runtime", program, package, |_| Ok("-s -w".to_owned()))
    }

    /// Returns the program in the images of the tests.
    pub(super) fn container() -> Self {
        Self::tool("runtime", "container", ".", |_| Ok("-s -w".to_owned()))
    }

    fn named(name: &'static str, linker: fn(&str) -> anyhow::Result<String>) -> Self {
        let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join(name);
        Self {
            name,
            program: name,
            package: ".",
            folder,
            linker,
        }
    }

    /// Returns a program of a module with several, mostly one of others.
    fn tool(
        name: &'static str,
        program: &'static str,
        package: &'static str,
        linker: fn(&str) -> anyhow::Result<String>,
    ) -> Self {
        Self {
            program,
            package,
            ..Self::named(name, linker)
        }
    }

    /// Returns the binary of these sources and this compiler, and builds it if the cache lacks it.
    pub(super) fn built(&self, go: &str) -> anyhow::Result<PathBuf> {
        let cache = cache()?;
        let folder = cache.join(self.key(go)?);
        let binary = folder.join(self.program);
        if binary.exists() {
            return Ok(binary);
        }
        std::fs::create_dir_all(&folder).with_context(|| format!("cannot make {}", folder.display()))?;
        // One lock for all modules, because two builds at once would only share the same cores.
        let lock = File::create(cache.join("lock"))?;
        lock.lock().context("cannot lock the cache of test binaries")?;
        if !binary.exists() {
            // Renamed when complete, so that a file under this name is always a finished binary.
            let unfinished = folder.join(format!("{}.unfinished", self.program));
            self.build(&unfinished)?;
            std::fs::rename(&unfinished, &binary)?;
        }
        Ok(binary)
    }

    /// Returns the SHA-256 of compiler and sources, in hexadecimal.
    fn key(&self, go: &str) -> anyhow::Result<String> {
        let mut hash = Sha256::new();
        hash.update(go);
        for path in self.sources()? {
            let bytes = std::fs::read(&path).with_context(|| path.display().to_string())?;
            // The length separates one file from the next.
            hash.update(bytes.len().to_le_bytes());
            hash.update(bytes);
        }
        let mut key = String::new();
        for byte in hash.finalize() {
            write!(key, "{byte:02x}")?;
        }
        Ok(key)
    }

    fn sources(&self) -> anyhow::Result<Vec<PathBuf>> {
        let mut go_files = Vec::new();
        for entry in std::fs::read_dir(&self.folder).with_context(|| self.folder.display().to_string())? {
            let path = entry?.path();
            if path.extension().is_some_and(|extension| extension == "go") {
                go_files.push(path);
            }
        }
        // The order of a folder's listing is undefined.
        go_files.sort();
        let module_files = MODULE_FILES.iter().map(|name| self.folder.join(name));
        Ok(module_files.chain(go_files).collect())
    }

    fn build(&self, output: &Path) -> anyhow::Result<()> {
        let module = std::fs::read_to_string(self.folder.join("go.mod"))?;
        let linker = (self.linker)(&module)?;
        let progress = Progress::start(self.program, self.packages()?);
        let mut child = go(&self.folder)
            .args(["build", "-v", "-trimpath", "-ldflags", &linker, "-o"])
            .arg(output)
            .arg(self.package)
            .stdout(Stdio::null())
            .stderr(Stdio::piped())
            .spawn()
            .map_err(missing)?;
        let mut last_words = Vec::new();
        for line in BufReader::new(child.stderr.take().context("no output of go")?).lines() {
            let line = line?;
            if is_package(&line) {
                progress.package(&line);
            } else {
                last_words.push(line);
            }
        }
        if !child.wait()?.success() {
            let from = last_words.len().saturating_sub(LAST_WORDS);
            bail!(
                "go build of {} in e2e/{} failed:\n{}",
                self.program,
                self.name,
                last_words[from..].join("\n")
            );
        }
        progress.finish();
        Ok(())
    }

    /// Returns the number of packages of the whole build. It includes packages in Go's own cache, because Go does not
    /// distinguish them.
    fn packages(&self) -> anyhow::Result<u64> {
        let output = go(&self.folder)
            .args(["list", "-deps", self.package])
            .output()
            .map_err(missing)?;
        if !output.status.success() {
            let reason = String::from_utf8_lossy(&output.stderr).into_owned();
            bail!("go cannot read the module e2e/{}:\n{reason}", self.name);
        }
        Ok(String::from_utf8_lossy(&output.stdout).lines().count() as u64)
    }
}

/// Returns the installed Go, for instance `go1.26.8`.
///
/// # Errors
///
/// When Go is missing or too old, with the fix.
pub(super) fn version() -> anyhow::Result<String> {
    // Runs outside of the modules: inside, an old Go refuses `go.mod` before it prints its version.
    let output = go(&std::env::temp_dir())
        .args(["env", "GOVERSION"])
        .output()
        .map_err(missing)?;
    let version = String::from_utf8_lossy(&output.stdout).trim().to_owned();
    if is_new_enough(&version) {
        Ok(version)
    } else {
        let (major, minor) = OLDEST;
        bail!("the test control plane needs Go {major}.{minor} or later, and `go` is {version:?}");
    }
}

/// Returns the folder of a module's sources, after Go has verified their hash.
///
/// # Errors
///
/// When Go is missing or cannot download it, or when the hash differs.
pub(super) fn download(module: &str, hash: &str) -> anyhow::Result<PathBuf> {
    #[derive(Deserialize)]
    #[serde(rename_all = "PascalCase")]
    struct Downloaded {
        dir: PathBuf,
        sum: String,
    }
    // Runs outside of the modules, because none of them needs it.
    let output = go(&std::env::temp_dir())
        .args(["mod", "download", "-json", module])
        .output()
        .map_err(missing)?;
    if !output.status.success() {
        bail!("go cannot get {module}:\n{}", String::from_utf8_lossy(&output.stdout));
    }
    let Downloaded { dir, sum } = serde_json::from_slice(&output.stdout).context("what go says of a module")?;
    ensure!(sum == hash, "{module} has the hash {sum}, not {hash}");
    Ok(dir)
}

/// Creates a link of that name beside `target`. A multi-call binary chooses its program by that name.
pub(super) fn link(target: &Path, name: &str) -> anyhow::Result<PathBuf> {
    let link = target.with_file_name(name);
    match std::os::unix::fs::symlink(target, &link) {
        Err(error) if error.kind() != ErrorKind::AlreadyExists => {
            Err(error).with_context(|| link.display().to_string())
        }
        _ => Ok(link),
    }
}

/// All builds use the same settings, so that they share Go's build cache.
fn go(folder: &Path) -> Command {
    let mut command = Command::new("go");
    command
        .current_dir(folder)
        .env("CGO_ENABLED", "0")
        .env("GOFLAGS", "-mod=readonly")
        // A module that needs a newer Go must fail at once, rather than download a toolchain.
        .env("GOTOOLCHAIN", "local");
    command
}

fn missing(error: std::io::Error) -> anyhow::Error {
    let (major, minor) = OLDEST;
    if error.kind() == ErrorKind::NotFound {
        anyhow::anyhow!(
            "the test control plane is built with Go, and no `go` was found on PATH: \
             install Go {major}.{minor} or later"
        )
    } else {
        anyhow::Error::new(error).context("cannot run `go`")
    }
}

fn is_new_enough(version: &str) -> bool {
    let mut numbers = version
        .trim_start_matches("go")
        .split(|character: char| !character.is_ascii_digit())
        .map_while(|number| number.parse::<u32>().ok());
    let found = (numbers.next().unwrap_or(0), numbers.next().unwrap_or(0));
    found >= OLDEST
}

/// Returns whether the line names a package: `go build -v` prints each package as it compiles it. All other output is
/// messages.
fn is_package(line: &str) -> bool {
    !line.is_empty() && !line.starts_with('#') && !line.contains([' ', '\t', ':'])
}

pub(super) fn cache() -> anyhow::Result<PathBuf> {
    let base = match std::env::var_os("XDG_CACHE_HOME").filter(|value| !value.is_empty()) {
        Some(path) => PathBuf::from(path),
        None => std::env::home_dir()
            .context("no home folder to keep test binaries in")?
            .join(".cache"),
    };
    let cache = base.join("pullsecrets-e2e");
    std::fs::create_dir_all(&cache).with_context(|| format!("cannot make {}", cache.display()))?;
    Ok(cache)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// An older Go is distinguished from a newer one.
    #[test]
    fn older_go_is_distinguished_from_newer() {
        for (version, expected) in [
            ("go1.26.0", true),
            ("go1.26", true),
            ("go1.27rc1", true),
            ("go2.0", true),
            ("go1.25.9", false),
            ("go1.9", false),
            ("", false),
            ("devel", false),
        ] {
            assert_eq!(is_new_enough(version), expected, "{version:?}");
        }
    }

    #[test]
    fn only_package_names_count_as_progress() {
        for (line, expected) in [
            ("k8s.io/api/core/v1", true),
            ("internal/goarch", true),
            ("# example.invalid/e2e/controlplane", false),
            ("./main.go:10:2: \"os\" imported and not used", false),
            ("go: downloading k8s.io/api v0.36.4", false),
            ("", false),
        ] {
            assert_eq!(is_package(line), expected, "{line:?}");
        }
    }
}
