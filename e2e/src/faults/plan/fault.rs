//! The faults.

use serde::{Deserialize, Serialize};

use super::answer::Answer;

/// Kinds that the operator watches.
pub const KINDS: [&str; 4] = ["namespaces", "serviceaccounts", "secrets", "clusterpullsecrets"];

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
