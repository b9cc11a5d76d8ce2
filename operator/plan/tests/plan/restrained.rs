//! An object that neither adds nor rotates while removals go on: the admission policies on the operator are lost, or its
//! logins are not read or saved yet.

use plan::object::Lifecycle;
use serde_json::json;

use crate::common::{account, copy_of, object, with_lifecycle};
use crate::copies::IN_PLACE;
use crate::{check, fresh, with_copy};

#[test]
fn a_restrained_object_adds_and_rotates_nothing() {
    let restrained = |spec| with_lifecycle(Lifecycle::Restrained, object("company", &spec));
    check([
        (
            "nothing is made, and the reason is said",
            fresh(restrained(json!({}))),
            &[
                "secret n/company: company NotRestrained",
                "account n/default: company NotRestrained",
            ],
        ),
        (
            "an old login stays",
            with_copy(restrained(json!({})), copy_of("company").holding("other")),
            &[
                "secret n/company: company NotRestrained",
                "account n/default: company Ready",
            ],
        ),
        (
            "what is in place counts",
            with_copy(restrained(json!({})), copy_of("company")),
            IN_PLACE,
        ),
    ]);
}

/// The condition of the credentials says why.
#[test]
fn a_waiting_object_adds_and_rotates_nothing() {
    let waiting = || with_lifecycle(Lifecycle::Waiting, object("company", &json!({})));
    check([
        (
            "nothing is made",
            fresh(waiting()),
            &[
                "secret n/company: company Pending",
                "account n/default: company Pending",
            ],
        ),
        (
            "an old login stays",
            with_copy(waiting(), copy_of("company").holding("other")),
            &["secret n/company: company Pending", "account n/default: company Ready"],
        ),
        (
            "what is in place counts",
            with_copy(waiting(), copy_of("company")),
            IN_PLACE,
        ),
    ]);
}

#[test]
fn an_object_that_adds_nothing_still_removes() {
    removes(Lifecycle::Restrained);
    removes(Lifecycle::Waiting);
}

fn removes(lifecycle: Lifecycle) {
    let restrained = |spec| with_lifecycle(lifecycle, object("company", &spec));
    let deselecting = json!({"namespaces": {"selectors": [{}], "excluded": ["n"]}});
    check([
        (
            "the reference goes first",
            with_copy(restrained(deselecting.clone()), copy_of("company")),
            &[
                "secret n/company: wait 10 s, leaving, company leaving",
                "account n/default: [] recording [], company leaving",
            ],
        ),
        (
            "then the copy",
            with_copy(restrained(deselecting), copy_of("company")).account("n/default", account(&[], &[])),
            &["secret n/company: delete, leaving, company leaving"],
        ),
        (
            "an account that is no longer selected loses its reference",
            with_copy(
                restrained(json!({"serviceAccounts": {"mode": "None"}})),
                copy_of("company"),
            ),
            &[
                "secret n/company: company Ready",
                "account n/default: [] recording [], company leaving",
            ],
        ),
    ]);
}
