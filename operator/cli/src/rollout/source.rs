//! A source Secret of a file.

use std::collections::BTreeMap;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use crd::names::{LABEL_OBJECT, STATE_TYPE};
use plan::labels::Labels;
use plan::registries::{ShownKeys, Source as Read, is_confined};
use serde_json::{Map, Value, json};

use super::document::{Document, is_name};

/// A source to apply. It has no `Debug`, because it holds a login.
pub(super) struct Source {
    pub(super) namespace: String,
    pub(super) name: String,
    pub(super) type_: String,
    /// For the check of the login.
    pub(super) read: Read,
    pub(super) manifest: Value,
}

/// Reads a Secret. The error names keys and no value.
pub(super) fn read(document: &Document, operator_namespace: &str) -> Result<Source, String> {
    let namespace = document.namespace().unwrap_or(operator_namespace);
    if !is_name(document.name()) || !is_name(namespace) {
        return Err("metadata.name and metadata.namespace must be names of objects".to_owned());
    }
    if document.api_version() != "v1" {
        return Err("apiVersion is not v1".to_owned());
    }
    let type_ = document.value["type"].as_str().unwrap_or("Opaque");
    if is_confined(type_) || type_ == STATE_TYPE {
        return Err("a Secret of its type cannot be a source".to_owned());
    }
    let labels = document.value["metadata"]["labels"].as_object();
    if labels.is_some_and(|labels| labels.contains_key(LABEL_OBJECT)) {
        return Err(format!(
            "it has the label {LABEL_OBJECT}, so it is a copy: give its source instead"
        ));
    }
    let data = data(&document.value)?;
    let mut manifest = json!({
        "apiVersion": "v1", "kind": "Secret", "metadata": document.metadata(Some(namespace)), "type": type_,
        "data": data.iter().map(|(key, value)| (key.clone(), json!(STANDARD.encode(value)))).collect::<Map<_, _>>(),
    });
    if document.value["immutable"] == json!(true) {
        manifest["immutable"] = json!(true);
    }
    Ok(Source {
        namespace: namespace.to_owned(),
        name: document.name().to_owned(),
        type_: type_.to_owned(),
        read: Read {
            type_: type_.to_owned(),
            labels: std::iter::empty::<(&str, &str)>().collect::<Labels>(),
            keys: ShownKeys::of(data.keys().map(String::as_str)),
            data,
        },
        manifest,
    })
}

/// The data, decoded. A server-side apply does not know `stringData`: no manager would own what comes of it.
fn data(secret: &Value) -> Result<BTreeMap<String, Vec<u8>>, String> {
    let mut data = BTreeMap::new();
    for (field, is_encoded) in [("data", true), ("stringData", false)] {
        let given = match &secret[field] {
            Value::Null => continue,
            Value::Object(given) => given,
            _ => return Err(format!("{field} has not the form of a Secret")),
        };
        for (key, value) in given {
            let text = value.as_str().ok_or_else(|| format!("a value of {field} is no text"))?;
            let bytes = if is_encoded {
                STANDARD
                    .decode(text)
                    .map_err(|_| format!("a value of {field} is not base64"))?
            } else {
                text.as_bytes().to_vec()
            };
            data.insert(key.clone(), bytes);
        }
    }
    Ok(data)
}

impl Source {
    /// Names it as kubectl does.
    pub(super) fn called(&self) -> String {
        format!("{}/{}", self.namespace, self.name)
    }
}
