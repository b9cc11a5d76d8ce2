//! What an object declares, as users wrote it: of nothing else follows where a login may be.

use std::collections::BTreeSet;

use kube::ResourceExt;
use kube::api::DynamicObject;
use serde_json::Value;

use super::logins::Place;
use crate::SYSTEM_NAMESPACE;

/// What the name of the Secret begins with in which the operator remembers an object's last good logins; the object's uid
/// follows.
pub(crate) const STATE_PREFIX: &str = "pullsecrets-state-";

/// One object.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Declared {
    /// Its name.
    pub name: String,
    /// Its uid.
    pub uid: String,
    /// The name of its copies.
    pub secret: String,
    /// Whether it says, or has ever said, that copies stay when it goes.
    pub retains: bool,
    /// What it says now, or said last.
    pub spec: Value,
    /// The namespaces that it has ever selected, as far as somebody watched.
    pub namespaces: BTreeSet<String>,
}

impl Declared {
    /// By an object as it is now.
    pub(crate) fn by(object: &DynamicObject) -> Self {
        let (name, spec) = (object.name_any(), object.data["spec"].clone());
        Self {
            uid: object.uid().unwrap_or_default(),
            secret: spec["secret"]["name"].as_str().unwrap_or(&name).to_owned(),
            retains: spec["deletionPolicy"] == "Retain",
            name,
            spec,
            namespaces: BTreeSet::new(),
        }
    }
}

/// The Secrets that its registries take their logins from.
pub(crate) fn sources(spec: &Value) -> impl Iterator<Item = Place> {
    let registries = spec["registries"].as_array().into_iter().flatten();
    registries.flat_map(|registry| {
        let kinds = registry["credentials"].as_object().into_iter().flatten();
        kinds.filter_map(|(_, credentials)| {
            let reference = &credentials["secretRef"];
            let name = reference["name"].as_str()?;
            let namespace = reference["namespace"].as_str().unwrap_or(SYSTEM_NAMESPACE);
            Some((namespace.to_owned(), name.to_owned()))
        })
    })
}
