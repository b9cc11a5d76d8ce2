//! The name of a source belongs to the source: the operator creates no Secret there, and touches only our copies.

use std::collections::BTreeSet;

use crd::DeletionPolicy;
use crd::names::LABEL_OBJECT;
use plan::object::{Lifecycle, Object, Spec, sources_in};
use serde_json::json;

use crate::common::{
    OPERATOR_NAMESPACE, Stored, World, account, bare, copy_of, foreign, object, retained_from, with_lifecycle,
};
use crate::{check, decided, fresh, message, with_copy};

const REFUSED: &[&str] = &["secret n/company: company SourceName"];

fn company(policy: &str) -> Object {
    object("company", &json!({"secret": {"conflictPolicy": policy}}))
}

/// An object that selects no namespace here and calls `n/NAME` a source.
fn reading(name: &str) -> Object {
    let registry = json!({"credentials": {"dockerConfig": {"secretRef": {"name": name, "namespace": "n"}}}});
    object(
        "reader",
        &json!({"namespaces": {"names": ["m"]}, "registries": [registry]}),
    )
}

/// `company` selects `n`, where its copy would have the name of the reader's source.
fn contested(policy: &str) -> World {
    World::of([company(policy), reading("company")])
        .namespace("n", &[])
        .account("n/default", bare())
}

#[test]
fn no_copy_takes_the_name_of_a_source() {
    check([
        ("not while the source is away", contested("Fail"), REFUSED),
        ("nor with Adopt", contested("Adopt"), REFUSED),
        (
            "nor where names are managed",
            contested("Fail").managing(&["company"]),
            REFUSED,
        ),
        (
            "a Secret beside the source is none",
            World::of([company("Fail"), reading("x")]).namespace("n", &[]),
            &["secret n/company: create, company Pending"],
        ),
        (
            "a source of that name elsewhere is none",
            World::of([company("Fail"), reading("company")]).namespace("o", &[]),
            &["secret o/company: create, company Pending"],
        ),
        (
            "once its object is gone the name is free",
            World::of([company("Fail"), with_lifecycle(Lifecycle::Deleted, reading("company"))]).namespace("n", &[]),
            &["secret n/company: create, company Pending"],
        ),
        (
            "while that one is being deleted it is not",
            World::of([company("Fail"), with_lifecycle(Lifecycle::Deleting, reading("company"))]).namespace("n", &[]),
            REFUSED,
        ),
    ]);
}

#[test]
fn an_object_never_overwrites_its_source() {
    let own = |reference: serde_json::Value| {
        let spec = json!({
            "namespaces": {"names": ["n", OPERATOR_NAMESPACE]},
            "registries": [{"credentials": {"dockerConfig": {"secretRef": reference}}}],
        });
        object("company", &spec)
    };
    check([
        (
            "in a namespace that it names",
            World::of([own(json!({"name": "company", "namespace": "n"}))]).namespace("n", &[]),
            REFUSED,
        ),
        (
            "in the operator's namespace, which it need not name",
            World::of([own(json!({"name": "company"}))]).namespace(OPERATOR_NAMESPACE, &[]),
            &["secret pullsecrets-system/company: company SourceName"],
        ),
    ]);
}

/// It lacks our label.
#[test]
fn a_source_is_in_no_action() {
    let marks: [(&str, Stored); 6] = [
        ("plain", foreign()),
        ("retained by us", retained_from("company")),
        ("retained by another", retained_from("former")),
        (
            "stripped of our label",
            copy_of("company").without_label(LABEL_OBJECT).applied_by_us(),
        ),
        ("immutable", foreign().immutable()),
        ("of another type", foreign().of_another_type()),
    ];
    for (says, stored) in marks {
        for policy in ["Fail", "Adopt"] {
            let world = contested(policy).secret("n/company", stored.clone());
            assert_eq!(decided(&world, crate::LATE), REFUSED, "{says}, {policy}");
            let managed = world.managing(&["company"]);
            assert_eq!(
                decided(&managed, crate::LATE),
                REFUSED,
                "{says}, {policy}, in config/named"
            );
            let gone = World::of([with_lifecycle(Lifecycle::Deleting, company(policy)), reading("company")])
                .namespace("n", &[])
                .secret("n/company", stored.clone());
            assert_eq!(
                decided(&gone, crate::LATE),
                Vec::<String>::new(),
                "{says}: the object is deleted"
            );
        }
    }
}

