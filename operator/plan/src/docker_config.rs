//! The content of a `kubernetes.io/dockerconfigjson` Secret: reading what people and tools write,
//! and writing the one form that kubelets, docker and buildkit agree on.
//!
//! Source of the rules for reading: `pkg/credentialprovider/config.go` of Kubernetes 1.36 and Go's
//! `encoding/json` and `encoding/base64`. One entry that a kubelet cannot parse breaks every pull
//! of a pod, public images included, so one bad entry refuses the whole. What is never copied
//! (`email`, HTTP headers, unknown fields) is not judged.

mod auth;
mod entry;
mod json;

use std::collections::BTreeMap;
use std::fmt;

use thiserror::Error;

use crate::credential::{Credential, CredentialError};
use crate::keyring;
use crate::server::{self, DOCKER_HUB, Server};
use json::Node;

/// The most that a Secret can hold: `MaxSecretSize` of the API server, in bytes.
const MAX_BYTES: usize = 1 << 20;

/// A docker config of which every entry can be used by a kubelet.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct DockerConfig {
    entries: BTreeMap<String, Credential>,
}

/// Why bytes are not a [`DockerConfig`]. Names a key or a position, never a value.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
pub enum DockerConfigError {
    /// More than 1 MiB, which no Secret can hold.
    #[error("the docker config is larger than 1 MiB")]
    TooLarge,
    /// It fits, but what would be written of it does not: each login stands there twice.
    #[error("the docker config is too large: its copies, in which each login stands twice, would be larger than 1 MiB")]
    TooLargeToWrite,
    /// Not JSON; lines and columns count from 1.
    #[error("the docker config is not JSON: error at line {line}, column {column}")]
    Syntax {
        /// The line of the error.
        line: usize,
        /// The column of the error, in bytes.
        column: usize,
    },
    /// JSON, but no object.
    #[error("the docker config is not a JSON object")]
    NotAnObject,
    /// `auths` is missing or `null`.
    #[error("the docker config has no `auths`")]
    NoAuths,
    /// `auths` stands there twice, be it in other letters: readers differ in which one they take.
    #[error("the docker config has `auths` more than once")]
    RepeatedAuths,
    /// `auths` is not an object.
    #[error("`auths` of the docker config is not an object")]
    AuthsNotAnObject,
    /// `auths` is empty.
    #[error("`auths` of the docker config is empty")]
    NoEntries,
    /// No entries, since the logins are in a credential store on somebody's machine.
    #[error("the logins are in a credential store or helper, which kubelets cannot ask")]
    StoredElsewhere,
    /// The same key twice: readers differ in which one they take.
    #[error("the entry {key} stands in `auths` more than once")]
    RepeatedKey {
        /// The key of both.
        key: ShownKey,
    },
    /// One entry cannot be used.
    #[error("the entry {key} cannot be used: {reason}")]
    Entry {
        /// The key of the entry.
        key: ShownKey,
        /// What is wrong with it.
        reason: EntryError,
    },
}

