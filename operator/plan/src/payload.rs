//! The bytes of a copy, and digests that compare them without keeping them.

use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::fmt;
use std::hash::{Hash, Hasher};
use std::sync::{Arc, LazyLock, Mutex, PoisonError};

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use serde::Deserialize;
use serde_json::value::RawValue;
use siphasher::sip128::{Hash128, Hasher128, SipHasher24};

use crate::credential::Entries;
use crate::docker_config::render;
use crate::keyring::lookup;

/// The most logins of a copy that a digest distinguishes.
///
/// A Secret can hold as many if each takes 64 bytes for server, user name and password. The operator writes no shorter
/// ones.
const MAX_LOGINS: usize = 16 * 1024;

/// The most payloads that are kept for copies with different tied logins.
///
/// Tenants can choose the content of a copy, and each payload may take a megabyte.
const MAX_RENDERED: usize = 4;

/// The key of all digests of one process, chosen at random when it starts.
///
/// A digest is a `SipHash`-2-4 of 128 bits under this key. It detects an edited copy. Without the key, a reader of memory
/// or of a log cannot infer the credential.
#[derive(Clone, PartialEq, Eq)]
pub struct DigestKey([u8; 16]);

impl DigestKey {
    /// Makes a key from 16 random bytes.
    pub fn new(random: [u8; 16]) -> Self {
        Self(random)
    }

    /// Returns the digest of a value of `Secret.data`, in base64 as the API sends it.
    pub fn digest(&self, base64: &str) -> Digest {
        let decoded = STANDARD.decode(base64).unwrap_or_default();
        Digest {
            whole: self.hash([base64]).as_u128(),
            logins: self.logins(&decoded),
        }
    }

