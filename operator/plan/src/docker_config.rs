//! The content of a `kubernetes.io/dockerconfigjson` Secret.
//!
//! This room reads what people and tools write, and writes the one form on which kubelets, docker and buildkit agree.
//! The rules for reading come from `pkg/credentialprovider/config.go` of Kubernetes 1.36 and from Go's `encoding/json`
//! and `encoding/base64`.
//!
//! An entry that a kubelet cannot parse breaks every pull of a pod, even of public images, so the operator never writes
//! one. It does not affect other entries, because each entry is read by itself. Fields that are never copied (`email`,
//! HTTP headers, unknown fields) are not checked.

mod auth;
mod entry;
mod entry_error;
mod error;
mod json;
mod key;
mod name;
mod pull_secret;
mod render;
mod warning;

use std::collections::BTreeMap;
use std::collections::btree_map::Entry;

use crate::credential::Credential;
use crate::server::{self, Server};
use json::Value;
use key::{check_key, is_cut};

pub use entry_error::EntryError;
pub use error::{DockerConfigError, Hint};
pub use key::whole_key;
pub use name::EntryName;
pub use pull_secret::{Ignored, PullEntry, PullSecret, SentLogin, Unreadable};
pub use render::{render, rendered_len};
pub use warning::{Warning, Warnings};

/// The most bytes that a Secret can hold: `MaxSecretSize` of the API server.
pub const MAX_BYTES: usize = 1 << 20;

/// Byte order marks that tools of Windows write: of UTF-8, and of UTF-16 in either order.
const BYTE_ORDER_MARKS: [&[u8]; 3] = [b"\xef\xbb\xbf", b"\xff\xfe", b"\xfe\xff"];

/// A docker config whose entries were read one by one.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct DockerConfig {
    entries: BTreeMap<String, Credential>,
    unusable: BTreeMap<String, EntryError>,
    places: BTreeMap<String, Place>,
    stores: Stores,
}

/// The place of a key in `auths`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Place {
    /// Counted from 1.
    at: usize,
    /// The key occurred before. Kubelets read the last entry.
    repeated: bool,
}

/// Other places in which the config keeps logins.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
struct Stores {
    /// `credsStore` is set.
    store: bool,
    /// The keys of `credHelpers`.
    helped: Vec<String>,
}

/// The content of a config that is taken whole.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Whole {
    /// The usable entries, each under its [`whole_key`].
    pub entries: BTreeMap<String, Credential>,
    /// How messages name those entries, by the same key.
    pub names: BTreeMap<String, EntryName>,
    /// Entries that cannot be used, by the same kind of key.
    pub left_out: BTreeMap<String, EntryName>,
    /// What its author should know.
    pub warnings: Warnings,
}

impl DockerConfig {
    /// Parses the value of `.dockerconfigjson` as a kubelet does.
    ///
    /// As in Go, names of fields match in any case, and the last of several wins. `auth` wins over `username` and
    /// `password`. If a kubelet would skip, ignore or reject a part of an entry, then only that entry is unusable.
    pub fn parse(bytes: &[u8]) -> Result<Self, DockerConfigError> {
        Self::read(bytes, Self::auths)
    }

    /// Parses the value of `.dockercfg`, the older form: entries without `auths` around them.
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

    /// Returns the fields of `auths`. As in Go, several `auths` add up, and a `null` removes the earlier ones.
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

    /// Returns the usable entries, by key as written.
    pub fn entries(&self) -> &BTreeMap<String, Credential> {
        &self.entries
    }

    /// Returns the entries that cannot be used, by key as written.
    pub fn unusable(&self) -> &BTreeMap<String, EntryError> {
        &self.unusable
    }

    /// Returns all usable entries by their [`whole_key`], with warnings. It is an error if no entry can be used.
    ///
    /// Of several entries with one key, the entry stays that kubelets would try. Its key has no part that they drop. Of
    /// the spellings of Docker Hub it is `docker.io`, which matches by itself; `index.docker.io` is a fallback only.
    pub fn whole(&self) -> Result<Whole, DockerConfigError> {
        let mut whole = Whole {
            warnings: Warnings::of_stores(self.stores.store, &self.stores.helped),
            ..Whole::default()
        };
        for (key, &reason) in &self.unusable {
            let name = self.name(key);
            whole.left_out.insert(whole_key(key), name.clone());
            whole.warnings.push(Warning::LeftOut { name, reason });
        }
        let mut usable: Vec<_> = self.entries.iter().collect();
        // The first of several stays. The stable sort starts from the end: of equals it is the last in byte order.
        usable.reverse();
        usable.sort_by_key(|(key, _)| (is_cut(key), !server::matches_docker_hub_by_itself(key)));
        for (key, credential) in usable {
            let name = self.name(key);
            match whole.entries.entry(whole_key(key)) {
                Entry::Vacant(free) => {
                    whole.names.insert(free.key().clone(), name.clone());
                    free.insert(credential.clone());
                    whole.warnings.on_key(key, &name);
                    whole.warnings.on_login(credential, &name);
                    if self.places.get(key).is_some_and(|place| place.repeated) {
                        whole.warnings.push(Warning::Repeated { name });
                    }
                }
                Entry::Occupied(taken) if taken.get() == credential => {}
                Entry::Occupied(_) => whole.warnings.push(Warning::Shadowed { name }),
            }
        }
        whole.warnings.sort();
        if whole.entries.is_empty() {
            return Err(match self.unusable.iter().next() {
                Some((key, &reason)) if self.unusable.len() == 1 => DockerConfigError::Entry {
                    name: self.name(key),
                    reason,
                },
                _ => DockerConfigError::NoneUsable(whole.warnings),
            });
        }
        Ok(whole)
    }

    /// Returns the entry for a declared server, in any spelling.
    ///
    /// Of several entries the server's own key wins, then the first in byte order. Other entries do not matter.
    pub fn entry_for(&self, server: &Server) -> Result<&Credential, DockerConfigError> {
        let is_spelled = |key: &str| server.is_spelled(&server::without_dropped_parts(key));
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
        let misspelled = keys.find(|key| server::suggestion(key).as_ref() == Some(server));
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
