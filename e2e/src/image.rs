//! Images of one layer, made in memory.

use std::fmt::Write as _;
use std::path::Path;
use std::process::Command;

use anyhow::Context;
use serde_json::{Value, json};
use sha2::{Digest, Sha256};

/// The media types, without their suffixes.
const OCI: &str = "application/vnd.oci.image";

/// The path of the only program in the images of containers.
const PROGRAM: &str = "container";

const BLOCK: usize = 512;

/// Bytes and their digest.
#[derive(Debug, Clone)]
pub struct Blob {
    /// The content.
    pub bytes: Vec<u8>,
    /// `sha256:` and 64 digits.
    pub digest: String,
}

impl Blob {
    fn new(bytes: Vec<u8>) -> Self {
        let mut digest = "sha256:".to_owned();
        for byte in Sha256::digest(&bytes) {
            let _ = write!(digest, "{byte:02x}");
        }
        Self { bytes, digest }
    }

    fn descriptor(&self, kind: &str) -> Value {
        json!({"mediaType": format!("{OCI}.{kind}"), "digest": self.digest, "size": self.bytes.len()})
    }
}

/// An image: one layer, a configuration and a manifest.
#[derive(Debug, Clone)]
pub struct Image {
    /// A tar archive, not compressed.
    pub layer: Blob,
    /// What runs, and as whom.
    pub config: Blob,
    /// Names both.
    pub manifest: Blob,
}

impl Image {
    /// Creates an image of these files, each with its path and its mode. `config` is that of the container: entry point,
    /// arguments, user.
    pub fn new(files: &[(&str, u32, &[u8])], config: &Value) -> Self {
        let mut archive = Archive::default();
        for (path, mode, bytes) in files {
            archive.file(path, *mode, bytes);
        }
        let layer = Blob::new(archive.end());
        let config = json!({
            "architecture": ARCHITECTURE, "os": "linux", "config": config,
            "rootfs": {"type": "layers", "diff_ids": [layer.digest]},
        });
        let config = Blob::new(config.to_string().into_bytes());
        let manifest = json!({
            "schemaVersion": 2, "mediaType": Self::manifest_type(),
            "config": config.descriptor("config.v1+json"), "layers": [layer.descriptor("layer.v1.tar")],
        });
        let manifest = Blob::new(manifest.to_string().into_bytes());
        Self {
            layer,
            config,
            manifest,
        }
    }

    /// Creates an image of the program of all test containers. `name` is in the layer, so that no two images share
    /// a blob.
    pub fn of_container(program: &[u8], name: &str) -> Self {
        let files = [(PROGRAM, 0o555, program), ("name", 0o444, name.as_bytes())];
        Self::new(&files, &json!({"Entrypoint": [format!("/{PROGRAM}")]}))
    }

    /// Creates an image of the operator as `operator/Containerfile` says, with the libraries that the binary needs.
    ///
    /// # Errors
    ///
    /// When the binary or a library cannot be read.
    pub fn of_operator(binary: &Path) -> anyhow::Result<Self> {
        let mut contents = vec![("pullsecrets".to_owned(), std::fs::read(binary)?)];
        for library in libraries(binary)? {
            let content = std::fs::read(&library).with_context(|| library.clone())?;
            contents.push((library, content));
        }
        let files: Vec<(&str, u32, &[u8])> = contents
            .iter()
            .map(|(path, content)| (path.as_str(), 0o555, content.as_slice()))
            .collect();
        Ok(Self::new(
            &files,
            &json!({"User": "65532:65532", "Entrypoint": ["/pullsecrets"]}),
        ))
    }

    /// Returns the media type of a manifest.
    pub fn manifest_type() -> String {
        format!("{OCI}.manifest.v1+json")
    }

