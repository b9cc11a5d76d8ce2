//! Properties of the plan in random small clusters: objects, namespaces, Secrets and accounts. An API server in memory
//! accepts the writes. A failing case is printed with its seed.
//!
//! The file is longer than others, because all properties share its strategies.

mod common;

use std::collections::BTreeSet;
use std::sync::Arc;
use std::time::Duration;

use crd::ConflictPolicy;
use crd::names::{LABEL_MANAGED_BY, LABEL_OBJECT};
use plan::action::{AccountAction, SecretAction};
use plan::object::{Lifecycle, Object};
use plan::observed::{Account, Entry, Owner, Secret};
use plan::ownership::{Ownership, ownership};
use plan::secret::{Context, REFERENCES_FIRST};
use proptest::prelude::*;
use proptest::sample::{select, subsequence};
use serde_json::json;

use common::server::{Action, Key, Server, planned};
use common::{Stored, World, account, copy_of, created, foreign, labelled, object, retained_from};

/// Names of objects, and of Secrets: what the objects call theirs, and one that none has.
const OBJECTS: [&str; 3] = ["one", "two", "three"];
const SECRETS: [&str; 5] = ["one", "two", "three", "shared", "theirs"];
const NAMESPACES: [&str; 3] = ["kube-system", "m", "n"];
const ACCOUNTS: [&str; 3] = ["build", "default", "excluded"];

/// The most rounds until all writes are done.
///
/// A copy takes at most three writes: it is reclaimed, deleted as unrepairable, and created. An account takes one, or two
/// if the fate of a Secret decides.
const ROUNDS: usize = 5;

fn an_object(name: &'static str) -> impl Strategy<Value = Object> {
    let spec = (
        select(vec![name, "shared"]),
        select(vec!["Fail", "Adopt"]),
        select(vec!["Delete", "Retain"]),
        select(vec![
            json!({"selectors": [{}]}),
            json!({"names": ["n", "kube-system"]}),
            json!({"selectors": [{"matchLabels": {"pull": "yes"}}]}),
        ]),
        select(vec![
            json!({}),
            json!({"names": ["*"]}),
            json!({"names": ["build"]}),
            json!({"mode": "None"}),
        ]),
        select(vec![
            json!({}),
            json!({"pull-secret.example.com/tier": "gold"}),
            json!({"tier": "gold"}),
        ]),
    );
    let lifecycle = prop_oneof![
        6 => Just(Lifecycle::Active),
        1 => Just(Lifecycle::Frozen),
        2 => Just(Lifecycle::Deleting),
    ];
    (spec, lifecycle, 0..3_i64, prop::bool::weighted(0.9)).prop_map(move |(spec, lifecycle, age, resolved)| {
        let (secret, conflicts, deletion, namespaces, accounts, labels) = spec;
        let spec = json!({
            "secret": {"name": secret, "conflictPolicy": conflicts, "labels": labels},
            "deletionPolicy": deletion,
            "namespaces": namespaces,
            "serviceAccounts": accounts,
        });
        let object = created(age, object(name, &spec));
        Object {
            lifecycle,
            payload: object.payload.clone().filter(|_| resolved),
            ..object
        }
    })
}

fn objects() -> impl Strategy<Value = Vec<Object>> {
    let all = (an_object(OBJECTS[0]), an_object(OBJECTS[1]), an_object(OBJECTS[2]));
    (all, subsequence(vec![0, 1, 2], 1..=3))
        .prop_flat_map(|((one, two, three), kept)| {
            let all = [one, two, three];
            Just(kept.into_iter().map(|at| all[at].clone()).collect::<Vec<_>>())
        })
        .prop_shuffle()
}

fn a_secret() -> impl Strategy<Value = Stored> {
    let whose = select(OBJECTS.to_vec());
    let owners = subsequence(OBJECTS.to_vec(), 0..=3);
    let ours = (
        whose.clone(),
        owners,
        select(vec!["one", "two", "edited"]),
        any::<bool>(),
    )
        .prop_map(|(object, owners, held, marked)| {
            let copy = copy_of(object).holding(held).owned_by(&owners).label("theirs", "x");
            if marked {
                copy.label("pull-secret.example.com/tier", "gold")
                    .declaring("pull-secret.example.com/tier")
            } else {
                copy.without_label(LABEL_MANAGED_BY)
            }
        });
    let retained = whose.prop_map(retained_from);
    let any_secret = prop_oneof![3 => Just(foreign()), 4 => ours.clone(), 2 => retained, 2 => ours.prop_map(|copy| {
        copy.without_label(LABEL_OBJECT).applied_by_us()
    })];
    let bend = select(vec![
        std::convert::identity as fn(Stored) -> Stored,
        std::convert::identity,
        std::convert::identity,
        Stored::immutable,
        Stored::of_another_type,
        Stored::controlled,
        Stored::deleting,
    ]);
    (any_secret, bend).prop_map(|(stored, bend)| bend(stored))
}

