//! A Secret, reduced to what a kubelet reads of it.

use std::fmt;
use std::hash::{Hash, Hasher};
use std::sync::Arc;

use plan::docker_config::{EntryName, Ignored, Unreadable};

use super::login::LoginId;
use super::text::Text;

/// A Secret.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Secret {
    /// Its type.
    pub type_: Text,
    /// What a kubelet reads of it.
    pub content: Arc<Content>,
    /// The `ClusterPullSecret` whose copy it is, by our label.
    pub copy_of: Option<Text>,
    /// The `ClusterPullSecret` that left it to its namespace, by our annotation.
    pub retained_from: Option<Text>,
    /// `immutable: true`.
    pub immutable: bool,
    /// Another object controls it.
    pub controlled: bool,
}

/// What a kubelet reads of a Secret.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Content {
    /// These entries, in the order of the docker config. There may be none.
    Entries(Vec<Entry>),
    /// No login, and no error.
    Ignored(Ignored),
    /// It cannot be read, so that no image of a Pod that refers to it can be pulled.
    Unreadable(Unreadable),
}

/// One entry of a docker config. `Debug` shows its name only.
#[derive(Clone, PartialEq, Eq)]
pub struct Entry {
    /// The key as written. Messages must use [`Entry::name`], because people paste passwords into keys.
    pub key: Box<str>,
    /// Its place in the docker config, counted from 1.
    pub place: usize,
    /// Its login.
    pub login: LoginId,
    /// The login has no user name. A kubelet finds it, and no container runtime sends it.
    pub blank: bool,
}

impl Hash for Content {
    fn hash<H: Hasher>(&self, hasher: &mut H) {
        if let Self::Entries(entries) = self {
            for entry in entries {
                (&entry.key, entry.login).hash(hasher);
            }
        }
    }
}

impl Entry {
    /// How messages name the entry: by its key if that is a server, by its place otherwise.
    pub fn name(&self) -> EntryName {
        EntryName::of(&self.key, self.place)
    }
}

impl Secret {
    /// Returns its entries, if a kubelet can read it.
    pub fn entries(&self) -> &[Entry] {
        match self.content.as_ref() {
            Content::Entries(entries) => entries,
            Content::Ignored(_) | Content::Unreadable(_) => &[],
        }
    }

    /// Returns whether it has one of the two types from which kubelets read logins.
    pub fn is_pull_secret(&self) -> bool {
        !matches!(self.content.as_ref(), Content::Ignored(Ignored::Type))
    }
}

impl fmt::Debug for Entry {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Entry")
            .field("name", &self.name())
            .finish_non_exhaustive()
    }
}