    /// Hashes server and text of each entry of a docker config.
    fn logins(&self, docker_config: &[u8]) -> Box<[u64]> {
        let auths = auths(docker_config);
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

/// Returns the entries of a docker config by server. A config that does not parse has none.
fn auths(docker_config: &[u8]) -> BTreeMap<String, &RawValue> {
    #[derive(Deserialize)]
    struct Config<'a> {
        #[serde(borrow, default)]
        auths: BTreeMap<String, &'a RawValue>,
    }
    serde_json::from_slice(docker_config).map_or_else(|_| BTreeMap::new(), |config: Config<'_>| config.auths)
}

/// A docker config without logins, in base64. It remains in a copy that cannot be deleted, because the server does not
/// allow removing the key from a Secret of this type.
pub const NO_LOGIN: &str = "eyJhdXRocyI6e319";

/// A digest of the bytes of a copy. Within one process equal bytes have equal digests.
///
/// It also shows which known logins the bytes contain, unless these were dropped.
#[derive(Clone)]
pub struct Digest {
    whole: u128,
    /// Sorted.
    logins: Box<[u64]>,
}

impl PartialEq for Digest {
    fn eq(&self, other: &Self) -> bool {
        self.whole == other.whole
    }
}

impl Eq for Digest {}

impl Hash for Digest {
    fn hash<H: Hasher>(&self, state: &mut H) {
        self.whole.hash(state);
    }
}

impl Digest {
    /// Returns the digest of bytes that were not kept. No known bytes have it.
    pub fn unknown() -> Arc<Self> {
        static UNKNOWN: LazyLock<Arc<Digest>> = LazyLock::new(|| {
            Arc::new(Digest {
                whole: 0,
                logins: Box::default(),
            })
        });
        Arc::clone(&UNKNOWN)
    }

    /// Returns the number of logins that it distinguishes. Each takes 8 bytes.
    pub fn logins(&self) -> usize {
        self.logins.len()
    }

    /// Returns the same digest without what shows its logins: it contains none.
    #[must_use]
    pub fn without_logins(&self) -> Self {
        Self {
            whole: self.whole,
            logins: Box::default(),
        }
    }

    /// Returns whether the bytes contain every login of `other`. Digests of another key contain none.
    fn contains(&self, other: &Self) -> bool {
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

/// The content of all copies of one object under `.dockerconfigjson`.
#[derive(Clone, PartialEq, Eq)]
pub struct Payload {
    base64: String,
    digest: Arc<Digest>,
    /// The servers of its logins, as keys of the docker config.
    servers: Box<[String]>,
}

impl Payload {
    /// Makes a payload from a rendered docker config.
    pub fn new(docker_config: &[u8], key: &DigestKey) -> Self {
        let base64 = STANDARD.encode(docker_config);
        let digest = Arc::new(key.digest(&base64));
        let servers = auths(docker_config).into_keys().collect();
        Self {
            base64,
            digest,
            servers,
        }
    }

    /// Returns whether a kubelet would use a login of this payload for `image`.
    pub fn serves(&self, image: &str) -> bool {
        !lookup(self.servers.iter().map(String::as_str), image).is_empty()
    }

    /// Returns the value of `data[".dockerconfigjson"]`. Only the write itself may use it.
    pub fn base64(&self) -> &str {
        &self.base64
    }

    /// Returns the digest of a copy that has this payload.
    pub fn digest(&self) -> &Arc<Digest> {
        &self.digest
    }
}

impl fmt::Debug for Payload {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Payload(redacted)")
    }
}

/// Logins that stay in the copies which have them, and go to no other copy.
///
/// Their reference is no longer declared, and the declared one does not resolve. A copy with such a login proves that its
/// namespace had the login before, because writing a login requires knowing it. A label or a creation time proves less,
/// because tenants choose both.
pub struct Tied {
    /// The logins that go to all copies.
    untied: Entries,
    /// The tied logins, with the digest of each.
    logins: Vec<(Digest, Entries)>,
    key: DigestKey,
    /// The payloads requested last, by the places of their tied logins in `logins`. A cache of the other fields.
    rendered: Mutex<VecDeque<(Vec<usize>, Arc<Payload>)>>,
}

impl PartialEq for Tied {
    fn eq(&self, other: &Self) -> bool {
        (&self.untied, &self.logins, &self.key) == (&other.untied, &other.logins, &other.key)
    }
}

impl Eq for Tied {}

impl Tied {
    /// Splits the entries of an object. The keys `tied` name the tied ones; without any the result is `None`.
    pub fn new(entries: &Entries, tied: &BTreeSet<String>, key: &DigestKey) -> Option<Self> {
        let (tied, untied): (Entries, Entries) = entries
            .clone()
            .into_iter()
            .partition(|(server, _)| tied.contains(server));
        let alone = |(server, credential)| {
            let entry = Entries::from([(server, credential)]);
            let digest = Payload::new(&render(&entry), key).digest.as_ref().clone();
            (digest, entry)
        };
        let logins: Vec<_> = tied.into_iter().map(alone).collect();
        (!logins.is_empty()).then(|| Self {
            untied,
            logins,
            key: key.clone(),
            rendered: Mutex::default(),
        })
    }

    /// Returns whether a copy with this digest has one of the tied logins.
    pub fn is_in(&self, present: Option<&Digest>) -> bool {
        present.is_some_and(|present| self.logins.iter().any(|(login, _)| present.contains(login)))
    }

    /// Returns the content of a copy that has the digest `present` now: all untied logins, and the tied ones that it has.
    ///
    /// Without logins the result is `None`. It is rendered once for all copies with the same tied logins, because there
    /// may be thousands.
    pub fn payload(&self, present: Option<&Digest>) -> Option<Arc<Payload>> {
        let has = |(at, (login, _)): (usize, &(Digest, Entries))| present?.contains(login).then_some(at);
        let kept: Vec<usize> = self.logins.iter().enumerate().filter_map(has).collect();
        if kept.is_empty() && self.untied.is_empty() {
            return None;
        }
        let mut rendered = self.rendered.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some((_, payload)) = rendered.iter().find(|(of, _)| *of == kept) {
            return Some(Arc::clone(payload));
        }
        let mut entries = self.untied.clone();
        entries.extend(
            kept.iter()
                .filter_map(|&at| self.logins.get(at))
                .flat_map(|(_, entry)| entry.clone()),
        );
        let payload = Arc::new(Payload::new(&render(&entries), &self.key));
        if rendered.len() >= MAX_RENDERED {
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
    fn digests_depend_on_bytes_and_key() {
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
    fn a_payload_serves_images_of_its_servers() {
        let config = br#"{"auths":{"r.example.com":{"auth":"YTpi"},"https://index.docker.io/v1/":{}}}"#;
        let payload = Payload::new(config, &DigestKey::new([7; 16]));
        for (image, expected) in [
            ("r.example.com/a:1", true),
            ("nginx", true),
            ("other.example.com/a", false),
        ] {
            assert_eq!(payload.serves(image), expected, "{image}");
        }
    }

    #[test]
    fn a_payload_is_printed_redacted() {
        let key = DigestKey::new([7; 16]);
        let payload = Payload::new(b"CANARY", &key);
        assert_eq!(**payload.digest(), key.digest("Q0FOQVJZ"));
        let printed = format!("{payload:?} {key:?} {:?}", payload.digest());
        assert_eq!(printed, "Payload(redacted) DigestKey(redacted) Digest(redacted)");
    }
}
