//! Waits until the operator has done its work.

use std::cell::RefCell;
use std::collections::BTreeMap;
use std::time::Duration;

use crd::{ClusterPullSecret, ClusterPullSecretSpec, ConditionStatus, ConditionType, Counts};
use tokio::time::Instant;

use super::report::{ContextReport, Left};
use super::task::Rollout;
use crate::cluster::{Connected, Failure};
use crate::output::Bar;
use crate::status::{ObjectState, is_observed, is_ready, words};

/// How often the objects are read. The operator writes a status at most once a second.
pub(super) const EVERY: Duration = Duration::from_secs(1);

/// For so long a status may be one of before the write.
const STALE: Duration = Duration::from_secs(10);

/// An object that was applied.
pub(super) struct Expected<'a> {
    pub(super) name: String,
    pub(super) spec: &'a ClusterPullSecretSpec,
    /// What its status repeats when the operator has seen the new source.
    pub(super) request: Option<String>,
}

/// When a wait began, and how long it may take.
#[derive(Clone, Copy)]
pub(super) struct Times {
    began: Instant,
    timeout: Duration,
}

impl Times {
    pub(super) fn new(timeout: Duration) -> Self {
        let began = Instant::now();
        Self { began, timeout }
    }

    /// Returns how long it may still take.
    pub(super) fn left(self) -> Duration {
        self.timeout.saturating_sub(self.began.elapsed())
    }
}

/// How far the operator is with an object.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum State {
    /// Everything is done.
    Done,
    /// A person must act.
    Stalled,
    /// The operator works on it.
    Working,
}

/// What is known of an object.
struct Seen {
    object: Result<Box<ClusterPullSecret>, Failure>,
    ready_since: Option<Instant>,
}

