//! The content of a `kubernetes.io/dockerconfigjson` Secret: reading what people and tools write,
//! and writing the one form that kubelets, docker and buildkit agree on.
//!
//! Source of the rules for reading: `pkg/credentialprovider/config.go` of Kubernetes 1.36 and Go's
//! `encoding/json` and `encoding/base64`. One entry that a kubelet cannot parse breaks every pull
//! of a pod, public images included, so such an entry is never written. It does not spoil the
//! others: each entry is read by itself. What is never copied (`email`, HTTP headers, unknown
//! fields) is not judged.

mod auth;
mod entry;
mod json;
mod remark;

use std::collections::BTreeMap;
use std::collections::btree_map::Entry;
use std::fmt;

use thiserror::Error;

use crate::credential::{Credential, CredentialError};
use crate::keyring;
use crate::server::{self, DOCKER_HUB, Server};
use json::Value;

pub use remark::{Remark, Remarks};

/// The most that a Secret can hold: `MaxSecretSize` of the API server, in bytes.
pub const MAX_BYTES: usize = 1 << 20;

/// The longest server that the schema of the object allows, in bytes.
const MAX_SERVER: usize = 253;

/// What tools of Windows put in front of a text: UTF-8, and UTF-16 of either order.
const BYTE_ORDER_MARKS: [&[u8]; 3] = [b"\xef\xbb\xbf", b"\xff\xfe", b"\xfe\xff"];

/// A docker config that was read, each entry by itself.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct DockerConfig {
    entries: BTreeMap<String, Credential>,
    unusable: BTreeMap<String, EntryError>,
    places: BTreeMap<String, Place>,
    stores: Stores,
}

/// Where a key stands in `auths`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Place {
    /// Counted from 1.
    at: usize,
    /// It stood there before; kubelets read the last.
    repeated: bool,
}

/// Where else the config says that logins are.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
struct Stores {
    /// `credsStore` is set.
    store: bool,
    /// The keys of `credHelpers`.
    helped: Vec<String>,
}

/// Everything that a config gives when it is taken whole.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Whole {
    /// The usable entries, each under its [`whole_key`].
    pub entries: BTreeMap<String, Credential>,
    /// How messages name those, by the same key.
    pub names: BTreeMap<String, EntryName>,
    /// The keys, in the same form, of entries that stand there and cannot be used.
    pub left_out: BTreeMap<String, EntryName>,
    /// What its author should know of it.
    pub remarks: Remarks,
}

/// Why a docker config does not give what is asked of it. Names a position or an [`EntryName`], never a value.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
pub enum DockerConfigError {
    /// More than 1 MiB, which no Secret can hold.
    #[error("the docker config is larger than 1 MiB")]
    TooLarge,
    /// It begins with a mark that Go, and so every reader, takes for an error.
    #[error("the docker config begins with a byte order mark; save it as UTF-8 without one")]
    ByteOrderMark,
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
    /// `auths` is not an object.
    #[error("`auths` of the docker config is not an object")]
    AuthsNotAnObject,
    /// `auths` is empty.
    #[error("`auths` of the docker config is empty")]
    NoEntries,
    /// No entries, because the logins are in a credential store on the author's machine.
    #[error("the logins are in a credential store or helper, which kubelets cannot ask")]
    StoredElsewhere,
    /// The entry that is asked for is there and cannot be used.
    #[error("the entry {name} cannot be used: {reason}")]
    Entry {
        /// The entry.
        name: EntryName,
        /// What is wrong with it.
        reason: EntryError,
    },
    /// The entry that is asked for is not there.
    #[error("no entry for server {server}{hint}")]
    NoEntry {
        /// The server that is asked for.
        server: Server,
        /// Where its login may be instead.
        hint: Hint,
    },
    /// No entry of a config that is taken whole can be used.
    #[error("no entry can be used: {0}")]
    NoneUsable(Remarks),
}

