//! Accounts whose lists are too long to be held whole.

use super::*;

/// A started reconciler with namespace `a`, which the object will select, and `b`.
fn keeping() -> Reconciler {
    let keys = LabelKeys::new();
    keys.want(&object(Lifecycle::Active), false);
    let mut reconciler = Reconciler::new([]).keeping(keys);
    for kind in [Kind::Namespace, Kind::Account, Kind::Copy] {
        reconciler.begin_list(kind.clone());
        reconciler.end_list(kind, at(0));
    }
    reconciler.start(at(0));
    reconciler.see_namespace("a", selected(), false, at(0));
    reconciler.see_namespace("b", plan::labels::Labels::default(), false, at(0));
    reconciler
}

/// So many references that the account is cached in part.
fn long() -> Vec<String> {
    (0..100).map(|number| format!("theirs-{number}")).collect()
}

fn long_account(version: &str, more: &[&str], attached: &[&str]) -> Account {
    let long = long();
    let entries: Vec<&str> = long.iter().map(String::as_str).chain(more.iter().copied()).collect();
    account(version, &entries, attached)
}

/// The account as the watch shows it.
fn shortened(mut account: Account, asked: &[&str]) -> Account {
    account.compact(|name| asked.contains(&name));
    account
}

fn held_account<'a>(reconciler: &'a Reconciler, namespace: &str) -> &'a Account {
    reconciler.places[namespace].facts.accounts.get("default").unwrap()
}

/// A long list is read before it is written, and not held longer.
#[test]
fn a_long_list_is_read_before_its_write() {
    let mut reconciler = keeping();
    reconciler.declare(&object(Lifecycle::Active), 1, true, at(0));
    let (before, after) = (
        long_account("11", &[], &[]),
        long_account("12", &["company"], &["company"]),
    );
    let seen = shortened(before.clone(), &["company"]);
    let work = reconciler.see_account("a", "default", Seen::There(seen), at(1));
    assert_eq!(keys(&work), [account_key()]);
    assert!(
        reconciler.write(&account_key(), at(1)).is_none(),
        "it is not known what the list holds"
    );
    assert!(reconciler.is_unread(&account_key()));
    assert_eq!(summary(&reconciler).accounts.ready, 0);

    let work = reconciler.wrote_account(&account_key(), Outcome::Changed(Some(before)), at(1));
    assert_eq!(keys(&work), [account_key()]);
    let Some(Write::Account { action, .. }) = reconciler.write(&account_key(), at(1)) else {
        panic!("it was read, and is to be written");
    };
    assert_eq!(
        (&action.entries[..], &action.attached[..]),
        (&after.entries[..], &after.attached[..])
    );
    let work = reconciler.wrote_account(&account_key(), Outcome::Done(Some(after.clone())), at(1));
    assert_eq!(work, []);
    let held = shortened(after, &["company"]);
    assert_eq!(held_account(&reconciler, "a"), &held);
    assert_eq!(held.entries.len(), 1);
    assert_eq!(summary(&reconciler).accounts.ready, 1);
    assert_eq!(reconciler.see_account("a", "default", Seen::There(held), at(2)), []);
    assert!(!reconciler.is_unread(&account_key()));
}

/// A long list is let go when its write fails.
#[test]
fn a_long_list_whose_write_failed_is_dropped() {
    let mut reconciler = keeping();
    reconciler.declare(&object(Lifecycle::Active), 1, true, at(0));
    let whole = long_account("11", &[], &[]);
    reconciler.see_account("a", "default", Seen::There(whole), at(1));
    let failed = Outcome::Failed(ApiError::Unavailable("no answer".to_owned()));
    let work = reconciler.wrote_account(&account_key(), failed, at(1));
    assert!(keys(&work).contains(&account_key()), "it is tried again");
    assert!(held_account(&reconciler, "a").hidden.is_some());
    assert!(reconciler.is_unread(&account_key()), "after it was read again");
}

/// A record in a long list is found when its object comes.
#[test]
fn a_record_in_a_long_list_is_found() {
    let mut reconciler = keeping();
    let whole = long_account("11", &["company"], &["company", "theirs-7"]);
    let seen = shortened(whole.clone(), &[]);
    assert_eq!(reconciler.see_account("b", "default", Seen::There(seen), at(1)), []);
    let key = Key::account(&"b".into(), &"default".into());
    assert!(!reconciler.is_unread(&key));
    reconciler.declare(&object(Lifecycle::Active), 1, true, at(2));
    assert!(keys(&turns(&mut reconciler, at(2))).contains(&key));
    assert!(reconciler.is_unread(&key));
    let work = reconciler.wrote_account(&key, Outcome::Changed(Some(whole.clone())), at(2));
    let secret = Key::secret(&"b".into(), &"company".into());
    assert_eq!(
        keys(&work),
        std::slice::from_ref(&secret),
        "a retained copy may have that name"
    );
    let work = reconciler.wrote_secret(&secret, Outcome::Changed(None), at(2));
    assert_eq!(keys(&work), std::slice::from_ref(&key));
    reconciler.wrote_account(&key, Outcome::Changed(Some(whole)), at(2));
    let Some(Write::Account { action, .. }) = reconciler.write(&key, at(2)) else {
        panic!("the reference is to go");
    };
    assert_eq!(action.entries[..], long_account("11", &[], &[]).entries[..]);
    assert_eq!(*action.attached, ["theirs-7".into()]);
}

/// A long list without anything to write is read once.
#[test]
fn a_correct_long_list_is_read_once() {
    let mut reconciler = keeping();
    reconciler.declare(&object(Lifecycle::Active), 1, true, at(0));
    let traits = SecretTraits {
        docker_config_type: true,
        ..SecretTraits::default()
    };
    let theirs = Secret {
        version: Version::new("uid-theirs", "10"),
        digest: None,
        traits: Arc::new(traits),
    };
    reconciler.see_secret("b", "theirs-7", Seen::There(theirs), at(1));
    let whole = long_account("11", &[], &["theirs-7"]);
    let work = reconciler.see_account(
        "b",
        "default",
        Seen::There(shortened(whole.clone(), &["company"])),
        at(1),
    );
    let key = Key::account(&"b".into(), &"default".into());
    assert_eq!(
        keys(&work),
        std::slice::from_ref(&key),
        "a copy has the name that it records"
    );
    assert_eq!(reconciler.wrote_account(&key, Outcome::Changed(Some(whole)), at(1)), []);
    assert!(!reconciler.is_unread(&key));
    assert!(held_account(&reconciler, "b").hidden.is_some());
}

/// An account that is too large is let be and reported.
#[test]
fn an_account_that_is_too_large_is_reported() {
    let mut reconciler = served();
    let mut large = account("30", &[], &[]);
    large.too_large = true;
    assert_eq!(reconciler.see_account("a", "default", Seen::There(large), at(1)), []);
    let failures = summary(&reconciler).failures;
    assert_eq!(failures[0].1.reason, FailureReason::TooLarge, "{failures:?}");
    assert_eq!(reconciler.write(&account_key(), at(1)), None);
}
