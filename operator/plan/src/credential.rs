//! A user name and a password that a kubelet sends to a registry.

use std::collections::BTreeMap;
use std::fmt;
use std::ops::RangeInclusive;

use thiserror::Error;

/// The characters that end a line.
const LINE_BREAKS: [char; 2] = ['\n', '\r'];

/// A user name and a password that reach a registry unchanged.
///
/// - Neither is empty.
/// - The user name has no `:`, because a kubelet reads both from one text, `username:password`.
/// - Neither begins or ends with a line break, which comes from a careless `echo` and makes every login fail. A password
///   may contain line breaks, because some registries use a key of several lines.
///
/// `Debug` shows neither of them.
#[derive(Clone, PartialEq, Eq)]
pub struct Credential {
    username: String,
    password: String,
}

/// Entries of a docker config by their key.
pub type Entries = BTreeMap<String, Credential>;

/// One of the two halves of a [`Credential`].
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Part {
    /// The user name.
    Username,
    /// The password, or the token that takes its place.
    Password,
}

/// Why two texts are not a [`Credential`]. It never contains any of their bytes.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Error)]
pub enum CredentialError {
    /// This half is empty.
    #[error("the {0} is empty")]
    Empty(Part),
    /// Kubelets split `username:password` at the first colon, so they would cut the user name.
    #[error("the username contains a `:`, where kubelets would cut it")]
    ColonInUsername,
    /// This half begins or ends with a line feed or a carriage return.
    #[error("the {0} begins or ends with a line break, often left by `echo`; use `printf %s`")]
    LineBreak(Part),
    /// This half is not text.
    #[error("the {0} is not UTF-8")]
    NotUtf8(Part),
}

/// A part of a usable [`Credential`] that its author cannot have meant. It never contains any of its bytes.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Error)]
pub enum CredentialWarning {
    /// This half begins or ends with white space, left by copying or by a tool.
    #[error("the {0} begins or ends with white space")]
    WhiteSpace(Part),
    /// This half has a control character, an invisible character, or a replacement character.
    #[error("the {0} contains an invisible character, such as a NUL or a byte order mark")]
    Invisible(Part),
}

impl CredentialError {
    /// Returns the half to fix.
    pub fn part(self) -> Part {
        match self {
            Self::Empty(part) | Self::LineBreak(part) | Self::NotUtf8(part) => part,
            Self::ColonInUsername => Part::Username,
        }
    }
}

impl Credential {
    /// Makes a credential of both halves, unchanged.
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

    /// Makes a credential from the data of a Secret. It cuts one line break at the end of each half, because tools that
    /// write files add one.
    pub fn from_bytes(username: &[u8], password: &[u8]) -> Result<Self, CredentialError> {
        Self::new(text(Part::Username, username)?, text(Part::Password, password)?)
    }

    /// Returns the user name. It is never empty, and has no `:`.
    pub fn username(&self) -> &str {
        &self.username
    }

    /// Returns the password. It is never empty, and may contain `:` and line breaks.
    pub fn password(&self) -> &str {
        &self.password
    }

    /// Returns the first part that kubelets send unchanged, although its author cannot have meant it.
    pub fn warning(&self) -> Option<CredentialWarning> {
        let check = |part, text: &str| {
            // Only a password may have several lines.
            let is_suspicious = |c: char| is_invisible(c) || (part == Part::Username && c.is_control());
            let invisible = text
                .contains(is_suspicious)
                .then_some(CredentialWarning::Invisible(part));
            let white_space = text.starts_with(char::is_whitespace) || text.ends_with(char::is_whitespace);
            if white_space {
                Some(CredentialWarning::WhiteSpace(part))
            } else {
                invisible
            }
        };
        check(Part::Username, &self.username).or_else(|| check(Part::Password, &self.password))
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
    } else if value.starts_with(LINE_BREAKS) || value.ends_with(LINE_BREAKS) {
        Err(CredentialError::LineBreak(part))
    } else {
        Ok(())
    }
}

