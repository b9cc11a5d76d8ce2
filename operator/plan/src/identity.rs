//! The preconditions of updates and deletes: the uid and the resourceVersion of an object.
//!
//! Both are opaque strings to a client. The operator keeps one pair for each copy, account and namespace, so they are
//! small. A canonical UUID takes 16 bytes, and a decimal resourceVersion 8. Any other text is kept as it is.

use std::cmp::Ordering;
use std::fmt;

use uuid::Uuid;

/// `metadata.uid`. Displaying it gives the characters that the server sent.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Uid(UidText);

#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
enum UidText {
    Canonical(Uuid),
    Other(Box<str>),
}

impl From<&str> for Uid {
    fn from(text: &str) -> Self {
        let canonical = Uuid::try_parse(text)
            .ok()
            .filter(|uuid| uuid.hyphenated().encode_lower(&mut Uuid::encode_buffer()) == text);
        Self(canonical.map_or_else(|| UidText::Other(text.into()), UidText::Canonical))
    }
}

impl fmt::Display for Uid {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.0 {
            UidText::Canonical(uuid) => uuid.hyphenated().fmt(f),
            UidText::Other(text) => f.write_str(text),
        }
    }
}

/// `metadata.resourceVersion`. Displaying it gives the characters that the server sent.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct ResourceVersion(VersionText);

#[derive(Clone, Debug, PartialEq, Eq, Hash)]
enum VersionText {
    Number(u64),
    Other(Box<str>),
}

impl From<&str> for ResourceVersion {
    fn from(text: &str) -> Self {
        let number = text.parse::<u64>().ok().filter(|number| number.to_string() == text);
        Self(number.map_or_else(|| VersionText::Other(text.into()), VersionText::Number))
    }
}

impl fmt::Display for ResourceVersion {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.0 {
            VersionText::Number(number) => number.fmt(f),
            VersionText::Other(text) => f.write_str(text),
        }
    }
}

impl ResourceVersion {
    /// Returns whether `self` is certainly older than `other`.
    ///
    /// Versions of one resource are ordered as numbers. Kubernetes promises that since 1.35, and servers on etcd always
    /// did it. A version that is not a number is never older, so that no event is lost.
    pub fn is_older_than(&self, other: &Self) -> bool {
        match (&self.0, &other.0) {
            (VersionText::Number(ours), VersionText::Number(theirs)) => ours.cmp(theirs) == Ordering::Less,
            _ => false,
        }
    }
}

/// The version of one object: the precondition of every update and delete.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Version {
    /// Distinguishes the object from a later one of the same name.
    pub uid: Uid,
    /// Distinguishes the state that was seen from later ones.
    pub resource_version: ResourceVersion,
}

impl Version {
    /// Makes a version from the two strings of the metadata.
    pub fn new(uid: &str, resource_version: &str) -> Self {
        Self {
            uid: uid.into(),
            resource_version: resource_version.into(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn identities_display_as_the_server_sent() {
        for text in [
            "8c7f1a52-6f0e-4a57-9a0e-6b4a8a2f9d11",
            "8C7F1A52-6F0E-4A57-9A0E-6B4A8A2F9D11",
            "8c7f1a526f0e4a579a0e6b4a8a2f9d11",
            "not a uuid",
            "",
        ] {
            assert_eq!(Uid::from(text).to_string(), text);
        }
        for text in ["1", "18446744073709551615", "18446744073709551616", "007", "x", ""] {
            assert_eq!(ResourceVersion::from(text).to_string(), text);
        }
    }

    #[test]
    fn versions_are_ordered_as_numbers_only() {
        let older = |a: &str, b: &str| ResourceVersion::from(a).is_older_than(&b.into());
        assert!(older("9", "10"));
        assert!(!older("10", "9"));
        assert!(!older("10", "10"));
        assert!(!older("a", "b"));
        assert!(!older("1", "b"));
    }
}
