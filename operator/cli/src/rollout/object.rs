//! A `ClusterPullSecret` of a file.

use std::collections::BTreeSet;

use crd::ClusterPullSecretSpec;
use plan::object::{Spec, sources};
use serde_json::{Value, json};

use super::document::{Document, is_name};

/// The only version that this tool knows.
pub(super) const API_VERSION: &str = "pullsecrets.dev/v1alpha1";

/// The longest name: it becomes the value of a label.
const LONGEST_NAME: usize = 63;

/// An object to apply.
pub(super) struct Object {
    pub(super) name: String,
    pub(super) spec: ClusterPullSecretSpec,
    /// Namespace and name of each Secret that it reads.
    pub(super) sources: BTreeSet<(String, String)>,
    pub(super) manifest: Value,
}

/// Reads an object. The error names fields and no value.
pub(super) fn read(document: &Document, operator_namespace: &str) -> Result<Object, String> {
    let name = document.name();
    if !is_name(name) || name.len() > LONGEST_NAME {
        return Err(format!(
            "metadata.name must have 1 to {LONGEST_NAME} characters: lower case, digits, `-` and `.`"
        ));
    }
    if document.api_version() != API_VERSION {
        return Err(format!("apiVersion is not {API_VERSION}"));
    }
    let given = &document.value["spec"];
    let mut unknown = Vec::new();
    let spec: ClusterPullSecretSpec = serde_ignored::deserialize(given, |path| unknown.push(path.to_string()))
        .map_err(|_| "spec has not the form of a ClusterPullSecret: kubectl explain cps.spec --recursive".to_owned())?;
    if let Some(field) = unknown.first() {
        let is_plain = field.len() <= 80 && field.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'.');
        let field = if is_plain {
            format!("spec.{field}")
        } else {
            "a field".to_owned()
        };
        return Err(format!(
            "a ClusterPullSecret has no {field}, or this version does not know it"
        ));
    }
    // Parses servers first: the text of a schema rule would quote one, and people paste passwords into addresses.
    for (at, registry) in spec.registries.iter().enumerate() {
        let server = registry.server.as_deref().map(plan::server::Server::parse).transpose();
        server.map_err(|error| format!("spec.registries[{at}].server: {error}"))?;
    }
    Spec::parse(name, &spec, operator_namespace).map_err(|error| format!("spec.{}: {}", error.field, error.problem))?;
    Ok(Object {
        name: name.to_owned(),
        sources: sources(&spec, operator_namespace),
        manifest: json!({
            "apiVersion": API_VERSION, "kind": "ClusterPullSecret",
            "metadata": document.metadata(None), "spec": given,
        }),
        spec,
    })
}

impl Object {
    /// Returns the servers that it declares, and the Secrets that it takes whole.
    pub(super) fn registries(&self) -> String {
        let each = self.spec.registries.iter().map(|registry| {
            let mut names = registry.credentials.references().map(|reference| &reference.name);
            let whole = || format!("all of secret {}", names.next().map_or("", String::as_str));
            registry.server.clone().unwrap_or_else(whole)
        });
        each.collect::<Vec<_>>().join(", ")
    }

    /// Returns which namespaces it selects, in words.
    pub(super) fn selection(&self) -> String {
        let namespaces = &self.spec.namespaces;
        let is_empty = |selector: &k8s_openapi::apimachinery::pkg::apis::meta::v1::LabelSelector| {
            selector
                .match_labels
                .as_ref()
                .is_none_or(std::collections::BTreeMap::is_empty)
                && selector.match_expressions.as_ref().is_none_or(Vec::is_empty)
        };
        let mut words = Vec::new();
        if namespaces.selectors.iter().any(is_empty) {
            words.push("all namespaces".to_owned());
        } else {
            for selector in &namespaces.selectors {
                let labels = selector.match_labels.iter().flatten();
                let mut labels: Vec<String> = labels.map(|(key, value)| format!("{key}={value}")).collect();
                let expressions = selector.match_expressions.iter().flatten();
                labels.extend(expressions.map(|expression| format!("{} {}", expression.key, expression.operator)));
                words.push(format!("namespaces with {}", labels.join(" and ")));
            }
        }
        if !namespaces.names.is_empty() {
            words.push(format!("namespaces {}", namespaces.names.join(", ")));
        }
        let mut text = words.join(", and ");
        if !namespaces.excluded.is_empty() {
            text.push_str(", without ");
            text.push_str(&namespaces.excluded.join(", "));
        }
        text
    }
}
