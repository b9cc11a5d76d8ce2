//! One fault and its trigger.

use std::fmt;
use std::str::FromStr;
use std::time::Duration;

use anyhow::Context;
use serde::{Deserialize, Serialize};

/// The fault of one run. It is stored as one line of JSON that is enough to repeat the run.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Plan {
    /// The actions of users during the fault.
    pub workload: String,
    /// When the fault strikes.
    pub trigger: Trigger,
    /// The fault.
    pub fault: Fault,
}

/// The operator reopens a watch that is silent for this many seconds.
const SILENCE: u64 = 90;

/// A request, or an event of a watch, identified by its subject. The order of writes differs between runs, but the
/// subjects do not.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct Trigger {
    /// `patch secrets fault-a/company`, `list namespaces /`, `watch serviceaccounts MODIFIED fault-a/default`, [`ACT`].
    pub what: String,
    /// Counts requests and events of the same subject since the fault was armed, from 1.
    pub occurrence: u32,
}

/// The fault. Numbers are milliseconds, except in [`Fault::Rights`] and [`Fault::Stale`].
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub enum Fault {
    /// The process dies before the write reaches the server.
    KillBefore,
    /// The server makes the write, and the process dies before it receives the response.
    KillUnacknowledged,
    /// The process dies as it receives the response to the write.
    KillAfter,
    /// The process dies. Its write reaches the server after the next process has worked for a while.
    Late,
    /// The process dies as it receives the response to the write. For three seconds, the next process sees old state:
    /// the kind of that index in [`KINDS`] as it was before users acted. An index out of range means all kinds.
    Stale(u8),
    /// The proxy answers with this, and the server receives no request.
    Answer(Answer),
    /// Another writer edits the same object just before.
    ConcurrentEdit,
    /// For this long, another writer undoes each write of the object at once.
    Undo(u32),
    /// For this long, another writer undoes each write of any account at once.
    UndoAccounts(u32),
    /// For this long, the proxy gives this answer to each such write of the object.
    Persist(Answer, u32),
    /// The request reaches the server only after this delay.
    Hold(u32),
    /// The connection ends before the request reaches the server.
    ResetBefore,
    /// The connection ends after the server has handled the request.
    ResetAfter,
    /// The server handles the request, and half of the response arrives.
    Truncate,
    /// The server handles the request, and the response is not JSON.
    Garbage,
    /// The list succeeds, but is empty.
    Empty,
    /// The proxy holds back the event, and all that follow it in its watch, for this long.
    Delay(u32),
    /// The event arrives twice.
    Duplicate,
    /// The event never arrives, and its watch continues.
    Lose,
    /// The watch ends before the event.
    Cut,
    /// The watch ends within the event.
    CutWithin,
    /// The watch reports that its history is lost, and ends. The next list takes half a second.
    Expire,
    /// From this event on, the watch is silent but stays open.
    Silence,
    /// For this long, every connection ends at once, as if the server were down.
    Refuse(u32),
    /// For this long, all requests and watches hang.
    Hang(u32),
    /// For this long, every request gets 429 and `Retry-After: 1`.
    Throttle(u32),
    /// For this long, every request gets 500.
    Fail(u32),
    /// For this long, all watches are silent, but every request is answered, as when another server lags behind after a
    /// failover.
    Lag(u32),
    /// The store returns to an older state while the process runs. All versions are then much lower than before.
    Restore,
    /// From here on, every request takes this much longer.
    Slow(u32),
    /// The store is stopped (SIGSTOP) for this long.
    Etcd(u32),
    /// The process is stopped (SIGSTOP) for this long.
    Sleep(u32),
    /// From here on, the server refuses the token. Its file already has another one.
    Token,
    /// The rule of that index is missing from the operator's roles for three seconds.
    Rights(u8),
    /// With two replicas, the leader gets SIGTERM.
    HandOver,
    /// With two replicas, the leader dies for good.
    LeaderDies,
    /// With two replicas, the leader is stopped until its lease has expired, and continues with a write in flight.
    LeaderSleeps,
    /// With two replicas, the leader loses the server for as long as the other one needs to take over.
    LeaderCut,
}

/// An answer of the proxy instead of the server's.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub enum Answer {
    /// 409: the object has changed.
    Conflict,
    /// 409: the object exists.
    AlreadyExists,
    /// 404.
    NotFound,
    /// 401.
    Unauthorized,
    /// 403 by RBAC.
    Forbidden,
    /// 403 by a quota.
    Quota,
    /// 403: the namespace is terminating. In truth it is not, because the answering server lags.
    NamespaceTerminating,
    /// 410: the requested version is too old.
    Gone,
    /// 422 with causes: an admission refusal.
    Invalid,
    /// 429 with `Retry-After: 1`.
    TooManyRequests,
    /// 429 for this object, with a `Retry-After` of three minutes.
    Later,
    /// 500.
    InternalError,
    /// 503.
    Unavailable,
    /// 504.
    Timeout,
}

