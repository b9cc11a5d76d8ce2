//! Copies that pass to another object of their name.

use std::collections::BTreeSet;

use crd::DeletionPolicy;
use plan::object::{Lifecycle, Object, Spec};
use plan::secret::HANDOVER_GRACE;
use serde_json::json;

use super::several::{older, sharing, world, younger};
use crate::common::{World, copy_of, with_lifecycle};
use crate::{check, check_after};

/// Its spec is of a later version.
fn unreadable() -> Object {
    let mut object = with_lifecycle(Lifecycle::Frozen, younger());
    object.spec = Spec::unreadable("company", DeletionPolicy::Delete, BTreeSet::new());
    object
}

fn suspended() -> Object {
    with_lifecycle(Lifecycle::Frozen, younger())
}

fn without_source() -> Object {
    Object {
        payload: None,
        ..younger()
    }
}

fn left_by_older(successor: Object) -> World {
    world([with_lifecycle(Lifecycle::Deleting, older()), successor]).secret("n/company", copy_of("older"))
}

/// A copy outlives its object if another one has its name and cannot act.
#[test]
fn a_frozen_successor_keeps_the_copy() {
    let pending: &[&str] = &[
        "secret n/company: wait 5 s, leaving, younger Pending, owed to older",
        "account n/default: younger Ready",
    ];
    check([
        ("suspended", left_by_older(suspended()), pending),
        ("its source is missing", left_by_older(without_source()), pending),
        (
            "its spec cannot be read",
            left_by_older(unreadable()),
            &["secret n/company: wait 5 s, leaving, owed to older"],
        ),
    ]);
}

#[test]
fn a_frozen_successor_is_assigned_the_copy() {
    let retaining = || {
        with_lifecycle(
            Lifecycle::Frozen,
            sharing("younger", 2, &json!({"deletionPolicy": "Retain"})),
        )
    };
    let assigned: &[&str] = &[
        "secret n/company: assign to younger owned by [\"younger\"], leaving, younger Pending, owed to older",
        "account n/default: younger Ready",
    ];
    check_after(
        HANDOVER_GRACE,
        [
            ("suspended", left_by_older(suspended()), assigned),
            ("its source is missing", left_by_older(without_source()), assigned),
            (
                "its spec cannot be read",
                left_by_older(unreadable()),
                &["secret n/company: assign to younger owned by [\"younger\"], leaving, owed to older"],
            ),
            (
                "it retains",
                left_by_older(retaining()),
                &[
                    "secret n/company: assign to younger owned by [], leaving, younger Pending, owed to older",
                    "account n/default: younger Ready",
                ],
            ),
            (
                "it is an owner already",
                world([with_lifecycle(Lifecycle::Deleting, older()), suspended()])
                    .secret("n/company", copy_of("older").owned_by(&["older", "younger"])),
                &["secret n/company: younger Pending", "account n/default: younger Ready"],
            ),
            (
                "the namespace goes anyway",
                left_by_older(suspended()).terminating("n"),
                &[],
            ),
            (
                "the copy goes anyway",
                world([with_lifecycle(Lifecycle::Deleting, older()), suspended()])
                    .secret("n/company", copy_of("older").deleting()),
                &[
                    "secret n/company: younger HeldByFinalizer",
                    "account n/default: younger Ready",
                ],
            ),
        ],
    );
}
