//! One fault and when it strikes.

use std::fmt;
use std::str::FromStr;
use std::time::Duration;

use anyhow::Context;
use serde::{Deserialize, Serialize};

/// What is to go wrong in one run. Written as one line of JSON, from which the run can be repeated.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Plan {
    /// What users do meanwhile.
    pub workload: String,
    /// When it strikes.
    pub trigger: Trigger,
    /// What happens then.
    pub fault: Fault,
}

/// A watch that says nothing for so many seconds is opened anew by the operator.
const SILENCE: u64 = 90;

/// A request, or an event of a watch, by what it is about. The order of writes differs from run to run; this does not.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct Trigger {
    /// `patch secrets fault-a/company`, `list namespaces /`, `watch serviceaccounts MODIFIED fault-a/default`, [`ACT`].
    pub what: String,
    /// The how-manieth of its kind since the fault was armed, from 1.
    pub occurrence: u32,
}

/// What happens. Numbers are milliseconds, but for [`Fault::Rights`] and [`Fault::Stale`].
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub enum Fault {
    /// The process dies before the write reaches the server.
    KillBefore,
    /// The process dies when the server has made the write, and before it learns that.
    KillUnacknowledged,
    /// The process dies as it learns that the write was made.
    KillAfter,
    /// The process dies, and what it sent reaches the server when the next one has been at work for a while.
    Late,
    /// The process dies as it learns that the write was made, and for three seconds the next one is shown the kind of that
    /// number in [`KINDS`] as it was before users began to act; all kinds, where there is none of that number.
    Stale(u8),
    /// The server's place answers with this, and the server learns nothing.
    Answer(Answer),
    /// Somebody else writes the same object just before.
    ConcurrentEdit,
    /// For so long, somebody else undoes each write of the object at once.
    Undo(u32),
    /// For so long, somebody else undoes each write of any account at once.
    UndoAccounts(u32),
    /// For so long, this is the answer to each such write of the object.
    Persist(Answer, u32),
    /// The request reaches the server only after so long.
    Hold(u32),
    /// The connection ends before the request reaches the server.
    ResetBefore,
    /// The connection ends when the server has done what was asked.
    ResetAfter,
    /// It is done, and half of the answer arrives.
    Truncate,
    /// It is done, and the answer is not JSON.
    Garbage,
    /// A list is answered with success, and holds nothing.
    Empty,
    /// The event is held back, with all that follow it in its watch, for so long.
    Delay(u32),
    /// The event comes twice.
    Duplicate,
    /// The event never comes, and its watch goes on.
    Lose,
    /// The watch ends before the event.
    Cut,
    /// The watch ends within the event.
    CutWithin,
    /// The watch says that its history is lost, and ends; the list that follows takes half a second.
    Expire,
    /// From this event on the watch says nothing more, and does not end.
    Silence,
    /// For so long, every connection ends at once: the server is down.
    Refuse(u32),
    /// For so long, nothing is answered and no watch says anything.
    Hang(u32),
    /// For so long, everything is answered with 429 and `Retry-After: 1`.
    Throttle(u32),
    /// For so long, everything is answered with 500.
    Fail(u32),
    /// For so long, no watch says anything, although everything else is answered: another server has taken the connection,
    /// and lags.
    Lag(u32),
    /// The store is put back to an older state while the process runs: all versions are lower than before, by far.
    Restore,
    /// From here on, everything takes so much longer.
    Slow(u32),
    /// The store stands still (SIGSTOP) for so long.
    Etcd(u32),
    /// The process stands still (SIGSTOP) for so long.
    Sleep(u32),
    /// The token is refused from here on; another one is in its file already.
    Token,
    /// The rule of that number is gone from the operator's roles for three seconds.
    Rights(u8),
    /// Of two replicas, the one that leads is asked to end (SIGTERM).
    HandOver,
    /// Of two replicas, the one that leads dies for good.
    LeaderDies,
    /// Of two replicas, the one that leads sleeps through its lease and wakes up, its write still on the way.
    LeaderSleeps,
    /// Of two replicas, the one that leads is cut off from the server for as long as the other needs to take over.
    LeaderCut,
}

/// An answer in the server's place.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub enum Answer {
    /// 409: it is not what it was.
    Conflict,
    /// 409: it exists.
    AlreadyExists,
    /// 404.
    NotFound,
    /// 401.
    Unauthorized,
    /// 403 by RBAC.
    Forbidden,
    /// 403 by a quota.
    Quota,
    /// 403: the namespace is on its way out. It is not: the server that says so lags.
    NamespaceTerminating,
    /// 410: what is asked for is too old.
    Gone,
    /// 422 with causes: an admission refusal.
    Invalid,
    /// 429 with `Retry-After: 1`.
    TooManyRequests,
    /// 429 about this object, with a `Retry-After` of three minutes.
    Later,
    /// 500.
    InternalError,
    /// 503.
    Unavailable,
    /// 504.
    Timeout,
}