/// Where the login of a server may be that has no entry.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Hint {
    /// Nothing is known.
    None,
    /// In a credential store or helper.
    Stored,
    /// Under a key that is probably meant to be this server.
    Misspelled(EntryName),
}

/// What is wrong with one entry of `auths`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Error)]
pub enum EntryError {
    /// Kubelets skip a key that is not a URL once `https://` stands before it: spaces, a port that
    /// is not a number, brackets.
    #[error("kubelets skip this key, since they cannot parse it as host[:port][/path]")]
    KeyUnparsable,
    /// A key with a user, a query or a fragment, all of which kubelets drop, and what is left would
    /// be read as another key.
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

/// The name of an entry that may be shown: its key if that is a server by the schema of the object, else its place in
/// `auths`, because a key may hold a password.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum EntryName {
    /// A key of the form `host[:port][/path]`.
    Server(String),
    /// The place of the entry, counted from 1.
    Place(usize),
}

impl DockerConfig {
    /// Reads the value of `.dockerconfigjson` as a kubelet does. Names of fields match whatever their case, and the last
    /// of several wins, as in Go; `auth` wins over `username` and `password`. What a kubelet would skip, ignore or fail
    /// at is wrong with that entry alone.
    pub fn parse(bytes: &[u8]) -> Result<Self, DockerConfigError> {
        Self::read(bytes, Self::auths)
    }

    /// Reads the value of `.dockercfg`, the older form: the entries without `auths` around them.
    pub fn parse_legacy(bytes: &[u8]) -> Result<Self, DockerConfigError> {
        Self::read(bytes, |config, entries| {
            config.stores = Stores::default();
            if entries.is_empty() {
                return Err(DockerConfigError::NoEntries);
            }
            Ok(entries)
        })
    }

