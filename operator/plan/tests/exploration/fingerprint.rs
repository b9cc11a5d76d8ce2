//! The fingerprint of a state, by which the exploration knows it again.

use std::collections::BTreeMap;
use std::collections::hash_map::DefaultHasher;
use std::hash::{Hash as _, Hasher as _};
use std::sync::Arc;

use plan::identity::Version;

use super::State;
use crate::common::digest;
use crate::common::server::Action;

impl State {
    /// Hashes what decides about all later states: whether versions differ, but not by how much.
    pub(super) fn fingerprint(&self) -> u64 {
        let mut versions: BTreeMap<String, usize> = BTreeMap::new();
        let mut hasher = DefaultHasher::new();
        let mut number = |text: String| {
            let next = versions.len();
            *versions.entry(text).or_insert(next)
        };
        for world in [Some(self.truth()), self.view.as_ref()] {
            world.is_some().hash(&mut hasher);
            for object in world.iter().flat_map(|world| &world.objects) {
                let held = object.payload.as_ref().map(|payload| Arc::clone(payload.digest()));
                (&object.name, format!("{:?}", object.lifecycle), held).hash(&mut hasher);
            }
            for (name, facts) in world.iter().flat_map(|world| &world.namespaces) {
                (name, &facts.labels).hash(&mut hasher);
                for (name, secret) in facts.secrets.iter() {
                    let version = &secret.version;
                    let numbers = (
                        number(version.uid.to_string()),
                        number(version.resource_version.to_string()),
                    );
                    (name, numbers, &secret.digest, &secret.traits).hash(&mut hasher);
                }
                for account in facts.accounts.values() {
                    let number = number(account.version.resource_version.to_string());
                    (number, format!("{:?}{:?}", account.entries, account.attached)).hash(&mut hasher);
                }
            }
        }
        self.server.ownership().hash(&mut hasher);
        // The version within tells a stale write from a current one.
        if let Some((key, action)) = &self.in_flight {
            let version = planned_from(action).map(|version| number(version.resource_version.to_string()));
            (
                format!("{key:?}"),
                version,
                format!("{:?}", std::mem::discriminant(action)),
            )
                .hash(&mut hasher);
            content_of(action).hash(&mut hasher);
        }
        (self.others, self.crashes, self.declarations, self.successor.is_some()).hash(&mut hasher);
        hasher.finish()
    }
}

fn planned_from(action: &Action) -> Option<&Version> {
    use plan::action::SecretAction::{Assign, Create, Delete, Empty, Reclaim, Release, Update};
    match action {
        Action::Account(action) => Some(&action.version),
        Action::Secret(Create(_)) => None,
        Action::Secret(
            Update { version, .. }
            | Reclaim { version, .. }
            | Assign { version, .. }
            | Release { version, .. }
            | Delete { version }
            | Empty { version },
        ) => Some(version),
    }
}

fn content_of(action: &Action) -> String {
    use plan::action::SecretAction::{Create, Update};
    match action {
        Action::Account(action) => format!("{:?}{:?}", action.entries, action.attached),
        Action::Secret(Create(content) | Update { content, .. }) => {
            let rotated = *content.payload.digest() == digest("rotated");
            format!("{:?}{:?}{rotated}", content.labels, content.owners)
        }
        Action::Secret(action) => format!("{action:?}").chars().take(6).collect(),
    }
}
