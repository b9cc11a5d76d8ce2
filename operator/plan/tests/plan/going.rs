//! What is no longer wanted: references first, then the copy; or both stay.

use crd::names::{LABEL_EXCLUDE, LABEL_MANAGED_BY, LABEL_OBJECT};
use plan::object::{Object, Standing};
use serde_json::json;

use crate::common::{Stored, World, account, copy_of, foreign, object, standing};
use crate::{LATE, check, check_after, with_copy};

fn company() -> Object {
    object("company", &json!({}))
}

fn deleted() -> Object {
    standing(Standing::Deleting, company())
}

fn retaining() -> Object {
    object("company", &json!({"deletionPolicy": "Retain"}))
}

/// What the object left in the namespace `n` in the days when it selected it.
fn left_by(object: Object, copy: Stored) -> World {
    with_copy(object, copy)
}

/// Without the reference.
fn detached(world: World) -> World {
    world.account("n/default", account(&["x"], &[]))
}

#[test]
fn a_namespace_that_is_left_loses_its_references_and_then_its_copy() {
    let deselecting = || {
        object(
            "company",
            &json!({"namespaces": {"selectors": [{}], "excluded": ["n"]}}),
        )
    };
    let going: &[&str] = &[
        "secret n/company: wait 10 s, leaving",
        "account n/default: [] recording []",
    ];
    check([
        (
            "left out by the spec",
            left_by(deselecting(), copy_of("company")),
            going,
        ),
        (
            "labelled out",
            left_by(company(), copy_of("company")).namespace("n", &[(LABEL_EXCLUDE, "true")]),
            going,
        ),
        (
            "the references gone, the copy goes",
            detached(left_by(deselecting(), copy_of("company"))),
            &["secret n/company: delete, leaving"],
        ),
        (
            "an entry that was there before us is not waited for, and stays",
            left_by(deselecting(), copy_of("company")).account("n/default", account(&["company"], &[])),
            &["secret n/company: delete, leaving"],
        ),
        (
            "an edited copy goes too, its label says whose it is",
            detached(left_by(
                deselecting(),
                copy_of("company").holding("other").owned_by(&[]),
            )),
            &["secret n/company: delete, leaving"],
        ),
        (
            "a copy that is going already is let go",
            detached(left_by(deselecting(), copy_of("company").deleting())),
            &[],
        ),
        (
            "a Secret without our label stays",
            detached(left_by(deselecting(), foreign())),
            &[],
        ),
    ]);
}

#[test]
fn a_deletion_takes_references_first_then_copies_and_waits_for_both() {
    check([
        (
            "references first",
            left_by(deleted(), copy_of("company")),
            &[
                "secret n/company: wait 10 s, leaving, owed to company",
                "account n/default: [] recording [], owed to company",
            ],
        ),
        (
            "then the copy",
            detached(left_by(deleted(), copy_of("company"))),
            &["secret n/company: delete, leaving, owed to company"],
        ),
        (
            "then nothing is owed",
            detached(World::of([deleted()]).namespace("n", &[])),
            &[],
        ),
        (
            "a record without its entry is taken away too",
            World::of([deleted()])
                .namespace("n", &[])
                .account("n/default", account(&[], &["company"])),
            &["account n/default: [] recording [], owed to company"],
        ),
        (
            "where the copy went before, by garbage collection, the reference follows",
            World::of([deleted()])
                .namespace("n", &[])
                .account("n/default", account(&["company"], &["company"])),
            &["account n/default: [] recording [], owed to company"],
        ),
        (
            "a Secret of somebody else is neither touched nor waited for",
            detached(left_by(deleted(), foreign())),
            &[],
        ),
        (
            "a copy that somebody's finalizer holds up is not waited for",
            detached(left_by(deleted(), copy_of("company").deleting())),
            &[],
        ),
    ]);
}

#[test]
fn whoever_keeps_a_reference_does_not_keep_the_copy() {
    let world = || left_by(deleted(), copy_of("company"));
    let reference = "account n/default: [] recording [], owed to company";
    check_after(
        LATE.saturating_sub(std::time::Duration::from_millis(1)),
        [(
            "not before ten seconds have passed",
            world(),
            &["secret n/company: wait 0 s, leaving, owed to company", reference],
        )],
    );
    check_after(
        LATE,
        [(
            "then it goes whatever became of the reference",
            world(),
            &["secret n/company: delete, leaving, owed to company", reference],
        )],
    );
}