fn an_account() -> impl Strategy<Value = Account> {
    let mut names = SECRETS.to_vec();
    names.extend(["x", "y", "{}", "one"]);
    let entries = subsequence(names, 0..=4).prop_shuffle();
    let attached = subsequence(SECRETS.to_vec(), 0..=2);
    (entries, attached, prop::bool::weighted(0.1), prop::bool::weighted(0.1)).prop_map(
        |(names, attached, deleting, excluded)| {
            let entry = |name: &&str| match *name {
                "{}" => Entry::raw("", "{}"),
                name => Entry::named(name),
            };
            let seen = Account {
                entries: names.iter().map(entry).collect(),
                deleting,
                ..account(&[], &attached)
            };
            if excluded {
                labelled(crd::names::LABEL_EXCLUDE, "true", seen)
            } else {
                seen
            }
        },
    )
}

/// A namespace: its labels, whether it goes, its Secrets and accounts.
type Place = (bool, bool, Vec<(&'static str, Stored)>, Vec<(&'static str, Account)>);

fn a_place() -> impl Strategy<Value = Place> {
    let secrets = subsequence(SECRETS.to_vec(), 0..=3).prop_flat_map(|names| {
        let each: Vec<_> = names.into_iter().map(|name| (Just(name), a_secret())).collect();
        each
    });
    let accounts = subsequence(ACCOUNTS.to_vec(), 0..=3).prop_flat_map(|names| {
        let each: Vec<_> = names.into_iter().map(|name| (Just(name), an_account())).collect();
        each
    });
    (any::<bool>(), prop::bool::weighted(0.15), secrets, accounts)
}

fn world() -> impl Strategy<Value = World> {
    let places = prop::collection::vec(a_place(), 1..=NAMESPACES.len());
    (objects(), places).prop_map(|(objects, places)| {
        let mut world = World::of(objects);
        for (name, (labelled, goes, secrets, accounts)) in NAMESPACES.into_iter().rev().zip(places) {
            let labels: &[(&str, &str)] = if labelled { &[("pull", "yes")] } else { &[] };
            world = world.namespace(name, labels);
            if goes {
                world = world.terminating(name);
            }
            for (secret, stored) in secrets {
                world = world.secret(&format!("{name}/{secret}"), stored);
            }
            for (account, seen) in accounts {
                world = world.account(&format!("{name}/{account}"), seen);
            }
        }
        world
    })
}

/// A server with such a world on it; the flag says that another tool wrote all of it.
fn server() -> impl Strategy<Value = Server> {
    any::<bool>().prop_flat_map(|restored| world().prop_map(move |world| Server::new(world, restored)))
}

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

/// Each planned write of a Secret, with the Secret that is seen there.
fn secret_writes(world: &World) -> Vec<(String, Option<Secret>, bool, SecretAction)> {
    let write = |(key, action)| match (key, action) {
        (Key::Secret(namespace, name), Action::Secret(action)) => {
            let facts = &world.namespaces[&namespace];
            let seen = facts.secrets.get(name.as_str()).cloned();
            Some((name, seen, facts.terminating, action))
        }
        (Key::Secret(..) | Key::Account(..), _) => None,
    };
    planned(world, REFERENCES_FIRST).into_iter().filter_map(write).collect()
}

/// Each planned write of an account, with the account as it is seen.
fn account_writes(world: &World) -> Vec<(Account, bool, AccountAction)> {
    let write = |(key, action)| match (key, action) {
        (Key::Account(namespace, name), Action::Account(action)) => {
            let facts = &world.namespaces[&namespace];
            let seen = facts.accounts.get(name.as_str()).cloned()?;
            Some((seen, facts.terminating, action))
        }
        (Key::Secret(..) | Key::Account(..), _) => None,
    };
    planned(world, REFERENCES_FIRST).into_iter().filter_map(write).collect()
}

fn records(account: &Account, name: &str) -> bool {
    account.attached.iter().any(|held| held.as_ref() == name)
}

