//! Tests of the reconciler alone: events, lists and replies in, work and summaries out.

use std::sync::Arc;
use std::time::Duration;

use crd::{ClusterPullSecretSpec, FailureReason};
use plan::action::SecretAction;
use plan::decision::Failure;
use plan::identity::Version;
use plan::object::{Lifecycle, Object, Spec};
use plan::observed::{Account, Entry, Secret, SecretTraits};
use plan::payload::{DigestKey, Payload};
use plan::summary::{Count, Summary};
use serde_json::json;

use super::{Kind, Reconciler, SHARED, Seen};
use crate::outcome::{ApiError, Outcome};
use crate::wanted::LabelKeys;
use crate::work::Lane;
use crate::work::{Key, Target, Work, Write};

const SECOND: Duration = Duration::from_secs(1);

fn at(seconds: u32) -> Duration {
    SECOND * seconds
}

fn object(lifecycle: Lifecycle) -> Arc<Object> {
    object_for("default", lifecycle)
}

/// An object that selects the accounts of that name.
fn object_for(account: &str, lifecycle: Lifecycle) -> Arc<Object> {
    let spec: ClusterPullSecretSpec = serde_json::from_value(json!({
        "registries": [{"server": "ghcr.io", "credentials": {"dockerConfig": {"secretRef": {"name": "source"}}}}],
        "namespaces": {"selectors": [{"matchLabels": {"pull": "yes"}}]},
        "serviceAccounts": {"names": [account]},
    }))
    .unwrap();
    Arc::new(Object {
        name: "company".into(),
        uid: "uid-company".into(),
        created: 1,
        lifecycle,
        spec: Spec::parse("company", &spec, "pullsecrets-system").unwrap(),
        payload: Some(Arc::new(Payload::new(b"{}", &DigestKey::new([0; 16])))),
        tied: None,
    })
}

fn account(version: &str, entries: &[&str], attached: &[&str]) -> Account {
    Account {
        version: Version::new("uid-account", version),
        labels: plan::labels::Labels::default(),
        entries: entries.iter().map(|name| Entry::named(name)).collect(),
        attached: attached.iter().map(|&name| name.into()).collect(),
        deleting: false,
        too_large: false,
        listed_by_us: false,
        hidden: None,
    }
}

/// The Secret that a server would hold after this write.
fn written(action: &SecretAction, version: &str) -> Secret {
    let (SecretAction::Create(content) | SecretAction::Update { content, .. }) = action else {
        panic!("{action:?} leaves no content");
    };
    let traits = SecretTraits {
        docker_config_type: true,
        labels: content.labels.iter().collect(),
        annotations: content.annotations.iter().collect(),
        owners: content.owners.clone(),
        ..SecretTraits::default()
    };
    Secret {
        version: Version::new("uid-copy", version),
        digest: Some(Arc::clone(content.payload.digest())),
        traits: Arc::new(traits),
    }
}

fn selected() -> plan::labels::Labels {
    [("pull", "yes")].into_iter().collect()
}

fn secret_key() -> Key {
    Key::secret(&"a".into(), &"company".into())
}

fn account_key() -> Key {
    Key::account(&"a".into(), &"default".into())
}

/// A started reconciler with the object and the selected namespace `a`, before any write.
fn started() -> Reconciler {
    let mut reconciler = Reconciler::new([]);
    for kind in [Kind::Namespace, Kind::Account, Kind::Copy] {
        reconciler.begin_list(kind.clone());
        reconciler.end_list(kind, at(0));
    }
    reconciler.declare(&object(Lifecycle::Active), 1, true, at(0));
    reconciler.start(at(0));
    reconciler.see_namespace("a", selected(), false, at(0));
    reconciler.see_account("a", "default", Seen::There(account("10", &[], &[])), at(0));
    reconciler
}

fn secret_action(reconciler: &Reconciler) -> SecretAction {
    match reconciler.write(&secret_key(), at(0)) {
        Some(Write::Secret { action, .. }) => action,
        other => panic!("expected a write of the secret, found {other:?}"),
    }
}

/// The same, with copy and reference in place.
fn served() -> Reconciler {
    let mut reconciler = started();
    let copy = written(&secret_action(&reconciler), "20");
    assert_eq!(
        reconciler.wrote_secret(&secret_key(), Outcome::Done(Some(copy)), at(0)),
        []
    );
    let patched = account("21", &["company"], &["company"]);
    assert_eq!(
        reconciler.wrote_account(&account_key(), Outcome::Done(Some(patched)), at(0)),
        []
    );
    reconciler
}

fn summary(reconciler: &Reconciler) -> Summary {
    reconciler.tally.summary("company").unwrap()
}

fn keys(work: &[Work]) -> Vec<Key> {
    work.iter().map(|work| work.key.clone()).collect()
}

/// The work of all namespaces in the rollout queue.
fn turns(reconciler: &mut Reconciler, now: Duration) -> Vec<Work> {
    let mut work = Vec::new();
    for lane in [Lane::Fresh, Lane::Bulk] {
        while let Some(found) = reconciler.next_namespace(lane, now) {
            work.extend(found);
        }
    }
    work
}

#[test]
fn nothing_is_planned_before_everything_was_listed() {
    let mut reconciler = Reconciler::new([]);
    reconciler.declare(&object(Lifecycle::Active), 1, true, at(0));
    assert_eq!(reconciler.see_namespace("a", selected(), false, at(0)), []);
    assert_eq!(reconciler.end_list(Kind::Namespace, at(0)), []);
    assert!(!reconciler.is_listed());
    assert_eq!(turns(&mut reconciler, at(0)), []);
    reconciler.end_list(Kind::Account, at(0));
    reconciler.end_list(Kind::Copy, at(0));
    assert!(reconciler.is_listed());
    reconciler.start(at(0));
    assert_eq!(keys(&turns(&mut reconciler, at(0))), [secret_key()]);
}

#[test]
fn what_came_while_nothing_ran_is_late_at_once_and_what_comes_later_is_not() {
    let mut reconciler = Reconciler::new([]);
    reconciler.declare(&object(Lifecycle::Active), 1, false, at(0));
    reconciler.see_namespace("a", selected(), false, at(0));
    for kind in [Kind::Namespace, Kind::Account, Kind::Copy] {
        reconciler.begin_list(kind.clone());
        if matches!(kind, Kind::Namespace) {
            reconciler.see_namespace("a", selected(), false, at(0));
        }
        reconciler.end_list(kind, at(0));
    }
    reconciler.start(at(1));
    assert_eq!(summary(&reconciler).namespaces_late_at, Some(at(1)));

    let copy = written(&secret_action(&reconciler), "20");
    reconciler.wrote_secret(&secret_key(), Outcome::Done(Some(copy)), at(1));
    reconciler.see_namespace("b", selected(), false, at(2));
    assert_eq!(summary(&reconciler).namespaces_late_at, Some(at(7)));
}

