//! What holds once all planned writes are made.

use std::sync::Arc;
use std::time::Duration;

use crd::ConflictPolicy;
use plan::action::SecretAction;
use plan::object::{Lifecycle, Object};
use plan::observed::Owner;
use plan::ownership::{Ownership, ownership};
use plan::secret::{Context, REFERENCES_FIRST};
use proptest::prelude::*;

use super::worlds::server;
use super::{records, secret_writes};
use crate::common::server::{Action, Key, Server};

/// The most rounds until all writes are done.
///
/// A copy takes at most three writes: it is reclaimed, deleted as unrepairable, and created. An account takes one, or two
/// if the fate of a Secret decides.
const ROUNDS: usize = 5;

/// Applies all planned writes until no write is planned, and returns them.
///
/// The writes of one round have one view and different keys, so the server accepts all of them.
fn settle(server: &mut Server) -> Result<Vec<(Key, Action)>, TestCaseError> {
    let mut made = Vec::new();
    for _ in 0..=ROUNDS {
        let mut round = server.planned(Duration::ZERO);
        if round.is_empty() {
            round = server.planned(REFERENCES_FIRST);
        }
        if round.is_empty() {
            return Ok(made);
        }
        for (key, action) in &round {
            prop_assert_eq!(server.apply(key, action), Ok(()), "{:?} {:?}", key, action);
        }
        made.extend(round);
    }
    Err(TestCaseError::fail(format!(
        "not settled: {:#?}",
        server.planned(REFERENCES_FIRST)
    )))
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 1024, ..ProptestConfig::default() })]

    #[test]
    fn an_applied_world_is_planned_no_more(mut server in server()) {
        settle(&mut server)?;
        for waited in [Duration::ZERO, REFERENCES_FIRST] {
            prop_assert_eq!(server.planned(waited), vec![]);
        }
    }

    #[test]
    fn an_applied_world_owes_nothing_to_a_deletion(mut server in server()) {
        settle(&mut server)?;
        let world = &server.world;
        let cluster = world.cluster();
        for (namespace, facts) in &world.namespaces {
            let scope = cluster.scope(namespace, facts);
            for name in scope.secret_names() {
                let decision = plan::secret::decide(&scope, name, Context::default());
                prop_assert!(decision.pending_cleanup.is_empty() && !decision.removal_pending, "{}/{}", namespace, name);
            }
        }
    }

    /// Neither a copy with its label nor a record of its name: unless another object wants or holds it, or it retains.
    #[test]
    fn a_deleted_object_leaves_no_trace(mut server in server()) {
        settle(&mut server)?;
        let gone = |object: &&Arc<Object>| object.lifecycle == Lifecycle::Deleting;
        for object in server.world.objects.iter().filter(gone) {
            let name = object.spec.secret_name.as_ref();
            let alone = server.world.objects.iter().all(|other| other.name == object.name || other.spec.secret_name.as_ref() != name);
            let retains = object.spec.deletion_policy == crd::DeletionPolicy::Retain;
            for facts in server.world.namespaces.values().filter(|_| alone) {
                let left = facts.secrets.get(name).filter(|seen| !seen.traits.deleting || seen.digest.is_some() && !seen.traits.immutable && !retains);
                prop_assert!(left.is_none_or(|seen| ownership(&seen.traits) != Ownership::Copy(&object.name)));
                // What another object retained there keeps its references.
                let retained = facts.secrets.get(name).is_some_and(|seen| match ownership(&seen.traits) {
                    Ownership::Retained(_) => true,
                    Ownership::Stripped => seen.traits.owners.is_empty(),
                    Ownership::Copy(label) => label != object.name.as_ref(),
                    Ownership::Foreign => false,
                });
                let kept = !retained && facts.accounts.values().any(|account| !account.deleting && records(account, name));
                prop_assert!(retains || !kept);
            }
        }
    }

    /// A copy that an object wants has other owners than objects that are being deleted: else garbage collection would
    /// take it together with them.
    #[test]
    fn a_wanted_copy_outlives_its_owner(mut server in server()) {
        settle(&mut server)?;
        let objects = &server.world.objects;
        let cluster = server.world.cluster();
        for (namespace, facts) in server.world.namespaces.iter().filter(|(_, facts)| !facts.terminating) {
            let scope = cluster.scope(namespace, facts);
            for (name, seen) in facts.secrets.iter().filter(|(name, seen)| scope.is_claimed(name) && !seen.traits.deleting) {
                let is = |owner: &Owner, goes: bool| {
                    objects.iter().any(|object| object.uid == owner.uid && (object.lifecycle == Lifecycle::Deleting) == goes)
                };
                let owners = &seen.traits.owners;
                let goes = owners.iter().any(|owner| is(owner, true)) && !owners.iter().any(|owner| is(owner, false));
                let is_copy = matches!(ownership(&seen.traits), Ownership::Copy(_));
                prop_assert!(!is_copy || !goes, "{}/{}", namespace, name);
            }
        }
    }

    #[test]
    fn only_adoption_touches_foreign_secrets(mut server in server()) {
        for (name, seen, _, action) in secret_writes(&server.world) {
            let Some(seen) = seen.filter(|seen| ownership(&seen.traits) == Ownership::Foreign) else { continue };
            let adopts = |object: &Arc<Object>| {
                object.spec.secret_name.as_ref() == name
                    && object.spec.conflict_policy == ConflictPolicy::Adopt
                    && object.lifecycle == Lifecycle::Active
            };
            prop_assert!(server.world.objects.iter().any(adopts));
            let updates = matches!(action, SecretAction::Update { .. });
            prop_assert!(updates, "{:?}", action);
            let traits = &seen.traits;
            prop_assert!(traits.docker_config_type && !traits.immutable && !traits.controlled, "{:?}", traits);
        }
        let before = server.world.clone();
        settle(&mut server)?;
        for (namespace, facts) in &before.namespaces {
            for (name, seen) in facts.secrets.iter().filter(|(_, seen)| ownership(&seen.traits) == Ownership::Foreign) {
                let now = server.world.namespaces[namespace].secrets.get(name).map(|now| &now.version.uid);
                prop_assert_eq!(now, Some(&seen.version.uid), "{}/{} is not the one that it was", namespace, name);
            }
        }
    }
}
