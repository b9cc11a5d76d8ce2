//! What is retained, and what an object leaves behind when it no longer exists.

use crd::names::{LABEL_MANAGED_BY, LABEL_OBJECT};
use plan::object::{Lifecycle, Object};
use serde_json::json;

use super::going::{company, left_by, retaining};
use crate::check;
use crate::common::{World, account, copy_of, created, object, with_lifecycle};

/// The word of an object that does not ask for the Secret here does not count.
#[test]
fn retained_copies_keep_references_until_claimed() {
    let elsewhere = || {
        created(
            2,
            object(
                "later",
                &json!({"secret": {"name": "company"}, "namespaces": {"names": ["m"]}}),
            ),
        )
    };
    let retained = || crate::common::retained_from("company");
    let stripped = || {
        copy_of("company")
            .without_label(LABEL_OBJECT)
            .applied_by_us()
            .owned_by(&[])
    };
    let here = |objects: Vec<Object>, copy| left_by(company(), copy).replacing(objects);
    check([
        (
            "of another object that selects other namespaces",
            here(vec![elsewhere()], retained()),
            &[],
        ),
        (
            "which is deleted",
            here(vec![with_lifecycle(Lifecycle::Deleting, elsewhere())], retained()),
            &[],
        ),
        (
            "and gone",
            here(vec![with_lifecycle(Lifecycle::Deleted, elsewhere())], retained()),
            &[],
        ),
        ("its mark is gone too", here(vec![elsewhere()], stripped()), &[]),
        (
            "one that is about to be retained",
            here(vec![elsewhere()], copy_of("gone-by").owned_by(&[])),
            &["secret n/company: release from gone-by"],
        ),
    ]);
}

/// In the usual installation a retained copy is not seen: it is read before a reference to it goes out.
#[test]
fn an_unread_secret_keeps_its_reference() {
    let elsewhere = |lifecycle| {
        let spec = json!({"secret": {"name": "company"}, "namespaces": {"names": ["m"]}});
        World::of([with_lifecycle(lifecycle, object("later", &spec))])
            .namespace("n", &[])
            .account("n/default", account(&["company"], &["company"]))
    };
    for (lifecycle, owed) in [(Lifecycle::Active, 0), (Lifecycle::Deleting, 1)] {
        let world = elsewhere(lifecycle);
        let cluster = world.cluster();
        let facts = &world.namespaces["n"];
        let scope = cluster.scope("n", facts);
        let unread = ["company".into()];
        for (unread, acts) in [(&unread[..], false), (&[], true)] {
            let context = plan::service_account::Context {
                unread,
                ..plan::service_account::Context::default()
            };
            let seen = facts.accounts.get("default").unwrap();
            let decision = plan::service_account::decide(&scope, "default", seen, context);
            assert_eq!(decision.action.is_some(), acts);
            assert_eq!(decision.to_read, unread);
            assert_eq!(
                decision.pending_cleanup.len(),
                owed,
                "the deletion waits for the look too"
            );
            assert_eq!(decision.removals.len(), 1);
        }
    }
}

#[test]
fn retain_keeps_copies_and_references() {
    let release: &[&str] = &["secret n/company: release from company, company leaving"];
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
                with_lifecycle(Lifecycle::Deleting, retaining()),
                copy_of("company").owned_by(&[]),
            ),
            &["secret n/company: release from company, owed to company"],
        ),
        (
            "the policy was changed a moment ago: the owners go with the label",
            left_by(with_lifecycle(Lifecycle::Deleting, retaining()), copy_of("company")),
            &["secret n/company: release from company, owed to company"],
        ),
        (
            "then nothing is owed",
            left_by(
                with_lifecycle(Lifecycle::Deleting, retaining()),
                crate::common::retained_from("company"),
            ),
            &[],
        ),
    ]);
}

#[test]
fn an_orphan_goes_with_its_references() {
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

/// Late writes of a deleted object are removed. Copies from a backup are orphans like others.
#[test]
fn late_writes_go_and_backups_stay() {
    let gone = |object| {
        World::of([with_lifecycle(Lifecycle::Deleted, object)])
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
