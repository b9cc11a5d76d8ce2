//! Schemas of single values: bounds, and rules that the API server checks.
//!
//! The API server estimates the cost of all rules with the longest value in every place. The bounds keep that estimate
//! within its budget.

mod server;

use schemars::{Schema, SchemaGenerator, json_schema};
use serde_json::{Value, json};

use crate::rules::{self, Rule};
use crate::status::MAX_SERVERS;

pub(crate) use server::server;

/// Entries of a list that users write.
const MAX_LIST: u32 = 64;
/// Labels or annotations of the copies.
const MAX_LABELS: u32 = 16;
/// Labels or expressions of one selector.
const MAX_SELECTOR: u32 = 32;
/// Prefix of 253 characters, a slash, and a name of 63.
const MAX_LABEL_KEY: u32 = 317;
/// Bound of Kubernetes for label values, namespaces and many names.
const MAX_LABEL: u32 = 63;
/// Bound of Kubernetes for names of Secrets and service accounts, and for data keys.
const MAX_NAME: u32 = 253;
/// Kubernetes bounds all annotations of an object (256 KiB), but not a single one.
const MAX_ANNOTATION: u32 = 1024;

const LABEL_VALUE: &str = r"^([A-Za-z0-9]([-A-Za-z0-9_.]*[A-Za-z0-9])?)?$";

const OBJECT_NAME: Rule = (
    r"self.matches(r'^[a-z0-9]([-a-z0-9]*[a-z0-9])?(\.[a-z0-9]([-a-z0-9]*[a-z0-9])?)*$')",
    "must be the name of a Secret: lower case letters, digits, '-' and '.', with a letter or digit at both ends and around \
     each '.'",
);

/// The name of a Secret.
pub(crate) fn object_name(_: &mut SchemaGenerator) -> Schema {
    text(MAX_NAME, &[OBJECT_NAME])
}

/// The name of the copies.
pub(crate) fn copy_name(_: &mut SchemaGenerator) -> Schema {
    text(MAX_NAME, &[OBJECT_NAME, rules::SECRET_NAME_IS_NOT_RESERVED])
}

/// Servers in a status.
pub(crate) fn server_names(_: &mut SchemaGenerator) -> Schema {
    json_schema!({
        "type": "array",
        "maxItems": MAX_SERVERS,
        "items": { "type": "string", "maxLength": MAX_NAME },
        "x-kubernetes-list-type": "atomic",
    })
}

/// The name of a namespace.
pub(crate) fn namespace_name(_: &mut SchemaGenerator) -> Schema {
    text(
        MAX_LABEL,
        &[(
            "self.matches(r'^[a-z0-9]([-a-z0-9]*[a-z0-9])?$')",
            "must be the name of a namespace: lower case letters, digits and '-', with a letter or digit at both ends",
        )],
    )
}

/// A key in the data of a Secret.
pub(crate) fn data_key(_: &mut SchemaGenerator) -> Schema {
    text(
        MAX_NAME,
        &[(
            "self.matches('^[-._a-zA-Z0-9]+$') && self != '.' && !self.startsWith('..')",
            "must be a data key of a Secret: letters, digits, '-', '_' and '.', not '.' alone and not '..' at the start",
        )],
    )
}

/// Names of namespaces or service accounts, in which `*` and `?` are wildcards.
pub(crate) fn globs(_: &mut SchemaGenerator) -> Schema {
    let glob = text(
        MAX_NAME,
        &[(
            "self.matches('^[a-z0-9.*?-]+$')",
            "must be a name or a glob of lower case letters, digits, '-', '.', '*' (any characters) and '?' (one character)",
        )],
    );
    json_schema!({ "type": "array", "maxItems": MAX_LIST, "items": glob, "x-kubernetes-list-type": "set" })
}

/// Label selectors with the semantics of Kubernetes. The schema of Kubernetes has no bounds, so this one repeats it
/// with bounds.
pub(crate) fn selectors(_: &mut SchemaGenerator) -> Schema {
    json_schema!({
        "type": "array",
        "maxItems": MAX_LIST,
        "x-kubernetes-list-type": "atomic",
        "items": {
            "description": "A label selector of Kubernetes. All labels and expressions must match, and an empty selector matches every object.",
            "type": "object",
            "x-kubernetes-map-type": "atomic",
            "properties": {
                "matchLabels": match_labels(),
                "matchExpressions": {
                    "description": "Conditions on labels that must all hold, for example `{key: stage, operator: In, values: [test]}`.",
                    "type": "array",
                    "maxItems": MAX_SELECTOR,
                    "x-kubernetes-list-type": "atomic",
                    "items": requirement(),
                },
            },
        },
    })
}

fn match_labels() -> Value {
    json!({
        "description": "Labels that must all be present with these values, for example `team: payments`.",
        "type": "object",
        "maxProperties": MAX_SELECTOR,
        "additionalProperties": label_value(),
        "x-kubernetes-validations": checks(&[rules::KEYS_ARE_VALID]),
    })
}

fn requirement() -> Value {
    json!({
        "type": "object",
        "required": ["key", "operator"],
        "properties": {
            "key": {
                "description": "The key of the label, with its prefix if it has one, for example `example.com/team`.",
                "type": "string",
                "minLength": 1,
                "maxLength": MAX_LABEL_KEY,
                "pattern": rules::LABEL_KEY,
            },
            "operator": {
                "description": "`In`: the label has one of `values`. `NotIn`: it has none of them, or is absent. `Exists`, `DoesNotExist`: it is present, or absent, with any value.",
                "type": "string",
                "enum": ["In", "NotIn", "Exists", "DoesNotExist"],
            },
            "values": {
                "description": "The values for `In` and `NotIn`, at least one. `Exists` and `DoesNotExist` take none.",
                "type": "array",
                "maxItems": MAX_LIST,
                "items": label_value(),
                "x-kubernetes-list-type": "atomic",
            },
        },
        "x-kubernetes-validations": checks(&[rules::OPERATOR_HAS_VALUES, rules::OPERATOR_HAS_NO_VALUES]),
    })
}

/// Labels that users put on the copies.
pub(crate) fn copy_labels(_: &mut SchemaGenerator) -> Schema {
    json_schema!({
        "type": "object",
        "maxProperties": MAX_LABELS,
        "additionalProperties": label_value(),
        "x-kubernetes-validations": checks(&[rules::KEYS_ARE_VALID, rules::KEYS_ARE_ALLOWED]),
    })
}

/// Annotations that users put on the copies.
pub(crate) fn copy_annotations(_: &mut SchemaGenerator) -> Schema {
    json_schema!({
        "type": "object",
        "maxProperties": MAX_LABELS,
        "additionalProperties": { "type": "string", "maxLength": MAX_ANNOTATION },
        "x-kubernetes-validations": checks(&[rules::KEYS_ARE_VALID, rules::KEYS_ARE_ALLOWED]),
    })
}

/// Schema of a label value. It uses a pattern rather than a rule, because values are nested three lists deep and a
/// pattern costs no part of the budget.
fn label_value() -> Value {
    json!({ "type": "string", "maxLength": MAX_LABEL, "pattern": LABEL_VALUE })
}

fn text(max: u32, rules: &[Rule]) -> Schema {
    json_schema!({
        "type": "string",
        "minLength": 1,
        "maxLength": max,
        "x-kubernetes-validations": checks(rules),
    })
}

fn checks(rules: &[Rule]) -> Value {
    rules
        .iter()
        .map(|(rule, message)| json!({ "rule": rule, "message": message }))
        .collect()
}