/// Waits until each object is ready, needs a person, or the time is over. What is left goes into the report.
pub(super) async fn until_ready(
    connected: &Connected,
    bar: &Bar,
    (rollout, times): (Rollout<'_>, Times),
    expected: &[Expected<'_>],
    report: &RefCell<ContextReport>,
) {
    let mut all: BTreeMap<&str, Seen> = BTreeMap::new();
    let states = loop {
        let mut states = BTreeMap::new();
        for one in expected {
            let object = connected.cluster_pull_secret(&one.name).await.map(Box::new);
            let is_ready = object.as_ref().is_ok_and(|object| is_ready(object));
            let before = all.get(one.name.as_str()).and_then(|seen| seen.ready_since);
            let ready_since = is_ready.then(|| before.unwrap_or_else(Instant::now));
            let state = match &object {
                Ok(object) => state(
                    object,
                    one,
                    (times.began.elapsed(), ready_since.map(|since| since.elapsed())),
                ),
                // The login to the cluster has expired, or a right is missing: time does not help.
                Err(Failure::Unauthorized | Failure::Forbidden { .. } | Failure::NotFound) => State::Stalled,
                Err(_) => State::Working,
            };
            states.insert(one.name.as_str(), state);
            all.insert(&one.name, Seen { object, ready_since });
        }
        shown(bar, &all, report);
        let is_over = states.values().all(|state| *state != State::Working);
        let left = times.left();
        if is_over || left.is_zero() || rollout.stop.is_set() {
            break states;
        }
        rollout.stop.sleep(EVERY.min(left)).await;
    };
    let mut report = report.borrow_mut();
    for one in expected {
        let object = all.get(one.name.as_str()).and_then(|seen| seen.object.as_ref().ok());
        report.left.extend(object.and_then(|object| differs(one, object)));
    }
    for (name, seen) in all {
        if states.get(name) != Some(&State::Done) {
            report
                .left
                .extend(left(&connected.name, name, seen.object, rollout.stop.is_set()));
        }
    }
}

fn counts(object: &ClusterPullSecret) -> Option<&Counts> {
    object
        .status
        .as_ref()?
        .namespaces
        .as_ref()
        .filter(|_| is_observed(object))
}

/// Puts the counts of all objects into the report and the bar.
fn shown(bar: &Bar, all: &BTreeMap<&str, Seen>, report: &RefCell<ContextReport>) {
    let objects = all.values().filter_map(|seen| seen.object.as_ref().ok());
    let counts = objects.filter_map(|object| counts(object));
    let (served, selected) = counts.fold((0, 0), |(served, selected), counts| {
        (served + counts.ready, selected + counts.selected)
    });
    let mut report = report.borrow_mut();
    (report.served, report.selected) = (served, selected);
    bar.served(served, selected);
}

/// How far the operator is. `applied` is the time since the write, and `ready` the time for which the object has been ready.
fn state(object: &ClusterPullSecret, expected: &Expected<'_>, (applied, ready): (Duration, Option<Duration>)) -> State {
    let status = object.status.as_ref();
    let handled = status.and_then(|status| status.last_handled_reconcile_at.as_deref());
    // A status cuts long values.
    let is_seen = expected
        .request
        .as_deref()
        .is_none_or(|request| handled.is_some_and(|handled| !handled.is_empty() && request.starts_with(handled)));
    let is_served = counts(object).is_some_and(|counts| counts.ready >= counts.selected);
    let stalled = status.and_then(|status| status.condition(ConditionType::Stalled));
    if object.spec.suspend && is_observed(object) {
        // The operator writes no copy until a person lets it.
        return State::Done;
    }
    match ready {
        // New namespaces may come all day, and a terminating one may stay.
        Some(ready) if is_seen && (is_served || ready >= STALE) => State::Done,
        None if applied >= STALE
            && is_observed(object)
            && stalled.is_some_and(|stalled| stalled.status == ConditionStatus::True) =>
        {
            State::Stalled
        }
        _ => State::Working,
    }
}

/// Says that the object has more than was applied. A server-side apply keeps the fields of others that it does not have.
fn differs(expected: &Expected<'_>, object: &ClusterPullSecret) -> Option<Left> {
    let name = &expected.name;
    (object.spec != *expected.spec).then(|| {
        let why = format!(
            "its spec is not what was applied: another tool has set fields that are not given here, which \
             kubectl get cps {name} -o yaml --show-managed-fields shows"
        );
        Left::incomplete(Some(format!("clusterpullsecret/{name}")), "Differs", why)
    })
}

/// What is left of one object.
fn left(context: &str, name: &str, object: Result<Box<ClusterPullSecret>, Failure>, interrupted: bool) -> Vec<Left> {
    let called = format!("clusterpullsecret/{name}");
    let object = match object {
        Ok(object) => *object,
        Err(Failure::NotFound) => {
            return vec![Left::unready(
                called,
                None,
                "NotFound",
                "it was deleted while the tool waited",
            )];
        }
        Err(failure) => {
            let why = format!("written, and then not seen: {failure}");
            return vec![Left::incomplete(Some(called), "NotSeen", why)];
        }
    };
    if is_ready(&object) {
        let why = "the operator has not acted on the new login yet";
        return vec![Left::unready(called, None, "NotObserved", why)];
    }
    let status = object.status.clone().unwrap_or_default();
    let failures = status.failures.iter().filter(|_| is_observed(&object));
    let mut left: Vec<Left> = failures
        .map(|failure| {
            let namespace = Some(failure.namespace.clone());
            Left::unready(called.clone(), namespace, failure.reason.to_string(), &failure.message)
        })
        .collect();
    let more = status.namespaces.map_or(0, |counts| counts.failed) - i64::try_from(left.len()).unwrap_or(i64::MAX);
    if left.is_empty() {
        let state = ObjectState {
            context: context.to_owned(),
            object,
            deletion: None,
        };
        let (_, reason, message) = words(&state);
        let why = if interrupted {
            format!("interrupted after it was written; {message}")
        } else {
            message
        };
        left.push(Left::unready(called, None, reason, why));
    } else if more > 0 {
        let why = format!("and {more} more namespaces: kubectl pullsecrets status {name}");
        left.push(Left::unready(called, None, "NamespacesFailed", why));
    }
    left
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use super::*;

    fn object(generation: i64, status: &Value) -> ClusterPullSecret {
        let spec = json!({"registries": [], "namespaces": {"names": ["a"]}});
        serde_json::from_value(json!({
            "apiVersion": "pullsecrets.dev/v1alpha1", "kind": "ClusterPullSecret",
            "metadata": {"name": "company", "generation": generation}, "spec": spec, "status": status,
        }))
        .unwrap()
    }

    fn status(ready: &str, served: i64) -> Value {
        let condition = |type_: &str, status: &str| {
            json!({"type": type_, "status": status, "reason": "Synced", "message": "m",
                "lastTransitionTime": "2026-01-01T00:00:00Z", "observedGeneration": 2})
        };
        json!({
            "observedGeneration": 2,
            "conditions": [condition("Ready", ready), condition("Stalled", if ready == "True" { "False" } else { "True" })],
            "namespaces": {"selected": 3, "ready": served, "failed": 0, "summary": "x"},
            "lastHandledReconcileAt": "rollout-7",
        })
    }

    /// A status may be that of the version before, or of the login before.
    #[test]
    fn only_a_status_of_this_write_counts() {
        let spec = object(1, &json!({})).spec;
        let expected = |request: Option<&str>| Expected {
            name: "company".to_owned(),
            spec: &spec,
            request: request.map(str::to_owned),
        };
        let now = Duration::ZERO;
        let ready = Some(now);
        let of = |generation, status: Value, request, ready| {
            state(&object(generation, &status), &expected(request), (now, ready))
        };
        assert_eq!(of(2, status("True", 3), None, ready), State::Done);
        assert_eq!(of(2, status("True", 2), None, ready), State::Working);
        assert_eq!(of(2, status("True", 2), None, Some(STALE)), State::Done);
        assert_eq!(of(3, status("True", 3), None, None), State::Working);
        assert_eq!(of(2, status("True", 3), Some("rollout-7"), ready), State::Done);
        assert_eq!(of(2, status("True", 3), Some("rollout-8"), ready), State::Working);
        assert_eq!(of(2, status("False", 3), None, None), State::Working);
        let mut suspended = object(2, &status("False", 0));
        suspended.spec.suspend = true;
        assert_eq!(state(&suspended, &expected(None), (now, None)), State::Done);
        let late = state(&object(2, &status("False", 3)), &expected(None), (STALE, None));
        assert_eq!(late, State::Stalled);
    }

    /// A server-side apply keeps what another manager has set.
    #[test]
    fn fields_of_others_are_said() {
        let mut spec = object(1, &json!({})).spec;
        let found = object(1, &json!({}));
        let of = |spec: &ClusterPullSecretSpec| {
            let expected = Expected {
                name: "company".to_owned(),
                spec,
                request: None,
            };
            differs(&expected, &found).map(|left| left.reason)
        };
        assert_eq!(of(&spec), None);
        spec.suspend = true;
        assert_eq!(of(&spec).as_deref(), Some("Differs"));
    }

    #[test]
    fn each_failed_namespace_is_a_row() {
        let mut status = status("False", 1);
        let failure =
            |namespace: &str| json!({"namespace": namespace, "reason": "SecretConflict", "message": "exists"});
        status["failures"] = json!([failure("a"), failure("b")]);
        status["namespaces"]["failed"] = json!(5);
        let rows = left("c", "company", Ok(Box::new(object(2, &status))), false);
        let shown: Vec<String> = rows
            .iter()
            .map(|row| format!("{} {} {}", row.namespace.as_deref().unwrap_or("-"), row.reason, row.why))
            .collect();
        assert_eq!(
            shown,
            [
                "a SecretConflict exists",
                "b SecretConflict exists",
                "- NamespacesFailed and 3 more namespaces: kubectl pullsecrets status company"
            ]
        );
        let unseen = left("c", "company", Ok(Box::new(object(2, &json!({})))), true);
        assert_eq!(
            (unseen[0].reason.as_str(), unseen[0].why.as_str()),
            (
                "NoStatus",
                "interrupted after it was written; the operator has not reported on it yet: is it running?"
            )
        );
        let lost = left("c", "company", Err(Failure::Unauthorized), false);
        assert!(lost[0].incomplete && lost[0].reason == "NotSeen");
    }
}