#[test]
fn a_copy_later_called_a_source_goes_on() {
    let here = |copy: Stored| {
        contested("Fail")
            .secret("n/company", copy)
            .account("n/default", account(&["company"], &["company"]))
    };
    let elsewhere = || object("company", &json!({"namespaces": {"names": ["o"]}}));
    check([
        (
            "it is in place",
            here(copy_of("company")),
            &["secret n/company: company Ready", "account n/default: company Ready"],
        ),
        (
            "it is rotated and restored",
            here(copy_of("company").holding("older")),
            &[
                "secret n/company: update, company Pending",
                "account n/default: company Ready",
            ],
        ),
        (
            "it is taken away where it is no longer asked for",
            World::of([elsewhere(), reading("company")])
                .namespace("n", &[])
                .secret("n/company", copy_of("company")),
            &["secret n/company: delete, leaving, company leaving"],
        ),
        (
            "one that no update can mend is not deleted, since none would come in its place",
            here(copy_of("company").immutable()),
            &[
                "secret n/company: company SourceName",
                "account n/default: company Ready",
            ],
        ),
    ]);
}

#[test]
fn references_to_sources_are_left_alone() {
    check([
        (
            "no reference is added",
            contested("Fail").secret("n/company", foreign()),
            REFUSED,
        ),
        (
            "one that we made for a copy of then stays, since the source serves it",
            contested("Fail")
                .secret("n/company", retained_from("company"))
                .account("n/default", account(&["x", "company"], &["company"])),
            REFUSED,
        ),
        (
            "it stays too while the source is renewed by delete and create",
            contested("Fail").account("n/default", account(&["company"], &["company"])),
            REFUSED,
        ),
        (
            "it goes with the object",
            World::of([with_lifecycle(Lifecycle::Deleting, company("Fail")), reading("company")])
                .namespace("n", &[])
                .account("n/default", account(&["x", "company"], &["company"])),
            &["account n/default: [x] recording [], owed to company"],
        ),
    ]);
}

#[test]
fn sources_of_unreadable_objects_count_too() {
    let raw = json!({
        "registries": [
            {"server": 7, "credentials": {"basicAuth": {"secretRef": {"name": "company", "namespace": "n"}}}},
            {"credentials": {"later": {"secretRefs": [{"name": "here"}, {"name": "a", "namespace": "b"}]}}},
            {"credentials": {"dockerConfig": {"secretRef": {"name": 7}}}},
        ],
    });
    let sources = sources_in(&raw, OPERATOR_NAMESPACE);
    let named = [(OPERATOR_NAMESPACE, "here"), ("b", "a"), ("n", "company")];
    let expected: BTreeSet<_> = named
        .map(|(namespace, name)| (namespace.to_owned(), name.to_owned()))
        .into();
    assert_eq!(sources, expected);
    let frozen = Object {
        spec: Spec::unreadable("frozen", DeletionPolicy::Delete, sources),
        ..with_lifecycle(Lifecycle::Frozen, object("frozen", &json!({})))
    };
    check([(
        "its source is sacred",
        World::of([company("Adopt"), frozen])
            .namespace("n", &[])
            .secret("n/company", foreign()),
        REFUSED,
    )]);
}

#[test]
fn names_of_state_secrets_are_reserved() {
    let secret = json!({"secret": {"name": "pullsecrets-state-x", "conflictPolicy": "Adopt"}});
    let world = || World::of([object("company", &secret)]).namespace("n", &[]);
    let refused: &[&str] = &["secret n/pullsecrets-state-x: company SourceName"];
    check([
        ("nothing is made", world(), refused),
        (
            "nothing is taken over",
            world().secret("n/pullsecrets-state-x", foreign()),
            refused,
        ),
        (
            "a copy from before goes on",
            world().secret("n/pullsecrets-state-x", copy_of("company")),
            &["secret n/pullsecrets-state-x: company Ready"],
        ),
    ]);
}

#[test]
fn the_message_names_the_reading_object() {
    assert_eq!(
        message(&contested("Fail"), "company"),
        "secret \"company\" is a source of ClusterPullSecret \"reader\" in this namespace, so the operator makes no \
         copy of that name here: exclude the namespace, or create an object with another spec.secret.name"
    );
    assert_eq!(message(&fresh(company("Fail")), "company"), "");
    assert_eq!(message(&with_copy(company("Fail"), copy_of("company")), "company"), "");
}
