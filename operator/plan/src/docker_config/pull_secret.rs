//! What a kubelet reads of a pull secret: every entry, or none.
//!
//! [`super::DockerConfig`] judges each entry by itself, because the operator writes only entries that work. A kubelet does
//! not: one value that it cannot decode makes the whole Secret unreadable, and then it pulls no image of the pod. Entries
//! that the operator leaves out, such as one without a user name, still count for a kubelet as a match.
//!
//! The rules come from `pkg/credentialprovider/config.go` and `secrets/secrets.go` of Kubernetes 1.36.

#[cfg(test)]
mod tests;

use std::collections::BTreeMap;
use std::fmt;

use crd::names::{DOCKER_CONFIG_KEY, DOCKER_CONFIG_TYPE, LEGACY_CONFIG_KEY, LEGACY_CONFIG_TYPE};
use thiserror::Error;

use super::auth;
use super::entry;
use super::entry_error::EntryError;
use super::json::{self, Value, is_field};
use super::name::EntryName;

/// The deepest nesting that Go decodes.
const MAX_DEPTH: usize = 10_000;

/// What a kubelet reads of one pull secret.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum PullSecret {
    /// It adds these entries to the keyring of the pod. There may be none.
    Entries(Vec<PullEntry>),
    /// It reads no login, and goes on without an error.
    Ignored(Ignored),
    /// It cannot read the Secret, and pulls no image of a pod that refers to it.
    Unreadable(Unreadable),
}

/// One entry of a pull secret. `Debug` shows its name only.
#[derive(Clone, PartialEq, Eq)]
pub struct PullEntry {
    /// The key as written.
    pub key: String,
    /// Its place in the docker config, counted from 1.
    pub place: usize,
    /// The login that the kubelet takes from it.
    pub login: SentLogin,
}

impl PullEntry {
    /// How messages name the entry.
    pub fn name(&self) -> EntryName {
        EntryName::of(&self.key, self.place)
    }
}

impl fmt::Debug for PullEntry {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("PullEntry")
            .field("name", &self.name())
            .finish_non_exhaustive()
    }
}

/// A user name and a password as a kubelet sends them. Either may be empty. `Debug` shows neither.
#[derive(Clone, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct SentLogin {
    username: String,
    password: String,
}

impl SentLogin {
    /// Makes a login of both halves, unchanged.
    pub fn new(username: &str, password: &str) -> Self {
        Self {
            username: username.to_owned(),
            password: password.to_owned(),
        }
    }

    /// Returns the user name.
    pub fn username(&self) -> &str {
        &self.username
    }

    /// Returns the password.
    pub fn password(&self) -> &str {
        &self.password
    }

    /// Returns whether it has no user name. Container runtimes refuse to send such a login.
    pub fn is_blank(&self) -> bool {
        self.username.is_empty()
    }
}

impl fmt::Debug for SentLogin {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("SentLogin(redacted)")
    }
}

/// Why kubelets read no login from a Secret, without an error.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Error)]
pub enum Ignored {
    /// It has another type than the two that kubelets read.
    #[error("kubelets read only the types kubernetes.io/dockerconfigjson and kubernetes.io/dockercfg")]
    Type,
    /// Its data has no value under the key that its type prescribes.
    #[error("it has no value under {0}")]
    NoValue(&'static str),
}

/// Why a kubelet cannot read a Secret. It names a position or an [`EntryName`], never a value.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
pub enum Unreadable {
    /// It is not JSON. Lines and columns count from 1.
    #[error("it is not JSON: error at line {line}, column {column}")]
    Syntax {
        /// The line of the error.
        line: usize,
        /// The column of the error, in bytes.
        column: usize,
    },
    /// It is nested deeper than Go decodes.
    #[error("its JSON is nested too deep")]
    Depth,
    /// A part that must be an object has another type.
    #[error("{0} is not an object")]
    NotAnObject(&'static str),
    /// A value of `HttpHeaders` is not a string.
    #[error("`HttpHeaders` has a value that is not a string")]
    Headers,
    /// This entry cannot be decoded.
    #[error("the entry {name} cannot be decoded: {reason}")]
    Entry {
        /// The entry.
        name: EntryName,
        /// What is wrong with it.
        reason: EntryError,
    },
}

impl PullSecret {
    /// Reads a Secret of this type. `value` returns the decoded value under a key of its data.
    pub fn read<'a>(type_: &str, value: impl Fn(&str) -> Option<&'a [u8]>) -> Self {
        let (key, read): (_, fn(&str) -> _) = match type_ {
            DOCKER_CONFIG_TYPE => (DOCKER_CONFIG_KEY, config),
            LEGACY_CONFIG_TYPE => (LEGACY_CONFIG_KEY, legacy),
            _ => return Self::Ignored(Ignored::Type),
        };
        match value(key).filter(|bytes| !bytes.is_empty()) {
            None => Self::Ignored(Ignored::NoValue(key)),
            Some(bytes) => read(&json::text(bytes)).map_or_else(Self::Unreadable, Self::Entries),
        }
    }

