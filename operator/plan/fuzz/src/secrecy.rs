//! What an error may hold of the input: positions, and the part of a key that may be shown. The rest is held by types:
//! a number, or a value that is copied and lives for ever, has no room for a text that came in.

use plan::docker_config::{DockerConfigError, EntryError, ShownKey};
use plan::server::ServerError;
use serde_json::Deserializer;

/// Panics if the error shows more of `bytes` than it may. Who adds a variant decides here what it may hold.
pub(crate) fn tells_no_value(error: &DockerConfigError, bytes: &[u8]) {
    match error {
        DockerConfigError::TooLarge
        | DockerConfigError::TooLargeToWrite
        | DockerConfigError::NotAnObject
        | DockerConfigError::NoAuths
        | DockerConfigError::RepeatedAuths
        | DockerConfigError::AuthsNotAnObject
        | DockerConfigError::NoEntries
        | DockerConfigError::StoredElsewhere => {}
        DockerConfigError::Syntax { line, column } => holds_nothing::<[usize; 2]>([*line, *column]),
        DockerConfigError::RepeatedKey { key } => is_of_a_key(key, bytes),
        DockerConfigError::Entry { key, reason } => {
            holds_nothing::<EntryError>(*reason);
            is_of_a_key(key, bytes);
        }
    }
}

/// One character is the most that fits in.
pub(crate) fn tells_no_server(error: ServerError) {
    holds_nothing(error);
}

fn holds_nothing<T: Copy + 'static>(_: T) {}

/// What is shown stands in a key, and neither before an `@` nor after a `?` or `#`.
fn is_of_a_key(shown: &ShownKey, bytes: &[u8]) {
    let text = shown.as_str();
    assert!(
        !text.contains(['@', '?', '#']) && text.bytes().all(|byte| byte.is_ascii_graphic()),
        "{shown}"
    );
    let text = text.strip_suffix("...").unwrap_or(text);
    let mut parts = keys(bytes).map(|key| {
        let open = key.split(['?', '#']).next().unwrap_or_default();
        let open = open.rsplit('@').next().unwrap_or_default();
        open.chars().filter(char::is_ascii_graphic).collect::<String>()
    });
    assert!(
        parts.any(|part| part.starts_with(text)),
        "{shown} is in no key, or hidden there"
    );
}

/// Every string before a colon; some that only look like one within another, too.
fn keys(bytes: &[u8]) -> impl Iterator<Item = String> {
    let quotes = bytes.iter().enumerate().filter(|&(_, &byte)| byte == b'"');
    quotes.filter_map(|(at, _)| {
        let mut strings = Deserializer::from_slice(&bytes[at..]).into_iter::<String>();
        let key = strings.next()?.ok()?;
        let after = bytes[at + strings.byte_offset()..].trim_ascii_start();
        after.starts_with(b":").then_some(key)
    })
}
