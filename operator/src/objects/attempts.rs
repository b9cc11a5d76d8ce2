//! Attempts at a step that failed in a row.

use std::time::Duration;

use plan::backoff::Backoff;
use plan::status::Blocked;
use plan::step::StepKind;

use crate::outcome::ApiError;

/// A step that failed is tried again after this time.
const RETRY: Backoff = Backoff::new(Duration::from_millis(250), Duration::from_secs(30));
/// A step that failed this often in a row is reported, even if no refusal is the reason.
pub(super) const FAILED_UNTIL_REPORTED: u32 = 4;

/// Attempts that failed in a row. Times count from the start of the process.
#[derive(Default)]
pub(super) struct Attempts {
    count: u32,
    /// When the first one failed.
    pub(super) since: Option<Duration>,
    /// When the next one may begin.
    pub(super) retry_at: Option<Duration>,
    /// What the status says of them.
    pub(super) blocked: Option<Blocked>,
}

impl Attempts {
    /// Records another failure. Returns the delay before the next attempt.
    pub(super) fn fail(&mut self, error: &ApiError, now: Duration) -> Duration {
        let delay = match error {
            ApiError::Throttled(pause) => *pause,
            ApiError::Postponed { wait, .. } => RETRY.delay(self.count).max(*wait),
            _ => RETRY.delay(self.count),
        };
        self.count += 1;
        self.since.get_or_insert(now);
        self.retry_at = Some(now + delay);
        delay
    }

    /// Has the status say that the step fails, if that is worth a report. `state` is the state Secret of the object.
    pub(super) fn report(&mut self, step: StepKind, error: &ApiError, state: &str) {
        let refused = matches!(error, ApiError::Refused(_));
        if refused || self.count >= FAILED_UNTIL_REPORTED {
            self.blocked = Some(blocked(step, error, state));
        }
    }
}

fn blocked(step: StepKind, error: &ApiError, state: &str) -> Blocked {
    let why = match error {
        ApiError::Refused(failure) | ApiError::Postponed { failure, .. } => failure.message.to_string(),
        ApiError::Unavailable(text) => text.clone(),
        ApiError::Throttled(_) => "the API server answers 429 (too many requests)".to_owned(),
        ApiError::Conflict => "another writer changes it before each attempt (409)".to_owned(),
        ApiError::NotFound | ApiError::NamespaceTerminating => {
            "it does not exist, or its namespace is being deleted".to_owned()
        }
    };
    let what = match step {
        StepKind::SaveState => format!(
            "the operator cannot write secret {state:?}, which stores the last good logins, so it copies no new login"
        ),
        StepKind::DeleteState => {
            format!("the operator cannot delete secret {state:?}, which stores the last good logins")
        }
        StepKind::AddFinalizer => {
            "the operator cannot add its finalizer to this object, so it writes no copy".to_owned()
        }
        StepKind::RemoveFinalizer => "the operator cannot remove its finalizer from this object".to_owned(),
        StepKind::ClaimObject => "the operator cannot record its installation in the status of this object".to_owned(),
        StepKind::ReadObject | StepKind::PatchStatus => "the operator cannot read this object".to_owned(),
    };
    Blocked {
        state: step == StepKind::SaveState,
        message: format!("{what}: {why}"),
        needs_person: matches!(error, ApiError::Refused(_)),
    }
}