    /// Returns the entries, if the Secret can be read.
    pub fn entries(&self) -> &[PullEntry] {
        match self {
            Self::Entries(entries) => entries,
            Self::Ignored(_) | Self::Unreadable(_) => &[],
        }
    }
}

/// Reads the value of `.dockerconfigjson`.
fn config(text: &str) -> Result<Vec<PullEntry>, Unreadable> {
    let mut entries = Entries::default();
    for (name, value) in fields("the docker config", parse(text)?)? {
        if is_field(&name, "auths") {
            entries.take(value)?;
        } else if is_field(&name, "HttpHeaders") {
            let mut headers = fields("`HttpHeaders`", value)?.into_iter();
            if !headers.all(|(_, value)| value.is_null() || value.text().is_some()) {
                return Err(Unreadable::Headers);
            }
        }
    }
    Ok(entries.read)
}

/// Reads the value of `.dockercfg`.
fn legacy(text: &str) -> Result<Vec<PullEntry>, Unreadable> {
    let mut entries = Entries::default();
    entries.take(parse(text)?)?;
    Ok(entries.read)
}

fn parse(text: &str) -> Result<Value<'_>, Unreadable> {
    if depth(text) > MAX_DEPTH {
        return Err(Unreadable::Depth);
    }
    Value::parse(text).map_err(|e| Unreadable::Syntax {
        line: e.line(),
        column: e.column(),
    })
}

/// Go decodes `null` into an object as one without fields.
fn fields<'a>(what: &'static str, value: Value<'a>) -> Result<json::Fields<'a>, Unreadable> {
    if value.is_null() {
        return Ok(Vec::new());
    }
    value.object().ok_or(Unreadable::NotAnObject(what))
}

/// The entries so far, in the order of their first occurrence.
#[derive(Default)]
struct Entries {
    read: Vec<PullEntry>,
    /// Where the entry of a key is.
    positions: BTreeMap<String, usize>,
    /// The number of keys, with repetitions.
    seen: usize,
}

impl Entries {
    /// Adds the entries of one `auths`. As in Go, several add up, and a `null` removes the earlier ones.
    fn take(&mut self, auths: Value<'_>) -> Result<(), Unreadable> {
        if auths.is_null() {
            *self = Self::default();
        }
        for (key, value) in fields("`auths`", auths)? {
            self.seen += 1;
            let place = self.seen;
            let login = login(value).map_err(|reason| Unreadable::Entry {
                name: EntryName::of(&key, place),
                reason,
            })?;
            let at = *self.positions.entry(key.clone()).or_insert(self.read.len());
            let entry = PullEntry { key, place, login };
            match self.read.get_mut(at) {
                Some(repeated) => *repeated = entry,
                None => self.read.push(entry),
            }
        }
        Ok(())
    }
}

fn login(entry: Value<'_>) -> Result<SentLogin, EntryError> {
    if entry.is_null() {
        return Ok(SentLogin::default());
    }
    let fields = entry::fields(entry)?;
    if fields.odd_email {
        return Err(EntryError::NotAString("email"));
    }
    if fields.auth.is_empty() {
        return Ok(SentLogin {
            username: fields.username,
            password: fields.password,
        });
    }
    let pair = auth::pair(&fields.auth)?;
    let colon = pair.iter().position(|&byte| byte == b':');
    let colon = colon.ok_or(EntryError::AuthWithoutColon)?;
    let (username, password) = (&pair[..colon], &pair[colon + 1..]);
    Ok(SentLogin {
        username: String::from_utf8_lossy(username).into_owned(),
        password: String::from_utf8_lossy(password).into_owned(),
    })
}

/// Returns how deep objects and lists are nested.
fn depth(text: &str) -> usize {
    let (mut depth, mut deepest) = (0_usize, 0);
    let (mut quoted, mut escaped) = (false, false);
    for byte in text.bytes() {
        match byte {
            _ if escaped => escaped = false,
            b'\\' if quoted => escaped = true,
            b'"' => quoted = !quoted,
            b'{' | b'[' if !quoted => depth += 1,
            b'}' | b']' if !quoted => depth = depth.saturating_sub(1),
            _ => {}
        }
        deepest = deepest.max(depth);
    }
    deepest
}
