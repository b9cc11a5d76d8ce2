//! Names that the installation has no rights on.

use plan::object::{Lifecycle, Object};
use serde_json::json;

use crate::common::{World, account, bare, copy_of, foreign, object, with_lifecycle};
use crate::{check, fresh, message, with_copy};

const ATTACHED: [&str; 2] = ["x", "company"];

fn company() -> Object {
    object("company", &json!({}))
}

/// Its references were made by an installation that had the rights, and its copy, which this one does not see.
fn referred_to(objects: impl IntoIterator<Item = Object>) -> World {
    World::of(objects)
        .managing(&["other"])
        .namespace("n", &[])
        .account("n/default", account(&ATTACHED, &["company"]))
}

/// The operator makes no write under such a name.
#[test]
fn unmanaged_names_fail_in_each_namespace() {
    let refused: &[&str] = &["secret n/company: company NameNotPermitted"];
    let held = with_lifecycle(Lifecycle::Frozen, company());
    let unresolved = Object {
        payload: None,
        ..company()
    };
    check([
        (
            "neither copy nor reference",
            fresh(company()).managing(&["other"]),
            refused,
        ),
        ("nor when it is suspended", fresh(held).managing(&["other"]), refused),
        ("nor without a login", fresh(unresolved).managing(&["other"]), refused),
        (
            "what another installation referred to stays",
            referred_to([company()]),
            refused,
        ),
        (
            "in a namespace that goes nothing counts as failed",
            fresh(company()).managing(&["other"]).terminating("n"),
            &[],
        ),
        (
            "whoever shares the name hears the same",
            World::of([company(), object("second", &json!({"secret": {"name": "company"}}))])
                .managing(&["other"])
                .namespace("n", &[])
                .account("n/default", bare()),
            &["secret n/company: company NameNotPermitted, second NameNotPermitted"],
        ),
    ]);
}

/// It counts instead of the object's name.
#[test]
fn the_secret_name_counts() {
    let world = World::of([
        object("company", &json!({"secret": {"name": "pull"}})),
        object("pull", &json!({"secret": {"name": "company"}})),
    ]);
    check([(
        "one is served, the other not",
        world
            .managing(&["pull"])
            .namespace("n", &[])
            .account("n/default", bare()),
        &[
            "secret n/company: pull NameNotPermitted",
            "secret n/pull: create, company Pending",
            "account n/default: [pull] recording [pull], company Pending",
        ],
    )]);
}

#[test]
fn the_message_names_flag_and_fix() {
    assert_eq!(
        message(&fresh(company()).managing(&["other"]), "company"),
        "secret name \"company\" is not one of --managed-secret-names: add it to config/named/names.yaml and apply \
         config/named, or replace the object by one whose spec.secret.name is listed there"
    );
}

#[test]
fn objects_of_unmanaged_names_can_be_deleted() {
    let deleting = |spec: &serde_json::Value| with_lifecycle(Lifecycle::Deleting, object("company", spec));
    let shared = object("second", &json!({"secret": {"name": "company"}}));
    check([
        (
            "nothing waits where it never had anything",
            fresh(deleting(&json!({}))).managing(&["other"]),
            &[],
        ),
        (
            "its references go, its copies are left to garbage collection",
            referred_to([deleting(&json!({}))]),
            &["account n/default: [x] recording [], owed to company"],
        ),
        (
            "Retain leaves them",
            referred_to([deleting(&json!({"deletionPolicy": "Retain"}))]),
            &[],
        ),
        (
            "what another object shares stays",
            referred_to([deleting(&json!({})), shared]),
            &["secret n/company: second NameNotPermitted"],
        ),
        (
            "where it is deselected, references stay as long as it lives",
            referred_to([object("company", &json!({"namespaces": {"names": ["m"]}}))]),
            &[],
        ),
    ]);
}

#[test]
fn managed_names_are_handled_as_usual() {
    let other = object("company", &json!({"namespaces": {"names": ["m"]}}));
    check([
        (
            "a copy and its reference",
            with_copy(company(), copy_of("company")).managing(&["company"]),
            &["secret n/company: company Ready", "account n/default: company Ready"],
        ),
        (
            "a Secret of others where nobody asks for one is seen and let be",
            fresh(other).managing(&["company"]).secret("n/company", foreign()),
            &[],
        ),
    ]);
}
