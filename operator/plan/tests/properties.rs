//! What holds of the plan in every cluster, on generated ones. A failure prints the smallest cluster that shows it.

mod common;

use std::sync::Arc;
use std::time::Duration;

use crd::ConflictPolicy;
use crd::names::LABEL_OBJECT;
use plan::copy::{Ownership, REFERENCES_FIRST, ownership};
use plan::object::{Object, Standing};
use plan::observed::Account;
use proptest::prelude::*;
use serde_json::json;

use common::server::{Action, Key, Server, planned};
use common::{Stored, World, account, copy_of, created, foreign, object, retained_from};

/// More rounds than any cluster of this size needs: reclaim, update, references, copy.
const ROUNDS: usize = 8;

const NAMES: [&str; 3] = ["one", "two", "three"];
const NAMESPACES: [&str; 3] = ["l", "m", "n"];

fn an_object(at: usize) -> impl Strategy<Value = Object> {
    let selectors = prop_oneof![Just(json!([{}])), Just(json!([{"matchLabels": {"pull": "yes"}}]))];
    let standing = prop_oneof![6 => Just(Standing::Live), 1 => Just(Standing::Held), 1 => Just(Standing::Deleting)];
    // Two of three ask for a name of their own.
    let secret = prop_oneof![2 => Just(NAMES[at]), 1 => Just("one")];
    let policies = (any::<bool>(), any::<bool>(), any::<bool>());
    (selectors, standing, secret, policies).prop_map(move |(selectors, standing, secret, (retain, adopt, attach))| {
        let spec = json!({
            "namespaces": {"selectors": selectors},
            "serviceAccounts": {"names": ["*"], "mode": if attach { "Attach" } else { "None" }},
            "secret": {"name": secret, "conflictPolicy": if adopt { "Adopt" } else { "Fail" }},
            "deletionPolicy": if retain { "Retain" } else { "Delete" },
        });
        let at = i64::try_from(at).unwrap_or_default();
        common::standing(
            standing,
            created(at / 2, object(NAMES[usize::try_from(at).unwrap_or_default()], &spec)),
        )
    })
}

fn a_secret() -> impl Strategy<Value = Stored> {
    let name = prop::sample::select(NAMES.to_vec());
    let kind = prop_oneof![
        name.clone().prop_map(copy_of),
        name.clone().prop_map(retained_from),
        name.prop_map(|name| copy_of(name).without_label(LABEL_OBJECT).applied_by_us()),
        Just(foreign()),
    ];
    (kind, 0..12_u8).prop_map(|(stored, bend)| match bend {
        0 => stored.immutable(),
        1 => stored.of_another_type(),
        2 => stored.controlled(),
        3 => stored.holding("something else"),
        4 => stored.label("theirs", "stays"),
        _ => stored,
    })
}

fn an_account() -> impl Strategy<Value = Account> {
    let names = || prop::collection::vec(prop::sample::select(vec!["one", "two", "x", "y"]), 0..4);
    (names(), names()).prop_map(|(entries, mut attached)| {
        attached.sort_unstable();
        attached.dedup();
        account(&entries, &attached)
    })
}

fn a_world() -> impl Strategy<Value = World> {
    let objects = (an_object(0), an_object(1), an_object(2), 1..4_usize);
    let place = (
        any::<bool>(),
        prop::bool::weighted(0.1),
        prop::collection::vec((prop::sample::select(NAMES.to_vec()), a_secret()), 0..3),
        prop::collection::vec(an_account(), 0..3),
    );
    (objects, prop::collection::vec(place, 1..4)).prop_map(|((one, two, three, count), places)| {
        let mut world = World::of([one, two, three].into_iter().take(count));
        for (name, (selected, terminating, secrets, accounts)) in NAMESPACES.into_iter().zip(places) {
            world = world.namespace(name, if selected { &[("pull", "yes")] } else { &[] });
            for (secret, stored) in secrets {
                world = world.secret(&format!("{name}/{secret}"), stored);
            }
            for (at, account) in accounts.into_iter().enumerate() {
                world = world.account(&format!("{name}/a{at}"), account);
            }
            if terminating {
                world = world.terminating(name);
            }
        }
        world
    })
}

