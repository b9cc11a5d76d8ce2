//! A `ClusterPullSecret`, parsed once into a value without invalid states.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use crd::{AttachMode, ClusterPullSecretSpec, ConflictPolicy, DeletionPolicy, SecretReference};
use k8s_openapi::apimachinery::pkg::apis::meta::v1::LabelSelector;
use kube_core::{Selector, SelectorExt as _};
use serde_json::Value;
use thiserror::Error;

use crate::glob::Glob;
use crate::identity::Uid;
use crate::labels::Labels;
use crate::payload::{Digest, Payload, Tied};

/// An object with all facts that decide about it.
#[derive(Clone, Debug, PartialEq)]
pub struct Object {
    /// `metadata.name`.
    pub name: Arc<str>,
    /// `metadata.uid`.
    pub uid: Uid,
    /// `metadata.creationTimestamp` in seconds of Unix time. With the name it orders objects that want the same copy.
    pub created: i64,
    /// Which writes the operator makes for it now.
    pub lifecycle: Lifecycle,
    /// The parsed spec.
    pub spec: Spec,
    /// The content of its copies, as soon as its credentials were resolved once. Without it the operator creates and
    /// changes no copy.
    pub payload: Option<Arc<Payload>>,
    /// Its logins that stay in the copies which have them, and go to no other copy.
    pub tied: Option<Arc<Tied>>,
}

impl Object {
    /// Returns the content that a copy should have, or `None` if there are no logins for it.
    ///
    /// `present` is what the copy has now, `None` if it does not exist.
    pub(crate) fn payload_for(&self, present: Option<&Digest>) -> Option<Arc<Payload>> {
        match &self.tied {
            None => self.payload.clone(),
            Some(tied) => self.payload.as_ref().and_then(|_| tied.payload(present)),
        }
    }

    /// Returns whether its selection is unknown and it is not being deleted.
    pub fn is_unreadable(&self) -> bool {
        self.spec.selection.is_none() && self.lifecycle == Lifecycle::Frozen
    }

    /// Returns whether it is not being deleted.
    pub fn stays(&self) -> bool {
        self.removes() || self.lifecycle == Lifecycle::Frozen
    }

    /// Returns whether it stays, and the operator removes what it no longer wants.
    pub(crate) fn removes(&self) -> bool {
        matches!(
            self.lifecycle,
            Lifecycle::Active | Lifecycle::Restrained | Lifecycle::Waiting
        )
    }
}

/// Which writes the operator makes for an object.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Lifecycle {
    /// The operator reconciles the object.
    Active,
    /// The operator removes, and neither adds nor rotates: the admission policies on it are no longer in force.
    Restrained,
    /// The operator removes, and neither adds nor rotates: the sources were not read yet, or the logins were not saved yet.
    Waiting,
    /// The operator neither adds nor removes: the object is suspended, or cannot be acted for now. It keeps what it has,
    /// and reports what it no longer wants.
    Frozen,
    /// The object is being deleted: the operator removes what it holds, or retains it.
    Deleting,
    /// The object is deleted and left no work behind. Later traces come from late writes or from a backup.
    ///
    /// The operator removes a reference that has no Secret, and treats a copy as an orphan.
    Deleted,
}

/// The parsed spec.
#[derive(Clone, Debug, PartialEq)]
pub struct Spec {
    /// Which namespaces and accounts it selects. `None` if the spec cannot be read: such an object is frozen, and the
    /// operator leaves all Secrets of its name alone.
    pub selection: Option<Selection>,
    /// The name of its copies.
    pub secret_name: Arc<str>,
    /// The labels for the copies.
    pub labels: BTreeMap<String, String>,
    /// The annotations for the copies.
    pub annotations: BTreeMap<String, String>,
    /// Whether the operator may take over a Secret that is not ours.
    pub conflict_policy: ConflictPolicy,
    /// Whether unwanted copies and references are deleted or retained.
    pub deletion_policy: DeletionPolicy,
    /// The Secrets that it names as sources, each as namespace and name.
    pub sources: BTreeSet<(String, String)>,
}

/// An error in a spec that an older schema let through.
#[derive(Clone, Debug, Error, PartialEq, Eq)]
#[error("{field}: {problem}")]
pub struct SpecError {
    /// The path of the field, from `spec`.
    pub field: String,
    /// What is wrong with it, and how to fix it.
    pub problem: String,
}

