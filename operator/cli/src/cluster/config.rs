//! The kubeconfig: one file, or several that are merged as kubectl does.

use std::ffi::OsStr;
use std::path::{Path, PathBuf};

use kube::config::{Kubeconfig, KubeconfigError, NamedContext};
use thiserror::Error;

use crate::input::{self, InputError};

/// The name under which the cluster of a Pod appears in it.
pub(super) const IN_CLUSTER: &str = "in-cluster";

/// A merged kubeconfig.
#[derive(Clone, Default)]
pub struct Config(pub(super) Kubeconfig);

/// Why a kubeconfig cannot be used. It holds no part of the file.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
pub enum ConfigError {
    /// The file cannot be read.
    #[error("cannot read the kubeconfig {}: {why}", .file.display())]
    Read {
        /// The file.
        file: PathBuf,
        /// The error of the system.
        why: std::io::ErrorKind,
    },
    /// The file is larger than any kubeconfig.
    #[error("cannot read the kubeconfig {}: {why}", .file.display())]
    TooLarge {
        /// The file.
        file: PathBuf,
        /// The limit, and what to do.
        why: String,
    },
    /// The file is no kubeconfig.
    #[error("{} is no kubeconfig{}", .file.display(), place(*.line))]
    Form {
        /// The file.
        file: PathBuf,
        /// The line of the first error, if it is known.
        line: Option<u64>,
    },
    /// `kind` or `apiVersion` differ from those of an earlier file.
    #[error("{} cannot be merged with the kubeconfigs before it: kind or apiVersion differ", .file.display())]
    Merge {
        /// The file.
        file: PathBuf,
    },
    /// There is no kubeconfig.
    #[error("no kubeconfig: set KUBECONFIG or --kubeconfig, or create {}", .0.display())]
    None(PathBuf),
}

fn place(line: Option<u64>) -> String {
    line.map(|line| format!(": error at line {line}")).unwrap_or_default()
}

impl Config {
    /// Reads the file of the flag alone, else the files of `KUBECONFIG` that exist, else the default file.
    pub fn read(flag: Option<&Path>) -> Result<Self, ConfigError> {
        let variable = std::env::var_os("KUBECONFIG").filter(|value| !value.is_empty());
        let home = std::env::var_os("HOME").or_else(|| std::env::var_os("USERPROFILE"));
        let default = Path::new(home.as_deref().unwrap_or(OsStr::new("."))).join(".kube/config");
        match Self::read_from(flag, variable.as_deref(), &default) {
            Err(ConfigError::None(file)) => Self::of_a_pod().ok_or(ConfigError::None(file)),
            read => read,
        }
    }

    fn read_from(flag: Option<&Path>, variable: Option<&OsStr>, default: &Path) -> Result<Self, ConfigError> {
        if let Some(file) = flag {
            return Ok(Self(one(file)?));
        }
        let files: Vec<PathBuf> = match variable {
            Some(files) => std::env::split_paths(files)
                .filter(|file| !file.as_os_str().is_empty())
                .collect(),
            None => vec![default.to_owned()],
        };
        let mut merged: Option<Kubeconfig> = None;
        for file in files {
            // kubectl skips a file that does not exist, and no other.
            if matches!(std::fs::exists(&file), Ok(false)) {
                continue;
            }
            let config = one(&file)?;
            merged = Some(match merged {
                None => config,
                Some(merged) => merged.merge(config).map_err(|_| ConfigError::Merge { file })?,
            });
        }
        merged.map(Self).ok_or_else(|| ConfigError::None(default.to_owned()))
    }

    /// Returns the configuration of a Pod, which has a token of its own in place of a kubeconfig.
    fn of_a_pod() -> Option<Self> {
        std::env::var_os("KUBERNETES_SERVICE_HOST").filter(|host| !host.is_empty())?;
        let context = NamedContext {
            name: IN_CLUSTER.to_owned(),
            ..NamedContext::default()
        };
        Some(Self(Kubeconfig {
            contexts: vec![context],
            current_context: Some(IN_CLUSTER.to_owned()),
            ..Kubeconfig::default()
        }))
    }

    /// Returns whether this is the configuration of a Pod.
    pub(super) fn is_of_a_pod(&self) -> bool {
        self.0.clusters.is_empty()
    }
}

fn one(file: &Path) -> Result<Kubeconfig, ConfigError> {
    bounded(file)?.map_err(|error| {
        let file = file.to_owned();
        match error {
            KubeconfigError::ReadConfig(error, _) => ConfigError::Read {
                file,
                why: error.kind(),
            },
            // The text of the error quotes lines of the file, which may hold a token.
            KubeconfigError::Parse(error) => ConfigError::Form {
                file,
                line: error.location().map(|location| location.line()),
            },
            KubeconfigError::KindMismatch | KubeconfigError::ApiVersionMismatch => ConfigError::Merge { file },
            _ => ConfigError::Form { file, line: None },
        }
    })
}

/// Reads a file up to the limit. A pipe can be read once, and has no folder to which its paths are relative.
fn bounded(file: &Path) -> Result<Result<Kubeconfig, KubeconfigError>, ConfigError> {
    let limit = input::KUBECONFIG;
    let refused = |error: InputError| match error {
        InputError::Read(why) => ConfigError::Read {
            file: file.to_owned(),
            why,
        },
        InputError::TooLarge(_) => ConfigError::TooLarge {
            file: file.to_owned(),
            why: error.to_string(),
        },
    };
    let metadata = std::fs::metadata(file).map_err(|error| refused(error.into()))?;
    if metadata.is_file() {
        limit.check(metadata.len()).map_err(refused)?;
        return Ok(Kubeconfig::read_from(file));
    }
    let text = limit.text(file).map_err(refused)?;
    Ok(Kubeconfig::from_yaml(&text))
}

#[cfg(test)]
mod tests;