/// Invisible characters that are neither control characters nor white space, and replacement characters.
const INVISIBLE: [RangeInclusive<char>; 14] = [
    '\u{ad}'..='\u{ad}',
    '\u{34f}'..='\u{34f}',
    '\u{61c}'..='\u{61c}',
    '\u{115f}'..='\u{1160}',
    '\u{180b}'..='\u{180e}',
    '\u{200b}'..='\u{200f}',
    '\u{202a}'..='\u{202e}',
    '\u{2060}'..='\u{206f}',
    '\u{3164}'..='\u{3164}',
    '\u{fe00}'..='\u{fe0f}',
    '\u{feff}'..='\u{feff}',
    '\u{ffa0}'..='\u{ffa0}',
    '\u{fff0}'..='\u{fffd}',
    '\u{e0000}'..='\u{e0fff}',
];

/// Line breaks, tabs and spaces do not count, because a key of several lines has them.
pub(crate) fn is_invisible(c: char) -> bool {
    let is_expected = matches!(c, '\n' | '\r' | '\t' | ' ');
    !is_expected && (c.is_control() || c.is_whitespace() || INVISIBLE.iter().any(|range| range.contains(&c)))
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
    fn one_final_line_break_is_cut() {
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
    fn logins_that_would_change_are_rejected() {
        use CredentialError::{ColonInUsername, Empty, LineBreak, NotUtf8};
        use Part::{Password, Username};
        let rows: [(&[u8], &[u8], CredentialError); 12] = [
            (b"", b"p", Empty(Username)),
            (b"\n", b"p", Empty(Username)),
            (b"u", b"", Empty(Password)),
            (b"u", b"\r\n", Empty(Password)),
            (b"a:b", b"p", ColonInUsername),
            (b"u\n\n", b"p", LineBreak(Username)),
            (b"\nu", b"p", LineBreak(Username)),
            (b"u", b"\r\np", LineBreak(Password)),
            (b"u", b"p\r", LineBreak(Password)),
            (b"u", b"p\n\r\n", LineBreak(Password)),
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
    fn a_password_may_have_several_lines() {
        let key = b"{\r\n  \"private_key\": \"x\",\n\n  \"n\": 1\n}\n";
        let credential = Credential::from_bytes(b"_json_key", key).expect("valid");
        assert_eq!(credential.password().as_bytes(), &key[..key.len() - 1]);
        assert_eq!(credential.warning(), None);
    }

    #[test]
    fn suspicious_characters_cause_a_warning() {
        use CredentialWarning::{Invisible, WhiteSpace};
        use Part::{Password, Username};
        for (username, password, expected) in [
            ("robot", "s3cret", None),
            ("robot$ci", "a:b c\td", None),
            ("ü", "pä\nß 😀", None),
            (" robot", "s3cret", Some(WhiteSpace(Username))),
            ("robot", "s3cret\t", Some(WhiteSpace(Password))),
            ("robot", "s3cret\u{a0}", Some(WhiteSpace(Password))),
            ("ro\0bot", "s3cret", Some(Invisible(Username))),
            ("ro\nbot", "s3cret", Some(Invisible(Username))),
            ("robot", "\u{feff}s3cret", Some(Invisible(Password))),
            ("robot", "s3\u{200b}cret", Some(Invisible(Password))),
            ("robot", "s3\u{fffd}cret", Some(Invisible(Password))),
            ("robot", "s3\u{2003}cret", Some(Invisible(Password))),
            ("robot", "s3\u{1b}cret", Some(Invisible(Password))),
        ] {
            let credential = Credential::new(username, password).expect("it can be used");
            assert_eq!(credential.warning(), expected, "{username:?} {password:?}");
        }
    }

    #[test]
    fn debug_shows_neither_half() {
        let credential = Credential::new("robot", "s3cret").expect("valid");
        assert_eq!(format!("{credential:?}"), "Credential(redacted)");
    }
}
