//! Secrets of others under the name of a copy.

use super::*;

/// A squatter bears on the references and is known as one.
#[test]
fn a_squatter_takes_the_references_away() {
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

/// Looks at a squatter do not put off the write that is due when it went.
#[test]
fn looks_at_a_squatter_count_as_no_retry() {
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

/// A look at a squatter that got no answer is taken again.
#[test]
fn a_failed_look_at_a_squatter_is_repeated() {
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
        "it may have gone, and no event would say so"
    );
    assert!(work[0].at.is_some_and(|at| at > SECOND * 2));
}

/// A copy that was left to its namespace is not waited for.
#[test]
fn a_retained_copy_is_not_a_squatter() {
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
    assert!(!reconciler.is_squatted(&secret_key()), "no object asks for it");
    reconciler.see_namespace("a", selected(), false, at(3));
    assert!(
        matches!(secret_action(&reconciler), SecretAction::Reclaim { .. }),
        "and it is taken back"
    );
}
