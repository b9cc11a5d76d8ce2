//! Actual and required content of Secrets.

use std::collections::{BTreeMap, BTreeSet};

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use k8s_openapi::api::core::v1::Secret;
use kube::ResourceExt;
use serde_json::Value;

use crate::SYSTEM_NAMESPACE;
use crate::oracle::logins::is_managed_by_operator;
use crate::oracle::{DATA_KEY, Place};

/// One Secret.
pub(super) struct Held {
    data: BTreeMap<String, Vec<u8>>,
    type_: String,
    by_operator: bool,
}

impl Held {
    pub(super) fn of(secret: &Secret) -> Self {
        let managers = secret.managed_fields().iter();
        Self {
            data: secret
                .data
                .iter()
                .flatten()
                .map(|(key, bytes)| (key.clone(), bytes.0.clone()))
                .collect(),
            type_: secret.type_.clone().unwrap_or_default(),
            by_operator: managers
                .map(|entry| entry.manager.as_deref())
                .any(is_managed_by_operator),
        }
    }

    pub(super) fn is_written_by_operator(&self) -> bool {
        self.by_operator
    }

    /// Returns whether a kubelet finds all these logins in it.
    pub(super) fn is_copy_of(&self, logins: &BTreeSet<String>) -> bool {
        let config = self.data.get(DATA_KEY).map(|bytes| String::from_utf8_lossy(bytes));
        let has_all = |config: &str| logins.iter().all(|auth| config.contains(auth.as_str()));
        self.type_ == "kubernetes.io/dockerconfigjson" && config.is_some_and(|config| has_all(&config))
    }

    /// Returns whether it contains one of these logins, under any key.
    pub(super) fn has_any(&self, logins: &BTreeSet<String>) -> bool {
        let texts = self.data.values().map(|bytes| String::from_utf8_lossy(bytes));
        texts
            .into_iter()
            .any(|text| logins.iter().any(|auth| text.contains(auth.as_str())))
    }
}

/// Returns the `auth` of each login that copies must hold now. It covers registries with a server whose source exists
/// and is simple, and ignores all other declarations.
pub(super) fn logins(spec: &Value, secrets: &BTreeMap<Place, Held>) -> BTreeSet<String> {
    let registries = spec["registries"].as_array().into_iter().flatten();
    let auths = registries.filter_map(|registry| {
        let plain = &registry["credentials"]["basicAuth"];
        let reference = &plain["secretRef"];
        let namespace = reference["namespace"].as_str().unwrap_or(SYSTEM_NAMESPACE);
        let source = secrets.get(&(namespace.to_owned(), reference["name"].as_str()?.to_owned()))?;
        let text = |key: &str, usual: &str| {
            let bytes = source.data.get(plain[key].as_str().unwrap_or(usual))?;
            let text = std::str::from_utf8(bytes).ok()?;
            (text.trim() == text && !text.is_empty()).then(|| text.to_owned())
        };
        let (username, password) = (text("usernameKey", "username")?, text("passwordKey", "password")?);
        Some(STANDARD.encode(format!("{username}:{password}")))
    });
    auths.collect()
}
