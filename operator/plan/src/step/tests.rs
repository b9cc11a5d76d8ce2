//! Which step the facts decide.

use k8s_openapi::jiff::Timestamp;

use super::*;
use crate::last_good;
use crate::registries::LastGood;

const SECOND: Duration = Duration::from_secs(1);

fn time(second: i64) -> Time {
    Time(Timestamp::from_second(second).unwrap())
}

/// An object that is served, and asks for no step.
fn served<'a>(installation: &'a Arc<str>, status: &'a ClusterPullSecretStatus) -> Facts<'a> {
    Facts {
        installation,
        assignment: Assignment::Ours,
        predecessor: None,
        was_read: false,
        is_frozen: false,
        is_restraint_lost: false,
        has_finalizer: true,
        is_deleting: false,
        deletion: None,
        status,
        generation: 1,
        has_credentials: true,
        to_save: None,
        is_state_known: true,
        state_version: Some("7"),
        summary: None,
        read_at: None,
        failing_since: None,
        retry_at: None,
    }
}

/// The kind of the step, or what is decided in its place.
fn decided(facts: &Facts<'_>, now: Duration) -> String {
    let at = |at: Option<Duration>| at.map_or("a change".to_owned(), |at| format!("{at:?}"));
    match facts.decide(now, &time(0)) {
        Decision::Write(step) => step.kind().to_string(),
        Decision::Wait(until) => format!("wait until {}", at(until)),
        Decision::Report(until) => format!("report until {}", at(until)),
    }
}

type Change = fn(&mut Facts<'_>);

/// Each row changes one fact of an object that is served.
#[test]
fn each_missing_fact_holds_an_object_back() {
    let (own, status) = ("a/pullsecrets".into(), ClusterPullSecretStatus::default());
    let rows: [(Change, Lifecycle, &str); 9] = [
        (|_| {}, Lifecycle::Active, "report until a change"),
        (
            |facts| facts.is_frozen = true,
            Lifecycle::Frozen,
            "report until a change",
        ),
        (
            |facts| facts.is_restraint_lost = true,
            Lifecycle::Restrained,
            "report until a change",
        ),
        (|facts| facts.has_finalizer = false, Lifecycle::Frozen, "arm"),
        (
            |facts| facts.has_credentials = false,
            Lifecycle::Waiting,
            "report until a change",
        ),
        (
            |facts| facts.to_save = Some(last_good::Content::new(LastGood::new(), None)),
            Lifecycle::Waiting,
            "remember",
        ),
        (
            |facts| facts.assignment = Assignment::Claimable,
            Lifecycle::Frozen,
            "look",
        ),
        (
            |facts| facts.assignment = Assignment::Others("b/pullsecrets"),
            Lifecycle::Frozen,
            "wait until a change",
        ),
        (
            |facts| facts.is_deleting = true,
            Lifecycle::Deleting,
            "wait until a change",
        ),
    ];
    for (row, (change, lifecycle, step)) in rows.into_iter().enumerate() {
        let mut facts = served(&own, &status);
        change(&mut facts);
        assert_eq!(facts.lifecycle(), lifecycle, "row {row}");
        assert_eq!(decided(&facts, SECOND), step, "row {row}");
    }
}

#[test]
fn failed_steps_are_reported_and_retried() {
    let (own, status) = ("a/pullsecrets".into(), ClusterPullSecretStatus::default());
    let mut facts = served(&own, &status);
    facts.has_finalizer = false;
    facts.retry_at = Some(10 * SECOND);
    assert_eq!(decided(&facts, 9 * SECOND), "report until 10s");
    assert_eq!(decided(&facts, 10 * SECOND), "arm");
    facts.assignment = Assignment::Claimable;
    assert_eq!(decided(&facts, 9 * SECOND), "wait until 10s");
}

/// Its saved logins may be older than those of the other installation.
#[test]
fn a_takeover_deletes_old_state_first() {
    let (own, status) = ("a/pullsecrets".into(), ClusterPullSecretStatus::default());
    let mut facts = served(&own, &status);
    facts.assignment = Assignment::Claimable;
    facts.predecessor = Some("b/pullsecrets");
    facts.is_state_known = false;
    assert_eq!(decided(&facts, SECOND), "wait until a change");
    facts.is_state_known = true;
    assert_eq!(decided(&facts, SECOND), "forget");
    facts.state_version = None;
    assert_eq!(decided(&facts, SECOND), "claim");
}

#[test]
fn deletions_give_up_after_a_minute() {
    let (own, status) = ("a/pullsecrets".into(), ClusterPullSecretStatus::default());
    let mut summary = Summary {
        pending_cleanup: 1,
        ..Summary::default()
    };
    for (age, gives_up_at) in [(0, 63), (20, 43), (500, 13)] {
        let deletion = Deletion::begin(&time(1_000 - age), SECOND, &time(1_000));
        let decide = |summary: &Summary, read_at, failing_since, now: u32| {
            let mut facts = served(&own, &status);
            facts.is_deleting = true;
            facts.deletion = Some(deletion);
            facts.summary = Some(summary);
            (facts.read_at, facts.failing_since) = (read_at, failing_since);
            decided(&facts, now * SECOND)
        };
        summary.stuck_since = None;
        assert_eq!(decide(&summary, None, None, 2), "wait until 3s");
        assert_eq!(decide(&summary, None, None, 3), "look");
        assert_eq!(decide(&summary, Some(3 * SECOND), None, 4), "report until 13s");
        summary.stuck_since = Some(3 * SECOND);
        let read_at = Some(gives_up_at * SECOND);
        assert_eq!(
            decide(&summary, read_at, None, gives_up_at - 1),
            format!("report until {gives_up_at}s")
        );
        assert_eq!(decide(&summary, read_at, None, gives_up_at), "forget");
        let failing_since = Some(3 * SECOND);
        assert_eq!(decide(&summary, read_at, failing_since, gives_up_at), "disarm");
    }
}
