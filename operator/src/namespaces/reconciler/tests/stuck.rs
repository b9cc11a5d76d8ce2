//! Removals that come no further, until the object gives them up.

use super::*;

fn deleting() -> Reconciler {
    let mut reconciler = served();
    reconciler.declare(&object(Lifecycle::Deleting), 2, false, at(1));
    reconciler
}

/// After a minute, the object controller gives up. Every way in which a removal may fail for ever counts.
#[test]
fn every_failure_of_a_removal_counts() {
    let unavailable = || ApiError::Unavailable("the server answered 500".to_owned());
    let mut reconciler = deleting();
    assert_eq!(summary(&reconciler).stuck_since, None, "no removal was tried");
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

    for error in [forbidden(), ApiError::Conflict, ApiError::Throttled(SECOND)] {
        let mut reconciler = deleting();
        reconciler.failed(&account_key(), error.clone(), at(2));
        reconciler.failed(&account_key(), error.clone(), at(30));
        assert_eq!(summary(&reconciler).stuck_since, Some(at(1)), "{error:?}");
    }
}

/// The time in which the whole server was away does not count.
#[test]
fn an_absent_server_gives_up_no_removal() {
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
fn accounts_behind_one_refusal_are_given_up() {
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
        assert!(summary.pending_cleanup > 0);
        assert!(summary.stuck_since <= Some(at(3)), "{new} {:?}", summary.stuck_since);
        assert!(summary.stuck_since.is_some(), "{new}");
    }
}
