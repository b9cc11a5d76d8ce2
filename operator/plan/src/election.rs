//! Leader election on a Lease: which of several replicas may write. Pure: the caller reads, writes, and says what time
//! it is.
//!
//! # Guarantees
//!
//! - At most one candidate leads at a time, as long as all clocks run at the same rate: it leads for
//!   [`Timing::renew_within`] after it *sent* the last write that was taken, and nobody takes the Lease before it stood
//!   unchanged for [`Timing::lasts`] since it was *seen*, on the candidate's own monotonic clock. No wall clock is asked.
//! - A candidate that cannot renew resigns, and never leads again.
//!
//! # Not here
//!
//! What a process that was stopped and woke up still sends. That is harmless for another reason: every write carries the
//! version that it was planned from.

use std::time::Duration;

/// How long things take. The defaults are those of the field: 15, 10 and 2 s.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Timing {
    /// A Lease that stood unchanged for so long is free.
    pub lasts: Duration,
    /// Who could not renew for so long resigns. Shorter than `lasts` by what ending takes.
    pub renew_within: Duration,
    /// Between two looks at the Lease, or two renewals.
    pub every: Duration,
}

impl Default for Timing {
    fn default() -> Self {
        Self {
            lasts: Duration::from_secs(15),
            renew_within: Duration::from_secs(10),
            every: Duration::from_secs(2),
        }
    }
}

/// A Lease that somebody gave a longer life by hand does not stop every replica for so long.
const ASKED_AT_MOST: Duration = Duration::from_secs(60);

/// What a Lease says, as far as it decides.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Record {
    /// Who holds it; none when it was given back.
    pub holder: Option<Box<str>>,
    /// How long its holder asked for.
    pub lasts: Duration,
    /// `renewTime` as it stands there: it is compared, never understood.
    pub renewed: Box<str>,
}

/// What to do next.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Step {
    /// Nothing before this time.
    Wait(Duration),
    /// Read the Lease, and say what is there.
    Read,
    /// Make it, in our name.
    Create,
    /// Write our name over that of another one, or of none.
    Take,
    /// Write a new time.
    Renew,
    /// Stop at once: another one leads, or may soon.
    Resign,
}

/// One replica. Times are since its process started.
#[derive(Clone, Debug)]
pub struct Candidate {
    identity: Box<str>,
    timing: Timing,
    seen: Seen,
    /// When our last write that was taken was sent.
    led_since: Option<Duration>,
}

/// What is known of the Lease.
#[derive(Clone, Debug)]
enum Seen {
    /// Nothing, or nothing any more. It is read, but not before this time.
    Unknown {
        read_at: Duration,
        before: Option<(Record, Duration)>,
    },
    /// There is none.
    Absent,
    /// It stands like this since then, and is looked at again, or renewed, at that time.
    There {
        record: Record,
        since: Duration,
        again_at: Duration,
    },
}

impl Candidate {
    /// `identity` tells this process from every other that may live at the same time.
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

    /// The Lease was read, and the answer came at `now`.
    pub fn saw(&mut self, record: Option<Record>, now: Duration) {
        let Some(record) = record else {
            self.seen = Seen::Absent;
            return;
        };
        let since = match self.stood() {
            Some((held, since)) if held == record => since,
            _ => now,
        };
        // Who leads and had to look renews at once.
        let again_at = if self.led_since.is_some() {
            now
        } else {
            now + self.timing.every
        };
        self.seen = Seen::There {
            record,
            since,
            again_at,
        };
    }

    /// Our write, sent at `sent`, was taken: the Lease stands like this now.
    pub fn wrote(&mut self, record: Record, sent: Duration) {
        self.led_since = Some(sent);
        self.seen = Seen::There {
            record,
            since: sent,
            again_at: sent + self.timing.every,
        };
    }

    /// Our write lost a race.
    pub fn raced(&mut self, now: Duration) {
        self.seen = Seen::Unknown {
            read_at: now,
            before: self.stood(),
        };
    }

    /// No answer, or one that tells nothing.
    pub fn failed(&mut self, now: Duration) {
        self.seen = Seen::Unknown {
            read_at: now + self.timing.every,
            before: self.stood(),
        };
    }

    /// Until when this one leads, if nothing happens; none when it does not.
    pub fn leads_until(&self) -> Option<Duration> {
        self.led_since.map(|since| since + self.timing.renew_within)
    }

    /// What to do at `now`.
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
            } => self.next_beside(record, *since, *again_at, now),
        }
    }

    fn next_beside(&self, record: &Record, since: Duration, again_at: Duration, now: Duration) -> Step {
        let ours = record.holder.as_deref() == Some(&*self.identity);
        if self.led_since.is_some() {
            return match () {
                () if !ours => Step::Resign,
                () if now < again_at => Step::Wait(again_at),
                () => Step::Renew,
            };
        }
        // Ours without leading: a former process of the same identity, or a write of which no answer came.
        let asked = record.lasts.min(ASKED_AT_MOST);
        let free_at = since + asked.max(self.timing.lasts);
        match () {
            () if ours || record.holder.is_none() || now >= free_at => Step::Take,
            () if now >= again_at => Step::Read,
            () => Step::Wait(again_at.min(free_at)),
        }
    }

    /// The Lease as it was seen last, and since when.
    fn stood(&self) -> Option<(Record, Duration)> {
        match &self.seen {
            Seen::Unknown { before, .. } => before.clone(),
            Seen::Absent => None,
            Seen::There { record, since, .. } => Some((record.clone(), *since)),
        }
    }
}
