//! Removals: their order, and what is owed to a deleted object.

use super::*;

/// References go before the copy, and the copy goes without them after a while.
#[test]
fn references_go_before_their_copy() {
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

/// What is owed to a deleted object is counted until it is done.
#[test]
fn what_a_deletion_owes_is_counted() {
    let mut reconciler = served();
    reconciler.declare(&object(Lifecycle::Deleting), 2, false, at(1));
    assert_eq!(summary(&reconciler).pending_cleanup, 2);
    let refusal = Failure::new(FailureReason::AdmissionDenied, "refused");
    reconciler.wrote_account(&account_key(), Outcome::Failed(ApiError::Refused(refusal)), at(2));
    assert_eq!(
        summary(&reconciler).stuck_since,
        Some(at(1)),
        "no removal came further since then"
    );
    reconciler.wrote_account(&account_key(), Outcome::Done(Some(account("30", &[], &[]))), at(3));
    reconciler.wrote_secret(&secret_key(), Outcome::Done(None), at(3));
    assert_eq!(summary(&reconciler).pending_cleanup, 0);
}

/// An object whose finalizer was taken off by hand is cleaned up after.
#[test]
fn an_object_without_its_finalizer_is_cleaned_up() {
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

/// The Secret as a tenant leaves it who takes our label from it.
fn unlabelled(reconciler: &Reconciler, version: &str) -> Secret {
    let written = written(&secret_action(&started()), version);
    assert!(reconciler.is_out_of_sight(&secret_key()), "it is to be read");
    Secret {
        traits: Arc::new(SecretTraits {
            labels: plan::labels::Labels::default(),
            ..(*written.traits).clone()
        }),
        ..written
    }
}

/// A policy keeps the reference, so the copy waits, and a tenant then removes its label.
#[test]
fn a_copy_that_loses_its_label_still_goes() {
    let mut reconciler = served();
    reconciler.see_namespace("a", plan::labels::Labels::default(), false, at(1));
    reconciler.wrote_account(&account_key(), Outcome::Failed(forbidden()), at(1));
    let work = reconciler.see_secret("a", "company", Seen::Gone(Version::new("uid-copy", "30")), at(4));
    assert!(keys(&work).contains(&secret_key()));
    assert_eq!(summary(&reconciler).copies_left.due, 1, "it may be there");
    let stripped = unlabelled(&reconciler, "30");
    let work = reconciler.wrote_secret(&secret_key(), Outcome::Changed(Some(stripped)), at(4));
    assert!(keys(&work).contains(&secret_key()));
    let SecretAction::Reclaim { object, .. } = secret_action(&reconciler) else {
        panic!("{:?}", secret_action(&reconciler));
    };
    assert_eq!(&*object, "company");
    let labelled = written(&secret_action(&started()), "31");
    reconciler.wrote_secret(&secret_key(), Outcome::Done(Some(labelled)), at(4));
    assert_eq!(
        reconciler.write(&secret_key(), at(10)),
        None,
        "it waits for the reference"
    );
    let deletes = |reconciler: &Reconciler, now| {
        let write = reconciler.write(&secret_key(), now);
        matches!(
            write,
            Some(Write::Secret {
                action: SecretAction::Delete { .. },
                ..
            })
        )
    };
    assert!(deletes(&reconciler, at(11)), "not longer than without the tenant");
    reconciler.wrote_secret(&secret_key(), Outcome::Done(None), at(11));
    assert_eq!(summary(&reconciler).copies_left.due, 0);
    assert!(!reconciler.is_out_of_sight(&secret_key()));
}

#[test]
fn a_copy_that_was_deleted_is_read_once() {
    let mut reconciler = left(served());
    reconciler.see_secret("a", "company", Seen::Gone(Version::new("uid-copy", "30")), at(2));
    let work = reconciler.failed(&secret_key(), ApiError::Unavailable("no answer".to_owned()), at(2));
    assert_eq!(keys(&work), [secret_key()], "it is read again");
    assert_eq!(summary(&reconciler).copies_left.due, 1);
    assert_eq!(
        reconciler.wrote_secret(&secret_key(), Outcome::Changed(None), at(3)),
        []
    );
    assert_eq!(summary(&reconciler).copies_left.due, 0);
    assert!(!reconciler.is_out_of_sight(&secret_key()));
}

/// Each time the operator restores the label of a copy that must go, a tenant takes it away.
#[test]
fn a_fight_over_a_label_is_slowed_and_reported() {
    let mut reconciler = left(served());
    for round in 0..6_u32 {
        let version = (40 + 2 * round).to_string();
        reconciler.see_secret("a", "company", Seen::Gone(Version::new("uid-copy", &version)), at(2));
        let stripped = unlabelled(&reconciler, &version);
        reconciler.wrote_secret(&secret_key(), Outcome::Changed(Some(stripped)), at(2));
        assert!(matches!(secret_action(&reconciler), SecretAction::Reclaim { .. }));
        let labelled = written(&secret_action(&started()), &(41 + 2 * round).to_string());
        reconciler.wrote_secret(&secret_key(), Outcome::Done(Some(labelled)), at(2));
    }
    let failures = summary(&reconciler).failures;
    assert_eq!(failures[0].1.reason, FailureReason::Contended);
}

/// A tenant recreates a copy that must go. Its report outlasts the copy, and ends with the namespace.
#[test]
fn a_contended_removal_ends_with_its_namespace() {
    let mut reconciler = left(served());
    for round in 0..6_u32 {
        reconciler.wrote_secret(&secret_key(), Outcome::Done(None), at(2));
        let again = written(&secret_action(&started()), &(40 + round).to_string());
        reconciler.see_secret("a", "company", Seen::There(again), at(2));
    }
    reconciler.wrote_secret(&secret_key(), Outcome::Done(None), at(2));
    assert_eq!(summary(&reconciler).failures[0].1.reason, FailureReason::Contended);
    assert_eq!(reconciler.unrecorded(at(2)), []);
    reconciler.forget_namespace("a", at(3));
    assert_eq!(summary(&reconciler).failures, []);
    assert_eq!(reconciler.unrecorded(at(3)), []);
}

/// Another installation, or the leader before, may have just written for an object that the watch does not show yet.
#[test]
fn removals_for_an_unknown_object_need_proof() {
    let none: [Arc<str>; 0] = [];
    let mut reconciler = Reconciler::new([]);
    reconciler.see_namespace("a", selected(), false, at(0));
    for kind in [Kind::Namespace, Kind::Account, Kind::Copy] {
        reconciler.end_list(kind, at(0));
    }
    reconciler.start(at(0));
    let copy = written(&secret_action(&started()), "20");
    reconciler.see_secret("a", "company", Seen::There(copy), at(1));
    let listed = account("21", &["company"], &["company"]);
    reconciler.see_account("a", "default", Seen::There(listed), at(1));
    for key in [account_key(), secret_key()] {
        let write = reconciler.write(&key, at(60)).unwrap();
        assert_eq!(reconciler.presumed_gone(&key, &write), ["company".into()], "{write:?}");
    }

    reconciler.declare(&object(Lifecycle::Deleting), 1, true, at(61));
    for key in [account_key(), secret_key()] {
        let write = reconciler.write(&key, at(120)).unwrap();
        assert_eq!(reconciler.presumed_gone(&key, &write), none, "{write:?}");
    }
}