/// The trigger of faults that affect all requests: they strike when users act.
pub const ACT: &str = "act";

/// Number of rules in the operator's roles: those of the `ClusterRole`, then those of the `Role`.
pub const RULES: u8 = 9;

/// Kinds that the operator watches.
pub const KINDS: [&str; 4] = ["namespaces", "serviceaccounts", "secrets", "clusterpullsecrets"];

/// How long a refusal persists: longer than the operator takes to report it.
const PERSISTS: u32 = 8000;

/// How often the operator relists where an event never arrives. The default is once an hour.
pub const RELISTS_EVERY: Duration = Duration::from_secs(5);

impl Fault {
    /// Faults of each write.
    pub const OF_WRITES: [Self; 23] = [
        Self::KillBefore,
        Self::KillUnacknowledged,
        Self::KillAfter,
        Self::Answer(Answer::Conflict),
        Self::Answer(Answer::AlreadyExists),
        Self::Answer(Answer::NotFound),
        Self::Answer(Answer::Forbidden),
        Self::Answer(Answer::Quota),
        Self::Answer(Answer::Invalid),
        Self::Answer(Answer::TooManyRequests),
        Self::Answer(Answer::InternalError),
        Self::Answer(Answer::Unavailable),
        Self::Answer(Answer::Timeout),
        Self::ConcurrentEdit,
        Self::Hold(700),
        Self::ResetBefore,
        Self::ResetAfter,
        Self::Truncate,
        Self::Garbage,
        Self::HandOver,
        Self::LeaderDies,
        Self::LeaderSleeps,
        Self::LeaderCut,
    ];

    /// Additional faults of the first write of a copy or an account.
    pub const OF_FIRST_WRITES: [Self; 7] = [
        Self::Late,
        Self::Undo(4000),
        Self::Stale(0),
        Self::Stale(1),
        Self::Stale(2),
        Self::Stale(3),
        Self::Stale(4),
    ];

    /// As [`OF_FIRST_WRITES`](Self::OF_FIRST_WRITES).
    pub const OF_FIRST_REFUSED: [Self; 7] = [
        Self::Answer(Answer::Later),
        Self::Answer(Answer::NamespaceTerminating),
        Self::Persist(Answer::Forbidden, PERSISTS),
        Self::Persist(Answer::Quota, PERSISTS),
        Self::Persist(Answer::Invalid, PERSISTS),
        Self::Persist(Answer::InternalError, PERSISTS),
        Self::Persist(Answer::Unavailable, PERSISTS),
    ];

    /// Faults of the first write of an account: another writer contends for several.
    pub const OF_ACCOUNTS: [Self; 1] = [Self::UndoAccounts(4000)];

    /// Faults of the first removal of a copy.
    pub const OF_FIRST_REMOVALS: [Self; 1] = [Self::Persist(Answer::Invalid, PERSISTS)];

    /// Faults of a read, a list or the start of a watch.
    pub const OF_READS: [Self; 13] = [
        Self::Answer(Answer::Unauthorized),
        Self::Answer(Answer::Forbidden),
        Self::Answer(Answer::NotFound),
        Self::Answer(Answer::Gone),
        Self::Answer(Answer::TooManyRequests),
        Self::Answer(Answer::InternalError),
        Self::Answer(Answer::Unavailable),
        Self::Answer(Answer::Timeout),
        Self::ResetBefore,
        Self::Truncate,
        Self::Garbage,
        Self::Hold(700),
        Self::Empty,
    ];

    /// Faults of an event of a watch.
    pub const OF_EVENTS: [Self; 6] = [
        Self::Delay(1000),
        Self::Duplicate,
        Self::Lose,
        Self::Cut,
        Self::CutWithin,
        Self::Expire,
    ];

    /// Faults of all requests, except missing rights: once for each workload.
    pub const OF_ALL: [Self; 16] = [
        Self::Refuse(1000),
        Self::Refuse(30_000),
        Self::Hang(1000),
        Self::Hang(30_000),
        Self::Throttle(5000),
        Self::Fail(3000),
        Self::Lag(1000),
        Self::Lag(5000),
        Self::Slow(200),
        Self::Slow(1000),
        Self::Etcd(3000),
        Self::Etcd(20_000),
        Self::Sleep(1000),
        Self::Sleep(5000),
        Self::Sleep(20_000),
        Self::Token,
    ];

