//! Outcomes of calls to the API server.

use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use plan::decision::Failure;

/// Called after each write with its kind, one of `metrics::WRITES`, and its result, one of `metrics::RESULTS`.
pub type OnEnd = Arc<dyn Fn(&'static str, &'static str) + Send + Sync>;

/// The outcome of a write.
#[derive(Debug)]
pub enum Outcome<T> {
    /// The write succeeded and left this object; `None` after a deletion.
    Done(Option<T>),
    /// The write lost a race, or the name is taken. Holds the object that exists now, if any.
    Changed(Option<T>),
    /// The write failed.
    Failed(ApiError),
}

impl<T> Outcome<T> {
    /// The label of this outcome, one of [`crate::observability::metrics::RESULTS`].
    pub fn as_label(&self) -> &'static str {
        match self {
            Self::Done(_) => "done",
            Self::Changed(_) => "conflict",
            Self::Failed(error) => error.as_label(),
        }
    }
}

/// A classified error of the API server. It replaces the server's own text, which may quote the refused object.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum ApiError {
    /// 409: another writer changed or created the object first.
    Conflict,
    /// 404: the object or its namespace no longer exists.
    NotFound,
    /// 403 with the cause `NamespaceTerminating`: the namespace accepts no new objects.
    NamespaceTerminating,
    /// 429 from the server itself: all writes must pause for this long, `LONGEST_PAUSE` at most.
    Throttled(Duration),
    /// 429 with a reason of its own: this write must wait, others go on.
    Postponed {
        /// The failure to report.
        failure: Failure,
        /// How long to wait; `LONGEST_WAIT` at most.
        wait: Duration,
        /// The webhook or policy that asked for the delay, as the failure names it.
        by: Option<Arc<str>>,
    },
    /// The server, or an admission policy, refused the write.
    Refused(Failure),
    /// No answer, or an unusable one. The write may or may not have happened.
    Unavailable(String),
}

impl ApiError {
    /// The error of a call that the operator gave up. The write may have happened.
    pub(crate) fn given_up() -> Self {
        Self::Unavailable("the call took more than a second while others waited, so the operator gave it up".to_owned())
    }

    /// The label of this error, one of [`crate::observability::metrics::RESULTS`].
    pub(crate) fn as_label(&self) -> &'static str {
        match self {
            Self::Conflict => "conflict",
            Self::NotFound | Self::NamespaceTerminating => "gone",
            Self::Throttled(_) | Self::Postponed { .. } => "throttled",
            Self::Refused(_) => "refused",
            Self::Unavailable(_) => "unavailable",
        }
    }
}

/// A sentence for logs, without the server's own text.
impl fmt::Display for ApiError {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Conflict => formatter.write_str("another writer was first"),
            Self::NotFound => formatter.write_str("it does not exist"),
            Self::NamespaceTerminating => formatter.write_str("its namespace is being deleted"),
            Self::Throttled(pause) => write!(formatter, "the API server asks all writers to pause for {pause:?}"),
            Self::Postponed { failure, wait, .. } => write!(formatter, "{}, retry after {wait:?}", failure.message),
            Self::Refused(failure) => formatter.write_str(&failure.message),
            Self::Unavailable(why) => formatter.write_str(why),
        }
    }
}
