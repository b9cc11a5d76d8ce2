//! Properties of the plan in random small clusters: objects, namespaces, Secrets and accounts. An API server in memory
//! accepts the writes. A failing case is printed with its seed.

#[path = "../common/mod.rs"]
mod common;

mod outcomes;
mod worlds;
mod writes;

use std::collections::BTreeSet;

use plan::action::{AccountAction, SecretAction};
use plan::observed::{Account, Entry, Secret};
use plan::secret::REFERENCES_FIRST;
use proptest::strategy::{Strategy as _, ValueTree as _};

use common::World;
use common::server::{Action, Key, planned};
use worlds::world;

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

/// The strategies are useful only if they reach the cases of the properties.
#[test]
fn random_worlds_meet_every_kind_of_write() {
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
