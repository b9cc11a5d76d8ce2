//! Lists of the faults that the campaign injects at each kind of moment.

use super::answer::Answer;
use super::fault::Fault;

/// Number of rules in the operator's roles: those of the `ClusterRole`, then those of the `Role`.
pub const RULES: u8 = 9;

/// How long a refusal persists: longer than the operator takes to report it.
const PERSISTS: u32 = 8000;

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
}
