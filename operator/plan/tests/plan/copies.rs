//! One object and one copy: made, in place, drifted, replaced.

use std::collections::BTreeMap;
use std::time::Duration;

use crd::FailureReason;
use crd::names::{ANNOTATION_DECLARED, LABEL_EXCLUDE, LABEL_MANAGED_BY, LABEL_OBJECT, MANAGED_BY};
use plan::decision::{Failure, State};
use plan::object::{Lifecycle, Object};
use serde_json::json;

use crate::common::{World, account, copy_of, foreign, object, owner, with_lifecycle};
use crate::{check, content, decided, fresh, with_copy};

pub(super) const IN_PLACE: &[&str] = &["secret n/company: company Ready", "account n/default: company Ready"];
pub(super) const UPDATE: &[&str] = &[
    "secret n/company: update, company Pending",
    "account n/default: company Ready",
];

pub(super) const TIER: &str = "pull-secret.example.com/tier";
pub(super) const CONTACT: &str = "pull-secret.example.com/contact";
pub(super) const DECLARED: &str = "pull-secret.example.com/tier,pull-secret.example.com/contact";

pub(super) fn company() -> Object {
    object("company", &json!({}))
}

pub(super) fn declaring() -> Object {
    let secret = json!({"labels": {TIER: "gold"}, "annotations": {CONTACT: "ops"}});
    object("company", &json!({"secret": secret}))
}

#[test]
fn selected_namespaces_get_copy_and_references_together() {
    check([
        (
            "neither waits for the other",
            fresh(company()),
            &[
                "secret n/company: create, company Pending",
                "account n/default: [company] recording [company], company Pending",
            ],
        ),
        (
            "the reference does not wait for credentials that were never resolved; the copy must",
            fresh(Object {
                payload: None,
                ..company()
            }),
            &[
                "secret n/company: company Pending",
                "account n/default: [company] recording [company], company Pending",
            ],
        ),
        (
            "a namespace without accounts has its copy ready for them",
            World::of([company()]).namespace("n", &[]),
            &["secret n/company: create, company Pending"],
        ),
    ]);
}

/// These are our labels, its owner and the payload.
#[test]
fn a_new_copy_has_only_declared_fields() {
    let made = content(&fresh(company()), "company");
    let labels = [(LABEL_OBJECT, "company"), (LABEL_MANAGED_BY, MANAGED_BY)];
    assert_eq!(made.labels, labels.map(|(k, v)| (k.to_owned(), v.to_owned())).into());
    assert_eq!(made.annotations, BTreeMap::new());
    assert_eq!(made.owners, [owner("company")]);
    assert_eq!(made.payload, crate::common::payload("company"));
}

#[test]
fn declared_labels_and_annotations_are_recorded() {
    let made = content(&fresh(declaring()), "company");
    assert_eq!(made.labels[TIER], "gold");
    assert_eq!(made.annotations[CONTACT], "ops");
    assert_eq!(made.annotations[ANNOTATION_DECLARED], DECLARED);
}

#[test]
fn unrepairable_copies_are_deleted_and_recreated() {
    let delete: &[&str] = &[
        "secret n/company: delete, company Pending",
        "account n/default: company Ready",
    ];
    let mine = || copy_of("company");
    check([
        ("another type", with_copy(company(), mine().of_another_type()), delete),
        ("immutable", with_copy(company(), mine().immutable()), delete),
        (
            "and then made at once",
            fresh(company()).account("n/default", account(&["company"], &["company"])),
            &[
                "secret n/company: create, company Pending",
                "account n/default: company Ready",
            ],
        ),
        (
            "not without anything to put in its place",
            with_copy(
                Object {
                    payload: None,
                    ..company()
                },
                mine().immutable(),
            ),
            &["secret n/company: company Pending", "account n/default: company Ready"],
        ),
        (
            "a copy whose deletion somebody's finalizer holds up is waited for",
            with_copy(company(), mine().holding("other").deleting()),
            &[
                "secret n/company: update, company HeldByFinalizer",
                "account n/default: company Ready",
            ],
        ),
    ]);
}

