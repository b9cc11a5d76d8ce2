//! The summary of an object: what counts, and what is late.

use super::*;

/// A namespace that came while no process ran is late at once, and one that comes later is not.
#[test]
fn namespaces_from_before_the_start_are_late() {
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

/// Through failure, success and the end of its selection, a namespace counts once.
#[test]
fn the_summary_counts_each_namespace_once() {
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

/// A new edition is late at once, and a new namespace after a while.
#[test]
fn an_edited_object_is_late_at_once() {
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
