//! The spec of an object, as this version understands it.

use std::collections::BTreeSet;
use std::hash::{BuildHasher as _, RandomState};
use std::sync::LazyLock;

use crd::names::is_copy_key;
use crd::{AttachMode, ClusterPullSecretSpec, DeletionPolicy, NamespaceSelection, Registry, ServiceAccountSelection};
use kube::ResourceExt as _;
use plan::object::{Spec, sources_in};
use serde_json::Value;

use crate::api::partial::RawClusterPullSecret;

/// A spec as this version understands it.
pub(super) struct ParsedSpec {
    /// The hash of the spec that this was parsed from. The spec itself may take a megabyte.
    hash: u64,
    /// The namespace of sources that name none.
    source_namespace: String,
    /// What the plan needs of it.
    pub(super) spec: Spec,
    /// The rest of it, without selectors. `None` if the spec cannot be decoded.
    declared: Option<ClusterPullSecretSpec>,
    /// Why the operator neither adds nor removes anything for the object.
    pub(super) unreadable: Option<String>,
}

impl ParsedSpec {
    /// Parses the spec of `seen`. Sources that name no namespace are in `source_namespace`.
    pub(super) fn of(seen: &RawClusterPullSecret, source_namespace: &str) -> Self {
        let name = seen.name_any();
        let mut unknown = BTreeSet::new();
        let mut track = serde_path_to_error::Track::new();
        let tracked = serde_path_to_error::Deserializer::new(&seen.spec, &mut track);
        let decoded: Result<ClusterPullSecretSpec, _> = serde_ignored::deserialize(tracked, |path| {
            unknown.insert(path.to_string());
        });
        let declared = match decoded {
            Ok(declared) => declared,
            // The text of serde names fields and values of the spec, which has no credential.
            Err(error) => {
                return Self::unreadable(seen, source_namespace, format!("{}: {error}", in_spec(&track.path())));
            }
        };
        let mut spec = match Spec::parse(&name, &declared, source_namespace) {
            Ok(spec) => spec,
            Err(error) => return Self::unreadable(seen, source_namespace, error.to_string()),
        };
        if !unknown.is_empty() {
            spec.sources.extend(sources_in(&seen.spec, source_namespace));
        }
        let fields: Vec<String> = unknown.into_iter().map(|path| format!("spec.{path}")).collect();
        Self {
            hash: hash(&seen.spec),
            source_namespace: source_namespace.to_owned(),
            spec,
            declared: Some(without_selectors(declared)),
            unreadable: (!fields.is_empty()).then(|| {
                format!(
                    "this version does not know {}: update the operator, or remove the field",
                    fields.join(", ")
                )
            }),
        }
    }

    fn unreadable(seen: &RawClusterPullSecret, source_namespace: &str, why: String) -> Self {
        let text = |pointer: &str| seen.spec.pointer(pointer).and_then(Value::as_str);
        let name = seen.name_any();
        let policy = match text("/deletionPolicy") {
            Some("Retain") => DeletionPolicy::Retain,
            _ => DeletionPolicy::Delete,
        };
        let sources = sources_in(&seen.spec, source_namespace);
        Self {
            hash: hash(&seen.spec),
            source_namespace: source_namespace.to_owned(),
            spec: Spec::unreadable(text("/secret/name").unwrap_or(&name), policy, sources),
            declared: None,
            unreadable: Some(why),
        }
    }

    /// Returns whether this is what [`ParsedSpec::of`] would make of the same arguments.
    pub(super) fn is_of(&self, seen: &RawClusterPullSecret, source_namespace: &str) -> bool {
        self.hash == hash(&seen.spec) && self.source_namespace == source_namespace
    }

    /// Returns the declared registries, if the spec can be decoded.
    pub(super) fn registries(&self) -> Option<&[Registry]> {
        self.declared.as_ref().map(|declared| &declared.registries[..])
    }

    /// Returns whether a person suspended the object.
    pub(super) fn is_suspended(&self) -> bool {
        self.declared.as_ref().is_some_and(|declared| declared.suspend)
    }

    /// Returns whether references are put on service accounts.
    pub(super) fn attaches(&self) -> bool {
        self.declared
            .as_ref()
            .is_none_or(|declared| declared.service_accounts.mode == AttachMode::Attach)
    }

    /// Returns the labels and annotations that new copies do not take.
    pub(super) fn keys_left_out(&self) -> Vec<&str> {
        let declared = self.declared.iter().map(|declared| &declared.secret);
        let keys = declared.flat_map(|secret| secret.labels.keys().chain(secret.annotations.keys()));
        keys.map(String::as_str).filter(|key| !is_copy_key(key)).collect()
    }
}

/// Drops the selectors, which may take most of a megabyte: [`Spec`] has them in parsed form.
fn without_selectors(declared: ClusterPullSecretSpec) -> ClusterPullSecretSpec {
    ClusterPullSecretSpec {
        namespaces: NamespaceSelection::default(),
        service_accounts: ServiceAccountSelection {
            mode: declared.service_accounts.mode,
            ..ServiceAccountSelection::default()
        },
        ..declared
    }
}

/// Returns a hash that is equal for equal specs, within one process.
fn hash(spec: &Value) -> u64 {
    static KEY: LazyLock<RandomState> = LazyLock::new(RandomState::new);
    KEY.hash_one(spec.to_string())
}

/// Returns the path of a field as a user writes it.
fn in_spec(path: &serde_path_to_error::Path) -> String {
    match path.iter().next() {
        None => "spec".to_owned(),
        Some(_) => format!("spec.{path}"),
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn selectors_are_kept_only_in_parsed_form() {
        let seen = |label: &str| -> RawClusterPullSecret {
            let selector = json!([{"matchLabels": {label: "yes"}}]);
            let spec = json!({"registries": [], "namespaces": {"selectors": selector},
                "serviceAccounts": {"mode": "None", "selectors": selector}});
            serde_json::from_value(json!({"metadata": {"name": "company", "uid": "u"}, "spec": spec})).unwrap()
        };
        let parsed = ParsedSpec::of(&seen("first"), "pullsecrets-system");
        let declared = parsed.declared.as_ref().unwrap();
        assert_eq!(declared.namespaces, NamespaceSelection::default());
        assert!(declared.service_accounts.selectors.is_empty());
        assert!(!parsed.attaches());
        assert!(parsed.is_of(&seen("first"), "pullsecrets-system"));
        assert!(!parsed.is_of(&seen("second"), "pullsecrets-system"));
        assert!(!parsed.is_of(&seen("first"), "another"));
    }
}
