//! The writes. Everything that the operator changes in a cluster goes through here, and nothing is decided here.
//!
//! # Guarantees
//!
//! - A create makes an object where nothing of that name exists, or does nothing.
//! - An update, patch or delete carries the uid and resourceVersion that it was planned from, or the resourceVersion
//!   alone where the patch has no way to change the uid; a lost race is a conflict, never an overwrite.
//! - Each call ends within [`crate::api::call::DEADLINE`]. There is no retry in here.
//! - No error text holds anything of a body.

mod object;
mod secret;
mod service_account;

use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use crd::names::FIELD_MANAGER;
use kube::Client;
use kube::api::PatchParams;
use tokio::time::Instant;

use crate::api::call::found;
use crate::api::replies;
use crate::outcome::{ApiError, Outcome};

pub use object::Step as ObjectStep;

/// Makes the writes, over a client of its own that does not retry.
#[derive(Clone)]
pub struct Writer {
    client: Client,
    /// Where the state Secrets live.
    namespace: String,
    ended: Arc<dyn Fn(&'static str, &'static str) + Send + Sync>,
    /// Shared by all who write.
    paused_until: Arc<Mutex<Option<Instant>>>,
}

impl Writer {
    /// `namespace` is the operator's own. `ended` is called for each write that has ended, with what it does, one of
    /// `metrics::WRITES`, and what came of it, one of `metrics::RESULTS`.
    pub fn new(
        client: Client,
        namespace: impl Into<String>,
        ended: impl Fn(&'static str, &'static str) + Send + Sync + 'static,
    ) -> Self {
        Self {
            client: replies::bounded(client),
            namespace: namespace.into(),
            ended: Arc::new(ended),
            paused_until: Arc::default(),
        }
    }

    /// The server asks for less: nothing is to be written for so long, by any loop.
    pub fn pause(&self, pause: Duration) {
        let mut until = self.paused_until.lock().unwrap_or_else(PoisonError::into_inner);
        *until = (*until).max(Some(Instant::now() + pause));
    }

    /// Until when nothing is to be written.
    pub fn paused_until(&self) -> Option<Instant> {
        let until = *self.paused_until.lock().unwrap_or_else(PoisonError::into_inner);
        until.filter(|&until| Instant::now() < until)
    }

    /// Counts a write that has ended; `kind` is one of `metrics::WRITES`.
    fn counted<T>(&self, kind: &'static str, outcome: Outcome<T>) -> Outcome<T> {
        (self.ended)(kind, outcome.word());
        outcome
    }
}

/// The parameters of a merge patch in our name.
fn merging() -> PatchParams {
    PatchParams {
        field_manager: Some(FIELD_MANAGER.to_owned()),
        ..PatchParams::default()
    }
}

/// What came of a patch: after a conflict, or when it is said to be gone, the object is read. A watch that shows it
/// would not show it again, so one answer that something between us and the server made up must not be the last word.
async fn outcome<T, F: Future<Output = Result<T, ApiError>>>(
    written: Result<T, ApiError>,
    read: impl FnOnce() -> F,
) -> Outcome<T> {
    match written {
        Ok(object) => Outcome::Done(Some(object)),
        Err(ApiError::Conflict | ApiError::NotFound) => match found(read().await) {
            Ok(object) => Outcome::Changed(object),
            Err(setback) => Outcome::Failed(setback),
        },
        Err(setback) => Outcome::Failed(setback),
    }
}
