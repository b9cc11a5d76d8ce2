//! What the operator would write for given namespaces and accounts, offline.
//!
//! The decisions are those of `plan`. Values are redacted: a copy shows its servers and no login. Bytes are not compared, so
//! a copy that exists is always updated.

mod declared;
mod facts;

use std::collections::BTreeMap;
use std::sync::Arc;

use crd::FailureReason;
use crd::names::{ANNOTATION_ATTACHED, DOCKER_CONFIG_KEY, DOCKER_CONFIG_TYPE};
use plan::action::{Content, SecretAction};
use plan::decision::State;
use plan::object::Object;
use plan::scope::Scope;
use plan::{secret, service_account};
use serde::Serialize;
use serde_json::{Value, json};

use crate::world::{Text, World};
use declared::Declared;

pub(crate) use declared::parsed;

/// What stands in the place of a value.
pub const REDACTED: &str = "<redacted>";

/// What the operator would write.
#[derive(Clone, Debug, Default, PartialEq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Rendered {
    /// The objects whose spec cannot be used, with the problem.
    pub refused: BTreeMap<Text, String>,
    /// The copies, by namespace and name.
    pub secrets: Vec<Copy>,
    /// The accounts that change, by namespace and name.
    pub accounts: Vec<Reference>,
    /// What prevents a write.
    pub conflicts: Vec<Conflict>,
}

/// A copy.
#[derive(Clone, Debug, PartialEq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Copy {
    /// Its namespace.
    pub namespace: Text,
    /// Its name.
    pub name: Text,
    /// What the operator would do with the Secret.
    pub action: Action,
    /// The servers that it would have logins for. Keys that are no servers are counted: `2 other entries`.
    pub servers: Vec<String>,
    /// Its labels.
    pub labels: BTreeMap<String, String>,
    /// Its annotations.
    pub annotations: BTreeMap<String, String>,
    /// The objects that own it.
    pub owners: Vec<String>,
}

/// What the operator would do with a Secret.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize)]
pub enum Action {
    /// Create it.
    Create,
    /// Update it.
    Update,
    /// Take back a copy that was left to its namespace.
    Reclaim,
    /// Delete it.
    Delete,
    /// Give it to another object, or leave it to its namespace.
    HandOver,
}

/// An account whose list changes.
#[derive(Clone, Debug, PartialEq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Reference {
    /// Its namespace.
    pub namespace: Text,
    /// Its name.
    pub name: Text,
    /// The whole list as it would be.
    pub image_pull_secrets: Vec<Text>,
    /// The names that it would record.
    pub attached: Vec<Text>,
}

/// What prevents a write, or delays it.
#[derive(Clone, Debug, PartialEq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Conflict {
    /// The namespace.
    pub namespace: Text,
    /// The `ClusterPullSecret`.
    pub object: Text,
    /// The reason, as in the status of the object.
    pub reason: FailureReason,
    /// The reason in words.
    pub message: String,
}

/// Returns what the operator would write in the world. `operator_namespace` is the namespace of the operator, and of sources
/// without one.
pub fn render(world: &World, operator_namespace: &str) -> Rendered {
    let mut rendered = Rendered::default();
    let declared = Declared::of(world, operator_namespace, &mut rendered.refused);
    let cluster = declared.cluster(operator_namespace);
    for (name, seen) in &world.namespaces {
        let facts = facts::namespace(seen);
        let scope = cluster.scope(name, &facts);
        rendered.secrets_of(name, &scope, &declared);
        rendered.accounts_of(name, &scope);
    }
    rendered
}

impl Rendered {
    fn secrets_of(&mut self, namespace: &Text, scope: &Scope<'_>, declared: &Declared) {
        for name in scope.secret_names() {
            let decision = secret::decide(scope, name, secret::Context::default());
            self.conflicts_of(namespace, decision.states);
            let (action, content) = match decision.action {
                None => continue,
                Some(SecretAction::Create(content)) => (Action::Create, Some(content)),
                Some(SecretAction::Update { content, .. }) => (Action::Update, Some(content)),
                Some(SecretAction::Reclaim { .. }) => (Action::Reclaim, None),
                Some(SecretAction::Delete { .. } | SecretAction::Empty { .. }) => (Action::Delete, None),
                Some(SecretAction::Assign { .. } | SecretAction::Release { .. }) => (Action::HandOver, None),
            };
            let mut copy = Copy {
                namespace: namespace.clone(),
                name: Text::from(&**name),
                action,
                servers: Vec::new(),
                labels: BTreeMap::new(),
                annotations: BTreeMap::new(),
                owners: Vec::new(),
            };
            if let Some(Content {
                labels,
                annotations,
                owners,
                ..
            }) = content
            {
                copy.servers = declared.servers(labels.get(crd::names::LABEL_OBJECT).map_or("", String::as_str));
                copy.owners = owners.iter().map(|owner| owner.name.to_string()).collect();
                (copy.labels, copy.annotations) = (labels, annotations);
            }
            self.secrets.push(copy);
        }
    }

    fn accounts_of(&mut self, namespace: &Text, scope: &Scope<'_>) {
        for (name, seen) in &scope.seen.accounts {
            let decision = service_account::decide(scope, name, seen, service_account::Context::default());
            self.conflicts_of(namespace, decision.states);
            if let Some(action) = decision.action {
                self.accounts.push(Reference {
                    namespace: namespace.clone(),
                    name: Text::from(&**name),
                    image_pull_secrets: action.entries.iter().map(|entry| Text::from(entry.name())).collect(),
                    attached: action.attached.iter().map(|name| Text::from(&**name)).collect(),
                });
            }
        }
    }

    fn conflicts_of(&mut self, namespace: &Text, states: Vec<(&Arc<Object>, State)>) {
        for (object, state) in states {
            if let State::Failed(failure) = state {
                self.conflicts.push(Conflict {
                    namespace: namespace.clone(),
                    object: Text::from(&*object.name),
                    reason: failure.reason,
                    message: failure.message.to_string(),
                });
            }
        }
    }

    /// Returns the writes as manifests for YAML. Values are [`REDACTED`].
    pub fn manifests(&self) -> Vec<Value> {
        let secrets = self
            .secrets
            .iter()
            .filter(|copy| matches!(copy.action, Action::Create | Action::Update));
        let secrets = secrets.map(|copy| {
            json!({
                "apiVersion": "v1",
                "kind": "Secret",
                "metadata": {
                    "namespace": copy.namespace,
                    "name": copy.name,
                    "labels": copy.labels,
                    "annotations": copy.annotations,
                },
                "type": DOCKER_CONFIG_TYPE,
                "data": {DOCKER_CONFIG_KEY: REDACTED},
            })
        });
        let accounts = self.accounts.iter().map(|account| {
            let references = account.image_pull_secrets.iter().map(|name| json!({"name": name}));
            json!({
                "apiVersion": "v1",
                "kind": "ServiceAccount",
                "metadata": {
                    "namespace": account.namespace,
                    "name": account.name,
                    "annotations": {ANNOTATION_ATTACHED: account.attached.join(",")},
                },
                "imagePullSecrets": references.collect::<Vec<_>>(),
            })
        });
        secrets.chain(accounts).collect()
    }
}
