//! The bytes of a copy, and how they are compared without being kept.

use std::fmt;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use siphasher::sip128::{Hasher128, SipHasher24};
use std::hash::Hasher as _;

/// The key of all digests of one process, chosen at random when it starts.
///
/// A digest is a `SipHash`-2-4 of 128 bits under this key: it tells an edited copy, and says nothing of the
/// credential to whoever reads memory or a log without the key.
#[derive(Clone)]
pub struct DigestKey([u8; 16]);

impl DigestKey {
    /// From 16 bytes that the caller drew at random.
    pub fn new(random: [u8; 16]) -> Self {
        Self(random)
    }

    /// The digest of a value of `Secret.data` as it stands on the wire, in base64.
    pub fn digest(&self, base64: &str) -> Digest {
        let mut hasher = SipHasher24::new_with_key(&self.0);
        hasher.write(base64.as_bytes());
        Digest(hasher.finish128().as_u128())
    }
}

impl fmt::Debug for DigestKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("DigestKey(redacted)")
    }
}

/// Equal for equal bytes, within one process.
#[derive(Clone, Copy, PartialEq, Eq, Hash)]
pub struct Digest(u128);

impl fmt::Debug for Digest {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Digest(redacted)")
    }
}

/// What every copy of one object holds under `.dockerconfigjson`: the same bytes in every namespace.
#[derive(Clone, PartialEq, Eq)]
pub struct Payload {
    base64: String,
    digest: Digest,
}

impl Payload {
    /// From a rendered docker config.
    pub fn new(docker_config: &[u8], key: &DigestKey) -> Self {
        let base64 = STANDARD.encode(docker_config);
        let digest = key.digest(&base64);
        Self { base64, digest }
    }

    /// The value of `data[".dockerconfigjson"]`. For the write itself and nothing else.
    pub fn base64(&self) -> &str {
        &self.base64
    }

    /// What a copy that holds this payload is seen to have.
    pub fn digest(&self) -> Digest {
        self.digest
    }
}

impl fmt::Debug for Payload {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Payload(redacted)")
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
    fn nothing_of_a_payload_is_printed() {
        let key = DigestKey::new([7; 16]);
        let payload = Payload::new(b"CANARY", &key);
        assert_eq!(payload.digest(), key.digest("Q0FOQVJZ"));
        let printed = format!("{payload:?} {key:?} {:?}", payload.digest());
        assert_eq!(printed, "Payload(redacted) DigestKey(redacted) Digest(redacted)");
    }
}