    fn read(
        bytes: &[u8],
        entries: for<'a> fn(&mut Self, json::Fields<'a>) -> Result<json::Fields<'a>, DockerConfigError>,
    ) -> Result<Self, DockerConfigError> {
        if bytes.len() > MAX_BYTES {
            return Err(DockerConfigError::TooLarge);
        }
        if BYTE_ORDER_MARKS.iter().any(|mark| bytes.starts_with(mark)) {
            return Err(DockerConfigError::ByteOrderMark);
        }
        let text = json::text(bytes);
        let root = Value::parse(&text).map_err(|e| DockerConfigError::Syntax {
            line: e.line(),
            column: e.column(),
        })?;
        let fields = root.object().ok_or(DockerConfigError::NotAnObject)?;
        let stores = stores(&fields);
        let mut config = Self {
            entries: BTreeMap::new(),
            unusable: BTreeMap::new(),
            places: BTreeMap::new(),
            stores,
        };
        for (at, (key, value)) in entries(&mut config, fields)?.into_iter().enumerate() {
            config.put(at + 1, key, value);
        }
        Ok(config)
    }

    /// The fields of `auths`. As in Go, several of them add up, and a `null` takes away what came before.
    fn auths<'a>(&mut self, fields: json::Fields<'a>) -> Result<json::Fields<'a>, DockerConfigError> {
        let mut auths: Option<json::Fields<'_>> = None;
        for (_, value) in fields.into_iter().filter(|(name, _)| json::is_field(name, "auths")) {
            if value.is_null() {
                auths = None;
            } else {
                let more = value.object().ok_or(DockerConfigError::AuthsNotAnObject)?;
                auths.get_or_insert_default().extend(more);
            }
        }
        match auths {
            Some(auths) if !auths.is_empty() => Ok(auths),
            _ if self.stores.any() => Err(DockerConfigError::StoredElsewhere),
            Some(_) => Err(DockerConfigError::NoEntries),
            None => Err(DockerConfigError::NoAuths),
        }
    }

    fn put(&mut self, at: usize, key: String, value: Value<'_>) {
        let repeated = self.places.contains_key(&key);
        self.places.insert(key.clone(), Place { at, repeated });
        match check_key(&key).and_then(|()| entry::credential(value)) {
            Ok(credential) => {
                self.unusable.remove(&key);
                self.entries.insert(key, credential);
            }
            Err(reason) => {
                self.entries.remove(&key);
                self.unusable.insert(key, reason);
            }
        }
    }

    /// The usable entries, by key as written.
    pub fn entries(&self) -> &BTreeMap<String, Credential> {
        &self.entries
    }

    /// The others, by key as written.
    pub fn unusable(&self) -> &BTreeMap<String, EntryError> {
        &self.unusable
    }

    /// Every usable entry under its [`whole_key`], and remarks on what is left out or looks wrong. An error if none can
    /// be used.
    ///
    /// Where several have one key, the one stays that kubelets would try: a key without a part that they drop, and of
    /// the spellings of Docker Hub `docker.io`, which matches by itself; `index.docker.io` only does where nothing else
    /// does.
    pub fn whole(&self) -> Result<Whole, DockerConfigError> {
        let mut whole = Whole {
            remarks: Remarks::of_stores(self.stores.store, &self.stores.helped),
            ..Whole::default()
        };
        for (key, &reason) in &self.unusable {
            let name = self.name(key);
            whole.left_out.insert(whole_key(key), name.clone());
            whole.remarks.push(Remark::LeftOut { name, reason });
        }
        let mut usable: Vec<_> = self.entries.iter().collect();
        // The first of several stays. Sorted stably from the end: of those alike it is the last in byte order.
        usable.reverse();
        usable.sort_by_key(|(key, _)| (is_cut(key), !server::matches_docker_hub_by_itself(key)));
        for (key, credential) in usable {
            let name = self.name(key);
            match whole.entries.entry(whole_key(key)) {
                Entry::Vacant(free) => {
                    whole.names.insert(free.key().clone(), name.clone());
                    free.insert(credential.clone());
                    whole.remarks.on_key(key, &name);
                    whole.remarks.on_login(credential, &name);
                    if self.places.get(key).is_some_and(|place| place.repeated) {
                        whole.remarks.push(Remark::Repeated { name });
                    }
                }
                Entry::Occupied(taken) if taken.get() == credential => {}
                Entry::Occupied(_) => whole.remarks.push(Remark::Shadowed { name }),
            }
        }
        whole.remarks.sort();
        if whole.entries.is_empty() {
            return Err(match self.unusable.iter().next() {
                Some((key, &reason)) if self.unusable.len() == 1 => DockerConfigError::Entry {
                    name: self.name(key),
                    reason,
                },
                _ => DockerConfigError::NoneUsable(whole.remarks),
            });
        }
        Ok(whole)
    }

    /// The entry for a declared server, in whatever spelling the config has it. If it has several,
    /// the server's own key wins, then the first in byte order. Other entries do not matter.
    pub fn entry_for(&self, server: &Server) -> Result<&Credential, DockerConfigError> {
        let is_spelled = |key: &str| server.is_spelled(&server::less_what_kubelets_drop(key));
        if let Some(credential) = self.entries.get(server.as_str()) {
            return Ok(credential);
        }
        if let Some((_, credential)) = self.entries.iter().find(|(key, _)| is_spelled(key)) {
            return Ok(credential);
        }
        let own = self.unusable.get_key_value(server.as_str());
        let unusable = own.or_else(|| self.unusable.iter().find(|(key, _)| is_spelled(key)));
        Err(match unusable {
            Some((key, &reason)) => DockerConfigError::Entry {
                name: self.name(key),
                reason,
            },
            None => DockerConfigError::NoEntry {
                server: server.clone(),
                hint: self.hint(server),
            },
        })
    }

    fn hint(&self, server: &Server) -> Hint {
        let mut keys = self.places.keys();
        let misspelled = keys.find(|key| server::meant(key).as_ref() == Some(server));
        match misspelled {
            Some(key) => Hint::Misspelled(self.name(key)),
            None if self.stores.store || self.stores.helped.iter().any(|key| server.is_spelled(key)) => Hint::Stored,
            None => Hint::None,
        }
    }

    fn name(&self, key: &str) -> EntryName {
        EntryName::of(key, self.places.get(key).map_or(0, |place| place.at))
    }
}