/// A copy without our label is ours to update as long as we applied its data.
#[test]
fn a_stripped_copy_is_updated() {
    let stripped = copy_of("company").without_label(LABEL_OBJECT);
    check([
        (
            "an Apply of ours is evidence",
            with_copy(company(), stripped.clone().applied_by_us()),
            UPDATE,
        ),
        (
            "without it the Secret is somebody's",
            with_copy(company(), stripped.clone()),
            &[
                "secret n/company: company SecretConflict",
                "account n/default: [] recording [], company leaving",
            ],
        ),
        (
            "it is not ours to delete, were it all that is wrong",
            with_copy(company(), stripped.clone().applied_by_us().immutable()),
            &[
                "secret n/company: company SecretConflict",
                "account n/default: [] recording [], company leaving",
            ],
        ),
        (
            "nor when nobody asks for it",
            with_copy(
                object("company", &json!({"namespaces": {"names": ["m"]}})),
                stripped.applied_by_us(),
            ),
            &["account n/default: [] recording [], company leaving"],
        ),
    ]);
}

/// No state in it counts.
#[test]
fn a_terminating_namespace_gets_no_copy() {
    check([
        ("nothing there", fresh(company()).terminating("n"), &[]),
        (
            "an edited copy",
            with_copy(company(), copy_of("company").holding("other")).terminating("n"),
            &[],
        ),
        (
            "an immutable copy",
            with_copy(company(), copy_of("company").immutable()).terminating("n"),
            &[],
        ),
        (
            "but what is to go goes",
            with_copy(with_lifecycle(Lifecycle::Deleting, company()), copy_of("company")).terminating("n"),
            &[
                "secret n/company: wait 10 s, leaving, owed to company",
                "account n/default: [] recording [], owed to company",
            ],
        ),
    ]);
}

#[test]
fn a_frozen_object_changes_no_secret() {
    let held = |spec| with_lifecycle(Lifecycle::Frozen, object("company", &spec));
    let deselecting = json!({"namespaces": {"selectors": [{}], "excluded": ["n"]}});
    check([
        (
            "nothing is made",
            fresh(held(json!({}))),
            &[
                "secret n/company: company Pending",
                "account n/default: company Pending",
            ],
        ),
        (
            "nothing is mended, and it is said",
            with_copy(held(json!({})), copy_of("company").holding("other")),
            &["secret n/company: company Pending", "account n/default: company Ready"],
        ),
        (
            "what is in place counts",
            with_copy(held(json!({})), copy_of("company")),
            IN_PLACE,
        ),
        (
            "nothing goes where it selects no longer, and that is reported",
            with_copy(held(deselecting), copy_of("company")),
            &[
                "secret n/company: company leaving",
                "account n/default: company leaving",
            ],
        ),
        (
            "no reference goes for a Secret that took the place of the copy",
            with_copy(held(json!({})), foreign()),
            &[
                "secret n/company: company SecretConflict",
                "account n/default: company leaving",
            ],
        ),
        (
            "a deletion works all the same",
            with_copy(with_lifecycle(Lifecycle::Deleting, company()), copy_of("company")),
            &[
                "secret n/company: wait 10 s, leaving, owed to company",
                "account n/default: [] recording [], owed to company",
            ],
        ),
    ]);
}

#[test]
fn the_last_error_shows_until_in_place() {
    let denied = Failure::new(FailureReason::Forbidden, "no");
    let contention = Failure::new(FailureReason::Contended, "another writer");
    let state = |world: &World, contended| {
        let cluster = world.cluster();
        let scope = cluster.scope("n", &world.namespaces["n"]);
        let context = plan::secret::Context {
            last_error: Some(&denied),
            contention: contended,
            ..plan::secret::Context::default()
        };
        let decision = plan::secret::decide(&scope, "company", context);
        assert_eq!(decision.states.len(), 1);
        decision.states[0].1.clone()
    };
    let (missing, in_place) = (fresh(company()), with_copy(company(), copy_of("company")));
    assert_eq!(state(&missing, None), State::Failed(denied.clone()));
    assert_eq!(state(&in_place, None), State::Ready);
    assert_eq!(state(&missing, Some(&contention)), State::Failed(contention.clone()));
    assert_eq!(
        state(&in_place, Some(&contention)),
        State::Failed(contention.clone()),
        "a contention is reported while it lasts"
    );
}

#[test]
fn an_excluded_namespace_is_never_selected() {
    let naming = object("company", &json!({"namespaces": {"names": ["n"]}}));
    for label in ["true", "false"] {
        let world = fresh(naming.clone()).namespace("n", &[(LABEL_EXCLUDE, label)]);
        assert_eq!(decided(&world, Duration::ZERO).is_empty(), label == "true", "{label}");
    }
}
