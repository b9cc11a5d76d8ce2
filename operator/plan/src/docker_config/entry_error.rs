//! What makes one entry of `auths` unusable.

use thiserror::Error;

use crate::credential::CredentialError;

/// Why an entry of `auths` cannot be used.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Error)]
pub enum EntryError {
    /// Kubelets skip a key that does not parse as a URL after `https://`: spaces, a port that is no number, brackets.
    #[error("kubelets skip this key, because they cannot parse it; write host[:port][/path]")]
    KeyUnparsable,
    /// The key has a user, a query or a fragment. Kubelets drop these, and read another key.
    #[error("kubelets drop the part of the key at `@`, `?` or `#`; write host[:port][/path]")]
    KeyCut,
    /// The entry is not a JSON object.
    #[error("it is not an object")]
    NotAnObject,
    /// A field that must be a string has another type.
    #[error("its `{0}` is not a string")]
    NotAString(&'static str),
    /// `auth` is not standard base64.
    #[error("its `auth` is not base64")]
    AuthNotBase64,
    /// The decoded `auth` has no colon.
    #[error("its `auth` does not decode to username:password")]
    AuthWithoutColon,
    /// The decoded `auth` is not text.
    #[error("its `auth` does not decode to UTF-8")]
    AuthNotUtf8,
    /// Kubelets ignore tokens of this kind and log in with an empty password.
    #[error("kubelets ignore `{0}`; give a username and a password (or token) instead")]
    TokenIgnored(&'static str),
    /// It has none of `auth`, `username` and `password`. Docker leaves such entries behind.
    #[error("it is empty, as docker leaves it when a credential store has the login; write the login into it")]
    Empty,
    /// User name or password cannot be used.
    #[error(transparent)]
    Credential(#[from] CredentialError),
}