impl Stores {
    fn any(&self) -> bool {
        self.store || !self.helped.is_empty()
    }
}

fn stores(fields: &json::Fields<'_>) -> Stores {
    let mut stores = Stores::default();
    for (name, value) in fields {
        if json::is_field(name, "credsStore") {
            stores.store = value.text().is_some_and(|store| !store.is_empty());
        } else if json::is_field(name, "credHelpers") {
            let helped = value.object().into_iter().flatten();
            stores.helped.extend(helped.map(|(key, _)| key));
        }
    }
    stores
}

/// Writes a docker config: the same entries give the same bytes, everywhere and in every version.
///
/// Names are sorted at every level, there is no white space, and an entry holds `auth`, `password`
/// and `username` only. [`DockerConfig::parse`] of it gives the entries back, unless a key is one
/// that kubelets skip.
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

/// The length of what [`render`] writes for these entries.
pub fn rendered_len(entries: &BTreeMap<String, Credential>) -> usize {
    let commas = entries.len().saturating_sub(1);
    let entries = entries.iter().map(|(key, credential)| {
        let (username, password) = (credential.username(), credential.password());
        let auth = (username.len() + 1 + password.len()).div_ceil(3) * 4;
        let fields = r#":{"auth":"","password":,"username":}"#.len() + auth;
        json::quoted_len(key) + fields + json::quoted_len(password) + json::quoted_len(username)
    });
    r#"{"auths":{}}"#.len() + commas + entries.sum::<usize>()
}

/// The key that an entry of a docker config taken whole gets: its own, less what kubelets drop, except that every
/// spelling of Docker Hub that kubelets know becomes [`DOCKER_HUB`].
///
/// Two spellings in one config so become one key: [`DockerConfig::whole`] says which entry stays. `docker.io` is
/// a key like any other to a kubelet, while [`DOCKER_HUB`] is its fallback: it counts only where no
/// other key, such as `*.io`, matches, and then for images on a registry at `localhost` as well.
pub fn whole_key(key: &str) -> String {
    let key = server::less_what_kubelets_drop(key);
    if server::is_docker_hub_to_kubelets(&key) {
        DOCKER_HUB.to_owned()
    } else {
        key
    }
}

/// Whether kubelets drop a part of the key, which may be a password.
fn is_cut(key: &str) -> bool {
    server::less_what_kubelets_drop(key) != key
}

fn check_key(key: &str) -> Result<(), EntryError> {
    match keyring::normalised(key) {
        Some(normalised) if normalised.is_empty() => Err(EntryError::KeyUnparsable),
        None => Err(EntryError::KeyUnparsable),
        read if read != keyring::normalised(&server::less_what_kubelets_drop(key)) => Err(EntryError::KeyCut),
        Some(_) => Ok(()),
    }
}

impl EntryName {
    /// The name of the entry with this key at this place.
    pub fn of(key: &str, place: usize) -> Self {
        if key.len() <= MAX_SERVER && Server::parse(key).is_ok() {
            Self::Server(key.to_owned())
        } else {
            Self::Place(place)
        }
    }

    /// The entry in a list within a sentence.
    pub fn shown(&self) -> String {
        match self {
            Self::Server(key) => key.clone(),
            Self::Place(place) => format!("entry {place}"),
        }
    }

    /// The entry in a list of servers.
    pub fn listed(&self) -> String {
        match self {
            Self::Server(key) => key.clone(),
            Self::Place(place) => format!("entry {place}: not a server name"),
        }
    }
}

impl fmt::Display for EntryName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Server(key) => write!(f, "\"{key}\""),
            Self::Place(place) => write!(f, "{place}"),
        }
    }
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