fn refers(entries: &[Entry], name: &str) -> bool {
    entries.iter().any(|entry| entry.name() == name)
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
    fn the_order_of_the_objects_is_irrelevant(world in world(), seed in any::<prop::sample::Index>()) {
        let mut turned = world.clone();
        let by = seed.index(turned.objects.len());
        turned.objects.rotate_left(by);
        turned.objects.reverse();
        for waited in [Duration::ZERO, REFERENCES_FIRST] {
            prop_assert_eq!(planned(&world, waited), planned(&turned, waited));
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

    #[test]
    fn unrecorded_entries_keep_value_and_order(world in world()) {
        for (seen, _, action) in account_writes(&world) {
            let others = |entries: &[Entry]| -> Vec<Entry> {
                let theirs = |entry: &&Entry| refers(&seen.entries, entry.name()) && !records(&seen, entry.name());
                entries.iter().filter(theirs).cloned().collect()
            };
            prop_assert_eq!(others(&action.entries), others(&seen.entries));
        }
    }

    #[test]
    fn records_match_the_added_entries(world in world()) {
        let names: BTreeSet<_> = world.objects.iter().map(|object| Arc::clone(&object.spec.secret_name)).collect();
        for (seen, _, action) in account_writes(&world) {
            for entry in action.entries.iter().filter(|entry| !refers(&seen.entries, entry.name())) {
                prop_assert!(names.contains(entry.name()));
                prop_assert!(action.attached.iter().any(|name| name.as_ref() == entry.name()));
            }
            for name in action.attached.iter().filter(|name| !records(&seen, name)) {
                prop_assert!(!refers(&seen.entries, name) && refers(&action.entries, name));
            }
        }
    }

    #[test]
    fn one_write_converges_an_account(server in server()) {
        for (key, action) in server.planned(Duration::ZERO) {
            if !matches!(key, Key::Account(..)) { continue }
            let mut server = server.clone();
            prop_assert_eq!(server.apply(&key, &action), Ok(()));
            prop_assert!(server.planned(Duration::ZERO).iter().all(|(again, _)| *again != key));
        }
    }

    #[test]
    fn terminating_namespaces_get_no_additions(world in world()) {
        for (_, _, terminating, action) in secret_writes(&world) {
            let takes = matches!(action, SecretAction::Delete { .. } | SecretAction::Release { .. } | SecretAction::Empty { .. });
            prop_assert!(!terminating || takes, "{:?}", action);
        }
        for (seen, terminating, action) in account_writes(&world) {
            let takes = action.entries.iter().all(|entry| refers(&seen.entries, entry.name()));
            prop_assert!(!terminating || takes, "{:?}", action);
        }
    }

    #[test]
    fn frozen_objects_keep_what_they_have(world in world()) {
        let named = |name: &str| -> Vec<&Arc<Object>> {
            world.objects.iter().filter(|object| object.spec.secret_name.as_ref() == name).collect()
        };
        let held = |object: &Arc<Object>| object.lifecycle == Lifecycle::Frozen;
        let live = |object: &&Arc<Object>| object.lifecycle == Lifecycle::Active;
        for (name, seen, _, action) in secret_writes(&world) {
            // An active object of the same name may replace a copy that cannot be repaired.
            let takes = matches!(action, SecretAction::Delete { .. } | SecretAction::Release { .. } | SecretAction::Empty { .. });
            let whose = seen.as_ref().map(|seen| ownership(&seen.traits));
            let of_held = |object: &&Arc<Object>| held(object) && whose == Some(Ownership::Copy(&object.name));
            let taken = takes && named(&name).iter().any(of_held);
            prop_assert!(!taken || named(&name).iter().any(live), "{:?}", action);
        }
        for (seen, _, action) in account_writes(&world) {
            for name in SECRETS.iter().filter(|name| refers(&seen.entries, name) && !named(name).is_empty()) {
                let all_held = named(name).into_iter().all(held);
                prop_assert!(!all_held || refers(&action.entries, name), "{:?}", action);
            }
        }
    }

    /// A server that keeps the preconditions is all the protection there is against a race; so none may be missing.
    #[test]
    fn a_write_that_was_overtaken_changes_nothing(server in server()) {
        for (key, action) in server.planned(REFERENCES_FIRST) {
            let mut overtaken = server.clone();
            overtaken.overtake(&key);
            let before = format!("{:?}", overtaken.world.namespaces);
            prop_assert!(overtaken.apply(&key, &action).is_err());
            prop_assert_eq!(format!("{:?}", overtaken.world.namespaces), before);
        }
    }
}

/// The strategies are useful only if they reach the cases of the properties.
#[test]
fn random_worlds_meet_every_kind_of_write() {
    use proptest::strategy::ValueTree as _;
    let mut runner = proptest::test_runner::TestRunner::deterministic();
    let mut met = BTreeSet::new();
    for _ in 0..2_000 {
        let world = world().new_tree(&mut runner).expect("no filter").current();
        for (_, _, _, action) in secret_writes(&world) {
            met.insert(match action {
                SecretAction::Create(_) => "create",
                SecretAction::Update { .. } => "update",
                SecretAction::Assign { .. } => "assign",
                SecretAction::Reclaim { .. } => "reclaim",
                SecretAction::Release { .. } => "release",
                SecretAction::Delete { .. } => "delete",
                SecretAction::Empty { .. } => "empty",
            });
        }
        for (seen, _, action) in account_writes(&world) {
            met.insert(if action.entries.len() < seen.entries.len() {
                "detach"
            } else {
                "attach"
            });
        }
    }
    assert_eq!(met.len(), 9, "{met:?}");
}
