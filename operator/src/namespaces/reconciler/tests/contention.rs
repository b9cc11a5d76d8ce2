//! Contention with other writers over copies, references and records.

use super::*;

/// Another writer that keeps undoing is reported and slowed down.
#[test]
fn another_writer_that_keeps_undoing_is_reported() {
    let mut reconciler = served();
    for round in 0..5_u32 {
        let (now, version) = (at(round), 100 + 2 * round);
        let removed = account(&version.to_string(), &[], &["company"]);
        let work = reconciler.see_account("a", "default", Seen::There(removed), now);
        if round < 3 {
            assert!(is_soon(&work[0], now), "round {round}");
        } else {
            assert_eq!(work[0].at, Some(now + SECOND * (round - 2)), "round {round}");
            assert_eq!(summary(&reconciler).failures[0].1.reason, FailureReason::Contended);
        }
        let restored = account(&(version + 1).to_string(), &["company"], &["company"]);
        let work = reconciler.wrote_account(&account_key(), Outcome::Done(Some(restored)), now);
        let contended = round >= 3;
        assert_eq!(
            summary(&reconciler).accounts.failed,
            i64::from(contended),
            "round {round}"
        );
        assert_eq!(work.is_empty(), !contended, "its end is to be looked at: {work:?}");
    }
    assert_eq!(reconciler.revisit(&account_key(), at(13)).len(), 1, "not over yet");
    assert_eq!(reconciler.revisit(&account_key(), at(14)), []);
    assert_eq!(
        summary(&reconciler).accounts.ready,
        1,
        "no write was undone for ten seconds"
    );
    reconciler.see_account("a", "default", Seen::There(account("200", &[], &["company"])), at(15));
    assert_eq!(summary(&reconciler).accounts.failed, 1, "it goes on");
}

/// A server that takes a write and drops it is reported and slowed down.
#[test]
fn a_server_that_drops_writes_is_contention() {
    let mut reconciler = started();
    for round in 0..4_u32 {
        patch(&mut reconciler, at(round));
        let dropped = account(&(100 + round).to_string(), &[], &[]);
        let work = reconciler.wrote_account(&account_key(), Outcome::Done(Some(dropped)), at(round));
        assert_eq!(is_soon(&work[0], at(round)), round < 3, "round {round}");
    }
    assert_eq!(summary(&reconciler).failures[0].1.reason, FailureReason::Contended);
}

/// Objects that come one after another and want the same account do not contend.
#[test]
fn new_objects_on_one_account_are_no_contention() {
    let mut reconciler = started();
    let mut names = vec!["company".to_owned()];
    for number in 0..10_u32 {
        patch(&mut reconciler, at(number));
        let name = format!("other-{number}");
        reconciler.declare(&another(&name), 2, true, at(number));
        let held: Vec<&str> = names.iter().map(String::as_str).collect();
        let patched = account(&(100 + number).to_string(), &held, &held);
        let work = reconciler.wrote_account(&account_key(), Outcome::Done(Some(patched)), at(number));
        let again = work.iter().find(|work| work.key == account_key()).unwrap();
        assert!(is_soon(again, at(number)), "round {number}");
        names.push(name);
    }
}

/// The other writer is named as soon as it is known.
#[test]
fn the_competing_manager_is_named_once_known() {
    let mut reconciler = served();
    for round in 0..4_u32 {
        assert!(!reconciler.wants_manager(&account_key()));
        let version = 100 + 2 * round;
        let removed = account(&version.to_string(), &[], &["company"]);
        reconciler.see_account("a", "default", Seen::There(removed), at(round));
        if round < 3 {
            let restored = account(&(version + 1).to_string(), &["company"], &["company"]);
            reconciler.wrote_account(&account_key(), Outcome::Done(Some(restored)), at(round));
        }
    }
    assert!(reconciler.wants_manager(&account_key()));
    reconciler.tally.take_changed();
    reconciler.name_manager(&account_key(), Some("gitops"), at(5));
    assert!(reconciler.tally.has_changed());
    assert!(!reconciler.wants_manager(&account_key()));
    let failure = summary(&reconciler).failures[0].1.message.to_string();
    assert!(failure.contains("field manager \"gitops\" keeps undoing"), "{failure}");
    assert_eq!(summary(&reconciler).accounts.failed, 1);
}

