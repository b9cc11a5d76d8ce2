//! The one expected state.

use std::collections::BTreeMap;
use std::sync::Arc;

use crd::names::LABEL_OBJECT;
use plan::object::{Lifecycle, Object};
use plan::ownership::{Ownership, ownership};

use super::State;

/// Checks the one expected state, independent of the plan.
pub(super) fn assert_right(state: &State) {
    for (namespace, facts) in &state.truth().namespaces {
        let selected = facts.labels.get("pull") == Some("yes");
        let mut deciders: BTreeMap<&str, &Arc<Object>> = BTreeMap::new();
        for object in state.truth().objects.iter().filter(|_| selected) {
            assert_eq!(object.lifecycle, Lifecycle::Active, "a deleted object stays");
            // The objects are oldest first.
            deciders.entry(object.spec.secret_name.as_ref()).or_insert(object);
        }
        let squatted = |name: &str| {
            facts
                .secrets
                .get(name)
                .is_some_and(|secret| ownership(&secret.traits) == Ownership::Foreign)
        };
        for (name, secret) in facts.secrets.iter().filter(|(name, _)| !squatted(name)) {
            // The operator deletes only a Secret with our label. One that lost the label before stays until garbage
            // collection deletes it with its owner.
            if ownership(&secret.traits) == Ownership::Stripped && !deciders.contains_key(name.as_ref()) {
                continue;
            }
            let decider = deciders
                .get(name.as_ref())
                .unwrap_or_else(|| panic!("{namespace}/{name} is left"));
            assert_eq!(secret.traits.labels.get(LABEL_OBJECT), Some(decider.name.as_ref()));
            assert_eq!(
                secret.digest,
                decider.payload.as_ref().map(|payload| Arc::clone(payload.digest()))
            );
        }
        let account = facts.accounts.get("default").expect("nobody deletes the account");
        for name in deciders.keys().filter(|name| !squatted(name)) {
            assert!(facts.secrets.contains_key(*name), "{namespace}/{name} is missing");
            assert_eq!(
                account.entries.iter().filter(|entry| entry.name() == *name).count(),
                1,
                "{name} in {namespace}"
            );
        }
        for name in account.attached.iter() {
            let wanted = deciders.contains_key(name.as_ref()) && !squatted(name);
            assert!(wanted, "{namespace} still refers to {name}: {account:?}");
        }
    }
}
