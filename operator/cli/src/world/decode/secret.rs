//! A Secret as the API sends it. Only this file sees its data.

use std::borrow::Cow;
use std::sync::Arc;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use crd::names::{ANNOTATION_RETAINED, DOCKER_CONFIG_KEY, LABEL_OBJECT, LEGACY_CONFIG_KEY};
use plan::docker_config::{PullEntry, PullSecret};
use serde::Deserialize;

use super::ItemError;
use super::meta::Meta;
use crate::world::login::Logins;
use crate::world::secret::{Content, Entry, Secret};
use crate::world::shared::Shared;

/// It has no `Debug`, because it holds credentials.
#[derive(Deserialize)]
struct Wire<'a> {
    metadata: Meta,
    #[serde(default, rename = "type", borrow)]
    type_: Option<Cow<'a, str>>,
    #[serde(default, borrow)]
    data: Option<Data<'a>>,
    /// Only files that people write have it. It wins over `data`.
    #[serde(default, rename = "stringData", borrow)]
    string_data: Option<Data<'a>>,
    #[serde(default)]
    immutable: Option<bool>,
}

/// The only keys that a kubelet reads. It has no `Debug`, because they hold credentials.
#[derive(Default, Deserialize)]
pub(crate) struct Data<'a> {
    #[serde(default, rename = ".dockerconfigjson", borrow)]
    pub(crate) config: Option<Cow<'a, str>>,
    #[serde(default, rename = ".dockercfg", borrow)]
    pub(crate) legacy: Option<Cow<'a, str>>,
}

/// A Secret, decoded.
pub(super) struct Decoded {
    pub(super) metadata: Meta,
    type_: String,
    read: PullSecret,
    immutable: bool,
}

pub(super) fn decode(json: &str) -> Result<Decoded, ItemError> {
    let wire: Wire<'_> = serde_json::from_str(json)?;
    let data = wire.data.unwrap_or_default();
    let written = wire.string_data.unwrap_or_default();
    let config = bytes(DOCKER_CONFIG_KEY, data.config, written.config)?;
    let legacy = bytes(LEGACY_CONFIG_KEY, data.legacy, written.legacy)?;
    let type_ = wire.type_.unwrap_or(Cow::Borrowed("Opaque")).into_owned();
    let read = PullSecret::read(&type_, |key| match key {
        DOCKER_CONFIG_KEY => config.as_deref(),
        LEGACY_CONFIG_KEY => legacy.as_deref(),
        _ => None,
    });
    Ok(Decoded {
        metadata: wire.metadata,
        type_,
        read,
        immutable: wire.immutable.unwrap_or_default(),
    })
}

fn bytes(
    key: &'static str,
    encoded: Option<Cow<'_, str>>,
    written: Option<Cow<'_, str>>,
) -> Result<Option<Vec<u8>>, ItemError> {
    if let Some(written) = written {
        return Ok(Some(written.as_bytes().to_vec()));
    }
    let decoded = encoded.map(|value| STANDARD.decode(value.as_bytes()));
    decoded.transpose().map_err(|_| ItemError::NotBase64(key))
}

impl Decoded {
    pub(super) fn reduced(&self, logins: &mut Logins, shared: &mut Shared) -> Secret {
        let content = match &self.read {
            PullSecret::Entries(entries) => {
                Content::Entries(entries.iter().map(|entry| reduced(entry, logins)).collect())
            }
            PullSecret::Ignored(why) => Content::Ignored(*why),
            PullSecret::Unreadable(why) => Content::Unreadable(why.clone()),
        };
        Secret {
            type_: shared.text(&self.type_),
            content: shared.content(Arc::new(content)),
            copy_of: self.metadata.label(LABEL_OBJECT).map(|object| shared.text(object)),
            retained_from: self
                .metadata
                .annotation(ANNOTATION_RETAINED)
                .map(|object| shared.text(object)),
            immutable: self.immutable,
            controlled: self.metadata.controller(shared).is_some(),
        }
    }
}

fn reduced(entry: &PullEntry, logins: &mut Logins) -> Entry {
    Entry {
        key: entry.key.as_str().into(),
        place: entry.place,
        login: logins.add(entry.login.clone()),
        blank: entry.login.is_blank(),
    }
}