impl Spec {
    /// Parses the spec of the object `name`. Sources without a namespace are in `operator_namespace`.
    pub fn parse(name: &str, spec: &ClusterPullSecretSpec, operator_namespace: &str) -> Result<Self, SpecError> {
        Ok(Self {
            selection: Some(Selection::parse(spec)?),
            secret_name: spec.secret.name.as_deref().unwrap_or(name).into(),
            labels: spec.secret.labels.clone(),
            annotations: spec.secret.annotations.clone(),
            conflict_policy: spec.secret.conflict_policy,
            deletion_policy: spec.deletion_policy,
            sources: sources(spec, operator_namespace),
        })
    }

    /// Makes the spec of an object whose spec cannot be read. `sources` must come from [`sources_in`].
    pub fn unreadable(secret_name: &str, deletion_policy: DeletionPolicy, sources: BTreeSet<(String, String)>) -> Self {
        Self {
            selection: None,
            secret_name: secret_name.into(),
            labels: BTreeMap::new(),
            annotations: BTreeMap::new(),
            conflict_policy: ConflictPolicy::Fail,
            deletion_policy,
            sources,
        }
    }
}

/// Returns namespace and name of a source.
pub fn source_location(reference: &SecretReference, operator_namespace: &str) -> (String, String) {
    let namespace = reference.namespace.as_deref().unwrap_or(operator_namespace);
    (namespace.to_owned(), reference.name.clone())
}

/// Returns the Secrets that a raw spec calls sources, in any version of the API.
///
/// These are each `secretRef` in it, and each element of a list `secretRefs`.
pub fn sources_in(spec: &Value, operator_namespace: &str) -> BTreeSet<(String, String)> {
    let mut found = BTreeSet::new();
    let mut values = vec![spec];
    while let Some(value) = values.pop() {
        match value {
            Value::Array(elements) => values.extend(elements),
            Value::Object(fields) => {
                for (field, value) in fields {
                    if matches!(field.as_str(), "secretRef" | "secretRefs") {
                        found.extend(
                            references(value).filter_map(|reference| raw_location(reference, operator_namespace)),
                        );
                    }
                    values.push(value);
                }
            }
            Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) => {}
        }
    }
    found
}

fn references(value: &Value) -> impl Iterator<Item = &Value> {
    value
        .as_array()
        .map_or_else(|| std::slice::from_ref(value), Vec::as_slice)
        .iter()
}

fn raw_location(reference: &Value, operator_namespace: &str) -> Option<(String, String)> {
    let text = |field: &str| reference.get(field).and_then(Value::as_str);
    let namespace = text("namespace").unwrap_or(operator_namespace);
    Some((namespace.to_owned(), text("name")?.to_owned()))
}

/// Returns the Secrets that a spec names as sources, as namespace and name.
pub fn sources(spec: &ClusterPullSecretSpec, operator_namespace: &str) -> BTreeSet<(String, String)> {
    let registries = spec.registries.iter();
    let references = registries.flat_map(|registry| registry.credentials.references());
    references
        .map(|reference| source_location(reference, operator_namespace))
        .collect()
}

/// The selected namespaces, and the selected accounts in them.
#[derive(Clone, Debug, PartialEq)]
pub struct Selection {
    namespaces: Matcher,
    accounts: Matcher,
    mode: AttachMode,
}

impl Selection {
    fn parse(spec: &ClusterPullSecretSpec) -> Result<Self, SpecError> {
        let namespaces = Matcher {
            selectors: selectors("spec.namespaces.selectors", &spec.namespaces.selectors)?,
            keys: keys(&spec.namespaces.selectors),
            names: globs("spec.namespaces.names", &spec.namespaces.names)?,
            excluded: globs("spec.namespaces.excluded", &spec.namespaces.excluded)?,
        };
        let declared = &spec.service_accounts;
        let mut accounts = Matcher {
            selectors: selectors("spec.serviceAccounts.selectors", &declared.selectors)?,
            keys: keys(&declared.selectors),
            names: globs("spec.serviceAccounts.names", &declared.names)?,
            excluded: globs("spec.serviceAccounts.excluded", &declared.excluded)?,
        };
        if accounts.selectors.is_empty() && accounts.names.is_empty() {
            accounts.names = globs("spec.serviceAccounts.names", &["default".to_owned()])?;
        }
        Ok(Self {
            namespaces,
            accounts,
            mode: declared.mode,
        })
    }

