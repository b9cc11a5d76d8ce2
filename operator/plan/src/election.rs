//! Leader election on a Lease: which of several replicas may write. The caller reads and writes the Lease, and passes
//! the time.
//!
//! # Guarantees
//!
//! - At most one candidate leads at a time, if all clocks run at the same rate. A candidate leads for
//!   [`Timing::renew_deadline`] after it *sent* its last accepted write. No other one takes the Lease before it stayed
//!   unchanged for [`Timing::lease_duration`] since it was *seen*. Each candidate measures with its own monotonic clock.
//! - A candidate that cannot renew resigns, and never leads again.
//!
//! A process that was suspended may still send a write when it resumes. That is harmless, because every write carries
//! the version that it was planned from.

use std::time::Duration;

/// The times of an election. The defaults are those of client-go: 15, 10 and 2 s.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Timing {
    /// A Lease that is unchanged for this long is free.
    pub lease_duration: Duration,
    /// A leader that cannot renew for this long resigns. It is shorter than `lease_duration` by the time of a shutdown.
    pub renew_deadline: Duration,
    /// The time between two reads of the Lease, or two renewals.
    pub retry_period: Duration,
}

impl Default for Timing {
    fn default() -> Self {
        Self {
            lease_duration: Duration::from_secs(15),
            renew_deadline: Duration::from_secs(10),
            retry_period: Duration::from_secs(2),
        }
    }
}

/// The longest duration in a Lease that counts. A person may have set a longer one by hand.
const MAX_LEASE_DURATION: Duration = Duration::from_secs(60);

/// The fields of a Lease that decide.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Record {
    /// The holder. `None` if it was released.
    pub holder: Option<Box<str>>,
    /// The duration that its holder set.
    pub lease_duration: Duration,
    /// `renewTime` as text. It is compared, never parsed.
    pub renew_time: Box<str>,
}

/// What to do next.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Step {
    /// Wait until this time.
    Wait(Duration),
    /// Read the Lease, and call [`Candidate::saw`].
    Read,
    /// Create it with our name.
    Create,
    /// Replace the holder by our name.
    Acquire,
    /// Write a new `renewTime`.
    Renew,
    /// Stop at once: another replica leads, or may lead soon.
    Resign,
}

/// One replica. All times are since its process started.
#[derive(Clone, Debug)]
pub struct Candidate {
    identity: Box<str>,
    timing: Timing,
    seen: Seen,
    /// When the last accepted write of ours was sent.
    led_since: Option<Duration>,
}

/// The state of the Lease, as far as it is known.
#[derive(Clone, Debug)]
enum Seen {
    /// Its state is unknown. The candidate reads it, but not before this time.
    Unknown {
        read_at: Duration,
        before: Option<(Record, Duration)>,
    },
    /// No Lease exists.
    Absent,
    /// It is unchanged `since` then. It is read or renewed at `again_at`.
    There {
        record: Record,
        since: Duration,
        again_at: Duration,
    },
}

impl Candidate {
    /// Makes a candidate. `identity` must differ from that of every other process that may run at the same time.
    pub fn new(identity: impl Into<Box<str>>, timing: Timing) -> Self {
        Self {
            identity: identity.into(),
            timing,
            seen: Seen::Unknown {
                read_at: Duration::ZERO,
                before: None,
            },
            led_since: None,
        }
    }

    /// Records the Lease as read. The reply came at `now`.
    pub fn saw(&mut self, record: Option<Record>, now: Duration) {
        let Some(record) = record else {
            self.seen = Seen::Absent;
            return;
        };
        let since = match self.last_seen() {
            Some((seen, since)) if seen == record => since,
            _ => now,
        };
        // A leader that had to read renews at once.
        let again_at = if self.led_since.is_some() {
            now
        } else {
            now + self.timing.retry_period
        };
        self.seen = Seen::There {
            record,
            since,
            again_at,
        };
    }

    /// Records that the server accepted our write of this record, sent at `sent`.
    pub fn wrote(&mut self, record: Record, sent: Duration) {
        self.led_since = Some(sent);
        self.seen = Seen::There {
            record,
            since: sent,
            again_at: sent + self.timing.retry_period,
        };
    }

    /// Records that our write conflicted with another.
    pub fn raced(&mut self, now: Duration) {
        self.seen = Seen::Unknown {
            read_at: now,
            before: self.last_seen(),
        };
    }

    /// Records that a request failed, with or without a reply.
    pub fn failed(&mut self, now: Duration) {
        self.seen = Seen::Unknown {
            read_at: now + self.timing.retry_period,
            before: self.last_seen(),
        };
    }

    /// Returns until when this candidate leads without a renewal. `None` if it does not lead.
    pub fn leads_until(&self) -> Option<Duration> {
        self.led_since.map(|since| since + self.timing.renew_deadline)
    }

    /// Returns what to do at `now`.
    pub fn next(&self, now: Duration) -> Step {
        if self.leads_until().is_some_and(|until| now >= until) {
            return Step::Resign;
        }
        match &self.seen {
            Seen::Unknown { read_at, .. } if now < *read_at => Step::Wait(*read_at),
            Seen::Unknown { .. } => Step::Read,
            Seen::Absent => Step::Create,
            Seen::There {
                record,
                since,
                again_at,
            } => self.next_for(record, *since, *again_at, now),
        }
    }

    fn next_for(&self, record: &Record, since: Duration, again_at: Duration, now: Duration) -> Step {
        let ours = record.holder.as_deref() == Some(&*self.identity);
        if self.led_since.is_some() {
            return match () {
                () if !ours => Step::Resign,
                () if now < again_at => Step::Wait(again_at),
                () => Step::Renew,
            };
        }
        // Our name without leading: an earlier process with this identity, or a write without a reply.
        let duration = record.lease_duration.min(MAX_LEASE_DURATION);
        let free_at = since + duration.max(self.timing.lease_duration);
        match () {
            () if ours || record.holder.is_none() || now >= free_at => Step::Acquire,
            () if now >= again_at => Step::Read,
            () => Step::Wait(again_at.min(free_at)),
        }
    }

    /// The Lease as last seen, and since when it is unchanged.
    fn last_seen(&self) -> Option<(Record, Duration)> {
        match &self.seen {
            Seen::Unknown { before, .. } => before.clone(),
            Seen::Absent => None,
            Seen::There { record, since, .. } => Some((record.clone(), *since)),
        }
    }
}
