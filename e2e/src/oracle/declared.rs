//! The declaration of an object, as users wrote it. Only this declaration decides where a login may be.

use std::collections::BTreeSet;

use kube::ResourceExt;
use kube::api::DynamicObject;
use serde_json::Value;

use super::Place;
use crate::SYSTEM_NAMESPACE;

/// Prefix of the Secret with an object's last good logins; the object's uid follows.
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
    /// Whether its `deletionPolicy` is or ever was `Retain`.
    pub retains: bool,
    /// Its spec, or the last one. A source without a namespace has the operator's namespace here.
    pub spec: Value,
    /// The namespace of the installation that acts for it.
    pub home: String,
    /// The namespaces that it has ever selected, as far as observed.
    pub namespaces: BTreeSet<String>,
}

impl Declared {
    /// Reads an object as it is now.
    pub(crate) fn by(object: &DynamicObject) -> Self {
        let (name, mut spec) = (object.name_any(), object.data["spec"].clone());
        let home = home(&object.data["status"]);
        for reference in references(&mut spec) {
            if reference["namespace"].is_null() && reference.is_object() {
                reference["namespace"] = home.clone().into();
            }
        }
        Self {
            uid: object.uid().unwrap_or_default(),
            secret: spec["secret"]["name"].as_str().unwrap_or(&name).to_owned(),
            retains: spec["deletionPolicy"] == "Retain",
            name,
            spec,
            home,
            namespaces: BTreeSet::new(),
        }
    }
}

/// Returns the namespace of the installation in this status, or of the only installation before there is a status.
fn home(status: &Value) -> String {
    let installation = status["installation"].as_str().and_then(|text| text.split_once('/'));
    installation
        .map_or(SYSTEM_NAMESPACE, |(namespace, _)| namespace)
        .to_owned()
}

fn references(spec: &mut Value) -> impl Iterator<Item = &mut Value> {
    let registries = spec["registries"].as_array_mut().into_iter().flatten();
    let kinds = registries.filter_map(|registry| registry["credentials"].as_object_mut());
    kinds
        .flatten()
        .filter_map(|(_, credentials)| credentials.get_mut("secretRef"))
}

/// Returns the Secrets that its registries take their logins from.
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
