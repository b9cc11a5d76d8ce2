//! What an update or a delete must carry: which object was seen, and at which version of it.
//!
//! Both are opaque strings to a client. They are kept small because the operator holds one pair for each copy,
//! account and namespace: a canonical UUID in 16 bytes, a decimal resourceVersion in 8, anything else as it came.

use std::cmp::Ordering;
use std::fmt;

use uuid::Uuid;

/// `metadata.uid`, as the server sent it: displaying it gives back the same characters.
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

/// `metadata.resourceVersion`, as the server sent it.
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
    /// Whether `self` is certainly older than `other`.
    ///
    /// Versions of one resource are ordered as numbers (promised since Kubernetes 1.35, true of every etcd-backed
    /// server before). What is not a number is never called older: news is then taken rather than lost.
    pub fn is_older_than(&self, other: &Self) -> bool {
        match (&self.0, &other.0) {
            (VersionText::Number(ours), VersionText::Number(theirs)) => ours.cmp(theirs) == Ordering::Less,
            _ => false,
        }
    }
}

/// One object at one moment: the precondition of every update and delete.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Version {
    /// Tells an object from another of the same name that came after it.
    pub uid: Uid,
    /// Tells a change of the object from what was seen.
    pub resource_version: ResourceVersion,
}

impl Version {
    /// From the two strings of the object's metadata.
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
    fn an_identity_is_displayed_as_the_server_wrote_it() {
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
    fn versions_are_ordered_as_numbers_and_only_as_numbers() {
        let older = |a: &str, b: &str| ResourceVersion::from(a).is_older_than(&b.into());
        assert!(older("9", "10"));
        assert!(!older("10", "9"));
        assert!(!older("10", "10"));
        assert!(!older("a", "b"));
        assert!(!older("1", "b"));
    }
}