#[test]
fn a_record_that_others_take_away_is_restored() {
    let mut reconciler = served();
    let replaced = account("22", &["theirs", "company"], &[]);
    let work = reconciler.see_account("a", "default", Seen::There(replaced.clone()), at(1));
    assert_eq!(keys(&work), [account_key()]);
    let Some(Write::Account { action, .. }) = reconciler.write(&account_key(), at(1)) else {
        panic!("the record is to be restored");
    };
    assert_eq!(*action.attached, ["company".into()]);
    assert_eq!(action.entries.len(), 2);
    // Touched again before the write, it is still ours.
    let again = Account {
        version: Version::new("uid-account", "23"),
        ..replaced
    };
    reconciler.see_account("a", "default", Seen::There(again), at(2));
    assert!(reconciler.write(&account_key(), at(2)).is_some());
    // Another account of that name is not ours.
    let another = Account {
        version: Version::new("uid-another", "24"),
        ..account("24", &["company"], &[])
    };
    reconciler.see_account("a", "default", Seen::There(another), at(3));
    assert_eq!(reconciler.write(&account_key(), at(3)), None);
}

/// Contention over what must go is reported and slowed down.
#[test]
fn a_contended_removal_is_reported_and_slowed() {
    let mut reconciler = left(served());
    reconciler.wrote_secret(&secret_key(), Outcome::Done(None), at(1));
    for round in 0..5_u32 {
        let (now, version) = (at(2 + round), 100 + 2 * round);
        let back = account(&version.to_string(), &["company"], &["company"]);
        let work = reconciler.see_account("a", "default", Seen::There(back), now);
        let write = work.iter().find(|work| work.key == account_key()).unwrap();
        assert_eq!(is_soon(write, now), round < 3, "round {round}: {work:?}");
        let gone = account(&(version + 1).to_string(), &[], &[]);
        reconciler.wrote_account(&account_key(), Outcome::Done(Some(gone)), now);
        assert_eq!(
            summary(&reconciler).references_left.failed,
            i64::from(round >= 3),
            "round {round}"
        );
    }
    assert_eq!(summary(&reconciler).failures[0].1.reason, FailureReason::Contended);
    reconciler.revisit(&account_key(), at(60));
    assert_eq!(summary(&reconciler).failures, [], "it is over");
}

/// Deleting and creating counts as undoing. So does marking a Secret for an object that no longer exists.
#[test]
fn what_is_made_again_is_contended() {
    let mut reconciler = left(served());
    let mut waits = 0;
    for round in 0..12_u32 {
        let (version, now) = (100 + 2 * round, at(2 + 3 * round));
        let again = account(&version.to_string(), &["company"], &["company"]);
        reconciler.see_account(
            "a",
            "default",
            Seen::Gone(Version::new("uid-account", &version.to_string())),
            now,
        );
        let work = reconciler.see_account("a", "default", Seen::There(again), now);
        waits += work
            .iter()
            .filter(|work| work.key == account_key() && work.at > Some(now))
            .count();
        let gone = account(&(version + 1).to_string(), &[], &[]);
        reconciler.wrote_account(&account_key(), Outcome::Done(Some(gone)), now);
    }
    assert!(waits >= 4, "{waits}");

    let mut reconciler = Reconciler::new([]);
    reconciler.see_namespace("a", selected(), false, at(0));
    for kind in [Kind::Namespace, Kind::Account, Kind::Copy] {
        reconciler.end_list(kind, at(0));
    }
    reconciler.start(at(0));
    let mut waits = 0;
    for round in 0..12_u32 {
        let now = at(2 + 3 * round);
        let orphan = written(&secret_action(&started()), &(100 + round).to_string());
        let uid = orphan.version.uid.clone();
        let work = reconciler.see_secret("a", "company", Seen::There(orphan), now);
        waits += work.iter().filter(|work| work.at > Some(now)).count();
        assert!(reconciler.write(&secret_key(), now).is_some());
        let gone = Version {
            uid,
            ..Version::new("", &(100 + round).to_string())
        };
        reconciler.see_secret("a", "company", Seen::Gone(gone), now);
    }
    assert!(waits >= 4, "{waits}");
}
