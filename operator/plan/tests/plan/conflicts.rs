//! Secrets that are not ours under a name of ours.

use crd::names::{LABEL_MANAGED_BY, LABEL_OBJECT};
use plan::object::{Lifecycle, Object};
use serde_json::json;

use crate::common::{World, account, copy_of, foreign, object, retained_from, with_lifecycle};
use crate::{check, content, fresh, message, with_copy};

fn company() -> Object {
    object("company", &json!({}))
}

fn adopting() -> Object {
    object("company", &json!({"secret": {"conflictPolicy": "Adopt"}}))
}

/// No account gets a reference to it.
#[test]
fn a_foreign_secret_is_a_conflict() {
    check([
        (
            "no reference is made",
            fresh(company()).secret("n/company", foreign()),
            &["secret n/company: company SecretConflict"],
        ),
        (
            "one that we made is taken out",
            with_copy(company(), foreign()).account("n/default", account(&["x", "company", "y"], &["company"])),
            &[
                "secret n/company: company SecretConflict",
                "account n/default: [x, y] recording [], company leaving",
            ],
        ),
        (
            "one that was there before us stays",
            with_copy(company(), foreign()).account("n/default", account(&["company"], &[])),
            &["secret n/company: company SecretConflict"],
        ),
        (
            "when it goes, all is made",
            fresh(company()),
            &[
                "secret n/company: create, company Pending",
                "account n/default: [company] recording [company], company Pending",
            ],
        ),
        (
            "our second label alone is no evidence",
            fresh(company()).secret("n/company", copy_of("company").without_label(LABEL_OBJECT)),
            &["secret n/company: company SecretConflict"],
        ),
    ]);
}

#[test]
fn adopt_takes_over_in_one_update() {
    let world = fresh(adopting()).secret("n/company", foreign().label("theirs", "x"));
    check([(
        "with its reference at once",
        world.clone(),
        &[
            "secret n/company: update, company Pending",
            "account n/default: [company] recording [company], company Pending",
        ],
    )]);
    assert_eq!(content(&world, "company").labels[LABEL_OBJECT], "company");
}

#[test]
fn adopt_rejects_controlled_or_unfit_secrets() {
    let refused: &[&str] = &["secret n/company: company SecretConflict"];
    let over = |stored| fresh(adopting()).secret("n/company", stored);
    check([
        ("with a controller", over(foreign().controlled()), refused),
        ("immutable", over(foreign().immutable()), refused),
        ("of another type", over(foreign().of_another_type()), refused),
        (
            "stripped and immutable: it would have to be deleted, and is not ours to delete",
            over(
                copy_of("company")
                    .without_label(LABEL_OBJECT)
                    .applied_by_us()
                    .immutable(),
            ),
            refused,
        ),
    ]);
}

#[test]
fn a_conflict_message_says_the_fix() {
    let over = |object: Object, stored| message(&fresh(object).secret("n/company", stored), "company");
    assert_eq!(
        over(company(), foreign()),
        "secret \"company\" exists and is not managed by pullsecrets: delete it, or set spec.secret.conflictPolicy to Adopt"
    );
    for (stored, word) in [
        (foreign().controlled(), "controller"),
        (foreign().immutable(), "immutable"),
        (foreign().of_another_type(), "type"),
    ] {
        let message = over(adopting(), stored);
        assert!(message.contains(word), "{message}");
    }
}

/// Any object that wants the name takes it back.
#[test]
fn a_retained_copy_is_reclaimed_by_name() {
    let reclaim: &[&str] = &[
        "secret n/company: reclaim for company, company Pending",
        "account n/default: company Ready",
    ];
    let conflict: &[&str] = &[
        "secret n/company: company SecretConflict",
        "account n/default: [] recording [], company leaving",
    ];
    check([
        (
            "left by itself",
            with_copy(company(), retained_from("company")),
            reclaim,
        ),
        (
            "left by another",
            with_copy(company(), retained_from("former")),
            reclaim,
        ),
        (
            "marked as ours again, it is compared: the label first, the owner with one update",
            with_copy(
                company(),
                copy_of("company").owned_by(&[]).without_label(LABEL_MANAGED_BY),
            ),
            &[
                "secret n/company: update, company Pending",
                "account n/default: company Ready",
            ],
        ),
        (
            "made immutable meanwhile, it is not ours to delete",
            with_copy(company(), retained_from("company").immutable()),
            conflict,
        ),
        (
            "of another type meanwhile",
            with_copy(company(), retained_from("company").of_another_type()),
            conflict,
        ),
        (
            "nobody asks for it: it is let be",
            World::of([object("company", &json!({"namespaces": {"names": ["m"]}}))])
                .namespace("n", &[])
                .secret("n/company", retained_from("company")),
            &[],
        ),
    ]);
}

#[test]
fn names_of_unreadable_objects_are_left_alone() {
    let unreadable = || Object {
        spec: plan::object::Spec::unreadable(
            "company",
            crd::DeletionPolicy::Delete,
            std::collections::BTreeSet::new(),
        ),
        ..with_lifecycle(Lifecycle::Frozen, object("strange", &json!({})))
    };
    let younger = || crate::common::created(5, company());
    let world = |objects: Vec<Object>| World::of(objects).namespace("n", &[]);
    check([
        (
            "its copies and references stay",
            world(vec![unreadable()])
                .secret("n/company", copy_of("strange"))
                .account("n/default", account(&["company"], &["company"])),
            &[],
        ),
        (
            "whoever else asks for the name waits, without a reference",
            world(vec![unreadable(), younger()]).account("n/default", account(&[], &[])),
            &["secret n/company: company SecretConflict"],
        ),
        (
            "what another has there is neither mended nor taken away",
            world(vec![unreadable(), younger()])
                .secret("n/company", copy_of("company").holding("other"))
                .account("n/default", account(&["company"], &["company"])),
            &["secret n/company: company SecretConflict"],
        ),
        (
            "being deleted, it needs no reading",
            world(vec![with_lifecycle(Lifecycle::Deleting, unreadable())])
                .secret("n/company", copy_of("strange"))
                .account("n/default", account(&["company"], &["company"])),
            &[
                "secret n/company: wait 10 s, leaving, owed to strange",
                "account n/default: [] recording [], owed to strange",
            ],
        ),
    ]);
}
