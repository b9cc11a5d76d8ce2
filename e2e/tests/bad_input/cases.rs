//! Objects to apply, and the expected answers of the API server.

use std::path::{Path, PathBuf};

use e2e::workspace;
use serde::Deserialize;
use serde_json::{Value, json};

/// One object that must be refused.
#[derive(Debug, Clone, Deserialize)]
pub(crate) struct Refused {
    /// A part of the expected message.
    pub(crate) says: String,
    /// The field in the message.
    pub(crate) field: String,
    /// The object to apply.
    #[serde(default)]
    pub(crate) spec: Value,
    /// The spec of an existing object, if any.
    #[serde(default)]
    pub(crate) was: Option<Value>,
    /// `metadata.name`, if the case is about it. No object of that name exists.
    #[serde(default)]
    pub(crate) name: Option<String>,
    #[serde(default)]
    server: Option<String>,
}

impl Refused {
    /// Creates a case with this whole spec for a new object.
    pub(crate) fn new(says: &str, field: &str, spec: Value) -> Self {
        Self {
            says: says.to_owned(),
            field: field.to_owned(),
            spec,
            was: None,
            name: None,
            server: None,
        }
    }

    /// Completes a case, which lists only its differences from a valid object.
    fn whole(mut self) -> Self {
        self.spec = differing(&self.spec);
        self.was = self.was.as_ref().map(differing);
        if let Some(server) = &self.server {
            self.spec["registries"][0]["server"] = json!(server);
        }
        self
    }
}

fn differing(fields: &Value) -> Value {
    let mut spec = good();
    for (field, value) in fields.as_object().into_iter().flatten() {
        spec[field] = value.clone();
    }
    spec
}

/// Returns the smallest valid spec.
pub(crate) fn good() -> Value {
    json!({
        "registries": [{"server": "r.example.com", "credentials": {"basicAuth": {"secretRef": {"name": "s"}}}}],
        "namespaces": {"names": ["a"]},
    })
}

/// Returns the cases of the file, which the tests of the schema use too.
pub(crate) fn refused() -> Vec<Refused> {
    let cases: Vec<Refused> = read("crd/tests/refused.yaml");
    cases.into_iter().map(Refused::whole).collect()
}

/// Returns specs that must be accepted.
pub(crate) fn accepted() -> Vec<Value> {
    read("crd/tests/accepted.yaml")
}

fn read<T: serde::de::DeserializeOwned>(path: &str) -> Vec<T> {
    let text = std::fs::read_to_string(workspace().join(path)).unwrap();
    serde_saphyr::from_str(&text).unwrap()
}

/// Returns the name of the case at this index.
pub(crate) fn name(at: usize) -> String {
    format!("case-{at:03}")
}

/// Returns a `ClusterPullSecret`.
pub(crate) fn object(name: &str, spec: &Value) -> Value {
    json!({
        "apiVersion": "pullsecrets.dev/v1alpha1", "kind": "ClusterPullSecret",
        "metadata": {"name": name}, "spec": spec,
    })
}

/// Creates a folder with one file for each object. One kubectl applies all of them, and names the file of each refusal.
pub(crate) fn folder(parent: &Path, name: &str, objects: impl IntoIterator<Item = Value>) -> PathBuf {
    let folder = parent.join(name);
    std::fs::create_dir(&folder).unwrap();
    for (at, object) in objects.into_iter().enumerate() {
        let file = folder.join(format!("{}.json", self::name(at)));
        std::fs::write(file, object.to_string()).unwrap();
    }
    folder
}
