//! Retries: their pace, and what they report.

use super::*;

/// A lost race is run again at once, and from the fourth on with a delay.
#[test]
fn a_lost_race_is_retried_at_once() {
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

/// What was refused is tried again at a pace, also after a change of the object.
#[test]
fn a_refused_write_is_retried_at_a_pace() {
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

/// A namespace that puts writes off waits as a whole, and no other waits with it.
#[test]
fn a_namespace_that_postpones_writes_waits_alone() {
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
        "it is reported as one that was refused"
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

/// A refused removal is named, counted and tried again.
#[test]
fn a_refused_removal_is_counted_and_retried() {
    let mut reconciler = left(served());
    assert_eq!(summary(&reconciler).copies_left.due, 1, "it is outstanding work");
    assert_eq!(summary(&reconciler).copies_left.late_at, Some(at(6)));
    let mut delays = Vec::new();
    for attempt in 0..4_u32 {
        let work = reconciler.failed(&secret_key(), forbidden(), at(2 + attempt));
        delays.push(work[0].at.unwrap().saturating_sub(at(2 + attempt)));
    }
    assert_eq!(delays, [at(1), at(2), at(4), at(8)]);
    let reported = summary(&reconciler);
    assert_eq!(
        (reported.copies_left.failed, reported.failures[0].1.reason),
        (1, FailureReason::Forbidden)
    );
    assert_eq!(reconciler.tally.failed(FailureReason::Forbidden), 1);
    reconciler.wrote_secret(&secret_key(), Outcome::Done(None), at(9));
    assert_eq!(summary(&reconciler).failures, []);
    assert_eq!(summary(&reconciler).copies_left.due, 0);
}

/// A false answer that a namespace goes is retried and counted.
#[test]
fn a_false_terminating_answer_is_retried_and_counted() {
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

/// Every write that never succeeds is named with a reason.
#[test]
fn a_write_that_never_succeeds_is_named() {
    for error in [
        forbidden(),
        ApiError::NamespaceTerminating,
        ApiError::Conflict,
        ApiError::NotFound,
        ApiError::Unavailable("the server answered 500".to_owned()),
    ] {
        let mut reconciler = started();
        for second in 0..20 {
            reconciler.failed(&secret_key(), error.clone(), at(second));
        }
        assert_eq!(summary(&reconciler).failures[0].0.as_ref(), "a", "{error:?}");
    }
    let mut reconciler = started();
    for second in 0..20 {
        reconciler.wrote_secret(&secret_key(), Outcome::Changed(None), at(second));
        reconciler.failed(&secret_key(), ApiError::Conflict, at(second));
    }
    assert_eq!(summary(&reconciler).failures[0].0.as_ref(), "a");
}

/// A person deletes the copy whose update was refused.
#[test]
fn another_kind_of_write_is_made_at_once() {
    let mut reconciler = served();
    let Some(copy) = reconciler.places["a"].facts.secrets.get("company").cloned() else {
        panic!("there is a copy");
    };
    let edited = Secret {
        version: Version::new("uid-copy", "30"),
        digest: None,
        ..copy
    };
    reconciler.see_secret("a", "company", Seen::There(edited), at(1));
    for second in 1..10 {
        reconciler.failed(&secret_key(), ApiError::Refused(refusal()), at(second));
    }
    let gone = Seen::Gone(Version::new("uid-copy", "31"));
    let work = reconciler.see_secret("a", "company", gone, at(11));
    assert_eq!(work, [Work::now(secret_key())]);
    assert_eq!(summary(&reconciler).failures, [], "it was not refused");

    let mut reconciler = started();
    for second in 1..10 {
        reconciler.failed(&account_key(), ApiError::Refused(refusal()), at(second));
    }
    let work = reconciler.see_account("a", "default", Seen::There(account("40", &[], &["company"])), at(11));
    assert!(work[0].at > Some(at(20)), "a refused patch waits: {work:?}");
    let attached = account("41", &["company"], &["company"]);
    reconciler.see_account("a", "default", Seen::There(attached), at(12));
    assert_eq!(summary(&reconciler).failures, []);
}

/// The server spends a minute on each write of one account, and answers all others.
#[test]
fn a_write_that_hangs_alone_is_reported() {
    let mut reconciler = served();
    let hang = |reconciler: &mut Reconciler, others: bool, now: Duration| {
        patch(reconciler, now);
        if others {
            reconciler.answered_elsewhere(now + SECOND);
        }
        let ended = now + 30 * SECOND;
        let error = ApiError::Unavailable("no reply of the API server within 30 s".to_owned());
        let work = reconciler.failed(&account_key(), error, ended);
        work[0].at.unwrap().saturating_sub(ended)
    };
    reconciler.see_account("a", "default", Seen::There(account("30", &[], &[])), at(1));
    let delays: Vec<u64> = (0..7)
        .map(|n| hang(&mut reconciler, true, at(100 * (n + 1))).as_secs())
        .collect();
    assert_eq!(delays, [5, 10, 20, 40, 80, 120, 120]);

    let mut reconciler = served();
    reconciler.see_account("a", "default", Seen::There(account("30", &[], &[])), at(1));
    assert!(
        hang(&mut reconciler, false, at(1)) < SECOND,
        "the whole server may be away"
    );
    let failures = summary(&reconciler).failures;
    assert_eq!(failures[0].1.reason, FailureReason::ServerError, "reported after 30 s");
}