    /// Returns the image as an archive in the OCI layout, which names it `name`.
    pub fn archive(&self, name: &str) -> Vec<u8> {
        let mut entry = self.manifest.descriptor("manifest.v1+json");
        entry["annotations"] = json!({"io.containerd.image.name": name});
        let index = json!({"schemaVersion": 2, "manifests": [entry]});
        let mut archive = Archive::default();
        archive.file("oci-layout", 0o444, br#"{"imageLayoutVersion":"1.0.0"}"#);
        archive.file("index.json", 0o444, index.to_string().as_bytes());
        for blob in [&self.layer, &self.config, &self.manifest] {
            let path = format!("blobs/{}", blob.digest.replace(':', "/"));
            archive.file(&path, 0o444, &blob.bytes);
        }
        archive.end()
    }
}

/// Returns the paths of the shared libraries of a binary; a static one has none.
fn libraries(binary: &Path) -> anyhow::Result<Vec<String>> {
    let output = Command::new("ldd").arg(binary).output().context("cannot run ldd")?;
    let listed = String::from_utf8_lossy(&output.stdout).into_owned();
    // NAME => PATH (ADDRESS), or PATH (ADDRESS) for the loader.
    let path = |line: &str| {
        line.split_whitespace()
            .find(|word| word.starts_with('/'))
            .map(str::to_owned)
    };
    Ok(listed.lines().filter_map(path).collect())
}

/// Go's name of this machine's architecture.
pub(crate) const ARCHITECTURE: &str = match std::env::consts::ARCH.as_bytes() {
    b"aarch64" => "arm64",
    _ => "amd64",
};

/// A tar archive in the format `ustar`, of regular files that root owns.
#[derive(Default)]
struct Archive {
    bytes: Vec<u8>,
}

impl Archive {
    fn file(&mut self, path: &str, mode: u32, content: &[u8]) {
        let mut header = [0; BLOCK];
        let mut put = |at: usize, text: &str| header[at..at + text.len()].copy_from_slice(text.as_bytes());
        put(0, path.trim_start_matches('/'));
        put(100, &format!("{mode:07o}"));
        put(108, "0000000");
        put(116, "0000000");
        put(124, &format!("{:011o}", content.len()));
        put(136, "00000000000");
        put(148, "        "); // counts as blanks in its own sum
        put(156, "0");
        put(257, "ustar");
        put(263, "00");
        let sum: u32 = header.iter().map(|byte| u32::from(*byte)).sum();
        header[148..155].copy_from_slice(format!("{sum:06o}\0").as_bytes());
        self.bytes.extend(header);
        self.bytes.extend(content);
        self.bytes.resize(self.bytes.len().next_multiple_of(BLOCK), 0);
    }

    /// Two empty blocks end an archive.
    fn end(mut self) -> Vec<u8> {
        self.bytes.resize(self.bytes.len() + 2 * BLOCK, 0);
        self.bytes
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// `tar` reads what this module writes.
    #[test]
    fn tar_reads_names_modes_and_bytes() {
        let mut archive = Archive::default();
        archive.file("/bin/first", 0o755, b"one");
        archive.file("second", 0o444, &[7; 600]);
        let folder = crate::folder::Folder::new("pullsecrets-image").unwrap();
        let file = folder.join("archive.tar");
        std::fs::write(&file, archive.end()).unwrap();
        let mut command = std::process::Command::new("tar");
        let output = command.arg("-tvf").arg(&file).output().unwrap();
        assert!(output.status.success(), "{output:?}");
        let listed = String::from_utf8(output.stdout).unwrap();
        let lines: Vec<&str> = listed.lines().collect();
        assert!(lines[0].starts_with("-rwxr-xr-x 0/0"), "{listed}");
        assert!(
            lines[0].ends_with("bin/first") && lines[1].ends_with("second"),
            "{listed}"
        );
        assert!(lines[1].contains(" 600 "), "{listed}");
    }

    #[test]
    fn digest_is_that_of_the_bytes() {
        let empty = Blob::new(Vec::new());
        let expected = "sha256:e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855";
        assert_eq!(empty.digest, expected);
    }
}
