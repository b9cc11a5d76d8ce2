//! Why a docker config cannot be used, and where the login of a server may be instead.

use std::fmt;

use thiserror::Error;

use super::entry_error::EntryError;
use super::name::EntryName;
use super::warning::Warnings;
use crate::server::Server;

/// Why a docker config does not have the requested logins. It names a position or an [`EntryName`], never a value.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
pub enum DockerConfigError {
    /// It is larger than 1 MiB, which no Secret can hold.
    #[error("the docker config is larger than 1 MiB")]
    TooLarge,
    /// It begins with a byte order mark, which Go reports as an error.
    #[error("the docker config begins with a byte order mark; save it as UTF-8 without one")]
    ByteOrderMark,
    /// It is not JSON. Lines and columns count from 1.
    #[error("the docker config is not JSON: error at line {line}, column {column}")]
    Syntax {
        /// The line of the error.
        line: usize,
        /// The column of the error, in bytes.
        column: usize,
    },
    /// It is JSON, but no object.
    #[error("the docker config is not a JSON object")]
    NotAnObject,
    /// `auths` is missing or `null`.
    #[error("the docker config has no `auths`, which holds the logins by server")]
    NoAuths,
    /// `auths` is not an object.
    #[error("`auths` of the docker config is not an object")]
    AuthsNotAnObject,
    /// `auths` is empty.
    #[error("`auths` of the docker config is empty")]
    NoEntries,
    /// It has no entries, because the logins are in a credential store on the author's machine.
    #[error("the logins are in a credential store or helper, which kubelets cannot ask; write them into `auths`")]
    StoredElsewhere,
    /// The requested entry exists and cannot be used.
    #[error("the entry {name} cannot be used: {reason}")]
    Entry {
        /// The entry.
        name: EntryName,
        /// What is wrong with it.
        reason: EntryError,
    },
    /// The requested entry does not exist.
    #[error("no entry for server {server}{hint}")]
    NoEntry {
        /// The requested server.
        server: Server,
        /// Where its login may be instead.
        hint: Hint,
    },
    /// No entry of a config that is taken whole can be used.
    #[error("no entry can be used: {0}")]
    NoneUsable(Warnings),
}

/// Where the login of a server without entry may be.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Hint {
    /// Unknown.
    None,
    /// In a credential store or helper.
    Stored,
    /// Under a key that probably means this server.
    Misspelled(EntryName),
}

impl fmt::Display for Hint {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::None => Ok(()),
            Self::Stored => f.write_str("; its login is in a credential store or helper, which kubelets cannot ask"),
            Self::Misspelled(name) => write!(f, "; the entry {name} looks like it: write the server as its key"),
        }
    }
}
