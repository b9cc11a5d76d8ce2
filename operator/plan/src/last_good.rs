//! The state Secret: it saves the last good entries of one object.
//!
//! It is in the operator's own namespace, and its name has the object's uid. The operator writes it before the first copy of
//! a new credential. It never reads entries from copies, because tenants can write those.

use std::collections::BTreeMap;
use std::fmt;

use crd::names::STATE_NAME_PREFIX;
use serde::Deserialize;
use serde_json::value::RawValue;

use crate::credential::{Credential, Entries};
use crate::docker_config::{DockerConfig, render};
use crate::registries::{LastGood, Merged, Origin, Remembered};

/// The only key of its data.
pub const KEY: &str = "registries.json";

/// Returns the name of the state Secret of the object with this uid.
pub fn secret_name(uid: &str) -> String {
    format!("{STATE_NAME_PREFIX}{uid}")
}

/// The content to write, and the version that it replaces.
#[derive(Clone, PartialEq, Eq)]
pub struct Content {
    last_good: LastGood,
    replaces: Option<String>,
}

impl fmt::Debug for Content {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Content(redacted)")
    }
}

impl Content {
    /// Makes the content. `replaces` is the resourceVersion of the state that was read, if there was one.
    pub fn new(last_good: LastGood, replaces: Option<String>) -> Self {
        Self { last_good, replaces }
    }

    /// Returns the resourceVersion of the write. With "1" it is a create that fails if the Secret exists.
    pub fn precondition(&self) -> &str {
        self.replaces.as_deref().unwrap_or("1")
    }

    /// Returns a JSON object with a docker config for each registry, by its key.
    ///
    /// The config has the field `origin`, the source of its entries. An earlier version of the operator ignores that field.
    pub fn to_json(&self) -> Vec<u8> {
        let rendered = self.last_good.iter().filter_map(|(key, remembered)| {
            let config = String::from_utf8(render(&remembered.entries)).ok()?;
            let origin = serde_json::to_string(&remembered.origin).ok()?;
            let text = format!(r#"{},"origin":{origin}}}"#, config.strip_suffix('}')?);
            Some((key.as_str(), RawValue::from_string(text).ok()?))
        });
        serde_json::to_vec(&rendered.collect::<BTreeMap<_, _>>()).unwrap_or_default()
    }
}

/// The state Secret as it was read.
pub struct State {
    /// Its resourceVersion.
    pub resource_version: String,
    /// The saved entries. `None` if they do not parse.
    pub last_good: Option<LastGood>,
}

/// Returns whether saved entries that the credentials need are lost. Then the copies may be the only place that has them.
///
/// `was_saved` says whether the object once had a state Secret.
pub fn is_lost(credentials: &Merged, state: Option<&State>, was_saved: bool) -> bool {
    let is_readable = state.is_some_and(|state| state.last_good.is_some());
    credentials.incomplete && !is_readable && was_saved
}

/// Returns the content to save before the credentials are copied, or `None` if it is saved already.
pub fn to_save(credentials: &Merged, state: Option<&State>) -> Option<Content> {
    let saved = state.and_then(|state| state.last_good.as_ref());
    let replaces = state.map(|state| state.resource_version.clone());
    (saved != Some(&credentials.last_good)).then(|| Content::new(credentials.last_good.clone(), replaces))
}

/// Parses the output of [`Content::to_json`], of this version or of an earlier one.
///
/// Entries of an earlier version may have no origin. They stay in the copies that have them, and go to others when the
/// declared reference resolves. If the text does not parse the result is `None`, as if the Secret were missing.
pub fn from_json(bytes: &[u8]) -> Option<LastGood> {
    #[derive(Deserialize)]
    struct Origins {
        #[serde(default)]
        origin: Option<Origin>,
    }
    let registries: BTreeMap<String, &RawValue> = serde_json::from_slice(bytes).ok()?;
    let read = |(key, config): (String, &RawValue)| {
        let Origins { origin } = serde_json::from_str(config.get()).ok()?;
        let config = DockerConfig::parse(config.get().as_bytes()).ok()?;
        if !config.unusable().is_empty() {
            return None;
        }
        let entries: Entries = config
            .entries()
            .iter()
            .map(|(key, entry): (&String, &Credential)| (key.clone(), entry.clone()))
            .collect();
        Some((key, Remembered { origin, entries }))
    };
    registries.into_iter().map(read).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn last_good() -> LastGood {
        let credential = Credential::new("user", "CANARY").unwrap();
        let entries = Entries::from([("ghcr.io".to_owned(), credential)]);
        let origin = Origin {
            namespace: "team-a".to_owned(),
            name: "robot".to_owned(),
            keys: vec!["username".to_owned(), "password".to_owned()],
        };
        let remembered = |origin| Remembered {
            origin,
            entries: entries.clone(),
        };
        LastGood::from([
            ("ghcr.io".to_owned(), remembered(Some(origin))),
            ("secret:all".to_owned(), remembered(None)),
        ])
    }

    #[test]
    fn entries_of_earlier_versions_lack_origin() {
        let written = br#"{"ghcr.io":{"auths":{"ghcr.io":{"auth":"dTpw","password":"p","username":"u"}}}}"#;
        let remembered = &from_json(written).unwrap()["ghcr.io"];
        assert_eq!(remembered.origin, None);
        assert_eq!(remembered.entries["ghcr.io"].username(), "u");
    }

    #[test]
    fn earlier_versions_read_our_state() {
        let written = Content::new(last_good(), None).to_json();
        let registries: BTreeMap<String, &RawValue> = serde_json::from_slice(&written).unwrap();
        for config in registries.values() {
            assert!(DockerConfig::parse(config.get().as_bytes()).is_ok());
        }
    }

    #[test]
    fn saved_entries_are_read_back() {
        let content = Content::new(last_good(), None);
        assert_eq!(from_json(&content.to_json()), Some(last_good()));
        assert_eq!(from_json(b"{}"), Some(LastGood::new()));
        assert_eq!(from_json(b"nonsense"), None);
        assert_eq!(from_json(br#"{"ghcr.io":{"auths":[]}}"#), None);
    }

    #[test]
    fn content_is_printed_redacted() {
        assert_eq!(format!("{:?}", Content::new(last_good(), None)), "Content(redacted)");
    }
}
