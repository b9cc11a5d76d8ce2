//! Which entries of an account the operator adds and removes, and which it leaves alone.

use std::sync::Arc;

use crd::names::LABEL_EXCLUDE;
use plan::object::{Lifecycle, Object};
use plan::observed::{Account, Entry};
use serde_json::json;

use crate::common::{World, account, bare, copy_of, created, labelled, object, with_lifecycle};
use crate::{check, with_copy};

pub(super) fn company() -> Object {
    object("company", &json!({}))
}

/// Selects only a namespace that is not there.
fn elsewhere() -> Object {
    object("company", &json!({"namespaces": {"names": ["m"]}}))
}

/// The copy is in place and the account looks like this.
pub(super) fn here(account: Account) -> World {
    with_copy(company(), copy_of("company")).account("n/default", account)
}

/// A world with this account, whose namespace no object selects.
pub(super) fn left(account: Account) -> World {
    World::of([elsewhere()])
        .namespace("n", &[])
        .account("n/default", account)
}

pub(super) const IN_PLACE: &str = "secret n/company: company Ready";

#[test]
fn a_list_that_is_too_large_is_reported() {
    let large = |attached: &[&str]| Account {
        too_large: true,
        ..account(&[], attached)
    };
    let deleted = || {
        World::of([with_lifecycle(Lifecycle::Deleting, company())])
            .namespace("n", &[])
            .account("n/default", large(&["x", "company"]))
    };
    check([
        (
            "it lacks an entry",
            here(large(&[])),
            &[IN_PLACE, "account n/default: company TooLarge"],
        ),
        (
            "it has one that is to go",
            left(large(&["x", "company"])),
            &["account n/default: company TooLarge leaving"],
        ),
        (
            "which a deletion waits for",
            deleted(),
            &["account n/default: leaving, company TooLarge leaving, owed to company"],
        ),
        ("it has none of ours", left(large(&["x"])), &[]),
    ]);
}

#[test]
fn an_entry_is_appended_and_recorded() {
    check([
        (
            "behind those of others",
            here(account(&["x", "y"], &[])),
            &[
                IN_PLACE,
                "account n/default: [x, y, company] recording [company], company Pending",
            ],
        ),
        (
            "removed by another writer, it is put back, and recorded once",
            here(account(&["x"], &["company"])),
            &[
                IN_PLACE,
                "account n/default: [x, company] recording [company], company Pending",
            ],
        ),
        (
            "there before us, it is let be and not recorded",
            here(account(&["company", "x"], &[])),
            &[IN_PLACE, "account n/default: company Ready"],
        ),
        (
            "there twice, it is let be",
            here(account(&["company", "x", "company"], &["company"])),
            &[IN_PLACE, "account n/default: company Ready"],
        ),
        (
            "moved by another writer, it is let be",
            here(account(&["company", "x"], &["company"])),
            &[IN_PLACE, "account n/default: company Ready"],
        ),
        (
            "an account that goes is let be",
            here(Account {
                deleting: true,
                ..bare()
            }),
            &[IN_PLACE],
        ),
    ]);
}

/// An entry goes only if it is recorded and an object has its name.
#[test]
fn only_recorded_entries_of_objects_are_removed() {
    check([
        (
            "ours goes, the others keep their order",
            left(account(&["x", "company", "y"], &["company"])),
            &["account n/default: [x, y] recording [], company leaving"],
        ),
        (
            "every one of the name goes: which of them was ours cannot be told",
            left(account(&["company", "x", "company"], &["company"])),
            &["account n/default: [x] recording [], company leaving"],
        ),
        ("what was there before us stays", left(account(&["company"], &[])), &[]),
        (
            "a record edited to hold a name that no object has",
            left(account(&["x", "theirs"], &["theirs"])),
            &[],
        ),
        (
            "a record edited to hold such a name beside ours",
            left(account(&["theirs", "company"], &["theirs", "company"])),
            &["account n/default: [theirs] recording [theirs], company leaving"],
        ),
        (
            "a record whose entry is gone already",
            left(account(&["x"], &["company"])),
            &["account n/default: [x] recording [], company leaving"],
        ),
        (
            "an account that goes is let be",
            left(Account {
                deleting: true,
                ..account(&["company"], &["company"])
            }),
            &[],
        ),
    ]);
}

