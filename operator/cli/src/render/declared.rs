//! The objects of a world, parsed.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use crd::ClusterPullSecret;
use plan::docker_config::EntryName;
use plan::object::{Lifecycle, Object, Spec, source_location};
use plan::payload::{DigestKey, NO_LOGIN, Payload};
use plan::scope::Cluster;
use plan::server::Server;

use crate::world::{SecretSeen, Text, World};

/// The objects whose spec can be used, each with the servers of its copies.
pub(super) struct Declared(BTreeMap<Text, (Arc<Object>, Vec<String>)>);

impl Declared {
    pub(super) fn of(world: &World, operator_namespace: &str, refused: &mut BTreeMap<Text, String>) -> Self {
        let mut declared = BTreeMap::new();
        for (name, object) in &world.objects {
            match parsed(name, object, operator_namespace) {
                Ok(parsed) => {
                    let servers = servers(world, object, operator_namespace);
                    declared.insert(name.clone(), (Arc::new(parsed), servers));
                }
                Err(problem) => {
                    refused.insert(name.clone(), problem);
                }
            }
        }
        Self(declared)
    }

    /// Returns the cluster in which `plan` decides. The namespaces of sources are protected, as in the operator.
    pub(super) fn cluster(&self, operator_namespace: &str) -> Cluster {
        let objects = || self.0.values().map(|(object, _)| object);
        let sources = objects().flat_map(|object| object.spec.sources.iter().map(|(namespace, _)| namespace.clone()));
        let protected: BTreeSet<String> = sources.chain([operator_namespace.to_owned()]).collect();
        let mut cluster = Cluster::new(protected);
        for object in objects() {
            cluster.insert(object);
        }
        cluster
    }

    pub(super) fn servers(&self, object: &str) -> Vec<String> {
        self.0
            .get(object)
            .map(|(_, servers)| servers.clone())
            .unwrap_or_default()
    }
}

/// Parses an object. It has a payload, because only bytes decide and none are printed.
pub(crate) fn parsed(name: &str, object: &ClusterPullSecret, operator_namespace: &str) -> Result<Object, String> {
    let metadata = &object.metadata;
    let spec = Spec::parse(name, &object.spec, operator_namespace).map_err(|error| error.to_string())?;
    let key = DigestKey::new([0; 16]);
    let lifecycle = if metadata.deletion_timestamp.is_some() {
        Lifecycle::Deleting
    } else if object.spec.suspend {
        Lifecycle::Frozen
    } else {
        Lifecycle::Active
    };
    let created = metadata
        .creation_timestamp
        .as_ref()
        .map_or(0, |time| time.0.as_second());
    Ok(Object {
        name: name.into(),
        uid: metadata.uid.as_deref().unwrap_or_default().into(),
        created,
        lifecycle,
        spec,
        payload: Some(Arc::new(Payload::new(NO_LOGIN.as_bytes(), &key))),
        tied: None,
    })
}

/// Returns the servers of the copies: those declared, and those of docker configs that are taken whole.
fn servers(world: &World, object: &ClusterPullSecret, operator_namespace: &str) -> Vec<String> {
    let (mut servers, mut others) = (BTreeSet::new(), 0);
    for registry in &object.spec.registries {
        match registry.server.as_deref().map(Server::parse) {
            Some(Ok(server)) => {
                servers.insert(server.to_string());
            }
            Some(Err(_)) => others += 1,
            None => {
                for reference in registry.credentials.references() {
                    let (namespace, name) = source_location(reference, operator_namespace);
                    let SecretSeen::Found(source) = world.secret(&namespace, &name) else {
                        servers.insert(format!("every server of secret {namespace}/{name}"));
                        continue;
                    };
                    for entry in source.entries().iter().filter(|entry| !entry.blank) {
                        match entry.name() {
                            EntryName::Server(server) => {
                                servers.insert(server);
                            }
                            EntryName::Place(_) => others += 1,
                        }
                    }
                }
            }
        }
    }
    if others > 0 {
        servers.insert(format!("{others} other entries"));
    }
    servers.into_iter().collect()
}
