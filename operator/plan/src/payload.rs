//! The bytes of a copy, and how they are compared without being kept.

use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::fmt;
use std::hash::Hasher as _;
use std::sync::{Arc, Mutex, PoisonError};

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use serde::Deserialize;
use serde_json::value::RawValue;
use siphasher::sip128::{Hash128, Hasher128, SipHasher24};

use crate::credential::Entries;
use crate::docker_config::render;

/// Logins of one copy that are told apart: as many as a Secret can hold, where each takes the 64 bytes that a server, a name
/// and a password need. What was filled with shorter ones was not made by us.
const MAX_LOGINS: usize = 16 * 1024;

/// Payloads that are kept for copies which hold different tied logins. Tenants choose what a copy holds, and each may take a
/// megabyte.
const KEPT: usize = 4;

/// The key of all digests of one process, chosen at random when it starts.
///
/// A digest is a `SipHash`-2-4 of 128 bits under this key: it tells an edited copy, and says nothing of the
/// credential to whoever reads memory or a log without the key.
#[derive(Clone, PartialEq, Eq)]
pub struct DigestKey([u8; 16]);

impl DigestKey {
    /// From 16 bytes that the caller drew at random.
    pub fn new(random: [u8; 16]) -> Self {
        Self(random)
    }

    /// The digest of a value of `Secret.data` as it stands on the wire, in base64.
    pub fn digest(&self, base64: &str) -> Digest {
        let decoded = STANDARD.decode(base64).unwrap_or_default();
        Digest {
            whole: self.hash([base64]).as_u128(),
            logins: self.logins(&decoded),
        }
    }

    /// Of each entry of a docker config its server and its text, as [`render`] writes it; none where it does not read.
    fn logins(&self, docker_config: &[u8]) -> Box<[u64]> {
        #[derive(Deserialize)]
        struct Config<'a> {
            #[serde(borrow, default)]
            auths: BTreeMap<String, &'a RawValue>,
        }
        let auths =
            serde_json::from_slice(docker_config).map_or_else(|_| BTreeMap::new(), |config: Config<'_>| config.auths);
        let login = |(server, entry): (&String, &&RawValue)| self.hash([server, "\0", entry.get()]).h1;
        let mut logins: Vec<u64> = auths.iter().take(MAX_LOGINS).map(login).collect();
        logins.sort_unstable();
        logins.into()
    }

    fn hash<const N: usize>(&self, parts: [&str; N]) -> Hash128 {
        let mut hasher = SipHasher24::new_with_key(&self.0);
        for part in parts {
            hasher.write(part.as_bytes());
        }
        hasher.finish128()
    }
}

impl fmt::Debug for DigestKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("DigestKey(redacted)")
    }
}

/// A docker config without any login, in base64: what is left in a copy that cannot be deleted. The server refuses to
/// take the key away from a Secret of this type.
pub const NO_LOGIN: &str = "eyJhdXRocyI6e319";

/// Equal for equal bytes, within one process. It also tells which logins the bytes hold, to whoever has these logins.
#[derive(Clone, PartialEq, Eq, Hash)]
pub struct Digest {
    whole: u128,
    /// Sorted.
    logins: Box<[u64]>,
}

impl Digest {
    /// Whether the bytes hold every login of `other`. Digests of another key hold none.
    fn holds(&self, other: &Self) -> bool {
        other
            .logins
            .iter()
            .all(|login| self.logins.binary_search(login).is_ok())
    }
}

impl fmt::Debug for Digest {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Digest(redacted)")
    }
}

/// What every copy of one object holds under `.dockerconfigjson`: the same bytes in every namespace.
#[derive(Clone, PartialEq, Eq)]
pub struct Payload {
    base64: String,
    digest: Arc<Digest>,
}

impl Payload {
    /// From a rendered docker config.
    pub fn new(docker_config: &[u8], key: &DigestKey) -> Self {
        let base64 = STANDARD.encode(docker_config);
        let digest = Arc::new(key.digest(&base64));
        Self { base64, digest }
    }

    /// The value of `data[".dockerconfigjson"]`. For the write itself and nothing else.
    pub fn base64(&self) -> &str {
        &self.base64
    }

    /// What a copy that holds this payload is seen to have.
    pub fn digest(&self) -> &Arc<Digest> {
        &self.digest
    }
}