    /// An outage longer than any backoff: once.
    pub const LONGEST: Self = Self::Refuse(600_000);

    /// Returns the group of the fault in tables. Each group has its own bound.
    pub fn class(self) -> &'static str {
        match self {
            Self::KillBefore | Self::KillUnacknowledged | Self::KillAfter | Self::Late => "crash",
            Self::Answer(_) => "answer",
            Self::ConcurrentEdit | Self::Hold(_) => "race",
            Self::Undo(_) | Self::UndoAccounts(_) => "fight",
            Self::Persist(..) => "refusal",
            Self::Lag(_) => "lag",
            Self::Restore => "restore",
            Self::Stale(_) => "stale view",
            Self::Lose => "lost event",
            Self::ResetBefore | Self::ResetAfter | Self::Truncate | Self::Garbage => "connection",
            Self::Empty => "empty list",
            Self::Delay(_) | Self::Duplicate | Self::Cut | Self::CutWithin | Self::Expire => "watch",
            Self::Silence => "silence",
            Self::Refuse(_) | Self::Hang(_) | Self::Fail(_) => "outage",
            Self::Throttle(_) => "storm",
            Self::Slow(_) => "slow",
            Self::Etcd(_) => "etcd",
            Self::Sleep(_) => "sleep",
            Self::Token => "token",
            Self::Rights(_) => "rights",
            Self::HandOver | Self::LeaderDies | Self::LeaderSleeps | Self::LeaderCut => "failover",
        }
    }

    /// Returns how long the state may be wrong after the end of the fault and of the users' actions, on an idle
    /// machine.
    pub fn bound(self) -> Duration {
        let seconds = match self {
            // The operator reads its token once a minute, and retries such a refusal within a minute.
            Self::Token | Self::Answer(Answer::Later) => 65,
            Self::Answer(Answer::NamespaceTerminating) => 15,
            // The operator trusts a list after a second equal one, or starts again.
            Self::Restore => 60,
            // A start takes a second. The operator retries a refusal after a second, a broken response sooner, and 429
            // when the response says. It reopens a watch after one to two seconds.
            Self::KillBefore
            | Self::KillUnacknowledged
            | Self::KillAfter
            | Self::Late
            | Self::Stale(_)
            | Self::Answer(_)
            | Self::Lag(_)
            | Self::Throttle(_)
            | Self::ResetBefore
            | Self::ResetAfter
            | Self::Truncate
            | Self::Garbage
            | Self::Empty
            | Self::Delay(_)
            | Self::Duplicate
            | Self::Cut
            | Self::CutWithin
            | Self::Expire => 3,
            Self::ConcurrentEdit | Self::Hold(_) => 2,
            // A contention of four seconds backs off that long, and ends after ten quiet seconds. After refusals for
            // eight seconds, the next attempt follows within twice that time.
            Self::Undo(_) | Self::UndoAccounts(_) | Self::Persist(..) => 20,
            Self::Silence => SILENCE + 5,
            // Jitter adds a tenth at most.
            Self::Lose => RELISTS_EVERY.as_secs() + 4,
            // The longest pause between two attempts at a watch is half a minute.
            Self::Refuse(millis) | Self::Hang(millis) | Self::Fail(millis) => (u64::from(millis) / 1000).min(30) + 5,
            // The requests follow one another: probe, lists, finalizer, state, copies and accounts, two statuses.
            Self::Slow(millis) => 3 + 12 * u64::from(millis) / 1000,
            Self::Etcd(_) | Self::Sleep(_) => 5,
            // After refusals for three seconds, the next attempt follows within that time.
            Self::Rights(_) => 10,
            // The other replica checks the Lease every two seconds.
            Self::HandOver | Self::LeaderDies | Self::LeaderSleeps | Self::LeaderCut => 6,
        };
        Duration::from_secs(seconds)
    }

    /// Returns how long the effect lasts after the fault has struck. A fault of all requests reports its length itself.
    pub fn lasts(self) -> Duration {
        let millis = match self {
            Self::Hold(millis)
            | Self::Delay(millis)
            | Self::Undo(millis)
            | Self::UndoAccounts(millis)
            | Self::Persist(_, millis) => millis,
            // How long the proxy holds the write.
            Self::Late => 4000,
            Self::Stale(_) => 3000,
            Self::LeaderSleeps | Self::LeaderCut => 11_000,
            _ => 0,
        };
        Duration::from_millis(millis.into())
    }

    /// Returns whether a run takes longer than ten seconds. Samples leave such runs out.
    pub fn is_long(self) -> bool {
        match self {
            Self::Silence
            | Self::Token
            | Self::Undo(_)
            | Self::UndoAccounts(_)
            | Self::Persist(..)
            | Self::Restore
            | Self::Answer(Answer::Later)
            | Self::LeaderSleeps
            | Self::LeaderCut => true,
            Self::Refuse(millis) | Self::Hang(millis) | Self::Etcd(millis) | Self::Sleep(millis) => millis > 5000,
            Self::Slow(millis) => millis >= 1000,
            _ => false,
        }
    }

    /// Returns the refusal that persists, if the operator can report its cause.
    pub fn persists(self) -> Option<Answer> {
        match self {
            Self::Persist(answer @ (Answer::Forbidden | Answer::Quota | Answer::Invalid), _) => Some(answer),
            _ => None,
        }
    }

    /// Returns whether the fault needs two replicas.
    pub fn is_failover(self) -> bool {
        self.class() == "failover"
    }

    /// Returns how often the process may exit by itself: once if it cannot renew its Lease, or finds another holder in
    /// it.
    pub fn ends_allowed(self) -> usize {
        let loses_the_lease = match self {
            Self::LeaderSleeps | Self::LeaderCut | Self::Token | Self::Restore => true,
            Self::Refuse(millis) | Self::Hang(millis) | Self::Etcd(millis) | Self::Sleep(millis) => millis > 5000,
            _ => false,
        };
        usize::from(loses_the_lease)
    }
}

