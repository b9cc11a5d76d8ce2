//! The rollout of an object: lanes, turns, and writes that are shared.

use super::*;

/// A namespace with many accounts waits behind what is new elsewhere.
#[test]
fn a_namespace_of_many_accounts_is_bulk() {
    let lanes = |accounts: usize| {
        let mut reconciler = started();
        for number in 0..accounts {
            let account = Seen::There(account("30", &[], &[]));
            reconciler.see_account("a", &format!("account-{number}"), account, at(1));
        }
        reconciler.declare(&object_for("*", Lifecycle::Active), 2, true, at(1));
        let work = turns(&mut reconciler, at(1));
        assert_eq!(
            work.len(),
            accounts + 2,
            "the copy and the account default are there too"
        );
        work.into_iter().map(|work| work.lane).collect::<Vec<_>>()
    };
    assert!(lanes(30).iter().all(|&lane| lane == Lane::Fresh));
    assert!(lanes(31).iter().all(|&lane| lane == Lane::Bulk));
}

/// Objects that come together share a write, and the first does not wait.
#[test]
fn objects_that_come_together_share_a_write() {
    let mut reconciler = started();
    let now = at(1);
    patch(&mut reconciler, now);
    let patched = account("21", &["company"], &["company"]);
    reconciler.wrote_account(&account_key(), Outcome::Done(Some(patched)), now);
    for number in 0..3 {
        let other = another(&format!("other-{number}"));
        reconciler.declare(&other, 2, true, now + SECOND / 100);
        let work = turns(&mut reconciler, now + SECOND / 100);
        let again = work.iter().find(|work| work.key == account_key()).unwrap();
        assert_eq!(again.at, Some(now + SHARED));
    }
    let Some(Write::Account { action, .. }) = reconciler.write(&account_key(), now + SHARED) else {
        panic!("the account needs a write");
    };
    assert_eq!(action.attached.len(), 4);
}

/// Objects that come before the turn of a namespace take one write for all.
#[test]
fn objects_before_the_rollout_share_one_write() {
    let mut reconciler = served();
    for number in 0..3 {
        reconciler.declare(&another(&format!("other-{number}")), 2, true, at(number));
    }
    let keys = keys(&turns(&mut reconciler, at(3)));
    assert_eq!(keys.iter().filter(|key| **key == account_key()).count(), 1);
    let Some(Write::Account { action, .. }) = reconciler.write(&account_key(), at(3)) else {
        panic!("the account needs a write");
    };
    assert_eq!(action.attached.len(), 4);
    assert_eq!(turns(&mut reconciler, at(3)), [], "its turn is over");
}

/// References get their time from the turn of their namespace on, and only once.
#[test]
fn references_get_their_time_only_once() {
    let mut reconciler = served();
    let copy_goes_at = |work: &[Work]| {
        let copy = work.iter().find(|work| work.key == secret_key());
        copy.and_then(|work| work.at)
    };
    reconciler.declare(&object(Lifecycle::Deleting), 2, false, at(1));
    let work = turns(&mut reconciler, at(30));
    assert_eq!(keys(&work), [secret_key(), account_key()]);
    assert_eq!(
        copy_goes_at(&work),
        Some(at(40)),
        "until then the reference was not taken out"
    );
    reconciler.declare(&another("other"), 3, true, at(35));
    let work = turns(&mut reconciler, at(36));
    assert_eq!(copy_goes_at(&work), Some(at(40)), "another object does not put it off");
}
