//! One write in one context.

use std::cell::RefCell;
use std::time::Duration;

use serde_json::Value;

use super::report::{ContextReport, Done, Left};
use super::task::Rollout;
use crate::cluster::{Applied, Applying, Connected, FIELD_MANAGER, Failure, Metadata, path_of};

/// The API group, by which a server says whether the definition is installed.
const GROUP_PATH: &str = "/apis/pullsecrets.dev/v1alpha1";

/// How often a write is tried again.
const RETRIES: usize = 3;

/// Time between two attempts.
const PAUSE: Duration = Duration::from_secs(1);

/// The writes in one context.
#[derive(Clone, Copy)]
pub(super) struct Writing<'a> {
    pub(super) connected: &'a Connected,
    pub(super) rollout: Rollout<'a>,
    pub(super) report: &'a RefCell<ContextReport>,
}

/// Returns whether the server knows the objects.
pub(super) async fn is_defined(connected: &Connected) -> Result<bool, Left> {
    let group = connected.value(GROUP_PATH).await;
    group
        .map(|group| group.is_some())
        .map_err(|failure| Left::incomplete(None, "NotSeen", failure.to_string()))
}

/// What is said where a write or a removal was not begun.
pub(super) fn not_begun(object: String) -> Left {
    Left::incomplete(Some(object), "Interrupted", "interrupted before it was written")
}

impl Writing<'_> {
    /// Applies one object, and returns what that did.
    pub(super) async fn one(&self, object: &Value, called: &str) -> Result<(Done, Metadata), Failed> {
        if self.rollout.stop.is_set() {
            return Err(Failed::NotBegun);
        }
        // Without the right to read it, a write counts as a change.
        let before = match self.connected.metadata(&path_of(object)).await {
            Err(failure) if failure.is_of_the_context() => return Err(Failed::Write(failure)),
            before => before.ok().flatten(),
        };
        let how = Applying {
            dry_run: self.rollout.dry_run,
            force: self.rollout.force,
            manager: FIELD_MANAGER,
        };
        tracing::debug!(context = self.connected.name, object = called, "applying");
        let Applied { created, metadata } = self.applied(object, how).await?;
        let done = match (created, self.rollout.dry_run) {
            (true, _) => Done::Created,
            (false, true) => Done::Accepted,
            (false, false) if before.is_some_and(|before| metadata.is_unchanged_since(&before)) => Done::Unchanged,
            (false, false) => Done::Configured,
        };
        Ok((done, metadata))
    }

    /// Tries again if the server asks for fewer requests, or another writer was faster.
    async fn applied(&self, object: &Value, how: Applying) -> Result<Applied, Failed> {
        for _ in 0..RETRIES {
            match self.connected.apply(object, how).await {
                Err(Failure::Throttled | Failure::Changed) if !self.rollout.stop.is_set() => {
                    self.rollout.stop.sleep(PAUSE).await;
                }
                applied => return applied.map_err(Failed::Write),
            }
        }
        self.connected.apply(object, how).await.map_err(Failed::Write)
    }
}

/// Why an object was not written.
pub(super) enum Failed {
    /// A person has interrupted it.
    NotBegun,
    /// The write failed.
    Write(Failure),
}

impl Failed {
    pub(super) fn left(self, called: &str) -> Left {
        match self {
            Self::NotBegun => not_begun(called.to_owned()),
            Self::Write(failure) => failed(called, &failure),
        }
    }
}

/// What a failed write leaves.
pub(super) fn failed(called: &str, failure: &Failure) -> Left {
    let reason = match failure {
        failure if failure.is_of_the_context() => "NotSeen",
        Failure::Claimed { .. } | Failure::Changed => "Conflict",
        Failure::Forbidden { .. } => "Forbidden",
        Failure::Denied { .. } => "Refused",
        _ => "NotApplied",
    };
    Left::incomplete(Some(called.to_owned()), reason, failure.to_string())
}