#[test]
fn unknown_elements_are_written_back_unchanged() {
    let entries = [
        Entry::raw("", "{}"),
        Entry::raw("x", r#"{"name":"x","future":1}"#),
        Entry::named("y"),
    ];
    let [first, second, third] = entries.clone();
    let with_ours = [first, Entry::named("company"), second, third];
    let strange = |entries: &[Entry]| Account {
        entries: entries.into(),
        ..bare()
    };
    let recorded = Account {
        attached: Arc::new(["company".into()]),
        ..strange(&with_ours)
    };
    check([
        (
            "when ours is added",
            here(strange(&entries)),
            &[
                IN_PLACE,
                r#"account n/default: [{}, {"name":"x","future":1}, y, company] recording [company], company Pending"#,
            ],
        ),
        (
            "when ours is taken out",
            left(recorded),
            &[r#"account n/default: [{}, {"name":"x","future":1}, y] recording [], company leaving"#],
        ),
    ]);
}

#[test]
fn several_objects_make_one_write_of_one_account() {
    let other = |at| created(at, object("other", &json!({})));
    let world = |objects: Vec<Object>, account| World::of(objects).namespace("n", &[]).account("n/default", account);
    let copies = [
        "secret n/company: create, company Pending",
        "secret n/other: create, other Pending",
    ];
    check([
        (
            "in the order of their age",
            world(vec![other(2), created(1, company())], bare()),
            &[
                copies[0],
                copies[1],
                "account n/default: [company, other] recording [company, other], company Pending, other Pending",
            ],
        ),
        (
            "of the same age, in the order of their names",
            world(vec![other(0), company()], bare()),
            &[
                copies[0],
                copies[1],
                "account n/default: [company, other] recording [company, other], company Pending, other Pending",
            ],
        ),
        (
            "what was added first stays first",
            world(vec![other(2), created(1, company())], account(&["other"], &["other"])),
            &[
                copies[0],
                copies[1],
                "account n/default: [other, company] recording [other, company], company Pending, other Ready",
            ],
        ),
        (
            "one comes as another goes",
            world(vec![other(2), elsewhere()], account(&["company", "x"], &["company"])),
            &[
                copies[1],
                "account n/default: [x, other] recording [other], other Pending, company leaving",
            ],
        ),
    ]);
}

/// With these fields of `serviceAccounts`, the accounts of a namespace that get a reference.
fn attached_to(fields: &serde_json::Value, accounts: &[(&str, Account)]) -> String {
    let mut world = World::of([object("company", &json!({"serviceAccounts": fields}))]).namespace("n", &[]);
    for (name, account) in accounts {
        world = world.account(&format!("n/{name}"), account.clone());
    }
    let attached: Vec<String> = crate::decided(&world, std::time::Duration::ZERO)
        .iter()
        .filter_map(|line| Some(line.strip_prefix("account n/")?.split_once(':')?.0.to_owned()))
        .collect();
    attached.join(" ")
}

/// Globs and the label of the exclusion leave accounts out.
#[test]
fn globs_and_labels_select_accounts() {
    let accounts = [
        ("build-1", bare()),
        ("build-2", labelled(LABEL_EXCLUDE, "true", bare())),
        ("build-3", labelled(LABEL_EXCLUDE, "false", bare())),
        ("default", bare()),
        ("deploy", labelled("team", "a", bare())),
    ];
    let team = json!([{"matchLabels": {"team": "a"}}]);
    for (fields, expected) in [
        (json!({}), "default"),
        (json!({"mode": "None"}), ""),
        (json!({"mode": "None", "names": ["*"]}), ""),
        (json!({"names": ["build-*"]}), "build-1 build-3"),
        (json!({"names": ["build-?"], "excluded": ["*-3"]}), "build-1"),
        (json!({"names": ["*"]}), "build-1 build-3 default deploy"),
        (json!({"selectors": team}), "deploy"),
        (json!({"selectors": team, "names": ["default"]}), "default deploy"),
        (json!({"selectors": team, "excluded": ["deploy"]}), ""),
        (json!({"selectors": [{}]}), "build-1 build-3 default deploy"),
        (json!({"excluded": ["default"]}), ""),
        (json!({"excluded": ["build-*"]}), "default"),
    ] {
        assert_eq!(attached_to(&fields, &accounts), expected, "{fields}");
    }
}

/// The copy stays.
#[test]
fn an_unselected_account_loses_its_reference() {
    let world = |fields, account| {
        let spec = json!({"serviceAccounts": fields});
        with_copy(object("company", &spec), copy_of("company")).account("n/default", account)
    };
    let ours = || account(&["x", "company"], &["company"]);
    let taken_out: &[&str] = &[IN_PLACE, "account n/default: [x] recording [], company leaving"];
    check([
        (
            "labelled out",
            world(json!({}), labelled(LABEL_EXCLUDE, "true", ours())),
            taken_out,
        ),
        (
            "left out by the spec",
            world(json!({"excluded": ["default"]}), ours()),
            taken_out,
        ),
        ("no longer named", world(json!({"names": ["build"]}), ours()), taken_out),
        (
            "no account is touched any more",
            world(json!({"mode": "None"}), ours()),
            taken_out,
        ),
        (
            "Retain speaks of namespaces that are left, not of accounts",
            with_copy(
                object(
                    "company",
                    &json!({"deletionPolicy": "Retain", "serviceAccounts": {"mode": "None"}}),
                ),
                copy_of("company").owned_by(&[]),
            )
            .account("n/default", ours()),
            taken_out,
        ),
    ]);
}
