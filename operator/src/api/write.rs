//! All writes of the operator to the cluster. Decisions are elsewhere.
//!
//! # Guarantees
//!
//! - A create makes an object, or changes none if the name is taken.
//! - An update, patch or delete carries the uid and resourceVersion that it was planned from. A patch that cannot
//!   change the uid carries only the resourceVersion. A lost race is a conflict, never an overwrite.
//! - Each call ends within [`crate::api::call::DEADLINE`], without retries.
//! - No error text quotes a body.

mod object;
mod pod;
mod secret;
mod service_account;

use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use crd::names::FIELD_MANAGER;
use kube::api::{GetParams, PatchParams, Request};
use kube::{Client, Resource};
use tokio::time::Instant;

use crate::api::call::{call, found};
use crate::api::partial::Managed;
use crate::api::replies;
use crate::outcome::{ApiError, OnEnd, Outcome};

/// Performs the writes, over a client that does not retry.
#[derive(Clone)]
pub struct Writer {
    client: Client,
    /// Namespace of the state Secrets.
    namespace: String,
    ended: OnEnd,
    /// Shared by all clones.
    paused_until: Arc<Mutex<Option<Instant>>>,
}

impl Writer {
    /// `namespace` is the operator's own. `ended` is an [`OnEnd`].
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

    /// Pauses the writes of both controllers, after the server answered 429.
    pub fn pause(&self, pause: Duration) {
        let mut until = self.paused_until.lock().unwrap_or_else(PoisonError::into_inner);
        *until = (*until).max(Some(Instant::now() + pause));
    }

    /// When the pause ends, if there is one.
    pub fn paused_until(&self) -> Option<Instant> {
        let until = *self.paused_until.lock().unwrap_or_else(PoisonError::into_inner);
        until.filter(|&until| Instant::now() < until)
    }

    /// Reads only `managedFields` of an object: who wrote which field.
    async fn managed<K: Resource<DynamicType = ()>>(&self, namespace: &str, name: &str) -> Result<Managed, ApiError> {
        let requests = Request::new(K::url_path(&(), Some(namespace)));
        let request = requests.get_metadata(name, &GetParams::default());
        let request = request.map_err(kube::Error::BuildRequest);
        call(async { self.client.request(request?).await }).await
    }

    /// Counts a finished write; `kind` is one of `metrics::WRITES`.
    fn counted<T>(&self, kind: &'static str, outcome: Outcome<T>) -> Outcome<T> {
        (self.ended)(kind, outcome.as_label());
        outcome
    }
}

/// Parameters of a merge patch in our name.
fn merging() -> PatchParams {
    PatchParams {
        field_manager: Some(FIELD_MANAGER.to_owned()),
        ..PatchParams::default()
    }
}

/// The outcome of a patch. After a conflict or a 404, it reads the object. A proxy may have made up that answer, and a
/// watch that already showed the object would not repeat it.
async fn outcome<T, F: Future<Output = Result<T, ApiError>>>(
    written: Result<T, ApiError>,
    read: impl FnOnce() -> F,
) -> Outcome<T> {
    match written {
        Ok(object) => Outcome::Done(Some(object)),
        Err(ApiError::Conflict | ApiError::NotFound) => match found(read().await) {
            Ok(object) => Outcome::Changed(object),
            Err(error) => Outcome::Failed(error),
        },
        Err(error) => Outcome::Failed(error),
    }
}
