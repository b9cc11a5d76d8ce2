//! One document of a file.

use serde_json::{Map, Value, json};

use crate::world::LAST_APPLIED;

/// A document, and how messages name it.
pub(super) struct Document {
    pub(super) value: Value,
    place: String,
}

impl Document {
    /// Returns the objects of a file: its documents, and those in lists. The error has no part of the text.
    pub(super) fn all(file: &str, text: &str) -> Result<Vec<Self>, String> {
        let documents: Vec<Value> = serde_saphyr::from_multiple(text).map_err(|error| {
            let line = error
                .location()
                .map(|place| format!(": error at line {}", place.line()));
            format!("{file} is not YAML{}", line.unwrap_or_default())
        })?;
        let mut found = Vec::new();
        for (at, mut value) in documents.into_iter().enumerate() {
            let place = format!("{file}, document {}", at + 1);
            let is_list = value["kind"].as_str().is_some_and(|kind| kind.ends_with("List"));
            match value["items"].take() {
                Value::Array(items) if is_list => {
                    let items = items.into_iter().enumerate();
                    found.extend(items.map(|(at, value)| Self {
                        value,
                        place: format!("{place}, item {}", at + 1),
                    }));
                }
                _ if value.is_null() => {}
                _ => found.push(Self { value, place }),
            }
        }
        Ok(found)
    }

    /// Returns a document that the tool itself made.
    pub(super) fn made(value: Value) -> Self {
        let place = "the flags".to_owned();
        Self { value, place }
    }

    pub(super) fn kind(&self) -> &str {
        self.text("/kind")
    }

    pub(super) fn api_version(&self) -> &str {
        self.text("/apiVersion")
    }

    pub(super) fn name(&self) -> &str {
        self.text("/metadata/name")
    }

    pub(super) fn namespace(&self) -> Option<&str> {
        self.value.pointer("/metadata/namespace").and_then(Value::as_str)
    }

    fn text(&self, pointer: &str) -> &str {
        self.value.pointer(pointer).and_then(Value::as_str).unwrap_or_default()
    }

    /// Names it by file and position, and by kind and name if they have the form of such.
    pub(super) fn called(&self) -> String {
        let is_kind = !self.kind().is_empty() && self.kind().bytes().all(|byte| byte.is_ascii_alphanumeric());
        match (is_kind, is_name(self.name())) {
            (true, true) => format!("{} ({} {})", self.place, self.kind(), self.name()),
            (true, false) => format!("{} ({})", self.place, self.kind()),
            (false, _) => self.place.clone(),
        }
    }

    /// Returns what of the metadata is applied. The rest is what the server adds, or belongs to others.
    pub(super) fn metadata(&self, namespace: Option<&str>) -> Value {
        let mut metadata = Map::new();
        metadata.insert("name".to_owned(), json!(self.name()));
        if let Some(namespace) = namespace {
            metadata.insert("namespace".to_owned(), json!(namespace));
        }
        for key in ["labels", "annotations"] {
            let given = self.value["metadata"][key].as_object();
            let mut kept = given.cloned().unwrap_or_default();
            kept.remove(LAST_APPLIED);
            if !kept.is_empty() {
                metadata.insert(key.to_owned(), Value::Object(kept));
            }
        }
        Value::Object(metadata)
    }
}

/// Returns whether an object can have this name: it is a DNS subdomain.
pub(super) fn is_name(name: &str) -> bool {
    let is_allowed = |b: u8| b.is_ascii_lowercase() || b.is_ascii_digit() || matches!(b, b'-' | b'.');
    let ends_well = |c: char| c.is_ascii_alphanumeric();
    name.len() <= 253 && name.starts_with(ends_well) && name.ends_with(ends_well) && name.bytes().all(is_allowed)
}
