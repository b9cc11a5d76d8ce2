//! Objects that a run declares, and their expected effect.

use std::collections::{BTreeMap, BTreeSet};

use serde_json::{Value, json};

use super::{Env, LABEL, NAMESPACES, OBJECT, OTHER, name};
use e2e::oracle::{Expected, Foreign, Login};

/// The registry that objects declare. It is never called.
const SERVER: &str = "registry.example.com";

/// The second registry of an object with two.
const SECOND_SERVER: &str = "second.example.com/team";

impl Env {
    /// Returns an object of that name for both accounts of the labelled namespaces.
    pub fn object(&self, object: &str) -> Value {
        json!({
            "apiVersion": "pullsecrets.dev/v1alpha1", "kind": "ClusterPullSecret",
            "metadata": {"name": object},
            "spec": {
                "registries": [{"server": SERVER, "credentials": {"basicAuth": {"secretRef": {"name": object}}}}],
                "namespaces": {"selectors": [{"matchLabels": {LABEL.0: LABEL.1}}]},
                "serviceAccounts": {"names": ["default", "builder"]},
            },
        })
    }

    /// As [`object`](Self::object), with a second registry, whose login is in the source of the other object.
    pub fn object_of_two(&self) -> Value {
        let mut object = self.object(OBJECT);
        if let Some(registries) = object["spec"]["registries"].as_array_mut() {
            let credentials = json!({"basicAuth": {"secretRef": {"name": OTHER}}});
            registries.push(json!({"server": SECOND_SERVER, "credentials": credentials}));
        }
        object
    }

    /// Returns the expected effect of an object with two registries in the labelled namespaces.
    pub fn both(&self, login: &Login, second: &Login) -> Expected {
        let mut expected = self.expected(OBJECT, &["a", "b", "c"], login);
        expected.logins.insert(SECOND_SERVER.to_owned(), second.clone());
        expected
    }

    /// Returns the expected effect of such an object in these namespaces.
    pub fn expected(&self, object: &str, parts: &[&str], login: &Login) -> Expected {
        let accounts = |part: &str| {
            let both: &[&str] = if part.starts_with("new") {
                &["default"]
            } else {
                &["default", "builder"]
            };
            both.iter().map(|&name| name.to_owned()).collect::<BTreeSet<_>>()
        };
        Expected {
            object: object.to_owned(),
            secret: object.to_owned(),
            logins: BTreeMap::from([(SERVER.to_owned(), login.clone())]),
            holders: parts.iter().map(|part| (name(part), accounts(part))).collect(),
        }
    }

    /// Returns the current foreign state. Secrets with the names of objects, and references to them, belong to the
    /// operator.
    ///
    /// # Errors
    ///
    /// The error of the API server.
    pub async fn foreign(&self, objects: &[&str]) -> Result<Foreign, String> {
        let namespaces: Vec<String> = NAMESPACES.into_iter().map(name).collect();
        Foreign::in_namespaces(&self.client, &namespaces, objects).await
    }
}
