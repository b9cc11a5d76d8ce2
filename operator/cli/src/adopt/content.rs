//! What the operator would read of a Secret, without any value.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;

use crd::names::{DOCKER_CONFIG_KEY, LEGACY_CONFIG_KEY, LEGACY_CONFIG_TYPE};
use plan::docker_config::{DockerConfig, DockerConfigError, EntryName, Whole, render};
use plan::payload::{Digest, DigestKey, Payload};
use serde::Deserialize;

/// User names of logins that last for hours.
const OF_HOURS: [&str; 3] = ["AWS", "oauth2accesstoken", "00000000-0000-0000-0000-000000000000"];

/// Addresses that tools write into entries.
const EMAILS: [&str; 2] = ["none", "awsregrenew@demo.test"];

/// What the operator would read of a Secret.
#[derive(Clone, Default)]
pub struct Content {
    /// Of what the operator would write. Equal contents have equal digests, also where their bytes differ.
    pub(super) digest: Option<Digest>,
    /// The servers that the schema accepts.
    pub servers: BTreeSet<String>,
    /// The number of entries under other keys.
    pub others: usize,
    /// The number of entries that the operator would leave out, because no kubelet can use them.
    pub left_out: usize,
    /// Why there is no login in it.
    pub unusable: Option<String>,
    /// A login lasts for hours only.
    pub short_lived: bool,
    /// The address that a tool wrote into an entry.
    pub email: Option<&'static str>,
}

/// What tools write into entries besides logins. It has no `Debug`.
#[derive(Deserialize, Default)]
struct Marked {
    #[serde(default)]
    auths: BTreeMap<String, MarkedEntry>,
}

#[derive(Deserialize, Default)]
#[serde(default)]
struct MarkedEntry {
    email: String,
}

impl Content {
    /// Reads the values of a Secret of this type. `value` returns that of a key, decoded.
    pub(super) fn read(type_: &str, value: impl Fn(&str) -> Option<Vec<u8>>, key: &DigestKey) -> Self {
        let (name, legacy) = if type_ == LEGACY_CONFIG_TYPE {
            (LEGACY_CONFIG_KEY, true)
        } else {
            (DOCKER_CONFIG_KEY, false)
        };
        let Some(bytes) = value(name) else {
            return Self::unusable(format!("it has no value under {name}"));
        };
        let parsed = if legacy {
            DockerConfig::parse_legacy(&bytes)
        } else {
            DockerConfig::parse(&bytes)
        };
        let mut content = match parsed.and_then(|config| config.whole()) {
            Ok(whole) => Self::of(&whole, key),
            Err(DockerConfigError::NoEntries | DockerConfigError::NoAuths) => {
                Self::unusable("it holds no login".to_owned())
            }
            // The error names positions and servers, never a value.
            Err(error) => Self::unusable(error.to_string()),
        };
        let marked: Marked = serde_json::from_slice(&bytes).unwrap_or_default();
        let is_marked = |email: &&'static str| marked.auths.values().any(|entry| entry.email == **email);
        content.email = EMAILS.iter().copied().find(is_marked);
        content
    }

    fn of(whole: &Whole, key: &DigestKey) -> Self {
        let mut content = Self {
            digest: Some(Payload::new(&render(&whole.entries), key).digest().without_logins()),
            left_out: whole.left_out.len(),
            ..Self::default()
        };
        for (server, login) in &whole.entries {
            content.short_lived |= OF_HOURS.contains(&login.username());
            match whole.names.get(server) {
                Some(EntryName::Server(name)) => {
                    content.servers.insert(name.clone());
                }
                _ => content.others += 1,
            }
        }
        content
    }

    fn unusable(why: String) -> Self {
        Self {
            unusable: Some(why),
            ..Self::default()
        }
    }

    /// Returns whether both hold the same logins for the same servers. A Secret without a login equals none.
    pub fn is_same(&self, other: &Self) -> bool {
        self.digest.is_some() && self.digest == other.digest
    }

    /// Returns the servers in words.
    pub fn shown(&self) -> Vec<String> {
        let mut shown: Vec<String> = self.servers.iter().cloned().collect();
        if self.others > 0 {
            shown.push(format!("{} other entries", self.others));
        }
        shown
    }
}

impl fmt::Debug for Content {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Content")
            .field("servers", &self.servers)
            .field("others", &self.others)
            .finish_non_exhaustive()
    }
}
