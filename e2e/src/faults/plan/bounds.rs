//! Class of each fault, the length of its effect, and the bound of the recovery from it.

use std::time::Duration;

use super::answer::Answer;
use super::fault::Fault;

/// How often the operator relists where an event never arrives. The default is once an hour.
pub const RELISTS_EVERY: Duration = Duration::from_secs(5);

/// The operator reopens a watch that is silent for this many seconds.
const SILENCE: u64 = 90;

impl Fault {
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
