//! Two objects whose copies have one name: the older decides, the younger waits.

use plan::object::{Lifecycle, Object};
use serde_json::{Value, json};

use crate::common::{World, account, copy_of, created, foreign, object, owner, with_lifecycle};
use crate::{check, content, message};

/// Both call their copies `company` and select every namespace, unless `spec` says otherwise.
pub(super) fn sharing(name: &str, age: i64, spec: &Value) -> Object {
    let mut fields = json!({"secret": {"name": "company"}});
    for (field, value) in spec.as_object().expect("fields") {
        fields[field] = value.clone();
    }
    created(age, object(name, &fields))
}

pub(super) fn older() -> Object {
    sharing("older", 1, &json!({}))
}

/// The older one does not select the namespace.
fn elsewhere() -> Object {
    sharing("older", 1, &json!({"namespaces": {"names": ["m"]}}))
}

pub(super) fn older_elsewhere() -> Object {
    sharing("older", 1, &json!({"namespaces": {"names": ["m"]}}))
}

pub(super) fn younger() -> Object {
    sharing("younger", 2, &json!({}))
}

pub(super) fn world(objects: impl IntoIterator<Item = Object>) -> World {
    World::of(objects)
        .namespace("n", &[])
        .account("n/default", account(&["company"], &["company"]))
}

/// As both together want it.
fn shared() -> World {
    world([younger(), older()]).secret("n/company", copy_of("older").owned_by(&["older", "younger"]))
}

const OLDER_DECIDES: &[&str] = &[
    "secret n/company: older Ready, younger SecretConflict",
    "account n/default: older Ready",
];

/// The younger one reports a conflict.
#[test]
fn the_older_object_decides() {
    check([
        ("by the time of creation", shared(), OLDER_DECIDES),
        (
            "by the name where both were made in the same second",
            world([sharing("b", 5, &json!({})), sharing("a", 5, &json!({}))])
                .secret("n/company", copy_of("a").owned_by(&["a", "b"])),
            &[
                "secret n/company: a Ready, b SecretConflict",
                "account n/default: a Ready",
            ],
        ),
        (
            "the copy of the younger becomes the older one's with one update",
            world([older(), younger()]).secret("n/company", copy_of("younger")),
            &[
                "secret n/company: update, older Pending, younger SecretConflict",
                "account n/default: older Ready",
            ],
        ),
        (
            "a squatter stands in the way of both",
            world([older(), younger()]).secret("n/company", foreign()),
            &[
                "secret n/company: older SecretConflict, younger SecretConflict",
                "account n/default: [] recording [], older leaving",
            ],
        ),
    ]);
    assert_eq!(
        message(&shared(), "younger"),
        "secret \"company\" belongs to the older ClusterPullSecret \"older\": exclude the namespace in one of the two, or create \
         an object with another spec.secret.name"
    );
}

/// It does so when the older one goes.
#[test]
fn the_younger_object_takes_over() {
    let taken_over: &[&str] = &[
        "secret n/company: update, younger Pending, owed to older",
        "account n/default: younger Ready",
    ];
    let shared_copy = || copy_of("older").owned_by(&["older", "younger"]);
    check([
        (
            "being deleted, it waits until no copy names it as owner",
            world([with_lifecycle(Lifecycle::Deleting, older()), younger()]).secret("n/company", shared_copy()),
            taken_over,
        ),
        (
            "gone",
            world([younger()]).secret("n/company", shared_copy()),
            &[
                "secret n/company: update, younger Pending",
                "account n/default: younger Ready",
            ],
        ),
        (
            "no longer selecting the namespace",
            world([elsewhere(), younger()]).secret("n/company", shared_copy()),
            &[
                "secret n/company: update, younger Pending, older leaving",
                "account n/default: younger Ready",
            ],
        ),
        (
            "which it says as long as the younger one cannot act",
            world([elsewhere(), with_lifecycle(Lifecycle::Frozen, younger())]).secret("n/company", shared_copy()),
            &[
                "secret n/company: younger Pending, older SecretConflict leaving",
                "account n/default: younger Ready",
            ],
        ),
    ]);
}

/// Each of them is an owner of the copy, or was.
#[test]
fn deleted_sharers_owe_only_their_ownership() {
    let shared_copy = || copy_of("older").owned_by(&["older", "younger"]);
    check([
        (
            "nothing is owed to it where it was no owner",
            world([with_lifecycle(Lifecycle::Deleting, older()), younger()]).secret("n/company", copy_of("younger")),
            &["secret n/company: younger Ready", "account n/default: younger Ready"],
        ),
        (
            "a younger one that goes takes nothing away but its ownerReference",
            world([older(), with_lifecycle(Lifecycle::Deleting, younger())]).secret("n/company", shared_copy()),
            &[
                "secret n/company: update, older Pending, owed to younger",
                "account n/default: older Ready",
            ],
        ),
        (
            "both being deleted, nobody wants it",
            world([
                with_lifecycle(Lifecycle::Deleting, older()),
                with_lifecycle(Lifecycle::Deleting, younger()),
            ])
            .secret("n/company", shared_copy()),
            &[
                "secret n/company: wait 10 s, leaving, owed to older, owed to younger",
                "account n/default: [] recording [], owed to older, owed to younger",
            ],
        ),
    ]);
}

