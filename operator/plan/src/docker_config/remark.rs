//! What the author of a docker config should know of it, though the rest of it is used.

use std::fmt;

use super::{EntryError, EntryName, whole_key};
use crate::credential::{Credential, Oddity};
use crate::keyring;
use crate::server::{Server, ServerError, meant};

/// How many remarks are written out.
const WRITTEN: usize = 8;

/// One remark. Names an entry, never a value.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Remark {
    /// The entry cannot be used.
    LeftOut {
        /// The entry.
        name: EntryName,
        /// What is wrong with it.
        reason: EntryError,
    },
    /// The entry is used, and no image can match it.
    Unmatched {
        /// The entry.
        name: EntryName,
        /// What is wrong with its key, if that is more than its length.
        why: Option<ServerError>,
        /// The key that would match.
        write: Option<Server>,
    },
    /// The entry is used, and its key is read as something else than it looks like.
    Misleading {
        /// The entry.
        name: EntryName,
        /// What is wrong with its key.
        why: Option<ServerError>,
        /// What is probably meant.
        write: Option<Server>,
    },
    /// The entry is used, and its login holds what cannot be meant.
    Odd {
        /// The entry.
        name: EntryName,
        /// What it holds.
        oddity: Oddity,
    },
    /// The key stands there more than once.
    Repeated {
        /// The entry.
        name: EntryName,
    },
    /// Another entry has the same key to kubelets.
    Shadowed {
        /// The entry that is not used.
        name: EntryName,
    },
    /// `credsStore` is set.
    Store,
    /// `credHelpers` has these servers, and so many others whose names are not shown.
    Helpers {
        /// Those whose names are servers.
        servers: Vec<String>,
        /// How many more.
        more: usize,
    },
}

/// All remarks on one docker config: on its stores, then on its entries by name.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Remarks(Vec<Remark>);

impl Remarks {
    /// On the places beside `auths` where logins may be.
    pub(super) fn of_stores(store: bool, helped: &[String]) -> Self {
        let mut remarks = Vec::new();
        if store {
            remarks.push(Remark::Store);
        }
        if !helped.is_empty() {
            let servers = helped.iter().map(|key| EntryName::of(key, 0));
            let servers = servers.filter_map(|name| match name {
                EntryName::Server(server) => Some(server),
                EntryName::Place(_) => None,
            });
            let servers: Vec<String> = servers.take(WRITTEN).collect();
            let more = helped.len() - servers.len();
            remarks.push(Remark::Helpers { servers, more });
        }
        Self(remarks)
    }

    pub(super) fn push(&mut self, remark: Remark) {
        self.0.push(remark);
    }

    /// What is wrong with a key that is used.
    pub(super) fn on_key(&mut self, key: &str, name: &EntryName) {
        let (written, parsed) = (whole_key(key), Server::parse(key));
        let is_read_as = |server: &Server| keyring::normalised(server.as_str()) == keyring::normalised(&written);
        let unmatched = keyring::image_for(&written).is_none();
        let right = parsed.as_ref().is_ok_and(is_read_as);
        let (name, why, write) = (name.clone(), parsed.err(), meant(key));
        if unmatched {
            self.push(Remark::Unmatched { name, why, write });
        } else if !right {
            self.push(Remark::Misleading { name, why, write });
        }
    }

    /// What is wrong with a login that is used.
    pub(super) fn on_login(&mut self, credential: &Credential, name: &EntryName) {
        if let Some(oddity) = credential.oddity() {
            let name = name.clone();
            self.push(Remark::Odd { name, oddity });
        }
    }

    pub(super) fn sort(&mut self) {
        self.0.sort_by(|a, b| a.entry().cmp(&b.entry()));
    }

    /// Each of them.
    pub fn iter(&self) -> impl Iterator<Item = &Remark> {
        self.0.iter()
    }

    /// Whether there is none.
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }
}

impl fmt::Display for Remarks {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (at, remark) in self.0.iter().take(WRITTEN).enumerate() {
            write!(f, "{}{remark}", if at == 0 { "" } else { "; " })?;
        }
        match self.0.len().saturating_sub(WRITTEN) {
            0 => Ok(()),
            more => write!(f, "; and {more} more"),
        }
    }
}

impl Remark {
    /// The entry that it is about; remarks on stores come before all others.
    fn entry(&self) -> Option<&EntryName> {
        match self {
            Self::LeftOut { name, .. }
            | Self::Unmatched { name, .. }
            | Self::Misleading { name, .. }
            | Self::Odd { name, .. }
            | Self::Repeated { name }
            | Self::Shadowed { name } => Some(name),
            Self::Store | Self::Helpers { .. } => None,
        }
    }
}

impl fmt::Display for Remark {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::LeftOut { name, reason } => write!(f, "entry {name} is left out: {reason}"),
            Self::Unmatched { name, why, write } => {
                write!(f, "no image can match entry {name}")?;
                spelling(f, why.as_ref(), write.as_ref())
            }
            Self::Misleading { name, why, write } => {
                write!(f, "entry {name} is used as kubelets read it")?;
                spelling(f, why.as_ref(), write.as_ref())
            }
            Self::Odd { name, oddity } => write!(f, "entry {name}: {oddity}"),
            Self::Repeated { name } => write!(f, "entry {name} stands there more than once; kubelets read the last"),
            Self::Shadowed { name } => write!(f, "entry {name} is left out: another entry means the same to kubelets"),
            Self::Store => f.write_str("logins in `credsStore` are left out: kubelets cannot ask a credential store"),
            Self::Helpers { servers, more } => {
                f.write_str("logins in `credHelpers` are left out: kubelets cannot ask credential helpers (")?;
                for (at, server) in servers.iter().enumerate() {
                    write!(f, "{}{server}", if at == 0 { "" } else { ", " })?;
                }
                match (servers.is_empty(), more) {
                    (_, 0) => f.write_str(")"),
                    (true, more) => write!(f, "{more} entries)"),
                    (false, more) => write!(f, " and {more} more)"),
                }
            }
        }
    }
}

fn spelling(f: &mut fmt::Formatter<'_>, why: Option<&ServerError>, write: Option<&Server>) -> fmt::Result {
    if let Some(why) = why {
        write!(f, ": {why}")?;
    }
    match write {
        Some(server) => write!(f, "; write \"{server}\""),
        None => Ok(()),
    }
}