/// What is wrong with one entry of `auths`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Error)]
pub enum EntryError {
    /// Kubelets skip a key that is not a URL once `https://` stands before it: spaces, a port that
    /// is not a number, brackets.
    #[error("kubelets skip this key, since they cannot parse it as host[:port][/path]")]
    KeyUnparsable,
    /// A key with a user, a query or a fragment, all of which kubelets drop: it would not be the
    /// key that is read, and it may hold a password.
    #[error("kubelets drop the part of the key at `@`, `?` or `#`; write host[:port][/path]")]
    KeyCut,
    /// The entry is not a JSON object.
    #[error("it is not an object")]
    NotAnObject,
    /// A field that must be a string is not.
    #[error("its `{0}` is not a string")]
    NotAString(&'static str),
    /// `auth` is not standard base64.
    #[error("its `auth` is not base64")]
    AuthNotBase64,
    /// `auth` decodes to something without a colon.
    #[error("its `auth` does not decode to username:password")]
    AuthWithoutColon,
    /// `auth` decodes to something that is not text.
    #[error("its `auth` does not decode to UTF-8")]
    AuthNotUtf8,
    /// Kubelets read no tokens of this kind and would log in with an empty password.
    #[error("kubelets ignore `{0}`; give a username and a password (or token) instead")]
    TokenIgnored(&'static str),
    /// Neither of `auth`, `username` and `password`; docker leaves such entries behind.
    #[error("it is empty, as docker leaves it when a credential store holds the login")]
    Empty,
    /// User name and password are there, but cannot be used.
    #[error(transparent)]
    Credential(#[from] CredentialError),
}

/// A key of `auths`, fit to be shown: printable ASCII, at most 253 bytes, and nothing of what may
/// be a user or a password before an `@`, or a token after a `?` or `#`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ShownKey(String);

impl DockerConfig {
    /// Reads the value of `.dockerconfigjson` as a kubelet does, and refuses what a kubelet would
    /// skip, ignore or fail at. Names of fields match whatever their case, and the last of several
    /// wins, as in Go; `auth` wins over `username` and `password`.
    pub fn parse(bytes: &[u8]) -> Result<Self, DockerConfigError> {
        if bytes.len() > MAX_BYTES {
            return Err(DockerConfigError::TooLarge);
        }
        // Of a parser's message only the position is safe: the text may quote a value.
        let root: Node = serde_json::from_slice(bytes).map_err(|e| DockerConfigError::Syntax {
            line: e.line(),
            column: e.column(),
        })?;
        let mut entries = BTreeMap::new();
        for (key, node) in auths(root)? {
            let shown = ShownKey::of(&key);
            let credential = match check_key(&key).and_then(|()| entry::credential(node)) {
                Ok(credential) => credential,
                Err(reason) => return Err(DockerConfigError::Entry { key: shown, reason }),
            };
            if entries.insert(key, credential).is_some() {
                return Err(DockerConfigError::RepeatedKey { key: shown });
            }
        }
        // A byte of a login becomes eight at most: twice, once of them in base64 and once with an escape.
        if bytes.len() > MAX_BYTES / 8 && render(&entries).len() > MAX_BYTES {
            return Err(DockerConfigError::TooLargeToWrite);
        }
        Ok(Self { entries })
    }

    /// The entries, by key as written. Never empty.
    pub fn entries(&self) -> &BTreeMap<String, Credential> {
        &self.entries
    }

    /// Every entry under its [`whole_key`]. Of several spellings of Docker Hub one stays, and it is one that kubelets
    /// would try: `docker.io` matches by itself, `index.docker.io` only where nothing else does.
    pub fn whole(&self) -> BTreeMap<String, Credential> {
        let mut entries: Vec<_> = self.entries.iter().collect();
        // The last of several stays. Sorted stably: of those alike it is the last in byte order.
        entries.sort_by_key(|(key, _)| server::matches_docker_hub_by_itself(key));
        entries
            .into_iter()
            .map(|(key, credential)| (whole_key(key), credential.clone()))
            .collect()
    }

    /// The entry for a declared server, in whatever spelling the config has it. If it has several,
    /// the server's own key wins, then the first in byte order.
    pub fn entry_for(&self, server: &Server) -> Option<&Credential> {
        self.entries.get(server.as_str()).or_else(|| {
            self.entries
                .iter()
                .find(|(key, _)| server.is_spelled(key))
                .map(|(_, credential)| credential)
        })
    }
}

/// Writes a docker config: the same entries give the same bytes, everywhere and in every version.
///
/// Names are sorted at every level, there is no white space, and an entry holds `auth`, `password`
/// and `username` only. [`DockerConfig::parse`] of it gives the entries back, unless a key is one
/// that it refuses.
pub fn render(entries: &BTreeMap<String, Credential>) -> Vec<u8> {
    // Written by hand, since the order of a JSON map is a feature that any dependency may change.
    let entries: Vec<String> = entries
        .iter()
        .map(|(key, credential)| {
            format!(
                r#"{}:{{"auth":{},"password":{},"username":{}}}"#,
                json::quoted(key),
                json::quoted(&auth::encode(credential)),
                json::quoted(credential.password()),
                json::quoted(credential.username()),
            )
        })
        .collect();
    format!(r#"{{"auths":{{{}}}}}"#, entries.join(",")).into_bytes()
}

/// The key that an entry of a docker config taken whole gets: its own, except that every spelling
/// of Docker Hub that kubelets know becomes [`DOCKER_HUB`].
///
/// Two spellings in one config so become one key: [`DockerConfig::whole`] says which entry stays. `docker.io` is
/// a key like any other to a kubelet, while [`DOCKER_HUB`] is its fallback: it counts only where no
/// other key, such as `*.io`, matches, and then for images on a registry at `localhost` as well.
pub fn whole_key(key: &str) -> String {
    if server::is_docker_hub_to_kubelets(key) {
        DOCKER_HUB.to_owned()
    } else {
        key.to_owned()
    }
}

impl ShownKey {
    fn of(key: &str) -> Self {
        let end = key.find(['?', '#']).unwrap_or(key.len());
        let (start, elided) = match key[..end].rfind('@') {
            Some(at) => (at + 1, true),
            None => (0, end < key.len()),
        };
        let printable = key[start..end].chars().filter(char::is_ascii_graphic).take(250);
        let dots = if elided { "..." } else { "" };
        Self(printable.chain(dots.chars()).collect())
    }

    /// The key as it may be shown; it may be empty.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for ShownKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "\"{}\"", self.0)
    }
}

fn auths(root: Node) -> Result<Vec<(String, Node)>, DockerConfigError> {
    let Node::Object(fields) = root else {
        return Err(DockerConfigError::NotAnObject);
    };
    let stored_elsewhere = fields
        .iter()
        .any(|(name, _)| json::is_field(name, "credsStore") || json::is_field(name, "credHelpers"));
    let mut found = fields
        .into_iter()
        .filter(|(name, _)| json::is_field(name, "auths"))
        .map(|(_, node)| node);
    let (auths, repeated) = (found.next(), found.next().is_some());
    if repeated {
        return Err(DockerConfigError::RepeatedAuths);
    }
    let missing = |otherwise| {
        Err(if stored_elsewhere {
            DockerConfigError::StoredElsewhere
        } else {
            otherwise
        })
    };
    match auths {
        None | Some(Node::Null) => missing(DockerConfigError::NoAuths),
        Some(Node::Object(entries)) if entries.is_empty() => missing(DockerConfigError::NoEntries),
        Some(Node::Object(entries)) => Ok(entries),
        Some(Node::Text(_) | Node::Other) => Err(DockerConfigError::AuthsNotAnObject),
    }
}

fn check_key(key: &str) -> Result<(), EntryError> {
    let address = server::without_scheme(key);
    let authority = address.split_once('/').map_or(address, |(host, _)| host);
    if authority.contains('@') || key.contains(['?', '#']) {
        return Err(EntryError::KeyCut);
    }
    match keyring::normalised(key) {
        Some(normalised) if !normalised.is_empty() => Ok(()),
        Some(_) | None => Err(EntryError::KeyUnparsable),
    }
}