    /// Returns whether the namespace is selected.
    ///
    /// Protected are system namespaces, the operator's own and those of sources. Only an entry of `names` that is exactly
    /// the name selects such a namespace, never a selector or a glob.
    pub fn selects_namespace(&self, name: &str, labels: &Labels, protected: bool) -> bool {
        if labels.get(crd::names::LABEL_EXCLUDE) == Some("true") {
            return false;
        }
        if protected {
            return self.namespaces.names_exactly(name);
        }
        self.namespaces.matches(name, labels)
    }

    /// Returns the label keys that decide whether a namespace is selected, except that of the exclusion.
    pub fn namespace_keys(&self) -> impl Iterator<Item = &str> {
        self.namespaces.keys.iter().map(String::as_str)
    }

    /// Returns the label keys that decide whether an account is selected, except that of the exclusion.
    pub fn account_keys(&self) -> impl Iterator<Item = &str> {
        self.accounts.keys.iter().map(String::as_str)
    }

    /// Returns whether the operator adds references to accounts.
    pub fn attaches(&self) -> bool {
        self.mode == AttachMode::Attach
    }

    /// Returns whether the account is selected, if its namespace is.
    pub fn selects_account(&self, name: &str, labels: &Labels) -> bool {
        self.attaches() && labels.get(crd::names::LABEL_EXCLUDE) != Some("true") && self.accounts.matches(name, labels)
    }
}

/// Selectors and names. Any of them selects, and an exclusion wins over all of them.
#[derive(Clone, Debug, PartialEq)]
struct Matcher {
    selectors: Vec<Selector>,
    /// The label keys of the selectors.
    keys: BTreeSet<String>,
    names: Vec<Glob>,
    excluded: Vec<Glob>,
}

impl Matcher {
    fn matches(&self, name: &str, labels: &Labels) -> bool {
        let named = |globs: &[Glob]| globs.iter().any(|glob| glob.matches(name));
        if named(&self.excluded) {
            return false;
        }
        if named(&self.names) || self.selectors.iter().any(Selector::selects_all) {
            return true;
        }
        !self.selectors.is_empty() && {
            let labels = labels.to_map();
            self.selectors.iter().any(|selector| selector.matches(&labels))
        }
    }

    fn names_exactly(&self, name: &str) -> bool {
        self.names.iter().any(|glob| glob.exact() == Some(name)) && !self.excluded.iter().any(|glob| glob.matches(name))
    }
}

fn globs(field: &str, texts: &[String]) -> Result<Vec<Glob>, SpecError> {
    let parse = |(at, text): (usize, &String)| {
        Glob::parse(text).map_err(|error| SpecError {
            field: format!("{field}[{at}]"),
            problem: error.to_string(),
        })
    };
    texts.iter().enumerate().map(parse).collect()
}

fn keys(declared: &[LabelSelector]) -> BTreeSet<String> {
    let labels = declared.iter().flat_map(|selector| &selector.match_labels).flatten();
    let expressions = declared
        .iter()
        .flat_map(|selector| &selector.match_expressions)
        .flatten();
    let keys = labels
        .map(|(key, _)| key)
        .chain(expressions.map(|expression| &expression.key));
    keys.cloned().collect()
}

fn selectors(field: &str, declared: &[LabelSelector]) -> Result<Vec<Selector>, SpecError> {
    let parse = |(at, selector): (usize, &LabelSelector)| {
        let wrong = |problem: String| SpecError {
            field: format!("{field}[{at}]"),
            problem,
        };
        for expression in selector.match_expressions.iter().flatten() {
            let empty = expression.values.as_ref().is_none_or(Vec::is_empty);
            let wants_values = matches!(expression.operator.as_str(), "In" | "NotIn");
            if wants_values == empty {
                return Err(wrong(format!(
                    "the operator {} of the key {} needs {}",
                    expression.operator,
                    expression.key,
                    if wants_values {
                        "at least one value"
                    } else {
                        "no values"
                    }
                )));
            }
        }
        Selector::try_from(selector.clone()).map_err(|error| wrong(error.to_string()))
    };
    declared.iter().enumerate().map(parse).collect()
}
