//! The reasons, from harmless to bad.

use std::fmt;

use serde::Serialize;

/// Why an image is, or is not, ready. A greater one is worse.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize)]
pub enum Reason {
    /// A kubelet finds a login for the image.
    Ready,
    /// The Pod runs, the registry asks for a login, and no Secret matches: the node's own login answered.
    NodeOnly,
    /// The Pod was admitted before its account had the reference. A new Pod is ready.
    TooEarly,
    /// A Secret, or the account, could not be read by the tool, and decides.
    Unknown,
    /// No pull secret is listed, neither by the template nor by the account.
    NoReference,
    /// The Secrets exist, and have no login for the image.
    NoKey,
    /// A Secret in the list does not exist.
    SecretMissing,
    /// The template lists pull secrets, so those of the account, one of which matches, are not used.
    Masked,
    /// The registry refuses each login that a kubelet would try.
    LoginRefused,
    /// A Secret in the list cannot be read by a kubelet, so that it pulls no image of the Pod.
    Unreadable,
}

impl Reason {
    /// Returns its name, as in JSON.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Ready => "Ready",
            Self::NodeOnly => "NodeOnly",
            Self::TooEarly => "TooEarly",
            Self::Unknown => "Unknown",
            Self::NoReference => "NoReference",
            Self::NoKey => "NoKey",
            Self::SecretMissing => "SecretMissing",
            Self::Masked => "Masked",
            Self::LoginRefused => "LoginRefused",
            Self::Unreadable => "Unreadable",
        }
    }
}

impl fmt::Display for Reason {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.as_str())
    }
}
