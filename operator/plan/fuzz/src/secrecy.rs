//! What an error may show of the input: positions, and the part of a key that is a server.
//!
//! Types ensure the remaining part: a number, or a `Copy` value with a static lifetime, cannot contain input text.

use plan::credential::CredentialWarning;
use plan::docker_config::{DockerConfigError, EntryError, EntryName, Hint, Warning, Warnings};
use plan::server::{Server, ServerError, suggestion};
use serde_json::Deserializer;

/// Panics if the error shows more of `bytes` than it may. Who adds a variant decides here what it may hold.
pub(crate) fn tells_no_value(error: &DockerConfigError, bytes: &[u8]) {
    match error {
        DockerConfigError::TooLarge
        | DockerConfigError::ByteOrderMark
        | DockerConfigError::NotAnObject
        | DockerConfigError::NoAuths
        | DockerConfigError::AuthsNotAnObject
        | DockerConfigError::NoEntries
        | DockerConfigError::StoredElsewhere => {}
        DockerConfigError::Syntax { line, column } => holds_nothing::<[usize; 2]>([*line, *column]),
        DockerConfigError::Entry { name, reason } => {
            holds_nothing::<EntryError>(*reason);
            is_a_server(name, bytes);
        }
        // The server is the one that was asked for.
        DockerConfigError::NoEntry { server: _, hint } => match hint {
            Hint::None | Hint::Stored => {}
            Hint::Misspelled(name) => is_a_server(name, bytes),
        },
        DockerConfigError::NoneUsable(remarks) => remark_on_no_value(remarks, bytes),
    }
}

/// Panics if a remark shows more of `bytes` than it may.
pub(crate) fn remark_on_no_value(remarks: &Warnings, bytes: &[u8]) {
    for remark in remarks.iter() {
        match remark {
            Warning::LeftOut { name, reason } => {
                holds_nothing::<EntryError>(*reason);
                is_a_server(name, bytes);
            }
            Warning::Unmatched { name, why, write } | Warning::Misleading { name, why, write } => {
                holds_nothing::<Option<ServerError>>(*why);
                is_a_server(name, bytes);
                if let Some(server) = write {
                    assert!(
                        keys(bytes).any(|key| suggestion(&key).as_ref() == Some(server)),
                        "{server}"
                    );
                    assert!(!server.as_str().contains('@'), "{server}");
                }
            }
            Warning::Suspicious { name, warning } => {
                holds_nothing::<CredentialWarning>(*warning);
                is_a_server(name, bytes);
            }
            Warning::Repeated { name } | Warning::Shadowed { name } => is_a_server(name, bytes),
            Warning::Store => {}
            Warning::Helpers { servers, more } => {
                holds_nothing(*more);
                for server in servers {
                    is_a_server(&EntryName::of(server, 0), bytes);
                    assert!(Server::parse(server).is_ok(), "{server}");
                }
            }
        }
    }
}

/// One character is the most that fits in.
pub(crate) fn tells_no_server(error: ServerError) {
    holds_nothing(error);
}

fn holds_nothing<T: Copy + 'static>(_: T) {}

/// A key that is shown must be a server, and must occur in the input.
fn is_a_server(name: &EntryName, bytes: &[u8]) {
    match name {
        EntryName::Place(place) => holds_nothing(*place),
        EntryName::Server(server) => {
            assert!(Server::parse(server).is_ok() && server.len() <= 253, "{server}");
            assert!(keys(bytes).any(|key| key == *server), "{server} is in no key");
        }
    }
}

/// Returns every string before a colon, also some that only look like one within another.
///
/// Invalid UTF-8 and lone surrogates become the replacement character, as in kubelets.
fn keys(bytes: &[u8]) -> impl Iterator<Item = String> {
    let text = String::from_utf8_lossy(bytes).into_owned();
    let alike = without_surrogates(&text);
    strings_before_colons(text).chain(strings_before_colons(alike))
}

fn strings_before_colons(text: String) -> impl Iterator<Item = String> {
    let quotes: Vec<usize> = text.match_indices('"').map(|(at, _)| at).collect();
    quotes.into_iter().filter_map(move |at| {
        let mut strings = Deserializer::from_str(&text[at..]).into_iter::<String>();
        let key = strings.next()?.ok()?;
        let after = text[at + strings.byte_offset()..].trim_start();
        after.starts_with(':').then_some(key)
    })
}

fn without_surrogates(text: &str) -> String {
    let mut parts = text.split("\\u");
    let mut alike = parts.next().unwrap_or_default().to_owned();
    for part in parts {
        let code = part.get(..4).and_then(|code| u16::from_str_radix(code, 16).ok());
        let half = code.is_some_and(|code| (0xD800..=0xDFFF).contains(&code));
        alike.push_str(if half { "\\ufffd" } else { "\\u" });
        alike.push_str(if half { &part[4..] } else { part });
    }
    alike
}
