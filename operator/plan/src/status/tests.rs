//! What the status says in each state.

use crd::{ConditionStatus, FailureReason, Reason};
use k8s_openapi::jiff::Timestamp;

use super::*;
use crate::decision::Failure as Against;
use crate::registries::{LastGood, Problem, merge};
use crate::summary::needs_person;

/// A state, as its difference from an object with copies in all of its three namespaces.
struct Case {
    what: &'static str,
    problem: Option<Reason>,
    lasting: bool,
    unreadable: bool,
    namespaces: (i64, i64, i64),
    failed: Option<FailureReason>,
    late: bool,
    /// The reason of `Ready`, whether it is true, and whether `Stalled` is there.
    expected: (Reason, bool, bool),
}

const SERVED: Case = Case {
    what: "served",
    problem: None,
    lasting: false,
    unreadable: false,
    namespaces: (3, 3, 0),
    failed: None,
    late: false,
    expected: (Reason::Synced, true, false),
};

fn cases() -> Vec<Case> {
    use FailureReason::{Contended, QuotaExceeded, SecretConflict, ServerError};
    let failed = |what, reason, stalled| Case {
        what,
        namespaces: (3, 2, 1),
        failed: Some(reason),
        expected: (Reason::NamespacesFailed, false, stalled),
        ..SERVED
    };
    let credentials = |what, problem, lasting, stalled| Case {
        what,
        problem: Some(problem),
        lasting,
        expected: (Reason::CredentialsNotReady, false, stalled),
        ..SERVED
    };
    vec![
        SERVED,
        Case {
            what: "nothing selected",
            namespaces: (0, 0, 0),
            expected: (Reason::NoNamespaceSelected, true, false),
            ..SERVED
        },
        Case {
            what: "one is new",
            namespaces: (3, 2, 0),
            ..SERVED
        },
        Case {
            what: "one is late",
            namespaces: (3, 2, 0),
            late: true,
            expected: (Reason::Progressing, false, false),
            ..SERVED
        },
        failed("a conflict needs a person", SecretConflict, true),
        failed("a quota needs a person", QuotaExceeded, true),
        failed("a finalizer needs a person", FailureReason::HeldByFinalizer, true),
        failed("a server may answer again", ServerError, false),
        failed("another writer may stop", Contended, false),
        credentials("a source may still come", Reason::SourceNotFound, false, false),
        credentials("it did not come", Reason::SourceNotFound, true, true),
        credentials("a source is wrong", Reason::SourceInvalid, false, true),
        Case {
            what: "a source is missing and a namespace failed",
            failed: Some(SecretConflict),
            namespaces: (3, 2, 1),
            ..credentials("", Reason::SourceNotFound, false, true)
        },
        Case {
            what: "unreadable",
            unreadable: true,
            expected: (Reason::InvalidSpec, false, true),
            ..SERVED
        },
    ]
}

fn time(second: i64) -> Time {
    Time(Timestamp::from_second(second).unwrap())
}

fn status_of(case: &Case, previous: &ClusterPullSecretStatus, now: &Time) -> ClusterPullSecretStatus {
    let problem = case.problem.map(|reason| Problem {
        reason,
        message: "the source".to_owned(),
    });
    let credentials = Merged {
        problem,
        ..merge(&[], &LastGood::default())
    };
    let (selected, ready, failed) = case.namespaces;
    let failures = case.failed.map(|reason| ("a".into(), Against::new(reason, "why")));
    let summary = Summary {
        namespaces: Count {
            selected,
            ready,
            failed,
        },
        secret_failure: failures.clone(),
        failures: failures.into_iter().collect(),
        needs_person: case.failed.is_some_and(needs_person),
        ..Summary::default()
    };
    report(&Facts {
        generation: 7,
        installation: "pullsecrets-system/pullsecrets",
        remark: None,
        secret_name: "company",
        previous,
        unreadable: case.unreadable.then_some("a field"),
        left_out: &[],
        attaches: false,
        credentials: Some(&credentials),
        lasting_problem: case.lasting,
        summary: Some(&summary),
        blocked: None,
        deleting: false,
        unread: None,
        state_secret: None,
        late: Late {
            namespaces: case.late,
            ..Late::default()
        },
        pods: None,
        requested_at: None,
        now,
    })
}

fn condition<'a>(status: &'a ClusterPullSecretStatus, type_: &str) -> Option<&'a crd::Condition> {
    status.conditions.iter().find(|condition| condition.type_ == type_)
}

#[test]
fn each_state_has_one_ready_reason() {
    for case in cases() {
        let status = status_of(&case, &ClusterPullSecretStatus::default(), &time(1));
        let ready = condition(&status, "Ready").unwrap();
        let said = (
            ready.reason.as_str(),
            ready.status == ConditionStatus::True,
            condition(&status, "Stalled").is_some(),
        );
        let (reason, is_ready, stalled) = case.expected;
        assert_eq!(said, (reason.as_str(), is_ready, stalled), "{}", case.what);
        let reconciling = condition(&status, "Reconciling").is_some();
        assert_eq!(reconciling, !is_ready && !stalled, "{}: one of three", case.what);
        assert_eq!(status.observed_generation, Some(7), "{}", case.what);
        assert!(
            status.conditions.iter().all(|one| one.observed_generation == Some(7)),
            "{}",
            case.what
        );
    }
}