/// The trigger that strikes as the act begins, for what goes wrong with everything.
pub const ACT: &str = "act";

/// The rules of the operator's roles: those of the `ClusterRole`, then those of the `Role`.
pub const RULES: u8 = 9;

/// What the operator watches.
pub const KINDS: [&str; 4] = ["namespaces", "serviceaccounts", "secrets", "clusterpullsecrets"];

/// How long a refusal persists: longer than the operator takes to tell of it.
const PERSISTS: u32 = 8000;

/// How often the operator lists everything anew where an event never comes; else once an hour.
pub const RELISTS_EVERY: Duration = Duration::from_secs(5);

impl Fault {
    /// Those of a write.
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

    /// Those of the first write of a copy or an account, besides.
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

    /// Those of the first write of an account: several are fought over.
    pub const OF_ACCOUNTS: [Self; 1] = [Self::UndoAccounts(4000)];

    /// Those of the first removal of a copy.
    pub const OF_FIRST_REMOVALS: [Self; 1] = [Self::Persist(Answer::Invalid, PERSISTS)];

    /// Those of a read, a list or the start of a watch.
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

    /// Those of an event of a watch.
    pub const OF_EVENTS: [Self; 6] = [
        Self::Delay(1000),
        Self::Duplicate,
        Self::Lose,
        Self::Cut,
        Self::CutWithin,
        Self::Expire,
    ];

    /// Those of everything at once, rights aside: once for each workload.
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

    /// An outage that is longer than any backoff: once.
    pub const LONGEST: Self = Self::Refuse(600_000);

    /// A word for a table: what has a bound of its own.
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

    /// How long after the end of the fault, and of what users do, the world may be wrong, on a machine that does nothing
    /// else.
    pub fn bound(self) -> Duration {
        let seconds = match self {
            // A token's file is read once a minute, and what is refused for so long is tried again within one.
            Self::Token | Self::Answer(Answer::Later) => 65,
            Self::Answer(Answer::NamespaceTerminating) => 15,
            // A list that says the same twice is believed, or the process begins anew.
            Self::Restore => 60,
            // A start takes a second. A refusal is tried again after a second, an answer without a meaning sooner, 429 when
            // it says; a watch is opened again after one to two seconds.
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
            // The last delay of a fight that lasted four seconds, and ten of peace until it is called over. What was
            // refused again and again for eight is next tried within twice as many.
            Self::Undo(_) | Self::UndoAccounts(_) | Self::Persist(..) => 20,
            Self::Silence => SILENCE + 5,
            // A tenth more at most.
            Self::Lose => RELISTS_EVERY.as_secs() + 4,
            // The longest pause between two attempts at a watch is half a minute.
            Self::Refuse(millis) | Self::Hang(millis) | Self::Fail(millis) => (u64::from(millis) / 1000).min(30) + 5,
            // One after another: the probe, the lists, finalizer, state, copies and accounts, two statuses.
            Self::Slow(millis) => 3 + 12 * u64::from(millis) / 1000,
            Self::Etcd(_) | Self::Sleep(_) => 5,
            // What was refused for three seconds is tried again within as many.
            Self::Rights(_) => 10,
            // The other one looks at the lease every two seconds.
            Self::HandOver | Self::LeaderDies | Self::LeaderSleeps | Self::LeaderCut => 6,
        };
        Duration::from_secs(seconds)
    }

    /// How long its effect goes on by itself after it has struck; what happens to everything says so where it is done.
    pub fn lasts(self) -> Duration {
        let millis = match self {
            Self::Hold(millis)
            | Self::Delay(millis)
            | Self::Undo(millis)
            | Self::UndoAccounts(millis)
            | Self::Persist(_, millis) => millis,
            // What the proxy keeps on its way.
            Self::Late => 4000,
            Self::Stale(_) => 3000,
            Self::LeaderSleeps | Self::LeaderCut => 11_000,
            _ => 0,
        };
        Duration::from_millis(millis.into())
    }

    /// Whether a run takes longer than ten seconds: left out of samples.
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

    /// The refusal that it goes on with, if the operator can tell what it means.
    pub fn persists(self) -> Option<Answer> {
        match self {
            Self::Persist(answer @ (Answer::Forbidden | Answer::Quota | Answer::Invalid), _) => Some(answer),
            _ => None,
        }
    }

    /// Whether it takes two replicas.
    pub fn is_failover(self) -> bool {
        self.class() == "failover"
    }

    /// How often the process may end by itself: once where it cannot renew its lease, or finds another one in it.
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
    /// The status code, the reason, and the `details` of the Status object.
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

    /// The text of the Status object.
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
