//! Detects that the store of the API server was restored from a backup: the server shows older state than before.

use std::collections::HashMap;

use plan::identity::Version;

use super::Reconciler;
use crate::work::Key;

/// Keys for which the server showed an older version than the cached one.
#[derive(Debug, Default)]
pub(super) struct Doubts {
    /// With the cached version.
    keys: HashMap<Key, Version>,
    /// A key for which the server twice showed an older state than before.
    went_back: Option<Key>,
}

impl Doubts {
    /// The keys in doubt.
    pub(super) fn keys(&self) -> impl Iterator<Item = &Key> {
        self.keys.keys()
    }

    /// Compares the version `shown` by the server with the `cached` one. A race shows an older version once, never
    /// twice. An object that was made again after the backup has another uid.
    pub(super) fn compare(&mut self, key: &Key, shown: &Version, cached: &Version, asked: bool) {
        let older = shown.resource_version.is_older_than(&cached.resource_version);
        if !older {
            self.keys.remove(key);
        } else if asked && self.keys.get(key) == Some(cached) {
            self.went_back = Some(key.clone());
        } else {
            self.keys.insert(key.clone(), cached.clone());
        }
    }
}

impl Reconciler {
    /// The key that proved a restore: the server twice showed an older state of it. Then the cache is no longer true.
    pub fn went_back(&self) -> Option<&Key> {
        self.doubts.went_back.as_ref()
    }

    /// Whether the server showed an older version of the key than the cached one.
    pub fn is_doubtful(&self, key: &Key) -> bool {
        self.doubts.keys.contains_key(key)
    }
}
