//! What is no longer wanted: references first, then the copy; or both stay.

use crd::FailureReason;
use crd::names::LABEL_EXCLUDE;
use plan::action::SecretAction;
use plan::decision::{Failure, State};
use plan::object::{Lifecycle, Object};
use serde_json::json;

use crate::common::{Stored, World, account, copy_of, foreign, object, with_lifecycle};
use crate::{LATE, check, check_after, with_copy};

pub(super) fn company() -> Object {
    object("company", &json!({}))
}

pub(super) fn deleted() -> Object {
    with_lifecycle(Lifecycle::Deleting, company())
}

pub(super) fn retaining() -> Object {
    object("company", &json!({"deletionPolicy": "Retain"}))
}

/// What the object left in the namespace `n` in the days when it selected it.
pub(super) fn left_by(object: Object, copy: Stored) -> World {
    with_copy(object, copy)
}

/// Without the reference.
pub(super) fn detached(world: World) -> World {
    world.account("n/default", account(&["x"], &[]))
}

/// Then it loses its copy.
#[test]
fn an_unselected_namespace_loses_references_first() {
    let deselecting = || {
        object(
            "company",
            &json!({"namespaces": {"selectors": [{}], "excluded": ["n"]}}),
        )
    };
    let going: &[&str] = &[
        "secret n/company: wait 10 s, leaving, company leaving",
        "account n/default: [] recording [], company leaving",
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
            &["secret n/company: delete, leaving, company leaving"],
        ),
        (
            "an entry that was there before us is not waited for, and stays",
            left_by(deselecting(), copy_of("company")).account("n/default", account(&["company"], &[])),
            &["secret n/company: delete, leaving, company leaving"],
        ),
        (
            "an edited copy goes too, its label says whose it is",
            detached(left_by(
                deselecting(),
                copy_of("company").holding("other").owned_by(&[]),
            )),
            &["secret n/company: delete, leaving, company leaving"],
        ),
        (
            "a Secret without our label stays",
            detached(left_by(deselecting(), foreign())),
            &[],
        ),
    ]);
}

/// It waits for both.
#[test]
fn a_deletion_removes_references_before_copies() {
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
    ]);
}

/// A copy that a finalizer of others holds: its login goes, or the status says that it stays and who holds it.
#[test]
fn a_finalizer_does_not_keep_the_login() {
    let deselecting = || object("company", &json!({"namespaces": {"names": ["m"]}}));
    let held = || copy_of("company").deleting();
    check([
        (
            "deselected",
            detached(left_by(deselecting(), held())),
            &["secret n/company: empty, leaving, company leaving"],
        ),
        (
            "deleted",
            detached(left_by(deleted(), held())),
            &["secret n/company: empty, leaving, owed to company"],
        ),
        (
            "after the references to it",
            left_by(deselecting(), held()),
            &[
                "secret n/company: wait 10 s, leaving, company leaving",
                "account n/default: [] recording [], company leaving",
            ],
        ),
        (
            "the object is no more",
            World::of([]).namespace("n", &[]).secret("n/company", held()),
            &["secret n/company: empty, leaving"],
        ),
        (
            "emptied, deselected",
            detached(left_by(deselecting(), held().without_login())),
            &["secret n/company: company HeldByFinalizer leaving"],
        ),
        (
            "emptied, deleted, which does not wait for it",
            detached(left_by(deleted(), held().without_login())),
            &["secret n/company: company HeldByFinalizer leaving"],
        ),
        (
            "an immutable one cannot be emptied",
            detached(left_by(deselecting(), held().immutable())),
            &["secret n/company: leaving, company HeldByFinalizer leaving"],
        ),
        (
            "nor for a deletion, which waits",
            detached(left_by(deleted(), held().immutable())),
            &["secret n/company: leaving, company HeldByFinalizer leaving, owed to company"],
        ),
        (
            "Retain leaves it as it is",
            left_by(with_lifecycle(Lifecycle::Deleting, retaining()), held()),
            &[],
        ),
    ]);
}

/// A tenant takes our label from a copy that must go.
#[test]
fn a_copy_without_label_goes_too() {
    let deselecting = || object("company", &json!({"namespaces": {"names": ["m"]}}));
    let stripped = || copy_of("company").was_labelled();
    let frozen = with_lifecycle(Lifecycle::Frozen, deselecting());
    let retaining = object(
        "company",
        &json!({"deletionPolicy": "Retain", "namespaces": {"names": ["m"]}}),
    );
    check([
        (
            "its label comes back first",
            detached(left_by(deselecting(), stripped())),
            &["secret n/company: reclaim for company, leaving, company leaving"],
        ),
        (
            "also without owners",
            detached(left_by(deselecting(), stripped().owned_by(&[]))),
            &["secret n/company: reclaim for company, leaving, company leaving"],
        ),
        (
            "for a deletion, which waits",
            detached(left_by(deleted(), stripped())),
            &["secret n/company: reclaim for company, leaving, owed to company"],
        ),
        (
            "a frozen object writes nothing",
            detached(left_by(frozen, stripped())),
            &["secret n/company: company leaving"],
        ),
        ("Retain leaves it there", detached(left_by(retaining, stripped())), &[]),
        (
            "of a copy that never was ours as far as this process knows it stays",
            detached(left_by(
                deselecting(),
                copy_of("company")
                    .without_label(crd::names::LABEL_OBJECT)
                    .applied_by_us(),
            )),
            &[],
        ),
        (
            "where the object is no more it stays",
            World::of([]).namespace("n", &[]).secret("n/company", stripped()),
            &[],
        ),
    ]);
}

#[test]
fn a_denied_removal_is_reported() {
    let deselecting = object("company", &json!({"namespaces": {"names": ["m"]}}));
    let refusal = Failure::new(FailureReason::Forbidden, "the server forbids it (403)");
    let world = detached(left_by(deselecting, copy_of("company")));
    let cluster = world.cluster();
    let scope = cluster.scope("n", &world.namespaces["n"]);
    let context = plan::secret::Context {
        last_error: Some(&refusal),
        ..plan::secret::Context::default()
    };
    let decision = plan::secret::decide(&scope, "company", context);
    assert!(matches!(decision.action, Some(SecretAction::Delete { .. })));
    let states: Vec<_> = decision
        .removals
        .iter()
        .map(|(object, state)| (object.name.as_ref(), state))
        .collect();
    assert_eq!(states, [("company", &State::Failed(refusal.clone()))]);
}

#[test]
fn a_kept_reference_keeps_no_copy() {
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

/// A person copied it to another name.
#[test]
fn a_copied_copy_is_left_alone() {
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
