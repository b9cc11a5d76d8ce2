//! Writes in flight, of this process or a former one, while their object goes.

use super::*;

/// A reference that a dead process had sent goes although its object is gone.
#[test]
fn a_late_reference_of_a_gone_object_goes() {
    let mut reconciler = served();
    reconciler.declare(&object(Lifecycle::Deleting), 2, false, at(1));
    reconciler.wrote_account(&account_key(), Outcome::Done(Some(account("30", &[], &[]))), at(2));
    reconciler.wrote_secret(&secret_key(), Outcome::Done(None), at(2));
    turns(&mut reconciler, at(2));
    reconciler.forget_object("company", true, at(3));
    assert_eq!(turns(&mut reconciler, at(3)), []);
    reconciler.expire(at(60));
    let late = || Seen::There(account("31", &["theirs", "company"], &["company"]));
    let work = reconciler.see_account("a", "default", late(), at(60));
    assert_eq!(keys(&work), [account_key()]);
    reconciler.wrote_account(
        &account_key(),
        Outcome::Done(Some(account("32", &["theirs"], &[]))),
        at(61),
    );
    reconciler.expire(at(124));
    assert_eq!(
        reconciler.tally.summary("company"),
        None,
        "later than any write can come"
    );
}

/// An object does not go before the end of a write that brings something of it is known.
#[test]
fn a_deletion_waits_for_writes_in_flight() {
    let mut reconciler = started();
    let attach = reconciler.write(&account_key(), at(0)).unwrap();
    reconciler.start_write(&account_key(), &Arc::new(attach), at(1));
    reconciler.declare(&object(Lifecycle::Deleting), 2, false, at(1));
    reconciler.tally.take_changed();
    assert_eq!(
        reconciler.tally.pending_cleanup("company"),
        0,
        "no part of it is there to be taken away"
    );
    assert_eq!(
        reconciler.summary("company").unwrap().pending_cleanup,
        1,
        "but something may come"
    );
    let work = reconciler.wrote_account(
        &account_key(),
        Outcome::Done(Some(account("30", &["company"], &["company"]))),
        at(2),
    );
    assert_eq!(
        keys(&work),
        [secret_key()],
        "it came: is there a copy that was retained?"
    );
    assert_eq!(reconciler.summary("company").unwrap().pending_cleanup, 1);
    let work = reconciler.wrote_secret(&secret_key(), Outcome::Changed(None), at(2));
    assert_eq!(keys(&work), [account_key()], "it is taken away");
    assert!(reconciler.tally.has_changed());
    let detach = reconciler.write(&account_key(), at(2)).unwrap();
    reconciler.start_write(&account_key(), &Arc::new(detach), at(1));
    reconciler.wrote_account(&account_key(), Outcome::Done(Some(account("31", &[], &[]))), at(3));
    assert_eq!(reconciler.summary("company").unwrap().pending_cleanup, 0);
}

/// A reference goes when its copy comes after it.
#[test]
fn a_late_copy_takes_its_reference_away() {
    for seen in [false, true] {
        let mut reconciler = started();
        let create = secret_action(&reconciler);
        let attach = reconciler.write(&account_key(), at(0)).unwrap();
        reconciler.start_write(
            &secret_key(),
            &Arc::new(Write::Secret {
                name: "company".into(),
                action: create.clone(),
            }),
            at(1),
        );
        reconciler.start_write(&account_key(), &Arc::new(attach), at(1));
        reconciler.declare(&object(Lifecycle::Deleting), 2, false, at(1));
        let referred = account("30", &["company"], &["company"]);
        reconciler.wrote_account(&account_key(), Outcome::Done(Some(referred)), at(2));
        assert_eq!(
            reconciler.write(&account_key(), at(2)),
            None,
            "the copy may be a retained one"
        );
        let copy = written(&create, "31");
        let work = if seen {
            reconciler.see_secret("a", "company", Seen::There(copy), at(2))
        } else {
            reconciler.wrote_secret(&secret_key(), Outcome::Done(Some(copy)), at(2))
        };
        assert!(keys(&work).contains(&account_key()), "{work:?}");
        assert!(reconciler.write(&account_key(), at(3)).is_some());
    }
}

/// A write without a known end is read before its object goes.
#[test]
fn an_uncertain_write_is_read_before_deletion() {
    let mut reconciler = started();
    let attach = reconciler.write(&account_key(), at(0)).unwrap();
    reconciler.start_write(&account_key(), &Arc::new(attach), at(1));
    reconciler.declare(&object(Lifecycle::Deleting), 2, false, at(1));
    let work = reconciler.failed(&account_key(), ApiError::Unavailable("no reply".to_owned()), at(2));
    assert_eq!(keys(&work), [account_key()], "there is no write, but a read");
    assert!(work[0].at.is_some_and(|at| at > SECOND * 2));
    assert!(reconciler.is_uncertain(&account_key()));
    assert_eq!(reconciler.write(&account_key(), at(3)), None);
    assert_eq!(reconciler.summary("company").unwrap().pending_cleanup, 1);
    let read = Outcome::Changed(Some(account("10", &[], &[])));
    reconciler.wrote_account(&account_key(), read, at(3));
    assert!(!reconciler.is_uncertain(&account_key()));
    assert_eq!(reconciler.summary("company").unwrap().pending_cleanup, 0);
    assert!(reconciler.tally.has_changed());
}
