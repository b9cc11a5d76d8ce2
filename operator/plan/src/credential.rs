//! One user name and password that a kubelet sends to a registry.

use std::fmt;

use thiserror::Error;

/// A user name and a password that survive the way to a registry unchanged.
///
/// A kubelet reads both from one text, `username:password`, so the user name holds no `:`; neither
/// is empty, and neither holds a NUL or a line break, which in practice come from a careless
/// `echo` and make every login fail. `Debug` shows neither of them.
#[derive(Clone, PartialEq, Eq)]
pub struct Credential {
    username: String,
    password: String,
}

/// One of the two halves of a [`Credential`].
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Part {
    /// The user name.
    Username,
    /// The password, or the token that takes its place.
    Password,
}

/// Why two texts are not a [`Credential`]. Never holds any of their bytes.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Error)]
pub enum CredentialError {
    /// This half is missing.
    #[error("the {0} is empty")]
    Empty(Part),
    /// Kubelets split `username:password` at the first colon, so the user name would be cut there.
    #[error("the username holds a `:`, where kubelets would cut it")]
    ColonInUsername,
    /// This half holds a NUL, a line feed or a carriage return.
    #[error("the {0} holds a line break or a NUL, often left by `echo`; use `printf %s`")]
    ControlCharacter(Part),
    /// This half is not text.
    #[error("the {0} is not UTF-8")]
    NotUtf8(Part),
}

impl CredentialError {
    /// The half that is to be mended.
    pub fn part(self) -> Part {
        match self {
            Self::Empty(part) | Self::ControlCharacter(part) | Self::NotUtf8(part) => part,
            Self::ColonInUsername => Part::Username,
        }
    }
}

impl Credential {
    /// Takes both halves as they are.
    pub fn new(username: &str, password: &str) -> Result<Self, CredentialError> {
        check(Part::Username, username)?;
        check(Part::Password, password)?;
        if username.contains(':') {
            return Err(CredentialError::ColonInUsername);
        }
        Ok(Self {
            username: username.to_owned(),
            password: password.to_owned(),
        })
    }

    /// Takes both halves from the data of a Secret, each less one line break at its end: that one
    /// comes from the tool that wrote the file, and no registry hands it out.
    pub fn from_bytes(username: &[u8], password: &[u8]) -> Result<Self, CredentialError> {
        Self::new(text(Part::Username, username)?, text(Part::Password, password)?)
    }

    /// The user name, never empty and without `:`.
    pub fn username(&self) -> &str {
        &self.username
    }

    /// The password, never empty. It may hold `:`.
    pub fn password(&self) -> &str {
        &self.password
    }
}

impl fmt::Debug for Credential {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Credential(redacted)")
    }
}

impl fmt::Display for Part {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Username => "username",
            Self::Password => "password",
        })
    }
}

fn check(part: Part, value: &str) -> Result<(), CredentialError> {
    if value.is_empty() {
        Err(CredentialError::Empty(part))
    } else if value.contains(['\0', '\n', '\r']) {
        Err(CredentialError::ControlCharacter(part))
    } else {
        Ok(())
    }
}

fn text(part: Part, bytes: &[u8]) -> Result<&str, CredentialError> {
    let line = bytes
        .strip_suffix(b"\r\n")
        .or_else(|| bytes.strip_suffix(b"\n"))
        .unwrap_or(bytes);
    std::str::from_utf8(line).map_err(|_| CredentialError::NotUtf8(part))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_line_break_at_the_end_of_secret_data_is_cut() {
        let plain = Credential::new("robot", "s3cret").expect("plain");
        for (username, password) in [
            (&b"robot"[..], &b"s3cret"[..]),
            (b"robot\n", b"s3cret\n"),
            (b"robot\r\n", b"s3cret\r\n"),
        ] {
            assert_eq!(Credential::from_bytes(username, password).as_ref(), Ok(&plain));
        }
    }

    #[test]
    fn what_would_not_reach_the_registry_unchanged_is_refused() {
        use CredentialError::{ColonInUsername, ControlCharacter, Empty, NotUtf8};
        use Part::{Password, Username};
        let rows: [(&[u8], &[u8], CredentialError); 10] = [
            (b"", b"p", Empty(Username)),
            (b"\n", b"p", Empty(Username)),
            (b"u", b"", Empty(Password)),
            (b"u", b"\r\n", Empty(Password)),
            (b"a:b", b"p", ColonInUsername),
            (b"u\n\n", b"p", ControlCharacter(Username)),
            (b"u", b"p\rq", ControlCharacter(Password)),
            (b"u", b"p\0", ControlCharacter(Password)),
            (b"\xff", b"p", NotUtf8(Username)),
            (b"u", b"\xff", NotUtf8(Password)),
        ];
        for (username, password, expected) in rows {
            assert_eq!(Credential::from_bytes(username, password), Err(expected));
        }
    }

    #[test]
    fn a_password_may_hold_colons_and_spaces() {
        let credential = Credential::new("robot$ci", "a:b c").expect("valid");
        assert_eq!(credential.username(), "robot$ci");
        assert_eq!(credential.password(), "a:b c");
    }

    #[test]
    fn debug_shows_neither_half() {
        let credential = Credential::new("robot", "s3cret").expect("valid");
        assert_eq!(format!("{credential:?}"), "Credential(redacted)");
    }
}
