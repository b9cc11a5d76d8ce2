//! One fault and when it strikes.

use std::fmt;
use std::str::FromStr;

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

/// A request, or an event of a watch, by what it is about. The order of writes differs from run to run; this does not.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct Trigger {
    /// `patch secrets fault-a/company`, `watch serviceaccounts MODIFIED fault-a/default`.
    pub what: String,
    /// The how-manieth of its kind since the fault was armed, from 1.
    pub occurrence: u32,
}

/// What happens.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub enum Fault {
    /// The process dies before the write reaches the server.
    KillBefore,
    /// The process dies when the server has made the write, and before it learns that.
    KillUnacknowledged,
    /// The process dies as it learns that the write was made.
    KillAfter,
    /// The server's place answers with this, and the server learns nothing.
    Answer(Answer),
    /// Somebody else writes the same object just before.
    Meddle,
    /// The write reaches the server only after this many milliseconds.
    Hold(u32),
    /// The connection ends before the write reaches the server.
    ResetBefore,
    /// The connection ends when the server has made the write.
    ResetAfter,
    /// The write is made, and half of the answer arrives.
    Truncate,
    /// The write is made, and the answer is not JSON.
    Garbage,
    /// The event is held back, with all that follow it in its watch, for this many milliseconds.
    Delay(u32),
    /// The event comes twice.
    Duplicate,
    /// The watch ends before the event.
    Cut,
    /// The watch ends within the event.
    CutWithin,
    /// The watch says that its history is lost, and ends.
    Expire,
    /// From the event on the watch brings nothing, and does not end. In no campaign: it takes a minute and a half to notice.
    Silence,
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
    /// 403 by RBAC.
    Forbidden,
    /// 403 by a quota.
    Quota,
    /// 422 with causes: an admission refusal.
    Invalid,
    /// 429 with `Retry-After: 1`.
    TooManyRequests,
    /// 500.
    InternalError,
    /// 503.
    Unavailable,
    /// 504.
    Timeout,
}

impl Fault {
    /// Those of a write.
    pub const OF_WRITES: [Self; 19] = [
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
        Self::Meddle,
        Self::Hold(700),
        Self::ResetBefore,
        Self::ResetAfter,
        Self::Truncate,
        Self::Garbage,
    ];

    /// Those of an event of a watch.
    pub const OF_EVENTS: [Self; 5] = [
        Self::Delay(1000),
        Self::Duplicate,
        Self::Cut,
        Self::CutWithin,
        Self::Expire,
    ];

    /// A word for a table: what has a bound of its own.
    pub fn class(self) -> &'static str {
        match self {
            Self::KillBefore | Self::KillUnacknowledged | Self::KillAfter => "crash",
            Self::Answer(_) => "answer",
            Self::Meddle | Self::Hold(_) => "race",
            Self::ResetBefore | Self::ResetAfter | Self::Truncate | Self::Garbage => "connection",
            Self::Delay(_) | Self::Duplicate | Self::Cut | Self::CutWithin | Self::Expire | Self::Silence => "watch",
        }
    }
}

impl Answer {
    /// The status code, the reason, and the `details` of the Status object.
    pub fn status(self) -> (u16, &'static str, serde_json::Value) {
        let details = serde_json::json!({});
        match self {
            Self::Conflict => (409, "Conflict", details),
            Self::AlreadyExists => (409, "AlreadyExists", details),
            Self::NotFound => (404, "NotFound", details),
            Self::Forbidden | Self::Quota => (403, "Forbidden", details),
            Self::Invalid => {
                let causes =
                    serde_json::json!({"causes": [{"reason": "FieldValueInvalid", "field": "x", "message": "no"}]});
                (422, "Invalid", causes)
            }
            Self::TooManyRequests => (429, "TooManyRequests", serde_json::json!({"retryAfterSeconds": 1})),
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

    #[test]
    fn a_plan_is_read_back_as_it_was_written() {
        for fault in Fault::OF_WRITES.into_iter().chain(Fault::OF_EVENTS) {
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
