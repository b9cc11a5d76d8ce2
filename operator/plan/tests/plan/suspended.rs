//! A frozen object makes no write, and still reports what it no longer wants.

use plan::object::{Lifecycle, Object};
use serde_json::{Value, json};

use crate::common::{account, copy_of, created, object, with_lifecycle};
use crate::{LATE, check, check_after, with_copy};

fn frozen(spec: &Value) -> Object {
    with_lifecycle(Lifecycle::Frozen, object("company", spec))
}

fn deselecting() -> Value {
    json!({"namespaces": {"selectors": [{}], "excluded": ["n"]}})
}

#[test]
fn a_frozen_object_reports_what_it_leaves() {
    let left: &[&str] = &[
        "secret n/company: company leaving",
        "account n/default: company leaving",
    ];
    check([
        (
            "a deselected namespace",
            with_copy(frozen(&deselecting()), copy_of("company")),
            left,
        ),
        (
            "without the reference",
            with_copy(frozen(&deselecting()), copy_of("company")).account("n/default", account(&["x"], &[])),
            &["secret n/company: company leaving"],
        ),
        (
            "an account that is no longer selected",
            with_copy(
                frozen(&json!({"serviceAccounts": {"mode": "None"}})),
                copy_of("company"),
            ),
            &["secret n/company: company Ready", "account n/default: company leaving"],
        ),
        (
            "a copy that it would retain, with its reference",
            with_copy(
                frozen(&json!({"deletionPolicy": "Retain", "namespaces": {"names": ["m"]}})),
                copy_of("company").owned_by(&[]),
            ),
            &["secret n/company: company leaving"],
        ),
        (
            "a copy that another object takes over",
            with_copy(frozen(&deselecting()), copy_of("company")).replacing(vec![
                frozen(&deselecting()),
                created(1, object("other", &json!({"secret": {"name": "company"}}))),
            ]),
            &[
                "secret n/company: update, other Pending, company leaving",
                "account n/default: other Ready",
            ],
        ),
    ]);
    check_after(
        LATE,
        [(
            "for as long as it is frozen",
            with_copy(frozen(&deselecting()), copy_of("company")),
            left,
        )],
    );
}