/// Applies what is planned until nothing is; what could not be applied fails the test.
fn settle(server: &mut Server) -> Result<(), TestCaseError> {
    for _ in 0..ROUNDS {
        let writes = server.planned(REFERENCES_FIRST);
        if writes.is_empty() {
            return Ok(());
        }
        for (key, action) in writes {
            server
                .apply(&key, &action)
                .map_err(|refusal| TestCaseError::fail(format!("{key:?}: {refusal:?}")))?;
        }
    }
    let left = server.planned(REFERENCES_FIRST);
    prop_assert!(left.is_empty(), "after {} rounds there is still {:?}", ROUNDS, left);
    Ok(())
}

fn unrecorded(account: &Account) -> Vec<String> {
    let theirs = account
        .entries
        .iter()
        .filter(|entry| !account.attached.iter().any(|held| **held == *entry.name()));
    theirs.map(|entry| entry.name().to_owned()).collect()
}

proptest! {
    #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::with_cases(2_000) })]

    #[test]
    fn replanning_an_applied_world_yields_nothing(world in a_world()) {
        settle(&mut Server::new(world, false))?;
    }

    #[test]
    fn the_order_in_which_objects_are_met_is_irrelevant(world in a_world(), turn in 0..3_usize) {
        let mut turned = world.clone();
        let count = turned.objects.len();
        turned.objects.rotate_left(turn % count);
        prop_assert_eq!(planned(&world, Duration::ZERO), planned(&turned, Duration::ZERO));
    }

    #[test]
    fn a_foreign_secret_is_in_no_action_unless_an_object_adopts(world in a_world()) {
        let mut world = world;
        for object in &mut world.objects {
            Arc::make_mut(object).spec.conflict_policy = ConflictPolicy::Fail;
        }
        for (key, action) in planned(&world, REFERENCES_FIRST) {
            if let Key::Secret(namespace, name) = key {
                let seen = world.namespaces[&namespace].secrets.get(name.as_str());
                let theirs = seen.is_some_and(|secret| ownership(&secret.shape) == Ownership::Foreign);
                prop_assert!(!theirs, "{namespace}/{name}: {action:?}");
            }
        }
    }

    #[test]
    fn entries_that_we_did_not_record_keep_value_and_order(world in a_world()) {
        let before = world.clone();
        let mut server = Server::new(world, false);
        settle(&mut server)?;
        for (name, facts) in &before.namespaces {
            for (account, was) in &facts.accounts {
                let is = server.world.namespaces[name].accounts.get(account).expect("accounts are not deleted");
                // What stands in front of our own additions is what stood there before.
                let (was, is) = (unrecorded(was), unrecorded(is));
                prop_assert_eq!(&is[..was.len().min(is.len())], &was[..]);
            }
        }
    }

    #[test]
    fn all_objects_together_make_one_write_for_an_account(world in a_world()) {
        let mut keys: Vec<Key> = planned(&world, REFERENCES_FIRST).into_iter().map(|(key, _)| key).collect();
        let all = keys.len();
        keys.sort_unstable();
        keys.dedup();
        prop_assert_eq!(keys.len(), all);
    }

    #[test]
    fn nothing_is_added_to_a_terminating_namespace(world in a_world()) {
        for (key, action) in planned(&world, REFERENCES_FIRST) {
            let (Key::Secret(namespace, name) | Key::Account(namespace, name)) = &key;
            let facts = &world.namespaces[namespace];
            if !facts.terminating {
                continue;
            }
            match action {
                Action::Secret(plan::action::SecretAction::Create(_) | plan::action::SecretAction::Update { .. }) => {
                    prop_assert!(false, "{key:?} is written");
                }
                Action::Secret(_) => {}
                Action::Account(action) => {
                    let seen = facts.accounts.get(name.as_str()).expect("it was planned from what is seen");
                    prop_assert!(action.entries.len() <= seen.entries.len());
                }
            }
        }
    }
}
