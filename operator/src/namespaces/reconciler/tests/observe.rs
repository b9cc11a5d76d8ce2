//! Events and lists: what is believed, what is passed over.

use super::*;

/// A new namespace gets its copy and its reference, each as soon as it can.
#[test]
fn new_namespaces_get_copy_and_reference_early() {
    let mut reconciler = started();
    assert_eq!(
        reconciler.see_namespace("b", selected(), false, at(1)),
        [Work {
            key: Key::secret(&"b".into(), &"company".into()),
            lane: Lane::Fresh,
            at: Some(at(1) + ADMISSION_LAG),
        }],
        "the server would hold it back for longer"
    );
    assert_eq!(
        reconciler.see_account("b", "default", Seen::There(account("30", &[], &[])), at(1)),
        [Work {
            key: Key::account(&"b".into(), &"default".into()),
            lane: Lane::Fresh,
            at: None
        }]
    );
}

/// An account that is seen before its namespace is not forgotten.
#[test]
fn an_account_seen_before_its_namespace_counts() {
    let mut reconciler = started();
    let early = reconciler.see_account("b", "default", Seen::There(account("30", &[], &[])), at(1));
    assert_eq!(early, []);
    let work = reconciler.see_namespace("b", selected(), false, at(1));
    assert_eq!(
        keys(&work),
        [
            Key::secret(&"b".into(), &"company".into()),
            Key::account(&"b".into(), &"default".into())
        ]
    );
}

/// The echo of our own write and what is older are passed over.
#[test]
fn echoes_and_older_events_are_passed_over() {
    let mut reconciler = served();
    let copy = Seen::There(written(&secret_action(&started()), "20"));
    assert_eq!(reconciler.see_secret("a", "company", copy, at(1)), []);
    assert_eq!(
        reconciler.see_account("a", "default", Seen::There(account("10", &[], &[])), at(1)),
        []
    );
    let former = Seen::Gone(Version::new("uid-of-a-former-one", "30"));
    assert_eq!(reconciler.see_secret("a", "company", former, at(1)), []);
    assert_eq!(reconciler.write(&secret_key(), at(1)), None);
    assert_eq!(reconciler.write(&account_key(), at(1)), None);
}

/// A list replaces what is held only when it is complete.
#[test]
fn only_a_complete_list_replaces_the_state() {
    let mut reconciler = served();
    reconciler.begin_list(Kind::Copy);
    reconciler.begin_list(Kind::Copy);
    assert_eq!(reconciler.write(&secret_key(), at(1)), None, "the list has only begun");
    assert_eq!(
        keys(&reconciler.end_list(Kind::Copy, at(1))),
        [secret_key()],
        "now the copy is known to be gone"
    );
    assert!(matches!(secret_action(&reconciler), SecretAction::Create(_)));
}

/// A copy that is written while a list comes in is not taken for gone.
#[test]
fn a_copy_written_during_a_list_stays() {
    let mut reconciler = started();
    reconciler.begin_list(Kind::Copy);
    let copy = written(&secret_action(&reconciler), "20");
    reconciler.wrote_secret(&secret_key(), Outcome::Done(Some(copy)), at(1));
    assert_eq!(reconciler.end_list(Kind::Copy, at(1)), []);
    assert_eq!(reconciler.write(&secret_key(), at(1)), None);
}

/// A namespace that a list no longer holds is forgotten with all in it.
#[test]
fn a_namespace_missing_from_a_list_is_forgotten() {
    let mut reconciler = served();
    reconciler.begin_list(Kind::Namespace);
    assert_eq!(reconciler.end_list(Kind::Namespace, at(1)), []);
    assert_eq!(summary(&reconciler).namespaces, Count::default());
    assert_eq!(summary(&reconciler).accounts, Count::default());
}

/// An older state of the store is believed when it shows twice.
#[test]
fn an_older_state_seen_twice_is_believed() {
    let older = || written(&secret_action(&started()), "15");
    let relisted = || {
        let mut reconciler = served();
        reconciler.begin_list(Kind::Copy);
        reconciler.see_secret("a", "company", Seen::There(older()), at(1));
        let work = reconciler.end_list(Kind::Copy, at(1));
        assert_eq!(keys(&work), [secret_key()], "it is read once more");
        assert!(reconciler.is_doubtful(&secret_key()) && reconciler.went_back().is_none());
        reconciler
    };
    let mut reconciler = relisted();
    reconciler.wrote_secret(&secret_key(), Outcome::Changed(Some(older())), at(2));
    assert_eq!(reconciler.went_back(), Some(&secret_key()));

    // The copy was made again since the backup, with another uid.
    let again = || Secret {
        version: Version::new("uid-before", "5"),
        ..older()
    };
    let mut reconciler = served();
    reconciler.begin_list(Kind::Copy);
    reconciler.see_secret("a", "company", Seen::There(again()), at(1));
    reconciler.end_list(Kind::Copy, at(1));
    reconciler.wrote_secret(&secret_key(), Outcome::Changed(Some(again())), at(2));
    assert_eq!(reconciler.went_back(), Some(&secret_key()));

    let mut reconciler = relisted();
    let work = reconciler.failed(&secret_key(), ApiError::Unavailable("no answer".to_owned()), at(2));
    assert_eq!(keys(&work), [secret_key()], "a read that failed is made again");

    let mut reconciler = relisted();
    let same = written(&secret_action(&started()), "20");
    reconciler.wrote_secret(&secret_key(), Outcome::Changed(Some(same)), at(2));
    assert!(!reconciler.is_doubtful(&secret_key()), "the list was a moment old");
    reconciler.see_secret("a", "company", Seen::There(older()), at(3));
    assert!(!reconciler.is_doubtful(&secret_key()), "a watch may lag");

    let mut reconciler = served();
    for second in 0..2 {
        assert!(reconciler.went_back().is_none());
        let older = account("15", &["company"], &["company"]);
        reconciler.wrote_account(&account_key(), Outcome::Changed(Some(older)), at(second));
    }
    assert_eq!(reconciler.went_back(), Some(&account_key()), "without a list too");
}
