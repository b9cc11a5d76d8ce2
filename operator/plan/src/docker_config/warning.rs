//! What the author of a docker config should know, although the operator uses the config.

use std::fmt;

use super::entry_error::EntryError;
use super::key::whole_key;
use super::name::EntryName;
use crate::credential::{Credential, CredentialWarning};
use crate::keyring;
use crate::server::{Server, ServerError, suggestion};

/// The most warnings that a message has.
const MAX_SHOWN: usize = 8;

/// One warning. It names an entry, never a value.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Warning {
    /// The entry cannot be used.
    LeftOut {
        /// The entry.
        name: EntryName,
        /// What is wrong with it.
        reason: EntryError,
    },
    /// The entry is used, although no image can match it.
    Unmatched {
        /// The entry.
        name: EntryName,
        /// What is wrong with its key, unless it is the length.
        why: Option<ServerError>,
        /// The key that would match.
        write: Option<Server>,
    },
    /// The entry is used, although kubelets read its key in another way than its author.
    Misleading {
        /// The entry.
        name: EntryName,
        /// What is wrong with its key.
        why: Option<ServerError>,
        /// What the author probably meant.
        write: Option<Server>,
    },
    /// The entry is used, although its login cannot be what its author meant.
    Suspicious {
        /// The entry.
        name: EntryName,
        /// What is suspicious.
        warning: CredentialWarning,
    },
    /// The key occurs more than once.
    Repeated {
        /// The entry.
        name: EntryName,
    },
    /// Kubelets read the key of another entry as the same.
    Shadowed {
        /// The entry that is not used.
        name: EntryName,
    },
    /// `credsStore` is set.
    Store,
    /// `credHelpers` has these servers, and others that are not shown.
    Helpers {
        /// Those whose keys are servers.
        servers: Vec<String>,
        /// The number of others.
        more: usize,
    },
}

/// All warnings on one docker config: on its stores first, then on its entries by name.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Warnings(Vec<Warning>);

impl Warnings {
    /// Warns about credential stores and helpers.
    pub(super) fn of_stores(store: bool, helped: &[String]) -> Self {
        let mut warnings = Vec::new();
        if store {
            warnings.push(Warning::Store);
        }
        if !helped.is_empty() {
            let servers = helped.iter().map(|key| EntryName::of(key, 0));
            let servers = servers.filter_map(|name| match name {
                EntryName::Server(server) => Some(server),
                EntryName::Place(_) => None,
            });
            let servers: Vec<String> = servers.take(MAX_SHOWN).collect();
            let more = helped.len() - servers.len();
            warnings.push(Warning::Helpers { servers, more });
        }
        Self(warnings)
    }

    pub(super) fn push(&mut self, warning: Warning) {
        self.0.push(warning);
    }

    /// Warns about a key that is used.
    pub(super) fn on_key(&mut self, key: &str, name: &EntryName) {
        let (written, parsed) = (whole_key(key), Server::parse(key));
        let is_read_as = |server: &Server| keyring::normalised(server.as_str()) == keyring::normalised(&written);
        let unmatched = keyring::image_for(&written).is_none();
        let right = parsed.as_ref().is_ok_and(is_read_as);
        let (name, why, write) = (name.clone(), parsed.err(), suggestion(key));
        if unmatched {
            self.push(Warning::Unmatched { name, why, write });
        } else if !right {
            self.push(Warning::Misleading { name, why, write });
        }
    }

    /// What is wrong with a login that is used.
    pub(super) fn on_login(&mut self, credential: &Credential, name: &EntryName) {
        if let Some(warning) = credential.warning() {
            let name = name.clone();
            self.push(Warning::Suspicious { name, warning });
        }
    }

    pub(super) fn sort(&mut self) {
        self.0.sort_by(|a, b| a.entry().cmp(&b.entry()));
    }

    /// Iterates over the warnings.
    pub fn iter(&self) -> impl Iterator<Item = &Warning> {
        self.0.iter()
    }

    /// Returns whether there are no warnings.
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }
}

impl fmt::Display for Warnings {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (at, warning) in self.0.iter().take(MAX_SHOWN).enumerate() {
            write!(f, "{}{warning}", if at == 0 { "" } else { "; " })?;
        }
        match self.0.len().saturating_sub(MAX_SHOWN) {
            0 => Ok(()),
            more => write!(f, "; and {more} more"),
        }
    }
}

impl Warning {
    /// The entry that it is about. Warnings on stores have none, and sort before all others.
    fn entry(&self) -> Option<&EntryName> {
        match self {
            Self::LeftOut { name, .. }
            | Self::Unmatched { name, .. }
            | Self::Misleading { name, .. }
            | Self::Suspicious { name, .. }
            | Self::Repeated { name }
            | Self::Shadowed { name } => Some(name),
            Self::Store | Self::Helpers { .. } => None,
        }
    }
}

impl fmt::Display for Warning {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::LeftOut { name, reason } => write!(f, "entry {name} is left out: {reason}"),
            Self::Unmatched { name, why, write } => {
                write!(f, "no image can match entry {name}")?;
                spelling(f, why.as_ref(), write.as_ref())
            }
            Self::Misleading { name, why, write } => {
                write!(f, "kubelets read entry {name} in another way than it looks")?;
                spelling(f, why.as_ref(), write.as_ref())
            }
            Self::Suspicious { name, warning } => write!(f, "entry {name}: {warning}"),
            Self::Repeated { name } => write!(f, "entry {name} occurs more than once; kubelets use the last one"),
            Self::Shadowed { name } => write!(
                f,
                "entry {name} is left out: kubelets read another entry as the same server"
            ),
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