impl Answer {
    /// Returns the status code, the reason, and the `details` of the Status object.
    pub fn status(self) -> (u16, &'static str, serde_json::Value) {
        let details = serde_json::json!({});
        match self {
            Self::Conflict => (409, "Conflict", details),
            Self::AlreadyExists => (409, "AlreadyExists", details),
            Self::Unauthorized => (401, "Unauthorized", details),
            Self::NotFound => (404, "NotFound", details),
            Self::Forbidden | Self::Quota => (403, "Forbidden", details),
            Self::NamespaceTerminating => {
                let causes = serde_json::json!({"causes": [{"reason": "NamespaceTerminating",
                    "message": "namespace x is being terminated", "field": "metadata.namespace"}]});
                (403, "Forbidden", causes)
            }
            Self::Gone => (410, "Expired", details),
            Self::Invalid => {
                let causes =
                    serde_json::json!({"causes": [{"reason": "FieldValueInvalid", "field": "x", "message": "no"}]});
                (422, "Invalid", causes)
            }
            Self::TooManyRequests => (429, "TooManyRequests", serde_json::json!({"retryAfterSeconds": 1})),
            Self::Later => (429, "TooManyRequests", serde_json::json!({"retryAfterSeconds": 180})),
            Self::InternalError => (500, "InternalError", details),
            Self::Unavailable => (503, "ServiceUnavailable", details),
            Self::Timeout => (504, "Timeout", details),
        }
    }

    /// Returns the message of the Status object.
    pub fn message(self) -> &'static str {
        match self {
            Self::Quota => {
                "secrets \"x\" is forbidden: exceeded quota: small, requested: secrets=1, used: 1, limited: 1"
            }
            Self::NamespaceTerminating => {
                "secrets \"x\" is forbidden: unable to create new content in namespace x because it is being terminated"
            }
            _ => "injected",
        }
    }
}

impl fmt::Display for Plan {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        let line = serde_json::to_string(self).map_err(|_| fmt::Error)?;
        formatter.write_str(&line)
    }
}

impl FromStr for Plan {
    type Err = anyhow::Error;

    fn from_str(line: &str) -> anyhow::Result<Self> {
        serde_json::from_str(line).context("a plan is one line of JSON")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A plan is read back as it was written.
    #[test]
    fn plan_reads_back_as_written() {
        let all = Fault::OF_WRITES.into_iter().chain(Fault::OF_EVENTS);
        let all = all.chain([Fault::Restore]);
        let all = all.chain(Fault::OF_FIRST_REFUSED).chain(Fault::OF_ACCOUNTS);
        for fault in all.chain(Fault::OF_READS).chain(Fault::OF_ALL) {
            let plan = Plan {
                workload: "create".to_owned(),
                trigger: Trigger {
                    what: "patch secrets a/b".to_owned(),
                    occurrence: 2,
                },
                fault,
            };
            assert_eq!(plan.to_string().parse::<Plan>().unwrap(), plan);
        }
    }
}
