//! The last good entries of each registry, and the source that they came from.

use std::collections::BTreeMap;
use std::fmt;

use serde::{Deserialize, Serialize};

use crate::credential::Entries;

/// The last good entries of each registry, by [`super::Resolution::key`].
pub type LastGood = BTreeMap<String, Remembered>;

/// The last good entries of one registry.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Remembered {
    /// Where they came from. An earlier version did not record it: such entries belong to no reference.
    pub origin: Option<Origin>,
    /// The entries.
    pub entries: Entries,
}

/// The origin of a credential: a Secret, and the keys of its data.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Origin {
    /// The namespace of the Secret, also where the reference leaves it out.
    pub namespace: String,
    /// Its name.
    pub name: String,
    /// The keys, user name before password.
    pub keys: Vec<String>,
}

impl fmt::Display for Origin {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}/{}", self.namespace, self.name)
    }
}