#[test]
fn a_new_namespace_gets_copy_and_reference_each_as_soon_as_it_can() {
    let mut reconciler = started();
    assert_eq!(
        reconciler.see_namespace("b", selected(), false, at(1)),
        [Work {
            key: Key::secret(&"b".into(), &"company".into()),
            lane: Lane::Fresh,
            at: Some(at(1) + super::HEARD_OF),
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

#[test]
fn a_namespace_with_many_accounts_waits_behind_what_is_new_elsewhere() {
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

#[test]
fn an_account_that_is_seen_before_its_namespace_is_not_forgotten() {
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

#[test]
fn the_echo_of_our_own_write_and_what_is_older_are_passed_over() {
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

#[test]
fn a_list_replaces_what_is_held_only_when_it_is_complete() {
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

#[test]
fn a_copy_that_is_written_while_a_list_comes_in_is_not_taken_for_gone() {
    let mut reconciler = started();
    reconciler.begin_list(Kind::Copy);
    let copy = written(&secret_action(&reconciler), "20");
    reconciler.wrote_secret(&secret_key(), Outcome::Done(Some(copy)), at(1));
    assert_eq!(reconciler.end_list(Kind::Copy, at(1)), []);
    assert_eq!(reconciler.write(&secret_key(), at(1)), None);
}

#[test]
fn a_namespace_that_a_list_no_longer_holds_is_forgotten_with_all_in_it() {
    let mut reconciler = served();
    reconciler.begin_list(Kind::Namespace);
    assert_eq!(reconciler.end_list(Kind::Namespace, at(1)), []);
    assert_eq!(summary(&reconciler).namespaces, Count::default());
    assert_eq!(summary(&reconciler).accounts, Count::default());
}

#[test]
fn the_summary_counts_each_namespace_once_whatever_happens_to_it() {
    let mut reconciler = started();
    let pending = Count {
        selected: 1,
        ready: 0,
        failed: 0,
    };
    let ready = Count {
        selected: 1,
        ready: 1,
        failed: 0,
    };
    let failed = Count {
        selected: 1,
        ready: 0,
        failed: 1,
    };
    assert_eq!(
        (summary(&reconciler).namespaces, summary(&reconciler).accounts),
        (pending, pending)
    );
    let refusal = Failure::new(FailureReason::QuotaExceeded, "quota \"q\" is used up");
    let work = reconciler.wrote_secret(&secret_key(), Outcome::Failed(ApiError::Refused(refusal)), at(1));
    assert_eq!(work[0].at, Some(at(2)), "tried again after a second");
    assert_eq!(summary(&reconciler).namespaces, failed);
    assert_eq!(summary(&reconciler).failures[0].0.as_ref(), "a");
    let copy = written(&secret_action(&reconciler), "20");
    reconciler.wrote_secret(&secret_key(), Outcome::Done(Some(copy)), at(2));
    assert_eq!(summary(&reconciler).namespaces, ready);
    assert_eq!(summary(&reconciler).failures, []);
    reconciler.see_namespace("a", plan::labels::Labels::default(), false, at(3));
    assert_eq!(summary(&reconciler).namespaces, Count::default());
}

#[test]
fn a_new_edition_is_late_at_once_and_a_new_namespace_after_a_while() {
    let mut reconciler = served();
    reconciler.see_namespace("b", selected(), false, at(10));
    assert_eq!(summary(&reconciler).namespaces_late_at, Some(at(15)));
    let mut edited = (*object(Lifecycle::Active)).clone();
    edited
        .spec
        .labels
        .insert("pull-secret.example.com/team".to_owned(), "x".to_owned());
    reconciler.declare(&Arc::new(edited), 2, true, at(11));
    assert_eq!(turns(&mut reconciler, at(11)).len(), 2);
    assert_eq!(summary(&reconciler).namespaces_late_at, Some(at(11)));
    assert_eq!(summary(&reconciler).revision, 2);
}

#[test]
fn references_go_before_the_copy_and_the_copy_goes_anyway() {
    let mut reconciler = served();
    let work = reconciler.see_namespace("a", plan::labels::Labels::default(), false, at(1));
    assert_eq!(
        work[0],
        Work {
            key: secret_key(),
            lane: Lane::Fresh,
            at: Some(at(11))
        }
    );
    assert_eq!(
        work[1],
        Work {
            key: account_key(),
            lane: Lane::Fresh,
            at: None
        }
    );
    assert_eq!(reconciler.write(&secret_key(), at(2)), None);
    let gone = account("30", &[], &[]);
    let work = reconciler.wrote_account(&account_key(), Outcome::Done(Some(gone)), at(2));
    assert_eq!(
        work,
        [Work {
            key: secret_key(),
            lane: Lane::Fresh,
            at: None
        }]
    );

    let mut reconciler = served();
    reconciler.see_namespace("a", plan::labels::Labels::default(), false, at(1));
    let refusal = Failure::new(FailureReason::AdmissionDenied, "refused");
    reconciler.wrote_account(&account_key(), Outcome::Failed(ApiError::Refused(refusal)), at(1));
    assert_eq!(reconciler.write(&secret_key(), at(10)), None);
    assert!(matches!(
        reconciler.write(&secret_key(), at(11)),
        Some(Write::Secret {
            action: SecretAction::Delete { .. },
            ..
        })
    ));
}

#[test]
fn another_writer_that_keeps_undoing_is_told_and_slowed() {
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
        "nothing was undone for ten seconds"
    );
    reconciler.see_account("a", "default", Seen::There(account("200", &[], &["company"])), at(15));
    assert_eq!(summary(&reconciler).accounts.failed, 1, "it goes on");
}

/// The same object under another name, which its copies have too.
fn another(name: &str) -> Arc<Object> {
    let object = object(Lifecycle::Active);
    Arc::new(Object {
        name: name.into(),
        uid: name.into(),
        spec: Spec {
            secret_name: name.into(),
            ..object.spec.clone()
        },
        ..(*object).clone()
    })
}

/// Whether it is due at once, except that writes of one account are shared.
fn is_soon(work: &Work, now: Duration) -> bool {
    work.at.is_none_or(|at| at <= now + SHARED)
}

/// Hands out the write that the account needs.
fn patch(reconciler: &mut Reconciler, now: Duration) {
    let action = reconciler.write(&account_key(), now).unwrap();
    reconciler.start_write(&account_key(), &Arc::new(action));
}

#[test]
fn a_server_that_takes_a_write_and_drops_it_is_told_and_slowed() {
    let mut reconciler = started();
    for round in 0..4_u32 {
        patch(&mut reconciler, at(round));
        let dropped = account(&(100 + round).to_string(), &[], &[]);
        let work = reconciler.wrote_account(&account_key(), Outcome::Done(Some(dropped)), at(round));
        assert_eq!(is_soon(&work[0], at(round)), round < 3, "round {round}");
    }
    assert_eq!(summary(&reconciler).failures[0].1.reason, FailureReason::Contended);
}

#[test]
fn objects_that_come_one_after_another_and_want_the_same_account_are_no_fight() {
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

#[test]
fn objects_that_come_together_share_a_write_and_the_first_does_not_wait() {
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

#[test]
fn objects_that_come_before_the_turn_of_a_namespace_take_one_write_for_all() {
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

#[test]
fn references_get_their_time_from_the_turn_of_their_namespace_on_and_only_once() {
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
        "until then nobody took the reference out"
    );
    reconciler.declare(&another("other"), 3, true, at(35));
    let work = turns(&mut reconciler, at(36));
    assert_eq!(copy_goes_at(&work), Some(at(40)), "another object does not put it off");
}

#[test]
fn the_other_writer_of_a_fight_is_named_once_it_is_known() {
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
fn a_lost_race_is_run_again_at_once_and_not_for_ever() {
    let mut reconciler = started();
    let mut delayed = 0;
    for round in 0..10 {
        let seen = account(&(50 + round).to_string(), &["theirs"], &[]);
        let work = reconciler.wrote_account(&account_key(), Outcome::Changed(Some(seen)), at(1));
        assert_eq!(keys(&work), [account_key()]);
        delayed += usize::from(work[0].at.is_some());
        assert_eq!(work[0].at.is_some(), round >= 3, "round {round}");
    }
    assert_eq!(delayed, 7);
}

#[test]
fn what_is_owed_to_a_deleted_object_is_counted_until_it_is_done() {
    let mut reconciler = served();
    reconciler.declare(&object(Lifecycle::Deleting), 2, false, at(1));
    assert_eq!(summary(&reconciler).owed, 2);
    let refusal = Failure::new(FailureReason::AdmissionDenied, "refused");
    reconciler.wrote_account(&account_key(), Outcome::Failed(ApiError::Refused(refusal)), at(2));
    assert_eq!(
        summary(&reconciler).stuck_since,
        Some(at(1)),
        "nothing came further since then"
    );
    reconciler.wrote_account(&account_key(), Outcome::Done(Some(account("30", &[], &[]))), at(3));
    reconciler.wrote_secret(&secret_key(), Outcome::Done(None), at(3));
    assert_eq!(summary(&reconciler).owed, 0);
}

#[test]
fn an_object_whose_finalizer_was_taken_off_by_hand_is_cleaned_up_after() {
    let mut reconciler = served();
    reconciler.forget_object("company", true, at(1));
    let work = turns(&mut reconciler, at(1));
    assert_eq!(keys(&work), [secret_key(), account_key()]);
    reconciler.wrote_account(&account_key(), Outcome::Done(Some(account("30", &[], &[]))), at(2));
    assert!(matches!(secret_action(&reconciler), SecretAction::Delete { .. }));
    reconciler.wrote_secret(&secret_key(), Outcome::Done(None), at(2));
    reconciler.expire(at(200));
    assert_eq!(reconciler.tally.summary("company"), None);
}

/// The object went before its copy and reference did, as this process saw it.
#[test]
fn another_installation_has_removed_it_already() {
    let mut reconciler = served();
    reconciler.declare(&object(Lifecycle::Frozen), 2, false, at(1));
    turns(&mut reconciler, at(1));
    reconciler.forget_object("company", false, at(2));
    assert_eq!(turns(&mut reconciler, at(2)), []);
    reconciler.expire(at(6));
    assert_eq!(turns(&mut reconciler, at(6)), [], "its events are still on their way");
    reconciler.see_secret("a", "company", Seen::Gone(Version::new("uid-copy", "39")), at(6));
    reconciler.see_account("a", "default", Seen::There(account("40", &["theirs"], &[])), at(6));
    reconciler.expire(at(8));
    assert_eq!(turns(&mut reconciler, at(8)), []);
    reconciler.expire(at(200));
    assert_eq!(reconciler.tally.summary("company"), None);
}

#[test]
fn leftovers_of_another_installation_go_after_its_object() {
    let mut reconciler = served();
    reconciler.declare(&object(Lifecycle::Frozen), 2, false, at(1));
    turns(&mut reconciler, at(1));
    reconciler.forget_object("company", false, at(2));
    reconciler.expire(at(8));
    assert_eq!(keys(&turns(&mut reconciler, at(8))), [secret_key(), account_key()]);
}

#[test]
fn a_reference_that_a_dead_process_had_sent_goes_although_its_object_is_gone() {
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

#[test]
fn a_copy_that_a_backup_brings_back_before_its_object_is_not_deleted() {
    let mut reconciler = served();
    let Some(restored) = reconciler.places["a"].facts.secrets.get("company").cloned() else {
        panic!("there is a copy");
    };
    reconciler.declare(&object(Lifecycle::Deleting), 2, false, at(1));
    reconciler.wrote_account(&account_key(), Outcome::Done(Some(account("30", &[], &[]))), at(2));
    reconciler.wrote_secret(&secret_key(), Outcome::Done(None), at(2));
    reconciler.forget_object("company", true, at(3));
    let restored = Secret {
        version: Version::new("uid-restored", "31"),
        traits: Arc::new(SecretTraits {
            owners: Vec::new(),
            ..(*restored.traits).clone()
        }),
        ..restored
    };
    reconciler.see_secret("a", "company", Seen::There(restored), at(4));
    assert!(matches!(secret_action(&reconciler), SecretAction::Release { .. }));
}

#[test]
fn a_squatter_bears_on_the_references_and_is_known_as_one() {
    let mut reconciler = served();
    reconciler.see_secret("a", "company", Seen::Gone(Version::new("uid-copy", "39")), at(1));
    let squatter = Secret {
        version: Version::new("uid-other", "40"),
        digest: None,
        traits: Arc::new(SecretTraits {
            docker_config_type: true,
            ..SecretTraits::default()
        }),
    };
    let work = reconciler.wrote_secret(&secret_key(), Outcome::Changed(Some(squatter)), at(1));
    assert_eq!(keys(&work), [account_key()], "the reference goes");
    assert!(reconciler.is_squatted(&secret_key()));
    assert_eq!(summary(&reconciler).failures[0].1.reason, FailureReason::SecretConflict);
    let work = reconciler.wrote_secret(&secret_key(), Outcome::Changed(None), at(2));
    assert!(keys(&work).contains(&secret_key()), "it went: {work:?}");
    assert!(!reconciler.is_squatted(&secret_key()));
    assert!(matches!(secret_key().target, Target::Secret(_)));
}

#[test]
fn looks_at_a_squatter_do_not_put_off_the_write_that_is_due_when_it_went() {
    let mut reconciler = started();
    let squatter = || Secret {
        version: Version::new("uid-other", "5"),
        digest: None,
        traits: Arc::new(SecretTraits::default()),
    };
    for look in 0..100 {
        reconciler.wrote_secret(&secret_key(), Outcome::Changed(Some(squatter())), at(look));
    }
    reconciler.wrote_secret(&secret_key(), Outcome::Changed(None), at(100));
    assert!(matches!(secret_action(&reconciler), SecretAction::Create(_)));
    let refusal = ApiError::Refused(Failure::new(FailureReason::QuotaExceeded, "refused"));
    let work = reconciler.failed(&secret_key(), refusal, at(100));
    let again = work.iter().find(|work| work.key == secret_key());
    assert_eq!(again.and_then(|work| work.at), Some(at(101)), "{work:?}");
}

#[test]
fn a_look_at_a_squatter_that_got_no_answer_is_taken_again() {
    let mut reconciler = started();
    let squatter = Secret {
        version: Version::new("uid-other", "5"),
        digest: None,
        traits: Arc::default(),
    };
    reconciler.wrote_secret(&secret_key(), Outcome::Changed(Some(squatter)), at(1));
    let work = reconciler.failed(&secret_key(), ApiError::Unavailable("no reply".to_owned()), at(2));
    assert_eq!(
        keys(&work),
        [secret_key()],
        "it may have gone meanwhile, and nobody would tell again"
    );
    assert!(work[0].at.is_some_and(|at| at > SECOND * 2));
}

#[test]
fn a_copy_that_was_left_to_its_namespace_is_not_waited_for() {
    let mut reconciler = served();
    let mut retaining = (*object(Lifecycle::Active)).clone();
    retaining.spec.deletion_policy = crd::DeletionPolicy::Retain;
    reconciler.declare(&Arc::new(retaining), 2, true, at(1));
    reconciler.see_namespace("a", plan::labels::Labels::default(), false, at(1));
    let retained = Secret {
        version: Version::new("uid-copy", "50"),
        digest: None,
        traits: Arc::new(SecretTraits {
            docker_config_type: true,
            annotations: [("pullsecrets.dev/retained", "company")].into_iter().collect(),
            ..SecretTraits::default()
        }),
    };
    reconciler.wrote_secret(&secret_key(), Outcome::Done(Some(retained)), at(2));
    assert!(!reconciler.is_squatted(&secret_key()), "nobody asks for it");
    reconciler.see_namespace("a", selected(), false, at(3));
    assert!(
        matches!(secret_action(&reconciler), SecretAction::Reclaim { .. }),
        "and it is taken back"
    );
}

#[test]
fn a_copy_whose_object_goes_passes_in_time_to_one_that_cannot_act() {
    let mut reconciler = served();
    let mut heir = (*object(Lifecycle::Frozen)).clone();
    heir.name = "heir".into();
    heir.uid = "u-heir".into();
    heir.created += 1;
    reconciler.declare(&object(Lifecycle::Deleting), 2, false, at(1));
    assert_eq!(
        reconciler.tally.owed("company"),
        2,
        "the copy and its reference are to go"
    );
    turns(&mut reconciler, at(1));
    reconciler.declare(&Arc::new(heir), 1, true, at(2));
    let work = turns(&mut reconciler, at(2));
    let [work] = work.as_slice() else {
        panic!("{work:?}");
    };
    assert_eq!(
        (&work.key, work.at),
        (&secret_key(), Some(at(6))),
        "known since the deletion"
    );
    assert_eq!(reconciler.write(&secret_key(), at(2)), None);
    assert_eq!(reconciler.tally.owed("company"), 1, "the object waits for it");
    let Some(Write::Secret {
        action: SecretAction::Assign { object, owners, .. },
        ..
    }) = reconciler.write(&secret_key(), at(6))
    else {
        panic!("{:?}", reconciler.write(&secret_key(), at(6)));
    };
    assert_eq!((object.as_ref(), owners.len()), ("heir", 1));
}

#[test]
fn late_news_that_a_copy_lost_its_label_does_not_hide_that_it_was_restored() {
    let mut reconciler = served();
    let restored = written(&secret_action(&started()), "40");
    reconciler.wrote_secret(&secret_key(), Outcome::Changed(Some(restored)), at(1));
    let lost = Seen::Gone(Version::new("uid-copy", "39"));
    assert_eq!(reconciler.see_secret("a", "company", lost, at(1)), []);
    assert_eq!(reconciler.write(&secret_key(), at(1)), None, "it is there");
    let gone = Seen::Gone(Version::new("uid-copy", "41"));
    assert_eq!(
        keys(&reconciler.see_secret("a", "company", gone, at(1))),
        [secret_key()]
    );
}

#[test]
fn an_object_does_not_go_before_the_end_of_a_write_that_brings_something_of_it_is_known() {
    let mut reconciler = started();
    let attach = reconciler.write(&account_key(), at(0)).unwrap();
    reconciler.start_write(&account_key(), &Arc::new(attach));
    reconciler.declare(&object(Lifecycle::Deleting), 2, false, at(1));
    reconciler.tally.take_changed();
    assert_eq!(reconciler.tally.owed("company"), 0, "nothing is there to be taken away");
    assert_eq!(reconciler.summary("company").unwrap().owed, 1, "but something may come");
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
    assert_eq!(reconciler.summary("company").unwrap().owed, 1);
    let work = reconciler.wrote_secret(&secret_key(), Outcome::Changed(None), at(2));
    assert_eq!(keys(&work), [account_key()], "it is taken away");
    assert!(reconciler.tally.has_changed());
    let detach = reconciler.write(&account_key(), at(2)).unwrap();
    reconciler.start_write(&account_key(), &Arc::new(detach));
    reconciler.wrote_account(&account_key(), Outcome::Done(Some(account("31", &[], &[]))), at(3));
    assert_eq!(reconciler.summary("company").unwrap().owed, 0);
}

#[test]
fn a_reference_goes_when_its_copy_comes_after_it() {
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
        );
        reconciler.start_write(&account_key(), &Arc::new(attach));
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

#[test]
fn a_write_of_which_nobody_knows_the_end_is_read_before_its_object_goes() {
    let mut reconciler = started();
    let attach = reconciler.write(&account_key(), at(0)).unwrap();
    reconciler.start_write(&account_key(), &Arc::new(attach));
    reconciler.declare(&object(Lifecycle::Deleting), 2, false, at(1));
    let work = reconciler.failed(&account_key(), ApiError::Unavailable("no reply".to_owned()), at(2));
    assert_eq!(
        keys(&work),
        [account_key()],
        "there is nothing to write, but something to read"
    );
    assert!(work[0].at.is_some_and(|at| at > SECOND * 2));
    assert!(reconciler.is_uncertain(&account_key()));
    assert_eq!(reconciler.write(&account_key(), at(3)), None);
    assert_eq!(reconciler.summary("company").unwrap().owed, 1);
    let read = Outcome::Changed(Some(account("10", &[], &[])));
    reconciler.wrote_account(&account_key(), read, at(3));
    assert!(!reconciler.is_uncertain(&account_key()));
    assert_eq!(reconciler.summary("company").unwrap().owed, 0);
    assert!(reconciler.tally.has_changed());
}

/// A reconciler that starts with everything listed and no write made, as after a restart beside a squatter.
fn restarted() -> (Reconciler, Vec<Work>) {
    let mut reconciler = Reconciler::new([]);
    reconciler.declare(&object(Lifecycle::Active), 1, true, at(0));
    reconciler.see_namespace("a", selected(), false, at(0));
    reconciler.see_account("a", "default", Seen::There(account("10", &[], &[])), at(0));
    for kind in [Kind::Namespace, Kind::Account, Kind::Copy] {
        reconciler.end_list(kind, at(0));
    }
    reconciler.start(at(0));
    let work = turns(&mut reconciler, at(0));
    (reconciler, work)
}

#[test]
fn a_restart_refers_to_nothing_before_it_knows_whose_secret_is_there() {
    let (mut reconciler, work) = restarted();
    assert_eq!(keys(&work), [secret_key()]);
    let squatter = Secret {
        version: Version::new("uid-other", "5"),
        digest: None,
        traits: Arc::default(),
    };
    let work = reconciler.wrote_secret(&secret_key(), Outcome::Changed(Some(squatter)), at(1));
    assert_eq!(work, [], "nothing was written, and nothing is to be");

    let (mut reconciler, _) = restarted();
    let copy = written(&secret_action(&reconciler), "20");
    let work = reconciler.wrote_secret(&secret_key(), Outcome::Done(Some(copy)), at(1));
    assert_eq!(keys(&work), [account_key()]);

    let (mut reconciler, _) = restarted();
    let refusal = Failure::new(FailureReason::QuotaExceeded, "quota \"q\" is used up");
    let work = reconciler.wrote_secret(&secret_key(), Outcome::Failed(ApiError::Refused(refusal)), at(1));
    assert!(
        keys(&work).contains(&account_key()),
        "a copy that cannot be made holds up no reference"
    );

    let (mut reconciler, _) = restarted();
    let mut unresolved = (*object(Lifecycle::Active)).clone();
    unresolved.payload = None;
    reconciler.declare(&Arc::new(unresolved), 2, false, at(1));
    let work = turns(&mut reconciler, at(1));
    assert_eq!(keys(&work), [account_key()], "nor one for which there is nothing yet");
}

/// As [`served`], with the managed names `company` and `other`. In the namespace `b`, a foreign Secret has the second
/// name.
fn served_by_name() -> Reconciler {
    let mut reconciler = Reconciler::new([]).managing(["company".into(), "other".into()].into());
    for kind in reconciler.kinds_of_secrets() {
        reconciler.begin_list(kind.clone());
        reconciler.end_list(kind, at(0));
    }
    assert!(!reconciler.is_listed());
    reconciler.see_namespace("a", selected(), false, at(0));
    reconciler.see_namespace("b", plan::labels::Labels::default(), false, at(0));
    reconciler.see_account("a", "default", Seen::There(account("10", &[], &[])), at(0));
    for kind in [Kind::Namespace, Kind::Account] {
        reconciler.end_list(kind, at(0));
    }
    reconciler.declare(&object(Lifecycle::Active), 1, true, at(0));
    reconciler.start(at(0));
    assert_eq!(
        keys(&turns(&mut reconciler, at(0))),
        [secret_key(), account_key()],
        "no reference waits"
    );
    let copy = written(&secret_action(&reconciler), "20");
    reconciler.wrote_secret(&secret_key(), Outcome::Done(Some(copy)), at(0));
    let patched = account("21", &["company"], &["company"]);
    reconciler.wrote_account(&account_key(), Outcome::Done(Some(patched)), at(0));
    assert_eq!(
        reconciler.see_secret("b", "other", Seen::There(squatter("22")), at(0)),
        []
    );
    reconciler
}

fn squatter(version: &str) -> Secret {
    Secret {
        version: Version::new("uid-other", version),
        digest: None,
        traits: Arc::default(),
    }
}

#[test]
fn nothing_is_planned_before_each_managed_name_was_listed() {
    let mut reconciler = Reconciler::new([]).managing(["company".into(), "other".into()].into());
    let named = |name: &str| Kind::Named(name.into());
    assert_eq!(reconciler.kinds_of_secrets(), [named("company"), named("other")]);
    for kind in [Kind::Namespace, Kind::Account, named("company")] {
        reconciler.end_list(kind, at(0));
    }
    assert!(!reconciler.is_listed(), "the other name is missing");
    reconciler.end_list(named("other"), at(0));
    assert!(reconciler.is_listed());
}

#[test]
fn a_list_of_one_managed_name_says_nothing_about_another() {
    let mut reconciler = served_by_name();
    reconciler.begin_list(Kind::Named("other".into()));
    assert_eq!(reconciler.end_list(Kind::Named("other".into()), at(1)), []);
    assert_eq!(reconciler.write(&secret_key(), at(1)), None, "the copy is still there");
    reconciler.begin_list(Kind::Named("company".into()));
    reconciler.begin_list(Kind::Named("other".into()));
    assert_eq!(
        reconciler.end_list(Kind::Named("other".into()), at(1)),
        [],
        "the first list goes on"
    );
    let work = reconciler.end_list(Kind::Named("company".into()), at(1));
    assert_eq!(keys(&work), [secret_key()], "now it is known to be gone");
}

#[test]
fn a_copy_that_is_written_while_the_list_of_its_name_comes_in_is_not_taken_for_gone() {
    let mut reconciler = served_by_name();
    reconciler.begin_list(Kind::Named("company".into()));
    let copy = written(&secret_action(&started()), "30");
    reconciler.wrote_secret(&secret_key(), Outcome::Done(Some(copy)), at(1));
    assert_eq!(reconciler.end_list(Kind::Named("company".into()), at(1)), []);
    assert_eq!(reconciler.write(&secret_key(), at(1)), None);
}

#[test]
fn a_squatter_under_a_managed_name_is_waited_for_without_reading_or_following_it() {
    let mut reconciler = served_by_name();
    reconciler.see_namespace("b", selected(), false, at(1));
    reconciler.see_account("b", "default", Seen::There(account("23", &[], &[])), at(1));
    let key = Key::secret(&"b".into(), &"company".into());
    let work = reconciler.see_secret("b", "company", Seen::There(squatter("24")), at(2));
    assert_eq!(work, [], "the create is no longer wanted, nor the reference");
    assert_eq!(reconciler.write(&key, at(2)), None);
    assert!(!reconciler.is_squatted(&key), "its watch tells when it goes");
    let work = reconciler.see_secret("b", "company", Seen::Gone(Version::new("uid-other", "25")), at(3));
    assert_eq!(keys(&work), [key, Key::account(&"b".into(), &"default".into())]);
}

#[test]
fn a_copy_that_loses_its_label_under_a_managed_name_is_mended_in_one_write() {
    let mut reconciler = served_by_name();
    let traits = SecretTraits {
        docker_config_type: true,
        applied_by_us: true,
        ..SecretTraits::default()
    };
    let stripped = Secret {
        version: Version::new("uid-copy", "30"),
        digest: None,
        traits: Arc::new(traits),
    };
    let work = reconciler.see_secret("a", "company", Seen::There(stripped), at(1));
    assert_eq!(keys(&work), [secret_key()]);
    assert!(matches!(secret_action(&reconciler), SecretAction::Update { .. }));
}

#[test]
fn a_source_name_is_free_when_its_object_goes() {
    let mut reconciler = started();
    let spec: ClusterPullSecretSpec = serde_json::from_value(json!({
        "registries": [{"credentials": {"dockerConfig": {"secretRef": {"name": "company", "namespace": "a"}}}}],
        "namespaces": {"names": ["elsewhere"]},
    }))
    .unwrap();
    let reader = Arc::new(Object {
        name: "reader".into(),
        uid: "uid-reader".into(),
        spec: Spec::parse("reader", &spec, "pullsecrets-system").unwrap(),
        ..(*object(Lifecycle::Active)).clone()
    });
    reconciler.declare(&reader, 2, true, at(1));
    assert_eq!(reconciler.write(&secret_key(), at(1)), None);
    assert_eq!(summary(&reconciler).failures[0].1.reason, FailureReason::SourceName);
    turns(&mut reconciler, at(1));
    reconciler.forget_object("reader", true, at(2));
    assert_eq!(keys(&turns(&mut reconciler, at(2))), [secret_key(), account_key()]);
    assert_eq!(summary(&reconciler).failures, []);
}

fn refusal() -> plan::decision::Failure {
    plan::decision::Failure::new(FailureReason::AdmissionDenied, "refused")
}

#[test]
fn what_was_refused_is_tried_again_at_a_pace_also_after_a_change_of_the_object() {
    let mut reconciler = started();
    let work = reconciler.failed(&secret_key(), ApiError::Refused(refusal()), at(0));
    assert_eq!((work[0].lane, work[0].at), (Lane::Retry, Some(at(1))));
    reconciler.declare(&object_for("other", Lifecycle::Active), 2, true, at(0));
    let work = turns(&mut reconciler, at(0));
    assert_eq!((work[0].lane, work[0].at), (Lane::Retry, None));
    for attempt in 1..20 {
        let now = at(100 * attempt);
        let again = reconciler.failed(&secret_key(), ApiError::Refused(refusal()), now)[0]
            .at
            .unwrap();
        assert!(
            again.saturating_sub(now).mul_f64(1.2) < at(60),
            "within a minute, with its jitter"
        );
    }
}

#[test]
fn a_namespace_that_puts_writes_off_waits_as_a_whole_and_no_other() {
    let mut reconciler = started();
    reconciler.declare(&object_for("*", Lifecycle::Active), 2, true, at(0));
    reconciler.see_namespace("b", selected(), false, at(0));
    let key = |namespace: &str, number: u32| Key::account(&namespace.into(), &number.to_string().into());
    for number in 0..5 {
        for namespace in ["a", "b"] {
            reconciler.see_account(
                namespace,
                &number.to_string(),
                Seen::There(account("30", &[], &[])),
                at(0),
            );
        }
    }
    let put_off = ApiError::Postponed {
        failure: refusal(),
        wait: at(45),
        by: Some("webhook".into()),
    };
    for number in 0..3 {
        assert!(
            !reconciler.is_on_hold(&key("a", number), at(1)),
            "each waits for itself at first"
        );
        let work = reconciler.failed(&key("a", number), put_off.clone(), at(1));
        assert_eq!((work[0].lane, work[0].at), (Lane::Retry, Some(at(46))));
    }
    assert!(reconciler.is_on_hold(&key("a", 4), at(1)) && !reconciler.is_on_hold(&key("b", 0), at(1)));
    let work = reconciler.put_off(&key("a", 4), at(1));
    assert_eq!((work[0].lane, work[0].at), (Lane::Retry, Some(at(46))));
    assert_eq!(
        summary(&reconciler).accounts.failed,
        4,
        "it is told as one that was refused"
    );
    reconciler.failed(&key("b", 0), put_off, at(1));
    assert!(
        reconciler.is_on_hold(&key("b", 0), at(1)),
        "the webhook is not asked again"
    );
    assert!(
        !reconciler.is_on_hold(&key("b", 1), at(1)),
        "what it never put off goes on"
    );
    assert!(!reconciler.is_on_hold(&key("a", 4), at(46)));
    let patched = account("31", &["company"], &["company"]);
    reconciler.wrote_account(&key("a", 0), Outcome::Done(Some(patched)), at(46));
    let work = reconciler.failed(&key("a", 1), ApiError::Refused(refusal()), at(46));
    assert!(!work.is_empty() && !reconciler.is_on_hold(&key("a", 4), at(46)));
}

/// A started reconciler with namespace `a`, which the object will select, and `b`.
fn keeping() -> Reconciler {
    let keys = LabelKeys::new();
    keys.want(&object(Lifecycle::Active));
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

#[test]
fn a_long_list_is_read_before_it_is_written_and_not_held_longer() {
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

#[test]
fn a_long_list_is_let_go_when_its_write_fails() {
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

#[test]
fn a_record_in_a_long_list_is_found_when_its_object_comes() {
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

#[test]
fn a_long_list_with_nothing_to_write_is_read_once() {
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

#[test]
fn an_account_that_is_too_large_is_let_be_and_told() {
    let mut reconciler = served();
    let mut large = account("30", &[], &[]);
    large.too_large = true;
    assert_eq!(reconciler.see_account("a", "default", Seen::There(large), at(1)), []);
    let failures = summary(&reconciler).failures;
    assert_eq!(failures[0].1.reason, FailureReason::TooLarge, "{failures:?}");
    assert_eq!(reconciler.write(&account_key(), at(1)), None);
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

#[test]
fn a_copy_replaced_without_its_label_is_still_ours() {
    let mut reconciler = served();
    let gone = Seen::Gone(Version::new("uid-copy", "30"));
    reconciler.see_secret("a", "company", gone, at(1));
    let unlabelled = |uid: &str, version: &str| Secret {
        version: Version::new(uid, version),
        digest: None,
        traits: Arc::new(SecretTraits {
            docker_config_type: true,
            ..SecretTraits::default()
        }),
    };
    let met = unlabelled("uid-copy", "30");
    reconciler.wrote_secret(&secret_key(), Outcome::Changed(Some(met)), at(1));
    assert!(matches!(secret_action(&reconciler), SecretAction::Update { .. }));
    let changed = unlabelled("uid-copy", "31");
    reconciler.wrote_secret(&secret_key(), Outcome::Changed(Some(changed)), at(1));
    assert!(matches!(secret_action(&reconciler), SecretAction::Update { .. }));
    let another = unlabelled("uid-another", "32");
    reconciler.wrote_secret(&secret_key(), Outcome::Changed(Some(another)), at(1));
    assert_eq!(reconciler.write(&secret_key(), at(1)), None);
    assert_eq!(summary(&reconciler).failures[0].1.reason, FailureReason::SecretConflict);
}

/// The namespace `a` is no longer selected, and its reference is gone.
fn left(mut reconciler: Reconciler) -> Reconciler {
    reconciler.see_namespace("a", plan::labels::Labels::default(), false, at(1));
    reconciler.wrote_account(&account_key(), Outcome::Done(Some(account("30", &[], &[]))), at(1));
    reconciler
}

fn forbidden() -> ApiError {
    ApiError::Refused(Failure::new(FailureReason::Forbidden, "the server forbids it (403)"))
}

#[test]
fn a_refused_removal_is_named_counted_and_tried_again() {
    let mut reconciler = left(served());
    assert_eq!(summary(&reconciler).copies_left.due, 1, "it is outstanding work");
    assert_eq!(summary(&reconciler).copies_left.late_at, Some(at(6)));
    let mut delays = Vec::new();
    for attempt in 0..4_u32 {
        let work = reconciler.failed(&secret_key(), forbidden(), at(2 + attempt));
        delays.push(work[0].at.unwrap().saturating_sub(at(2 + attempt)));
    }
    assert_eq!(delays, [at(1), at(2), at(4), at(8)]);
    let told = summary(&reconciler);
    assert_eq!(
        (told.copies_left.failed, told.failures[0].1.reason),
        (1, FailureReason::Forbidden)
    );
    assert_eq!(reconciler.tally.failed(FailureReason::Forbidden), 1);
    reconciler.wrote_secret(&secret_key(), Outcome::Done(None), at(9));
    assert_eq!(summary(&reconciler).failures, []);
    assert_eq!(summary(&reconciler).copies_left.due, 0);
}

#[test]
fn a_false_answer_that_a_namespace_goes_is_retried_and_counted() {
    let mut reconciler = started();
    let work = reconciler.failed(&secret_key(), ApiError::NamespaceTerminating, at(1));
    assert_eq!(keys(&work), [secret_key()]);
    assert_eq!(work[0].at, Some(at(2)), "its watch would have shown it by then");
    assert_eq!(summary(&reconciler).namespaces.selected, 1, "it counts");
    assert_eq!(summary(&reconciler).failures, []);
    reconciler.failed(&secret_key(), ApiError::NamespaceTerminating, at(2));
    assert_eq!(summary(&reconciler).failures[0].1.reason, FailureReason::ServerError);
    assert!(matches!(secret_action(&reconciler), SecretAction::Create(_)));
    reconciler.see_namespace("a", selected(), true, at(3));
    assert_eq!(reconciler.write(&secret_key(), at(3)), None, "now it is true");
    assert_eq!(summary(&reconciler).failures, []);
}

#[test]
fn every_write_that_never_succeeds_is_named_with_a_reason() {
    for setback in [
        forbidden(),
        ApiError::NamespaceTerminating,
        ApiError::Conflict,
        ApiError::NotFound,
        ApiError::Unavailable("the server answered 500".to_owned()),
    ] {
        let mut reconciler = started();
        for second in 0..20 {
            reconciler.failed(&secret_key(), setback.clone(), at(second));
        }
        assert_eq!(summary(&reconciler).failures[0].0.as_ref(), "a", "{setback:?}");
    }
    let mut reconciler = started();
    for second in 0..20 {
        reconciler.wrote_secret(&secret_key(), Outcome::Changed(None), at(second));
        reconciler.failed(&secret_key(), ApiError::Conflict, at(second));
    }
    assert_eq!(summary(&reconciler).failures[0].0.as_ref(), "a");
}

#[test]
fn a_fight_over_what_must_go_is_told_and_slowed() {
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

fn deleting() -> Reconciler {
    let mut reconciler = served();
    reconciler.declare(&object(Lifecycle::Deleting), 2, false, at(1));
    reconciler
}

/// Deleting and creating counts as undoing. So does marking a Secret for an object that no longer exists.
#[test]
fn what_is_made_again_is_fought_over() {
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

/// After a minute, the object controller gives up. Every way in which a removal may fail for ever counts.
#[test]
fn whatever_keeps_a_removal_from_succeeding_counts_as_an_attempt() {
    let unavailable = || ApiError::Unavailable("the server answered 500".to_owned());
    let mut reconciler = deleting();
    assert_eq!(summary(&reconciler).stuck_since, None, "nothing was tried");
    reconciler.answered_elsewhere(at(1));
    reconciler.failed(&account_key(), unavailable(), at(2));
    assert_eq!(
        summary(&reconciler).stuck_since,
        Some(at(1)),
        "one namespace that answers 500"
    );
    assert_eq!(summary(&reconciler).stuck, ["service account a/default"]);
    reconciler.failed(&account_key(), unavailable(), at(40));
    assert_eq!(summary(&reconciler).stuck_since, None, "the whole server is away");

    for setback in [forbidden(), ApiError::Conflict, ApiError::Throttled(SECOND)] {
        let mut reconciler = deleting();
        reconciler.failed(&account_key(), setback.clone(), at(2));
        reconciler.failed(&account_key(), setback.clone(), at(30));
        assert_eq!(summary(&reconciler).stuck_since, Some(at(1)), "{setback:?}");
    }
}

#[test]
fn a_server_that_was_away_counts_for_nothing() {
    let mut reconciler = deleting();
    reconciler.answered_elsewhere(at(1));
    reconciler.failed(&account_key(), forbidden(), at(2));
    assert_eq!(summary(&reconciler).stuck_since, Some(at(1)));
    reconciler.answered_elsewhere(at(11));
    assert_eq!(summary(&reconciler).stuck_since, Some(at(1)));
    reconciler.answered_elsewhere(at(40));
    assert_eq!(summary(&reconciler).stuck_since, None, "it is tried again first");
    reconciler.failed(&account_key(), forbidden(), at(41));
    assert_eq!(summary(&reconciler).stuck_since, Some(at(40)));
}

/// One attempt in a namespace is enough, because the others wait for the same webhook.
#[test]
fn many_accounts_behind_one_refusal_are_given_up_together() {
    let mut reconciler = served();
    for number in 0..40 {
        let held = account("20", &["company"], &["company"]);
        reconciler.see_account("a", &format!("sa-{number}"), Seen::There(held), at(0));
    }
    reconciler.declare(&object(Lifecycle::Deleting), 2, false, at(1));
    reconciler.failed(&account_key(), forbidden(), at(21));
    assert_eq!(summary(&reconciler).stuck_since, Some(at(1)));
    // Another removal is progress.
    let gone = Outcome::Done(Some(account("30", &[], &[])));
    reconciler.wrote_account(&Key::account(&"a".into(), &"sa-7".into()), gone, at(22));
    assert_eq!(summary(&reconciler).stuck_since, Some(at(22)));
}

/// A tenant that restores references, on the same account or on new ones, makes no progress for the deletion.
#[test]
fn what_comes_back_brings_no_deletion_further() {
    for new in [false, true] {
        let mut reconciler = deleting();
        for round in 0..60_u32 {
            let (version, now) = (100 + 2 * round, at(2 + round));
            let name = if new {
                format!("sa-{round}")
            } else {
                "default".to_owned()
            };
            let key = Key::account(&"a".into(), &name.as_str().into());
            reconciler.wrote_account(&key, Outcome::Done(Some(account(&version.to_string(), &[], &[]))), now);
            let back = account(&(version + 1).to_string(), &["company"], &["company"]);
            let back_at = if new { format!("sa-{}", round + 1) } else { name };
            reconciler.see_account("a", &back_at, Seen::There(back), now);
        }
        let summary = summary(&reconciler);
        assert!(summary.owed > 0);
        assert!(summary.stuck_since <= Some(at(3)), "{new} {:?}", summary.stuck_since);
        assert!(summary.stuck_since.is_some(), "{new}");
    }
}

/// After a restart, no watch shows a retained copy.
#[test]
fn a_reference_is_kept_until_its_secret_was_read() {
    let reconciler = |elsewhere: &str| {
        let spec: ClusterPullSecretSpec = serde_json::from_value(json!({
            "registries": [{"server": "ghcr.io", "credentials": {"dockerConfig": {"secretRef": {"name": "source"}}}}],
            "namespaces": {"names": [elsewhere]},
        }))
        .unwrap();
        let object = Arc::new(Object {
            spec: Spec::parse("company", &spec, "pullsecrets-system").unwrap(),
            ..(*object(Lifecycle::Active)).clone()
        });
        let mut reconciler = Reconciler::new([]);
        reconciler.declare(&object, 1, true, at(0));
        reconciler.see_namespace("a", selected(), false, at(0));
        reconciler.see_account(
            "a",
            "default",
            Seen::There(account("10", &["company"], &["company"])),
            at(0),
        );
        for kind in [Kind::Namespace, Kind::Account, Kind::Copy] {
            reconciler.end_list(kind, at(0));
        }
        reconciler.start(at(0));
        reconciler
    };
    let mut read = reconciler("b");
    assert_eq!(keys(&turns(&mut read, at(0))), [secret_key()], "it is to be read");
    assert!(read.is_unread(&secret_key()));
    assert_eq!(
        (read.write(&secret_key(), at(0)), read.write(&account_key(), at(0))),
        (None, None)
    );
    let retained = Secret {
        version: Version::new("uid-copy", "5"),
        digest: None,
        traits: Arc::new(SecretTraits {
            docker_config_type: true,
            annotations: [("pullsecrets.dev/retained", "former")].into_iter().collect(),
            ..SecretTraits::default()
        }),
    };
    assert_eq!(
        read.wrote_secret(&secret_key(), Outcome::Changed(Some(retained)), at(1)),
        []
    );
    assert_eq!(read.write(&account_key(), at(1)), None, "Pods there pull with it");
    assert_eq!(summary(&read).references_left.due, 0);

    let mut read = reconciler("b");
    turns(&mut read, at(0));
    let work = read.failed(&secret_key(), ApiError::Unavailable("no reply".to_owned()), at(1));
    assert_eq!(keys(&work), [secret_key()], "it is read again");
    assert_eq!(summary(&read).references_left.due, 1);
    let work = read.wrote_secret(&secret_key(), Outcome::Changed(None), at(2));
    assert_eq!(keys(&work), [account_key()], "it leads nowhere");
}

#[test]
fn an_older_state_of_the_store_is_believed_when_it_shows_twice() {
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

/// A reconciler on a server that acts at random. It also records what an independent reader would see.
struct Diced {
    reconciler: Reconciler,
    random: rand::rngs::StdRng,
    now: Duration,
    version: u32,
    revision: u64,
    /// Since when a namespace lacks its copy, or has one that must go.
    wrong_since: std::collections::BTreeMap<&'static str, Duration>,
    payload: u8,
}

fn is_theirs(held: &Secret) -> bool {
    held.traits.labels.iter().next().is_none()
}

const PLACES: [&str; 4] = ["a", "b", "c", "d"];

impl Diced {
    fn new(seed: u64) -> Self {
        let mut reconciler = started();
        for name in PLACES {
            reconciler.see_namespace(name, selected(), false, at(0));
            reconciler.see_account(name, "default", Seen::There(account("10", &[], &[])), at(0));
        }
        Self {
            reconciler,
            random: <rand::rngs::StdRng as rand::SeedableRng>::seed_from_u64(seed),
            now: at(0),
            version: 100,
            revision: 1,
            wrong_since: std::collections::BTreeMap::new(),
            payload: 0,
        }
    }

    fn roll(&mut self, sides: u32) -> u32 {
        rand::Rng::random_range(&mut self.random, 0..sides)
    }

    fn next_version(&mut self) -> String {
        self.version += 1;
        self.version.to_string()
    }

    fn object(&self, elsewhere: bool) -> Arc<Object> {
        let mut object = (*object(Lifecycle::Active)).clone();
        object.payload = Some(Arc::new(Payload::new(&[self.payload], &DigestKey::new([0; 16]))));
        if elsewhere {
            let spec: ClusterPullSecretSpec = serde_json::from_value(json!({
                "registries": [{"server": "ghcr.io", "credentials": {"dockerConfig": {"secretRef": {"name": "source"}}}}],
                "namespaces": {"selectors": [{"matchLabels": {"pull": "yes"}}], "excluded": ["b", "c"]},
            }))
            .unwrap();
            object.spec = Spec::parse("company", &spec, "pullsecrets-system").unwrap();
        }
        Arc::new(object)
    }

    fn setback(&mut self) -> ApiError {
        let refused = |reason| Failure::new(reason, "refused");
        match self.roll(9) {
            0 => forbidden(),
            1 => ApiError::NamespaceTerminating,
            2 => ApiError::Conflict,
            3 => ApiError::NotFound,
            4 => ApiError::Throttled(SECOND),
            5 => ApiError::Refused(refused(FailureReason::QuotaExceeded)),
            6 => ApiError::Refused(refused(FailureReason::AdmissionDenied)),
            7 => ApiError::Postponed {
                failure: refused(FailureReason::AdmissionDenied),
                wait: SECOND,
                by: Some("webhook".into()),
            },
            _ => ApiError::Unavailable("the server answered 500".to_owned()),
        }
    }

    /// Makes the server fail every write the same way; then each wrong namespace is named.
    fn fail_all(&mut self) {
        let setback = self.setback();
        for _ in 0..20 {
            self.now += SECOND * 3;
            for name in PLACES {
                for key in [
                    Key::secret(&name.into(), &"company".into()),
                    Key::account(&name.into(), &"default".into()),
                ] {
                    if self.reconciler.write(&key, self.now).is_some() {
                        self.reconciler.failed(&key, setback.clone(), self.now);
                    } else {
                        self.reconciler.revisit(&key, self.now);
                    }
                }
            }
        }
        let summary = self.reconciler.summary("company").unwrap();
        for name in PLACES.into_iter().filter(|name| self.is_wrong(name)) {
            let named = summary.failures.iter().any(|(namespace, _)| namespace.as_ref() == name);
            assert!(
                named,
                "{name} is wrong and not named: {setback:?}, {:?}",
                self.reconciler.places[name]
                    .facts
                    .secrets
                    .get("company")
                    .map(|held| (&held.traits, held.digest.is_some()))
            );
        }
        self.judge(at(5));
    }

    /// Makes one write of the key, if it needs one. It succeeds, is refused, or loses a race.
    fn write(&mut self, key: &Key) {
        let Some(action) = self.reconciler.write(key, self.now) else {
            self.reconciler.revisit(key, self.now);
            return;
        };
        if self.roll(3) == 0 {
            let setback = self.setback();
            self.reconciler.failed(key, setback, self.now);
            return;
        }
        let version = self.next_version();
        let held = self.reconciler.places[&key.namespace]
            .facts
            .secrets
            .get("company")
            .cloned();
        match action {
            Write::Account { action, .. } => {
                let (entries, attached) = (action.entries, action.attached);
                let written = Account {
                    entries: entries.into(),
                    attached: attached.into(),
                    ..account(&version, &[], &[])
                };
                self.reconciler
                    .wrote_account(key, Outcome::Done(Some(written)), self.now);
            }
            Write::Secret {
                action: SecretAction::Delete { .. },
                ..
            } => {
                self.reconciler.wrote_secret(key, Outcome::Done(None), self.now);
            }
            Write::Secret {
                action: SecretAction::Empty { .. },
                ..
            } => {
                let emptied = held.map(|held| Secret {
                    version: Version::new("uid-copy", &version),
                    digest: None,
                    ..held
                });
                self.reconciler.wrote_secret(key, Outcome::Done(emptied), self.now);
            }
            Write::Secret { action, .. } => {
                let mut copy = written(&action, &version);
                if let Some(held) = held.filter(|held| held.traits.deleting) {
                    copy.traits = held.traits;
                }
                self.reconciler.wrote_secret(key, Outcome::Done(Some(copy)), self.now);
            }
        }
    }

    /// A tenant or an author changes the namespace, or the object.
    fn disturb(&mut self, namespace: &str) {
        let held = self.reconciler.places[namespace].facts.secrets.get("company").cloned();
        let version = self.next_version();
        let newer = |held: Secret, change: &dyn Fn(&mut SecretTraits)| {
            let mut traits = (*held.traits).clone();
            change(&mut traits);
            Seen::There(Secret {
                version: Version::new("uid-copy", &version),
                digest: held.digest,
                traits: Arc::new(traits),
            })
        };
        let by_finalizer = |traits: &mut SecretTraits| {
            traits.deleting = true;
            traits.finalizer = Some("example.com/slow".into());
        };
        let labels = [plan::labels::Labels::default(), selected()];
        let was = self.reconciler.places[namespace].facts.labels.clone();
        match (self.roll(10), held) {
            (0, _) => drop(
                self.reconciler
                    .see_namespace(namespace, labels[0].clone(), false, self.now),
            ),
            (1 | 2, _) => drop(
                self.reconciler
                    .see_namespace(namespace, labels[1].clone(), false, self.now),
            ),
            (3, Some(_)) => {
                let gone = Seen::Gone(Version::new("uid-copy", &version));
                self.reconciler.see_secret(namespace, "company", gone, self.now);
            }
            (4, Some(held)) => {
                drop(
                    self.reconciler
                        .see_secret(namespace, "company", newer(held, &by_finalizer), self.now),
                );
            }
            (5, Some(held)) => {
                let fixed = newer(held, &|traits| traits.immutable = true);
                self.reconciler.see_secret(namespace, "company", fixed, self.now);
            }
            (6, Some(held)) if !is_theirs(&held) => {
                let edited = Secret {
                    version: Version::new("uid-copy", &version),
                    digest: Some(Arc::new(DigestKey::new([1; 16]).digest("edited"))),
                    ..held
                };
                self.reconciler
                    .see_secret(namespace, "company", Seen::There(edited), self.now);
            }
            (8, None) => {
                let theirs = Secret {
                    version: Version::new("uid-theirs", &version),
                    digest: None,
                    traits: Arc::new(SecretTraits::default()),
                };
                self.reconciler
                    .see_secret(namespace, "company", Seen::There(theirs), self.now);
            }
            (7, _) => {
                self.payload += 1;
                self.revision += 1;
                let elsewhere = self.roll(3) == 0;
                let object = self.object(elsewhere);
                self.reconciler.declare(&object, self.revision, true, self.now);
                // A fault caused by this shows at once.
                self.judge(Duration::ZERO);
            }
            _ => {}
        }
        if self.reconciler.places[namespace].facts.labels != was {
            self.wrong_since.retain(|name, _| *name != namespace);
        }
    }

    /// Whether an independent reader finds the namespace wrong.
    fn is_wrong(&self, namespace: &str) -> bool {
        let facts = &self.reconciler.places[namespace].facts;
        let object = self.reconciler.cluster.object("company").unwrap();
        let selects = self.reconciler.cluster.selects(object, namespace, &facts.labels);
        let held = facts.secrets.get("company");
        if selects {
            let wants = object.payload.as_ref().map(|payload| payload.digest());
            held.is_none_or(|held| held.digest.as_ref() != wants || held.traits.deleting)
        } else {
            held.is_some_and(|held| held.digest.is_some() && !is_theirs(held))
        }
    }

    fn judge(&mut self, grace: Duration) {
        for name in PLACES {
            if self.is_wrong(name) {
                self.wrong_since.entry(name).or_insert(self.now);
            } else {
                self.wrong_since.remove(name);
            }
        }
        let summary = self.reconciler.summary("company").unwrap();
        let late = |at: Option<Duration>| at.is_some_and(|at| at <= self.now);
        let time = k8s_openapi::apimachinery::pkg::apis::meta::v1::Time(jiff::Timestamp::UNIX_EPOCH);
        let credentials = plan::registries::merge(&[], &plan::registries::LastGood::default());
        let status = plan::status::report(&plan::status::Facts {
            installation: "pullsecrets-system/pullsecrets",
            remark: None,
            generation: 1,
            secret_name: "company",
            previous: &crd::ClusterPullSecretStatus::default(),
            unreadable: None,
            attaches: true,
            credentials: Some(&credentials),
            lasting_problem: false,
            summary: Some(&summary),
            blocked: None,
            deleting: false,
            left_out: &[],
            unread: None,
            state_secret: None,
            late: plan::status::Late {
                namespaces: late(summary.namespaces_late_at),
                accounts: late(summary.accounts_late_at),
                copies_left: late(summary.copies_left.late_at),
                references_left: late(summary.references_left.late_at),
            },
            requested_at: None,
            now: &time,
        });
        let ready = status.ready().unwrap();
        let is_ready = ready.status == crd::ConditionStatus::True;
        let wrong = self.wrong_since.iter().find(|(_, since)| self.now >= **since + grace);
        assert!(
            !is_ready || wrong.is_none(),
            "{} although {wrong:?} is wrong",
            ready.message
        );
        let failed = summary.namespaces.failed
            + summary.accounts.failed
            + summary.copies_left.failed
            + summary.references_left.failed;
        assert_eq!(
            usize::try_from(failed),
            Ok(status.failures.len()),
            "each that failed is named, and no other"
        );
        for failure in &status.failures {
            let retry = |name: &str| {
                let key = [
                    Key::secret(&name.into(), &"company".into()),
                    Key::account(&name.into(), &"default".into()),
                ];
                key.iter()
                    .any(|key| self.reconciler.pending.retry(key).is_some() || self.reconciler.contended(key).is_some())
            };
            // Emptied copies that a finalizer holds.
            let emptied = |name: &str| {
                let held = self.reconciler.places[name].facts.secrets.get("company");
                held.is_some_and(|held| held.traits.deleting)
            };
            let name = &failure.namespace;
            let there = self.is_wrong(name) || retry(name) || emptied(name);
            assert!(there, "{failure:?} is over");
        }
    }
}

/// Covers random refusals, lost races, edits, finalizers and selections. `Ready` is true only if each selected
/// namespace was seen with a current copy, and no other has one. Each failure is named.
#[test]
fn ready_is_true_only_where_every_copy_was_seen() {
    let seed: u64 = rand::random();
    println!("seed {seed}");
    let mut was_ready = 0;
    for round in 0..200 {
        let mut diced = Diced::new(seed.wrapping_add(round));
        for _ in 0..100 {
            let millis = diced.roll(1500);
            diced.now += Duration::from_millis(millis.into());
            let namespace = PLACES[usize::try_from(diced.roll(4)).unwrap_or_default()];
            if diced.roll(5) == 0 {
                diced.disturb(namespace);
            } else {
                diced.write(&Key::secret(&namespace.into(), &"company".into()));
                diced.write(&Key::account(&namespace.into(), &"default".into()));
            }
            assert_eq!(diced.reconciler.unrecorded(diced.now), []);
            diced.judge(at(5));
            was_ready += u32::from(diced.wrong_since.is_empty());
        }
        diced.fail_all();
    }
    assert!(was_ready > 100, "it never came to rest: {was_ready}");
}

/// A started reconciler with a copy that no object wants yet, and many accounts, one of which records it.
fn crowded() -> Reconciler {
    let mut reconciler = served();
    for number in 0..50 {
        let name = format!("other-{number}");
        reconciler.see_account("a", &name, Seen::There(account("30", &["theirs"], &[])), at(1));
    }
    let recorded = account("31", &["company", "labelled"], &["company", "labelled"]);
    reconciler.see_account("a", "default", Seen::There(recorded), at(1));
    reconciler
}

fn labelled(version: &str) -> Secret {
    let labels = [(crd::names::LABEL_OBJECT, "gone")];
    let traits = SecretTraits {
        docker_config_type: true,
        labels: labels.into_iter().collect(),
        ..SecretTraits::default()
    };
    Secret {
        version: Version::new("uid-labelled", version),
        digest: None,
        traits: Arc::new(traits),
    }
}

#[test]
fn a_secret_that_comes_touches_its_accounts_alone() {
    let reconciler = crowded();
    let touched = |name: &str, new: &Secret| {
        let (name, namespace) = (name.into(), "a".into());
        let key = Key::secret(&namespace, &name);
        let affected = reconciler.touched_by(&key, &name, None, Some(new), &[]);
        let evaluation = reconciler.evaluate(&reconciler.cluster, &namespace, &affected, at(1));
        evaluation.keys().map(ToString::to_string).collect::<Vec<_>>()
    };
    let both = ["secret a/labelled", "service account a/default"];
    assert_eq!(touched("labelled", &labelled("40")), both);
    assert_eq!(touched("unrecorded", &labelled("40")), ["secret a/unrecorded"]);
    assert_eq!(
        touched("company", &squatter("40")).len(),
        52,
        "each may be about to refer to it"
    );
}

#[test]
fn what_leaves_elsewhere_costs_no_account_a_look() {
    let mut reconciler = crowded();
    reconciler
        .pending
        .set_removal(&Key::secret(&"elsewhere".into(), &"company".into()), Some(at(1)));
    for number in 0..50 {
        reconciler.see_secret("a", &format!("labelled-{number}"), Seen::There(labelled("40")), at(1));
    }
    let name = "default".into();
    let evaluate = |reconciler: &Reconciler, records: &[Arc<str>]| {
        let affected = super::evaluate::Affected::Account(&name, records);
        let evaluation = reconciler.evaluate(&reconciler.cluster, &"a".into(), &affected, at(1));
        evaluation.keys().map(ToString::to_string).collect::<Vec<_>>()
    };
    assert_eq!(evaluate(&reconciler, &[]), ["service account a/default"]);
    for waits in ["labelled", "labelled-7"] {
        reconciler
            .pending
            .set_removal(&Key::secret(&"a".into(), &waits.into()), Some(at(1)));
    }
    assert_eq!(
        evaluate(&reconciler, &[]),
        ["secret a/labelled", "service account a/default"]
    );
    let before = ["labelled-7".into(), "labelled-8".into()];
    let evaluation = evaluate(&reconciler, &before);
    assert_eq!(
        evaluation,
        ["secret a/labelled", "secret a/labelled-7", "service account a/default"]
    );
}
