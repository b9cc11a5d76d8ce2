//! The tools: what each writes on its copies, its objects, and its switch.

mod external;
mod kyverno;
mod mirrors;
mod patchers;
mod tokens;

use std::collections::BTreeMap;

use serde_json::{Value, json};

/// A tool.
#[derive(Clone)]
pub(crate) struct Tool {
    /// A word for names of namespaces.
    pub(crate) key: &'static str,
    /// Its name in the JSON of the plan.
    pub(crate) name: &'static str,
    /// The name of its copies.
    pub(crate) secret: &'static str,
    /// What it writes on a copy besides the login.
    pub(crate) metadata: fn(&str) -> Value,
    /// What stands on the Secret that it copies from, where that has the name of the copies.
    pub(crate) source: Option<fn() -> Value>,
    /// What it writes into an entry besides the login.
    pub(crate) email: Option<&'static str>,
    /// Kind and path of the owner of a copy. `NAMESPACE` stands for that of the copy.
    pub(crate) owner: Option<(&'static str, &'static str)>,
    /// The owner is the controller.
    pub(crate) controls: bool,
    /// Labels and image of its Deployment, in the namespace of its key.
    pub(crate) workload: Option<(&'static [(&'static str, &'static str)], &'static str)>,
    /// Its other objects, for copies in these namespaces. An owner without a uid is the first of them.
    pub(crate) customs: fn(&[String]) -> Vec<Value>,
    /// The path of the object from which its controller makes the owners of copies.
    pub(crate) parent: Option<&'static str>,
    pub(crate) switch: Switch,
    /// What it does with a copy that differs from its own while it is on.
    pub(crate) acts: Acts,
    /// Its logins last for hours.
    pub(crate) short_lived: bool,
}

/// What a tool does with a copy that another writer changed.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum Acts {
    /// It only creates what is missing.
    Creates,
    /// It replaces data and metadata, without a version.
    Replaces,
    /// It deletes the copy and creates it again if the bytes differ.
    Recreates,
    /// It replaces the data while its annotation is there.
    Follows,
    /// It never writes.
    Never,
}

/// What switches a tool on and off: an object, and whether the tool is on. A switch that is gone is off.
#[derive(Clone, Copy)]
pub(crate) enum Switch {
    /// There is none.
    None,
    /// The replicas of its Deployment.
    Replicas,
    /// The object at this path. `NAMESPACE` stands for that of a copy.
    At(&'static str, fn(&Value) -> bool),
    /// The owner of a copy.
    Owner(fn(&Value) -> bool),
    /// The Secret that it copies from.
    Source(fn(&Value) -> bool),
}

impl Tool {
    /// Returns its objects, for copies in these namespaces.
    pub(crate) fn objects(&self, namespaces: &[String]) -> Vec<Value> {
        let mut objects = (self.customs)(namespaces);
        if let Some((labels, image)) = self.workload {
            let labels: BTreeMap<&str, &str> = labels.iter().copied().collect();
            objects.push(json!({"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": self.key}}));
            objects.push(json!({"apiVersion": "apps/v1", "kind": "Deployment",
                "metadata": {"namespace": self.key, "name": "controller", "labels": labels},
                "spec": {"replicas": 1, "selector": {"matchLabels": {"test": self.key}},
                    "template": {"metadata": {"labels": {"test": self.key}},
                        "spec": {"containers": [{"name": "main", "image": image}]}}}}));
        }
        objects
    }
}

const BASE: Tool = Tool {
    key: "",
    name: "",
    secret: "",
    metadata: |_| json!({}),
    source: None,
    email: None,
    owner: None,
    controls: true,
    workload: None,
    customs: |_| Vec::new(),
    parent: None,
    switch: Switch::None,
    acts: Acts::Replaces,
    short_lived: false,
};

pub(crate) fn all() -> Vec<Tool> {
    [
        patchers::all(),
        kyverno::all(),
        mirrors::all(),
        external::all(),
        tokens::all(),
    ]
    .into_iter()
    .flatten()
    .collect()
}