/// From every state to every other: no trace of the former is left, and a condition keeps its time with its status.
#[test]
fn a_status_depends_on_facts_alone() {
    let fresh = ClusterPullSecretStatus::default();
    for before in cases() {
        let before = status_of(&before, &fresh, &time(1));
        for case in cases() {
            let after = status_of(&case, &before, &time(9));
            let words = |status: &ClusterPullSecretStatus| -> Vec<(String, ConditionStatus, String)> {
                let conditions = status.conditions.iter();
                conditions
                    .map(|one| (one.type_.clone(), one.status, one.message.clone()))
                    .collect()
            };
            assert_eq!(
                words(&after),
                words(&status_of(&case, &fresh, &time(9))),
                "{}",
                case.what
            );
            for now in &after.conditions {
                let same = condition(&before, &now.type_).is_some_and(|was| was.status == now.status);
                let since = if same { time(1) } else { time(9) };
                assert_eq!(now.last_transition_time, since, "{}: {}", case.what, now.type_);
            }
            assert_eq!(
                status_of(&case, &after, &time(20)),
                after,
                "{}: without news there is no write",
                case.what
            );
        }
    }
}

#[test]
fn new_namespaces_are_not_counted_as_ready() {
    let new = cases().into_iter().find(|case| case.what == "one is new").unwrap();
    let status = status_of(&new, &ClusterPullSecretStatus::default(), &time(1));
    let message = &condition(&status, "Ready").unwrap().message;
    assert!(message.starts_with("2 of 3 namespaces"), "{message}");
}

/// Keeps the value until the test ends.
fn kept<T>(value: T) -> &'static T {
    Box::leak(Box::new(value))
}

fn status_with(change: impl FnOnce(&mut Facts<'static>)) -> ClusterPullSecretStatus {
    let mut facts = Facts {
        installation: "pullsecrets-system/pullsecrets",
        remark: None,
        generation: 7,
        secret_name: "company",
        previous: kept(ClusterPullSecretStatus::default()),
        unreadable: None,
        attaches: true,
        credentials: Some(kept(merge(&[], &LastGood::default()))),
        lasting_problem: false,
        summary: Some(kept(Summary::default())),
        blocked: None,
        deleting: false,
        left_out: &[],
        unread: None,
        state_secret: None,
        late: Late::default(),
        pods: None,
        requested_at: None,
        now: kept(time(1)),
    };
    change(&mut facts);
    report(&facts)
}

fn ready_of(status: &ClusterPullSecretStatus) -> (ConditionStatus, &str, &str) {
    let ready = condition(status, "Ready").unwrap();
    (ready.status, ready.reason.as_str(), ready.message.as_str())
}

#[test]
fn due_removals_are_outstanding_work() {
    let left = |due, failed| Left {
        due,
        failed,
        late_at: None,
    };
    let refusal = || ("b".into(), Against::new(FailureReason::Forbidden, "no"));
    let summary = |copies_left, failures: Vec<(std::sync::Arc<str>, Against)>| Summary {
        secret_failure: failures.first().cloned(),
        failures,
        copies_left,
        ..Summary::default()
    };
    let late = Late {
        copies_left: true,
        ..Late::default()
    };
    let due = kept(summary(left(18, 0), Vec::new()));
    let refused = kept(summary(left(1, 1), vec![refusal()]));
    let status = status_with(|facts| (facts.summary, facts.late) = (Some(due), late));
    assert_eq!(
        ready_of(&status),
        (
            ConditionStatus::False,
            "Progressing",
            "18 copies are still to be removed"
        )
    );
    let status = status_with(|facts| facts.summary = Some(refused));
    let (ready, reason, message) = ready_of(&status);
    assert_eq!((ready, reason), (ConditionStatus::False, "NamespacesFailed"));
    assert!(message.contains(", b: no"), "{message}");
    let counted = status.namespaces.clone().unwrap();
    assert_eq!(
        (counted.failed, counted.summary.as_str()),
        (1, "0/1"),
        "counted and named"
    );
    let references = kept(Summary {
        references_left: left(1, 0),
        ..Summary::default()
    });
    let late = Late {
        references_left: true,
        ..Late::default()
    };
    let status = status_with(|facts| (facts.summary, facts.late, facts.attaches) = (Some(references), late, false));
    assert_eq!(ready_of(&status).1, "Progressing", "although no account is asked for");
}

#[test]
fn ready_is_unknown_before_the_summary() {
    let status = status_with(|facts| facts.summary = None);
    let (ready, reason, message) = ready_of(&status);
    assert_eq!((ready, reason), (ConditionStatus::Unknown, "Progressing"));
    assert!(!message.is_empty());
    assert!(condition(&status, "Reconciling").is_some() && condition(&status, "Stalled").is_none());
}

#[test]
fn waiting_deletions_say_why() {
    let refused = kept(Summary {
        references_left: Left {
            due: 1,
            failed: 1,
            late_at: None,
        },
        failures: vec![("b".into(), Against::new(FailureReason::ServerError, "500"))],
        account_failure: Some(("b".into(), Against::new(FailureReason::ServerError, "500"))),
        pending_cleanup: 1,
        ..Summary::default()
    });
    let status = status_with(|facts| (facts.summary, facts.deleting) = (Some(refused), true));
    let (ready, reason, message) = ready_of(&status);
    assert_eq!((ready, reason), (ConditionStatus::False, "ServiceAccountsFailed"));
    assert!(
        message.starts_with(DELETION_WAITS) && message.ends_with(", b: 500"),
        "{message}"
    );
    let blocked = kept(Blocked {
        state: false,
        message: "the finalizer stays".to_owned(),
        needs_person: true,
    });
    let status = status_with(|facts| (facts.deleting, facts.blocked) = (true, Some(blocked)));
    assert!(ready_of(&status).2.ends_with("the finalizer stays"));
    assert!(condition(&status, "Stalled").is_some());
}