impl fmt::Debug for Payload {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Payload(redacted)")
    }
}

/// Logins that stay in the copies that hold them and go to no other: the reference that they came from is no longer
/// declared, and the declared one does not resolve.
///
/// A copy that holds such a login proves that its namespace had it before, since only who knows a login can write it. A
/// label or a time of creation would prove less: tenants choose both.
pub struct Tied {
    free: Entries,
    /// The tied ones, with the digest of each alone.
    others: Vec<(Digest, Entries)>,
    key: DigestKey,
    /// By the places of the tied logins in `others`, what was asked for last. It follows from the rest.
    rendered: Mutex<VecDeque<(Vec<usize>, Arc<Payload>)>>,
}

impl PartialEq for Tied {
    fn eq(&self, other: &Self) -> bool {
        (&self.free, &self.others, &self.key) == (&other.free, &other.others, &other.key)
    }
}

impl Eq for Tied {}

impl Tied {
    /// Of all entries of an object, those under the keys `tied`. None when there are none.
    pub fn new(entries: &Entries, tied: &BTreeSet<String>, key: &DigestKey) -> Option<Self> {
        let (tied, free): (Entries, Entries) = entries
            .clone()
            .into_iter()
            .partition(|(server, _)| tied.contains(server));
        let alone = |(server, credential)| {
            let entry = Entries::from([(server, credential)]);
            let digest = Payload::new(&render(&entry), key).digest.as_ref().clone();
            (digest, entry)
        };
        let others: Vec<_> = tied.into_iter().map(alone).collect();
        (!others.is_empty()).then(|| Self {
            free,
            others,
            key: key.clone(),
            rendered: Mutex::default(),
        })
    }

    /// Whether a copy that holds this has one of the tied logins.
    pub fn is_in(&self, held: Option<&Digest>) -> bool {
        held.is_some_and(|held| self.others.iter().any(|(login, _)| held.holds(login)))
    }

    /// What a copy is to hold that holds `held` now: all other logins, and of the tied ones those that it has. None where
    /// that is nothing.
    ///
    /// Rendered once for all copies that hold the same of them: there may be thousands.
    pub fn payload(&self, held: Option<&Digest>) -> Option<Arc<Payload>> {
        let has = |(at, (login, _)): (usize, &(Digest, Entries))| held?.holds(login).then_some(at);
        let kept: Vec<usize> = self.others.iter().enumerate().filter_map(has).collect();
        if kept.is_empty() && self.free.is_empty() {
            return None;
        }
        let mut rendered = self.rendered.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some((_, payload)) = rendered.iter().find(|(of, _)| *of == kept) {
            return Some(Arc::clone(payload));
        }
        let mut entries = self.free.clone();
        entries.extend(
            kept.iter()
                .filter_map(|&at| self.others.get(at))
                .flat_map(|(_, entry)| entry.clone()),
        );
        let payload = Arc::new(Payload::new(&render(&entries), &self.key));
        if rendered.len() >= KEPT {
            rendered.pop_front();
        }
        rendered.push_back((kept, Arc::clone(&payload)));
        Some(payload)
    }
}

impl fmt::Debug for Tied {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Tied(redacted)")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_digest_depends_on_the_bytes_and_on_the_key() {
        let (one, two) = (DigestKey::new([1; 16]), DigestKey::new([2; 16]));
        assert_eq!(one.digest("YQ=="), one.digest("YQ=="));
        assert_ne!(one.digest("YQ=="), one.digest("Yg=="));
        assert_ne!(one.digest("YQ=="), two.digest("YQ=="));
    }

    #[test]
    fn no_login_is_an_empty_docker_config() {
        let empty = Payload::new(br#"{"auths":{}}"#, &DigestKey::new([7; 16]));
        assert_eq!(empty.base64(), NO_LOGIN);
    }

    #[test]
    fn nothing_of_a_payload_is_printed() {
        let key = DigestKey::new([7; 16]);
        let payload = Payload::new(b"CANARY", &key);
        assert_eq!(**payload.digest(), key.digest("Q0FOQVJZ"));
        let printed = format!("{payload:?} {key:?} {:?}", payload.digest());
        assert_eq!(printed, "Payload(redacted) DigestKey(redacted) Digest(redacted)");
    }
}
