//! The record on an account of the entries that the operator added, and what proves it.

use plan::object::Lifecycle;
use serde_json::json;

use super::accounts::{IN_PLACE, company, here, left};
use crate::common::{World, account, bare, copy_of, object, replaced, with_lifecycle};
use crate::{check, with_copy};

#[test]
fn without_a_record_the_entry_is_foreign() {
    check([
        (
            "while it is wanted nothing differs",
            here(account(&["x", "company"], &[])),
            &[IN_PLACE, "account n/default: company Ready"],
        ),
        ("and then it stays", left(account(&["x", "company"], &[])), &[]),
    ]);
}

#[test]
fn a_proven_lost_record_is_restored() {
    check([
        (
            "while the entry is wanted",
            here(replaced(&["x", "company"])),
            &[
                IN_PLACE,
                "account n/default: [x, company] recording [company], company Ready",
            ],
        ),
        (
            "when it is no longer wanted, the record comes back first",
            left(replaced(&["x", "company"])),
            &["account n/default: [x, company] recording [company], company leaving"],
        ),
        (
            "and then the entry goes",
            left(account(&["x", "company"], &["company"])),
            &["account n/default: [x] recording [], company leaving"],
        ),
        ("an entry with the name of no object stays", left(replaced(&["x"])), &[]),
        (
            "a held object restores none",
            with_copy(with_lifecycle(Lifecycle::Frozen, company()), copy_of("company"))
                .account("n/default", replaced(&["company"])),
            &[IN_PLACE, "account n/default: company Ready"],
        ),
    ]);
}

#[test]
fn a_lost_record_that_was_seen_is_restored() {
    let lost = ["company".into()];
    let decided = |world: &World| {
        let cluster = world.cluster();
        let scope = cluster.scope("n", &world.namespaces["n"]);
        let seen = &world.namespaces["n"].accounts.values().next().expect("an account");
        let context = plan::service_account::Context {
            lost_records: &lost,
            ..plan::service_account::Context::default()
        };
        let action = plan::service_account::decide(&scope, "default", seen, context).action;
        action.map(|action| (format!("{:?}", action.entries), action.attached))
    };
    let unrecorded = || account(&["x", "company"], &[]);
    let restored = ("[x, company]".to_owned(), vec!["company".into()]);
    assert_eq!(decided(&here(unrecorded())), Some(restored.clone()));
    assert_eq!(decided(&left(unrecorded())), Some(restored));
}

#[test]
fn only_a_complete_record_is_proven() {
    let proves = |world: &World| {
        let cluster = world.cluster();
        let scope = cluster.scope("n", &world.namespaces["n"]);
        let seen = &world.namespaces["n"].accounts.values().next().expect("an account");
        let decision =
            plan::service_account::decide(&scope, "default", seen, plan::service_account::Context::default());
        decision.action.expect("a write").proves
    };
    let other = || object("other", &json!({}));
    let both = |account| {
        World::of([company(), other()])
            .namespace("n", &[])
            .account("n/default", account)
    };
    assert!(proves(&here(account(&["x"], &[]))), "what others have is no object's");
    assert!(proves(&both(bare())));
    assert!(
        !proves(&both(account(&["company"], &[]))),
        "an entry stood there before us"
    );
    assert!(
        !proves(&left(account(&["x", "company"], &["company"]))),
        "there is no record any more"
    );
}
