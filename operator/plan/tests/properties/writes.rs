//! What holds of each planned write.

use std::collections::BTreeSet;
use std::sync::Arc;
use std::time::Duration;

use plan::action::SecretAction;
use plan::object::{Lifecycle, Object};
use plan::observed::Entry;
use plan::ownership::{Ownership, ownership};
use plan::secret::REFERENCES_FIRST;
use proptest::prelude::*;

use super::worlds::{SECRETS, server, world};
use super::{account_writes, records, refers, secret_writes};
use crate::common::server::{Key, planned};

proptest! {
    #![proptest_config(ProptestConfig { cases: 1024, ..ProptestConfig::default() })]

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

    /// Also where one name has objects of which others are frozen or being deleted.
    #[test]
    fn restrained_objects_get_no_additions(mut world in world()) {
        for object in &mut world.objects {
            if object.lifecycle == Lifecycle::Active {
                let lifecycle = Lifecycle::Restrained;
                *object = Arc::new(Object { lifecycle, ..(**object).clone() });
            }
        }
        for (_, _, _, action) in secret_writes(&world) {
            prop_assert!(!matches!(action, SecretAction::Create(_) | SecretAction::Update { .. }), "{:?}", action);
        }
        for (seen, _, action) in account_writes(&world) {
            let takes = action.entries.iter().all(|entry| refers(&seen.entries, entry.name()));
            prop_assert!(takes, "{:?}", action);
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
