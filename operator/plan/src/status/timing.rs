//! When a status is due, and what the passing of time alone changes in it. Times count from the start of the process.

use std::time::Duration;

use crd::{ClusterPullSecretStatus, Condition, ConditionStatus, ConditionType};
use k8s_openapi::apimachinery::pkg::apis::meta::v1::Time;
use k8s_openapi::jiff::Timestamp;

use super::Late;
use crate::summary::Summary;

/// A busy object's status rests so long after the answer to a write. So the server never gets two within this time.
const WRITE_EVERY: Duration = Duration::from_secs(1);
/// Work that is done so soon is reported once, when it is done, and not as progress before.
const SOON_DONE: Duration = Duration::from_millis(500);
/// A missing source may come with the next object of the same commit. After this time a person must act.
const MISSING_UNTIL_STALLED: Duration = Duration::from_secs(30);
/// Without a summary for this long the status says so.
const UNLISTED_AFTER: Duration = Duration::from_secs(30);

impl Late {
    /// Returns what should be ready by now. In a deletion that is everything.
    pub fn of(summary: &Summary, deleting: bool, now: Duration) -> Self {
        let passed = |at: Option<Duration>| at.is_some_and(|at| deleting || at <= now);
        Self {
            namespaces: passed(summary.namespaces_late_at),
            accounts: passed(summary.accounts_late_at),
            copies_left: passed(summary.copies_left.late_at),
            references_left: passed(summary.references_left.late_at),
        }
    }
}

/// Returns the next time at which the status changes although no fact does.
pub fn changes_at(summary: &Summary, stalls_at: Option<Duration>, now: Duration) -> Option<Duration> {
    let times = [
        summary.namespaces_late_at,
        summary.accounts_late_at,
        summary.copies_left.late_at,
        summary.references_left.late_at,
        stalls_at,
    ];
    times.into_iter().flatten().filter(|&at| at > now).min()
}

/// Returns when a problem of the credentials that is new to this process lasts so long that a person must act.
///
/// Another process may have reported it in the status `previous`. A restart makes the problem no newer, and never takes
/// `Stalled` back.
pub fn stalls_at(previous: &ClusterPullSecretStatus, now: Duration, time: &Time) -> Duration {
    let is = |condition: &&Condition, status| condition.status == status;
    let credentials = previous.condition(ConditionType::CredentialsReady);
    let reported = credentials.filter(|condition| is(condition, ConditionStatus::False));
    let stalled = previous.condition(ConditionType::Stalled);
    let lasts = stalled.is_some_and(|condition| is(&condition, ConditionStatus::True));
    let age = match reported {
        // The other process may have known it for longer than its status says.
        Some(_) if lasts => MISSING_UNTIL_STALLED,
        Some(condition) => age(&condition.last_transition_time, time),
        None => Duration::ZERO,
    };
    now + MISSING_UNTIL_STALLED.saturating_sub(age)
}

/// Returns when an object without a summary reports that: some time after it was declared, or at once if it never was.
pub fn unlisted_at(declared_at: Option<Duration>, now: Duration) -> Duration {
    declared_at.map_or(now, |at| at + UNLISTED_AFTER)
}

/// What a new status waits for.
#[derive(Clone, Copy, Debug, Default)]
pub struct Writes {
    /// When the object was declared to the namespace controller.
    pub declared_at: Option<Duration>,
    /// When the answer to the last status arrived, or when the status was sent if it was not answered yet. A request may be
    /// late, so only the answer bounds from above when the server took it in.
    pub written_at: Option<Duration>,
    /// When a write that failed may be tried again.
    pub retry_at: Option<Duration>,
    /// When the status may be written again although another writer keeps changing it.
    pub contended_until: Option<Duration>,
}

impl Writes {
    /// Returns when a status that differs from the present one may be written.
    pub fn due_at(&self, status: &ClusterPullSecretStatus) -> Option<Duration> {
        let is_progress = status.ready().is_some_and(Condition::is_progress);
        let soon_done = self.declared_at.filter(|_| is_progress).map(|at| at + SOON_DONE);
        let rested = self.written_at.map(|at| at + WRITE_EVERY);
        soon_done.max(rested).max(self.retry_at).max(self.contended_until)
    }
}

/// Returns whether all that the object asks for is carried out.
pub fn is_carried_out(status: &ClusterPullSecretStatus, summary: &Summary) -> bool {
    let is_ready = status
        .ready()
        .is_some_and(|ready| ready.status == ConditionStatus::True);
    is_ready
        && [summary.copies_left, summary.references_left]
            .iter()
            .all(|left| left.due == 0)
        && [summary.namespaces, summary.accounts]
            .iter()
            .all(|count| count.ready == count.selected)
}

/// Returns whether two statuses say the same, apart from the times in them.
pub fn says_the_same(one: &ClusterPullSecretStatus, other: &ClusterPullSecretStatus) -> bool {
    let timeless = |status: &ClusterPullSecretStatus| {
        let mut status = status.clone();
        for condition in &mut status.conditions {
            condition.last_transition_time = Time(Timestamp::UNIX_EPOCH);
        }
        status
    };
    timeless(one) == timeless(other)
}

/// Returns the time between two times, zero if they are not in this order.
pub(crate) fn age(earlier: &Time, later: &Time) -> Duration {
    Duration::try_from(later.0.duration_since(earlier.0)).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use crd::Reason;

    use super::*;

    #[test]
    fn restarts_never_take_stalled_back() {
        let time = Time(Timestamp::from_second(1_000).unwrap());
        let credentials = (ConditionType::CredentialsReady, ConditionStatus::False);
        let stalled = (ConditionType::Stalled, ConditionStatus::True);
        for (conditions, age, left) in [
            (&[credentials, stalled][..], 0, 0),
            (&[credentials], 0, 30),
            (&[credentials], 20, 10),
            (&[credentials], 40, 0),
            (&[stalled], 40, 30),
            (&[], 0, 30),
        ] {
            let mut status = ClusterPullSecretStatus::default();
            let since = Time(Timestamp::from_second(1_000 - age).unwrap());
            for (type_, is) in conditions {
                let reason = Reason::SourceNotFound;
                crd::set_condition(&mut status.conditions, *type_, *is, reason, "", 1, since.clone());
            }
            let now = Duration::from_secs(2);
            let left = Duration::from_secs(left);
            assert_eq!(stalls_at(&status, now, &time), now + left, "{conditions:?} {age}");
        }
    }
}
