//! What came of a call to the API server.

use std::sync::Arc;
use std::time::Duration;

use plan::decision::Failure;

/// What came of a write.
#[derive(Debug)]
pub enum Outcome<T> {
    /// It was made; this is the object now. None when it is gone, as was asked.
    Done(Option<T>),
    /// A race was lost, or the name is taken; this is the object now. None when there is none.
    Changed(Option<T>),
    /// It was not made.
    Failed(ApiError),
}

impl<T> Outcome<T> {
    /// One of [`crate::observability::metrics::RESULTS`].
    pub fn word(&self) -> &'static str {
        match self {
            Self::Done(_) => "done",
            Self::Changed(_) => "conflict",
            Self::Failed(setback) => setback.word(),
        }
    }
}

/// Shown instead of a server's own words, which may quote the object that it refused.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum ApiError {
    /// 409: it is not what it was, or it exists already.
    Conflict,
    /// 404: the object or its namespace is gone.
    NotFound,
    /// 403 with the cause `NamespaceTerminating`: nothing more can be made there.
    NamespaceTerminating,
    /// 429 of the server itself: slow down, all of us, for this long; `LONGEST_PAUSE` at most.
    Throttled(Duration),
    /// 429 with a reason of its own: this write is to come later. Others are none of its business.
    Postponed {
        /// To be told.
        failure: Failure,
        /// How much later; `LONGEST_WAIT` at most.
        wait: Duration,
        /// The webhook or policy that asks for it, in the words of the failure.
        by: Option<Arc<str>>,
    },
    /// The server, or a policy, does not want this write.
    Refused(Failure),
    /// No answer, or none that tells anything: the write may have been made or not.
    Unavailable(String),
}

impl ApiError {
    /// Of a call that was given up: it may have been made.
    pub(crate) fn given_up() -> Self {
        Self::Unavailable("it took more than a second, and others waited".to_owned())
    }

    /// One of [`crate::observability::metrics::RESULTS`].
    pub(crate) fn word(&self) -> &'static str {
        match self {
            Self::Conflict => "conflict",
            Self::NotFound | Self::NamespaceTerminating => "gone",
            Self::Throttled(_) | Self::Postponed { .. } => "throttled",
            Self::Refused(_) => "refused",
            Self::Unavailable(_) => "unavailable",
        }
    }
}
