//! What the operator would do with a Secret, by the decisions of `plan`.

use std::collections::BTreeSet;
use std::sync::Arc;

use crd::names::{ANNOTATION_RETAINED, DOCKER_CONFIG_TYPE, LABEL_MANAGED_BY, LABEL_OBJECT, SYSTEM_NAMESPACES};
use crd::{ClusterPullSecret, ConflictPolicy};
use plan::decision::State;
use plan::identity::Version;
use plan::object::{Object, sources};
use plan::observed::{Namespace, Secret as ObservedSecret, SecretTraits};
use plan::scope::Cluster;
use plan::secret;

use super::about::about;
use super::leftovers::{Leftovers, Secret};
use super::role::Found;
use crate::render::parsed;

/// The operator, with an object that adopts.
pub(super) struct Judge {
    cluster: Cluster,
    object: Arc<Object>,
}

impl Judge {
    /// The error is a problem of the spec.
    pub(super) fn new(seen: &Leftovers, object: &ClusterPullSecret, operator_namespace: &str) -> Result<Self, String> {
        let mut adopting = object.clone();
        adopting.spec.suspend = false;
        adopting.spec.secret.conflict_policy = ConflictPolicy::Adopt;
        let name = adopting.metadata.name.clone().unwrap_or_default();
        let mut object = parsed(&name, &adopting, operator_namespace)?;
        if adopting.metadata.creation_timestamp.is_none() {
            object.created = seen.now;
        }
        let object = Arc::new(object);
        let mut cluster = Cluster::new(protected(seen, operator_namespace));
        for (other, declared) in &seen.objects {
            // An object that cannot be parsed is frozen, and claims nothing that could be known here.
            if let Ok(declared) = parsed(other, declared, operator_namespace) {
                cluster.insert(&Arc::new(declared));
            }
        }
        cluster.insert(&object);
        Ok(Self { cluster, object })
    }

    /// Returns whether the object selects the namespace.
    pub(super) fn selects(&self, seen: &Leftovers, namespace: &str) -> bool {
        self.cluster.selects(&self.object, namespace, &seen.labels(namespace))
    }

    /// Returns why the operator would not take over the Secret once the marks of its tool are off.
    pub(super) fn refusal(&self, seen: &Leftovers, secret: &Secret, found: &Found) -> Option<String> {
        let (namespace, name) = (&secret.meta.namespace, &secret.meta.name);
        if !self.selects(seen, namespace) {
            return Some(format!(
                "ClusterPullSecret {:?} does not select the namespace: add it to spec.namespaces",
                self.object.name
            ));
        }
        let mut facts = Namespace {
            labels: seen.labels(namespace),
            ..Namespace::default()
        };
        facts.secrets.insert(Arc::from(name.as_str()), traits(secret, found));
        let scope = self.cluster.scope(namespace, &facts);
        let decision = secret::decide(&scope, name, secret::Context::default());
        let ours = |(object, _): &(&Arc<Object>, State)| object.name == self.object.name;
        match decision.states.into_iter().find(ours) {
            Some((_, State::Failed(failure))) => Some(failure.message.to_string()),
            Some(_) => None,
            None => Some("the operator makes no copy of that name here".to_owned()),
        }
    }
}

/// Returns the namespaces that only their exact name selects, as far as a client can know them.
pub(super) fn protected(seen: &Leftovers, operator_namespace: &str) -> BTreeSet<String> {
    let objects = seen.objects.values();
    let sources = objects.flat_map(|object| sources(&object.spec, operator_namespace));
    let sources = sources.map(|(namespace, _)| namespace);
    let system = SYSTEM_NAMESPACES.iter().map(|name| (*name).to_owned());
    sources.chain(system).chain([operator_namespace.to_owned()]).collect()
}

/// The Secret without the owners of its tool.
fn traits(secret: &Secret, found: &Found) -> ObservedSecret {
    let meta = &secret.meta;
    let goes = |group: &str| about(found.tool).owners.contains(&group);
    let stays = |owner: &&super::leftovers::Owner| !goes(owner.group()) && !owner.is_ours();
    let controlled = meta
        .owners
        .iter()
        .filter(stays)
        .any(|owner| owner.controller == Some(true));
    let label = |key: &'static str| Some((key, meta.labels.get(key)?.as_str()));
    let labels = [LABEL_OBJECT, LABEL_MANAGED_BY].into_iter().filter_map(label);
    let retained = meta.annotation(ANNOTATION_RETAINED);
    ObservedSecret {
        version: Version::new(&meta.uid, &meta.version),
        digest: None,
        traits: Arc::new(SecretTraits {
            docker_config_type: secret.type_ == DOCKER_CONFIG_TYPE,
            immutable: secret.immutable,
            labels: labels.collect(),
            annotations: retained
                .map(|object| (ANNOTATION_RETAINED, object))
                .into_iter()
                .collect(),
            controlled,
            ..SecretTraits::default()
        }),
    }
}
