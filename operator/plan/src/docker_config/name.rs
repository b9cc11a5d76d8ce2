//! How messages name an entry without showing a credential.

use std::fmt;

use crate::server::Server;

/// The longest server that the schema of the object allows, in bytes.
const MAX_SERVER: usize = 253;

/// The name of an entry in messages.
///
/// It is the key if the schema of the object accepts that as a server. It is the place in `auths` otherwise, because such
/// a key may hold a password.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum EntryName {
    /// A key of the form `host[:port][/path]`.
    Server(String),
    /// The place of the entry, counted from 1.
    Place(usize),
}

impl EntryName {
    /// Returns the name of the entry with this key at this place.
    pub fn of(key: &str, place: usize) -> Self {
        if key.len() <= MAX_SERVER && Server::parse(key).is_ok() {
            Self::Server(key.to_owned())
        } else {
            Self::Place(place)
        }
    }

    /// Names the entry in a list within a sentence.
    pub fn shown(&self) -> String {
        match self {
            Self::Server(key) => key.clone(),
            Self::Place(place) => format!("entry {place}"),
        }
    }

    /// Names the entry in a list of servers.
    pub fn listed(&self) -> String {
        match self {
            Self::Server(key) => key.clone(),
            Self::Place(place) => format!("entry {place}: not a server name"),
        }
    }
}

impl fmt::Display for EntryName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Server(key) => write!(f, "\"{key}\""),
            Self::Place(place) => write!(f, "{place}"),
        }
    }
}