#[test]
fn references_follow_the_deciding_object() {
    let builds = json!({"serviceAccounts": {"names": ["build"]}});
    let world = |older, younger| {
        World::of([older, younger])
            .namespace("n", &[])
            .secret("n/company", copy_of("older").owned_by(&["older", "younger"]))
            .account("n/build", account(&["company"], &["company"]))
            .account("n/default", account(&["company"], &["company"]))
    };
    check([(
        "what only the younger wants goes",
        world(older(), sharing("younger", 2, &builds)),
        &[
            "secret n/company: older Ready, younger SecretConflict",
            "account n/build: [] recording [], older leaving",
            "account n/default: older Ready",
        ],
    )]);
}

/// Copies of other objects go.
#[test]
fn a_frozen_object_keeps_its_copies_only() {
    let elsewhere = json!({"namespaces": {"names": ["m"]}});
    let held = |spec| with_lifecycle(Lifecycle::Frozen, sharing("younger", 2, spec));
    let elsewhere = || held(&elsewhere);
    let goes = || with_lifecycle(Lifecycle::Deleting, older());
    check([
        (
            "the one being deleted takes away what the held one does not want",
            world([goes(), elsewhere()]).secret("n/company", copy_of("older")),
            &[
                "secret n/company: wait 10 s, leaving, owed to older",
                "account n/default: [] recording [], owed to older",
            ],
        ),
        (
            "its references too where garbage collection was faster",
            world([goes(), elsewhere()]),
            &["account n/default: [] recording [], owed to older"],
        ),
        (
            "what the held one has left stays",
            world([older_elsewhere(), elsewhere()]).secret("n/company", copy_of("younger")),
            &[
                "secret n/company: younger leaving",
                "account n/default: younger leaving",
            ],
        ),
        (
            "and so does a reference of which the held one alone can be the author",
            world([elsewhere()]),
            &["account n/default: younger leaving"],
        ),
        (
            "a held decider keeps the younger from writing",
            world([with_lifecycle(Lifecycle::Frozen, older()), younger()]).secret("n/company", copy_of("younger")),
            &[
                "secret n/company: older Pending, younger SecretConflict",
                "account n/default: older Ready",
            ],
        ),
        (
            "a held younger one does not keep the decider from it",
            world([older(), held(&json!({}))]).secret("n/company", copy_of("older")),
            &[
                "secret n/company: update, older Pending, younger SecretConflict",
                "account n/default: older Ready",
            ],
        ),
    ]);
}

/// If one of them retains, the copy has no owner.
#[test]
fn each_claimant_owns_the_copy() {
    let retaining = |name, age| sharing(name, age, &json!({"deletionPolicy": "Retain"}));
    let owners = |objects: Vec<Object>| {
        let world = World::of(objects).namespace("n", &[]);
        content(&world, "company").owners
    };
    let mut both = [owner("older"), owner("younger")];
    both.sort();
    assert_eq!(owners(vec![older(), younger()]), both, "in the order of their uids");
    assert_eq!(owners(vec![older(), retaining("younger", 2)]), []);
    assert_eq!(owners(vec![retaining("older", 1), younger()]), []);
    assert_eq!(
        owners(vec![older(), with_lifecycle(Lifecycle::Deleting, younger())]),
        [owner("older")],
        "none for an object that is being deleted"
    );
    assert_eq!(
        owners(vec![
            older(),
            sharing("younger", 2, &json!({"namespaces": {"names": ["m"]}}))
        ]),
        [owner("older")],
        "none for an object that does not select the namespace"
    );
    assert_eq!(
        owners(vec![older(), with_lifecycle(Lifecycle::Frozen, younger())]),
        both,
        "one for a held object: what it holds is its own"
    );
}

/// Copy and references go or stay together.
#[test]
fn the_labelled_object_decides_what_goes() {
    let elsewhere = |name, age, policy| {
        let spec = json!({"deletionPolicy": policy, "namespaces": {"names": ["m"]}});
        sharing(name, age, &spec)
    };
    let both = |older, younger| [elsewhere("older", 1, older), elsewhere("younger", 2, younger)];
    check([
        (
            "it takes both away, although another of the same name retains",
            world(both("Delete", "Retain")).secret("n/company", copy_of("older")),
            &[
                "secret n/company: wait 10 s, leaving, older leaving",
                "account n/default: [] recording [], older leaving",
            ],
        ),
        (
            "it retains both, although another of the same name does not",
            world(both("Delete", "Retain")).secret("n/company", copy_of("younger")),
            &["secret n/company: release from younger, younger leaving"],
        ),
        (
            "a copy that was retained cannot be seen: the reference stays if any object retains",
            world(both("Delete", "Retain")),
            &[],
        ),
    ]);
}
