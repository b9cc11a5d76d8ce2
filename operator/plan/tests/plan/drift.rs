//! What counts as drift of a copy, and what of it belongs to other writers.

use crd::names::{ANNOTATION_DECLARED, LABEL_MANAGED_BY, LABEL_OBJECT};
use plan::object::{Lifecycle, Object};
use plan::observed::brief;
use serde_json::json;

use super::copies::{CONTACT, DECLARED, IN_PLACE, TIER, UPDATE, company, declaring};
use crate::common::{copy_of, object, with_lifecycle};
use crate::{check, content, fresh, with_copy};

/// The rest may be anything, and the reply to the write shows it.
#[test]
fn a_partially_known_copy_is_rewritten() {
    let partial = || copy_of("company").seen_in_part();
    check([
        ("it differs", with_copy(company(), partial()), UPDATE),
        (
            "where nothing may be written it stays",
            with_copy(with_lifecycle(Lifecycle::Frozen, company()), partial()),
            &["secret n/company: company Pending", "account n/default: company Ready"],
        ),
    ]);
}

/// A tenant makes an owner the controller, or gives it another version of the API.
#[test]
fn owners_of_another_form_are_drift() {
    let bent = || copy_of("company").with_bent_owners();
    check([(
        "they are replaced as a whole",
        with_copy(company(), bent()),
        &[
            r#"secret n/company: assign to company owned by ["company"], company Pending"#,
            "account n/default: company Ready",
        ],
    )]);
}

/// Drift is found by what is held of a value, however long it is.
#[test]
fn long_values_are_compared_by_hash() {
    let long = "v".repeat(1024);
    let declaring = || object("company", &json!({"secret": {"annotations": {CONTACT: long}}}));
    let copy = |value: &str| copy_of("company").annotation(CONTACT, value).declaring(CONTACT);
    let cut = &long[..100];
    check([
        ("whole", with_copy(declaring(), copy(&long)), IN_PLACE),
        ("as it is held", with_copy(declaring(), copy(&brief(&long))), IN_PLACE),
        (
            "another",
            with_copy(declaring(), copy(&brief(&format!("{long}x")))),
            UPDATE,
        ),
        ("cut", with_copy(declaring(), copy(cut)), UPDATE),
    ]);
}

/// Which other controllers may act on: they come onto no copy, and stay where one of before has them.
#[test]
fn labels_of_an_older_schema_stay() {
    let older = || {
        object(
            "company",
            &json!({"secret": {"labels": {"owner": "helm", TIER: "gold"}}}),
        )
    };
    let made = content(&fresh(older()), "company");
    assert_eq!(made.labels.get("owner"), None);
    assert_eq!(made.annotations[ANNOTATION_DECLARED], TIER);
    let both = format!("owner,{TIER}");
    let marked = copy_of("company")
        .label("owner", "helm")
        .label(TIER, "gold")
        .declaring(&both);
    let rotated = content(&with_copy(older(), marked.clone().holding("older")), "company");
    assert_eq!(rotated.labels["owner"], "helm");
    check([
        ("where it is it stays", with_copy(older(), marked), IN_PLACE),
        (
            "where it was taken off it is not put back",
            with_copy(older(), copy_of("company").label(TIER, "gold").declaring(TIER)),
            IN_PLACE,
        ),
    ]);
}

#[test]
fn fields_of_others_are_left_alone() {
    let declared = copy_of("company")
        .label(TIER, "gold")
        .annotation(CONTACT, "ops")
        .declaring(DECLARED);
    check([
        ("in place", with_copy(company(), copy_of("company")), IN_PLACE),
        (
            "in place with what the spec declares",
            with_copy(declaring(), declared),
            IN_PLACE,
        ),
        (
            "a label of others",
            with_copy(company(), copy_of("company").label("theirs", "x")),
            IN_PLACE,
        ),
        (
            "an annotation of others",
            with_copy(company(), copy_of("company").annotation("theirs", "x")),
            IN_PLACE,
        ),
        (
            "no credentials now, but a copy from before",
            with_copy(
                Object {
                    payload: None,
                    ..company()
                },
                copy_of("company").holding("older"),
            ),
            &["secret n/company: company Pending", "account n/default: company Ready"],
        ),
    ]);
}

#[test]
fn any_drift_is_one_update() {
    let mine = || copy_of("company");
    let labelled = || {
        mine()
            .label(TIER, "gold")
            .annotation(CONTACT, "ops")
            .declaring(DECLARED)
    };
    check([
        ("other data", with_copy(company(), mine().holding("other")), UPDATE),
        (
            "managed-by removed",
            with_copy(company(), mine().without_label(LABEL_MANAGED_BY)),
            UPDATE,
        ),
        (
            "managed-by of another tool",
            with_copy(company(), mine().label(LABEL_MANAGED_BY, "helm")),
            UPDATE,
        ),
        (
            "our label with another object's name",
            with_copy(company(), mine().label(LABEL_OBJECT, "other")),
            UPDATE,
        ),
        ("no owner", with_copy(company(), mine().owned_by(&[])), UPDATE),
        (
            "an owner that does not want it",
            with_copy(company(), mine().owned_by(&["company", "other"])),
            UPDATE,
        ),
        ("a declared label missing", with_copy(declaring(), mine()), UPDATE),
        (
            "a declared label changed",
            with_copy(declaring(), labelled().label(TIER, "tin")),
            UPDATE,
        ),
        (
            "a declared annotation changed",
            with_copy(declaring(), labelled().annotation(CONTACT, "")),
            UPDATE,
        ),
        (
            "a declared label taken out of the spec",
            with_copy(company(), labelled()),
            UPDATE,
        ),
    ]);
}

/// A restore from a backup, or a person, may have written the record.
///
/// Then an apply without it does not remove it, and the drift would stay.
#[test]
fn a_foreign_record_is_emptied_once() {
    let stored = copy_of("company").declaring(TIER);
    let world = with_copy(company(), stored.clone());
    check([("the record names what is not declared", world.clone(), UPDATE)]);
    assert_eq!(content(&world, "company").annotations[ANNOTATION_DECLARED], "");
    check([("an empty record", with_copy(company(), stored.declaring("")), IN_PLACE)]);
}