#[test]
fn retain_leaves_copies_and_references_where_they_are() {
    let release: &[&str] = &["secret n/company: release from company"];
    let elsewhere = json!({"deletionPolicy": "Retain", "namespaces": {"names": ["m"]}});
    check([
        (
            "on deselection",
            left_by(object("company", &elsewhere), copy_of("company").owned_by(&[])),
            release,
        ),
        (
            "on deletion, which waits for the mark",
            left_by(
                standing(Standing::Deleting, retaining()),
                copy_of("company").owned_by(&[]),
            ),
            &["secret n/company: release from company, owed to company"],
        ),
        (
            "the policy was changed a moment ago: the owners go with the label",
            left_by(standing(Standing::Deleting, retaining()), copy_of("company")),
            &["secret n/company: release from company, owed to company"],
        ),
        (
            "then nothing is owed",
            left_by(
                standing(Standing::Deleting, retaining()),
                crate::common::retained_from("company"),
            ),
            &[],
        ),
    ]);
}

#[test]
fn a_copy_whose_object_is_no_more_goes_with_its_references() {
    let orphan = || {
        World::of([])
            .namespace("n", &[])
            .secret("n/company", copy_of("company"))
    };
    check([
        (
            "references first",
            orphan().account("n/default", account(&["x", "company"], &["company"])),
            &[
                "secret n/company: wait 10 s, leaving",
                "account n/default: [x] recording []",
            ],
        ),
        ("then the copy", orphan(), &["secret n/company: delete, leaving"]),
        (
            "an object that is still there does not keep another's",
            World::of([object("other", &json!({}))])
                .namespace("n", &[])
                .secret("n/company", copy_of("company"))
                .secret("n/other", copy_of("other")),
            &["secret n/company: delete, leaving", "secret n/other: other Ready"],
        ),
        (
            "one without owner was to be retained, and is",
            World::of([])
                .namespace("n", &[])
                .secret("n/company", copy_of("company").owned_by(&[]))
                .account("n/default", account(&["company"], &["company"])),
            &["secret n/company: release from company"],
        ),
        (
            "one label of the two is not evidence enough",
            World::of([])
                .namespace("n", &[])
                .secret("n/company", copy_of("company").without_label(LABEL_MANAGED_BY))
                .account("n/default", account(&["company"], &["company"])),
            &[],
        ),
        (
            "nor is the other",
            World::of([])
                .namespace("n", &[])
                .secret("n/company", copy_of("company").without_label(LABEL_OBJECT)),
            &[],
        ),
        (
            "a recorded reference without a copy is let be: it may be a retained one",
            World::of([])
                .namespace("n", &[])
                .account("n/default", account(&["company"], &["company"])),
            &[],
        ),
    ]);
}

#[test]
fn of_an_object_that_has_just_gone_what_was_sent_before_goes_and_what_a_backup_brings_stays() {
    let gone = |object| {
        World::of([standing(Standing::Gone, object)])
            .namespace("n", &[])
            .account("n/default", account(&["x", "company"], &["company"]))
    };
    let detached: &[&str] = &["account n/default: [x] recording []"];
    check([
        ("a reference that leads nowhere goes", gone(company()), detached),
        ("not if it was to be retained", gone(retaining()), &[]),
        (
            "a copy that has its owner was sent before",
            gone(company()).secret("n/company", copy_of("company")),
            &[
                "secret n/company: wait 10 s, leaving",
                "account n/default: [x] recording []",
            ],
        ),
        (
            "a copy without owner is a restored one, and keeps its references",
            gone(company()).secret("n/company", copy_of("company").owned_by(&[])),
            &["secret n/company: release from company"],
        ),
        (
            "so does the one that was released",
            gone(company()).secret("n/company", crate::common::retained_from("company")),
            &[],
        ),
    ]);
}

#[test]
fn a_copy_of_a_copy_under_another_name_is_let_be() {
    let duplicate = || copy_of("company").holding("other");
    check([
        (
            "where the object is served",
            with_copy(company(), copy_of("company")).secret("n/by-hand", duplicate()),
            &["secret n/company: company Ready", "account n/default: company Ready"],
        ),
        (
            "where it is not",
            World::of([object("company", &json!({"namespaces": {"names": ["m"]}}))])
                .namespace("n", &[])
                .secret("n/by-hand", duplicate()),
            &[],
        ),
        (
            "and when it is deleted",
            World::of([deleted()])
                .namespace("n", &[])
                .secret("n/by-hand", duplicate()),
            &[],
        ),
    ]);
}
