//! Which Pods are held, and what is reported of them.

use plan::identity::Version;
use plan::observed::ControllerKind;
use plan::recovery::SETTLE;

use super::*;
use crate::namespaces::reconciler::Reconciler;

fn at(seconds: u64) -> Duration {
    Duration::from_secs(seconds)
}

fn key(namespace: &str, name: &str) -> PodKey {
    PodKey {
        namespace: namespace.into(),
        name: name.into(),
    }
}

fn pod(uid: &str, images: &[&str]) -> Pod {
    Pod {
        version: Version::new(uid, "1"),
        created: 10,
        account: "default".into(),
        pull_secrets: Some([].into()),
        images: images.iter().map(|&image| image.into()).collect(),
        controller: Some(Controller {
            kind: ControllerKind::ReplicaSet,
            name: "rs".into(),
            uid: "rs".into(),
        }),
        deleting: false,
    }
}

/// Tenants choose how many Pods wait.
#[test]
fn waiting_pods_are_bounded_in_each_namespace() {
    let mut recovery = Recovery::default();
    for number in 0..2 * MAX_IN_NAMESPACE {
        let name = number.to_string();
        recovery.see(&key("n", &name), pod(&name, &["a"]), at(1));
    }
    recovery.see(&key("m", "other"), pod("other", &["a"]), at(1));
    assert_eq!(recovery.held, MAX_IN_NAMESPACE + 1);
    for namespace in 0..10 {
        for number in 0..MAX_IN_NAMESPACE {
            let name = number.to_string();
            recovery.see(&key(&namespace.to_string(), &name), pod(&name, &["a"]), at(1));
        }
    }
    assert_eq!(recovery.held, MAX_PODS);
    recovery.see(&key("late", "late"), pod("late", &["a"]), at(2));
    assert_eq!(recovery.held, MAX_PODS);
    assert!(recovery.waiting(&key("late", "late")).is_some());
    let most = recovery.pods.values().map(BTreeMap::len).max();
    assert!(most <= Some(MAX_IN_NAMESPACE), "{most:?}");
}

/// A namespace that holds no fewer Pods than the others displaces none of theirs.
#[test]
fn full_room_is_shared_evenly() {
    let mut recovery = Recovery::default();
    for number in 0..MAX_PODS {
        let name = number.to_string();
        recovery.see(&key(&name, "a"), pod(&name, &["a"]), at(1));
    }
    recovery.see(&key("late", "a"), pod("late", &["a"]), at(1));
    assert_eq!(recovery.held, MAX_PODS);
    assert!(recovery.waiting(&key("late", "a")).is_none());
}

#[test]
fn pods_that_wait_no_longer_are_dropped() {
    let mut recovery = Recovery::default();
    let gone = |recovery: &mut Recovery, change: &dyn Fn(&mut Recovery)| {
        recovery.see(&key("n", "a"), pod("a", &["a"]), at(1));
        assert_eq!(recovery.held, 1);
        change(recovery);
        assert_eq!((recovery.held, recovery.pods.len()), (0, 0));
    };
    gone(&mut recovery, &|recovery| recovery.forget(&key("n", "a")));
    gone(&mut recovery, &|recovery| {
        recovery.see(&key("n", "a"), pod("a", &[]), at(2));
    });
    gone(&mut recovery, &|recovery| {
        let ends = Pod {
            deleting: true,
            ..pod("a", &["a"])
        };
        recovery.see(&key("n", "a"), ends, at(2));
    });
    gone(&mut recovery, &|recovery| {
        recovery.begin_list();
        recovery.end_list();
    });
}

/// No sweep is due before the first list, or when no Pod waits.
#[test]
fn sweeps_are_due_only_while_pods_wait() {
    let (mut recovery, mut reconciler) = (Recovery::default(), Reconciler::new([]));
    recovery.see(&key("n", "a"), pod("a", &["a"]), at(1));
    assert_eq!(recovery.due_at(), None);
    recovery.end_list();
    assert_eq!(recovery.due_at(), Some(Duration::ZERO));
    assert!(
        recovery.sweep(&mut reconciler, at(1)).is_empty(),
        "no object has to do with it"
    );
    assert_eq!(recovery.due_at(), Some(at(1) + SWEEP));
    recovery.forget(&key("n", "a"));
    assert_eq!(recovery.due_at(), Some(at(1) + SWEEP), "the numbers change");
    recovery.sweep(&mut reconciler, at(2) + SETTLE);
    assert_eq!(recovery.due_at(), None);
}

/// A call that lost a race waits for another version of the Pod.
#[test]
fn the_same_version_is_not_tried_again_at_once() {
    let mut recovery = Recovery::default();
    recovery.see(&key("n", "a"), pod("a", &["a"]), at(1));
    recovery.ended(&key("n", "a"), &pod("a", &["a"]), &[], &Ended::Changed, at(2));
    let not_before = |recovery: &Recovery| recovery.waiting(&key("n", "a")).expect("it waits").not_before;
    assert_eq!(not_before(&recovery), at(2) + AGAIN);
    recovery.see(&key("n", "a"), pod("a", &["a"]), at(3));
    assert_eq!(not_before(&recovery), at(2) + AGAIN, "the same version");
    let newer = Pod {
        version: Version::new("a", "2"),
        ..pod("a", &["a"])
    };
    recovery.see(&key("n", "a"), newer, at(3));
    assert_eq!(not_before(&recovery), Duration::ZERO);
}

#[test]
fn a_replaced_pod_is_counted_and_reported_once() {
    let mut recovery = Recovery::default();
    let objects: [Arc<str>; 1] = ["company".into()];
    for name in ["a", "b"] {
        recovery.see(&key("n", name), pod(name, &["a"]), at(1));
        recovery.under_way.insert("n".into(), 1);
        recovery.ended(
            &key("n", name),
            &pod(name, &["a"]),
            &objects,
            &Ended::Replaced(Some(20)),
            at(2),
        );
    }
    assert_eq!((recovery.held, recovery.recovered["company"]), (0, 2));
    let reports = recovery.take_reports();
    assert_eq!(reports.len(), 1, "{reports:?}");
    assert_eq!((reports[0].kind, reports[0].reason), ("ReplicaSet", "PodReplaced"));
    assert!(recovery.under_way.is_empty());
    recovery.forget_object("company");
    assert!(recovery.recovered.is_empty());
}
