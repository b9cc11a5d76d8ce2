//! The writes and reads of keys, and what their replies change.

use std::sync::Arc;
use std::time::Duration;

use plan::observed::{Account, Secret};
use tracing::{Span, info_span, warn};

use super::Loop;
use super::watches::Input;
use crate::api::write::Writer;
use crate::outcome::{ApiError, Outcome};
use crate::work::{Key, Lane, Target, Write};
use crate::worker::NoReply;

/// How often an unwatched squatter is read.
const LOOK: Duration = Duration::from_secs(30);

/// The outcome of a write.
#[derive(Debug)]
enum Reply {
    Secret(Outcome<Secret>),
    Account(Outcome<Account>),
}

/// What came of a write or a read.
pub(super) struct Ended {
    reply: Reply,
    /// The writer that had undone what this write restored, if the call asked for it.
    competing_manager: Option<CompetingManager>,
}

impl Ended {
    fn with(reply: Reply) -> Self {
        Self {
            reply,
            competing_manager: None,
        }
    }
}

/// The field manager that wrote last, as far as `managedFields` show.
struct CompetingManager(Option<String>);

impl Loop {
    pub(super) fn write(&mut self, key: Key, write: Arc<Write>) {
        let writer = self.settings.writer.clone();
        let span = match &*write {
            Write::Secret { name, .. } => info_span!("write", namespace = %key.namespace, secret = %name),
            Write::Account { name, .. } => info_span!("write", namespace = %key.namespace, service_account = %name),
        };
        let wants_manager = self.reconciler.wants_manager(&key);
        let gone = self.reconciler.presumed_gone(&key, &write);
        let of = key.clone();
        let call = async move {
            if let Err(error) = writer.confirm_gone(&gone).await {
                return Ended::with(failed(&of, error));
            }
            let namespace = &of.namespace;
            let competing_manager = if wants_manager {
                last_writer(&writer, namespace, &write).await.ok().map(CompetingManager)
            } else {
                None
            };
            let reply = match &*write {
                Write::Secret { name, action } => Reply::Secret(writer.secret(namespace, name, action).await),
                Write::Account { name, action } => Reply::Account(writer.account(namespace, name, action).await),
            };
            Ended {
                reply,
                competing_manager,
            }
        };
        self.start(key, span, call);
    }

    /// Reads a Secret that is a squatter, or whose last write has an unknown outcome.
    pub(super) fn look(&mut self, key: Key) {
        let writer = self.settings.writer.clone();
        let of = key.clone();
        let call = async move {
            let reply = match &of.target {
                Target::Secret(name) => Reply::Secret(seen(writer.read(&of.namespace, name).await)),
                Target::Account(name) => Reply::Account(seen(writer.read_account(&of.namespace, name).await)),
            };
            Ended::with(reply)
        };
        self.start(key, Span::none(), call);
    }

    fn start(&mut self, key: Key, span: Span, call: impl Future<Output = Ended> + Send + 'static) {
        let of = key.clone();
        let lost = move |why: NoReply| {
            if why == NoReply::Panicked {
                warn!(namespace = %of.namespace, "a write panicked");
            }
            Ended::with(failed(&of, why.error("a write panicked")))
        };
        self.worker.start(key, span, call, lost);
    }

    pub(super) fn ended(&mut self, key: Key, ended: Ended, now: Duration) {
        let Ended {
            reply,
            competing_manager,
        } = ended;
        if let Some(CompetingManager(competing_manager)) = competing_manager {
            warn!(namespace = %key.namespace, manager = ?competing_manager, "another field manager keeps reverting our writes; backing off");
            self.reconciler.name_manager(&key, competing_manager.as_deref(), now);
        }
        if let Reply::Secret(Outcome::Failed(ApiError::Throttled(pause)))
        | Reply::Account(Outcome::Failed(ApiError::Throttled(pause))) = &reply
        {
            warn!(seconds = pause.as_secs(), "API server returned 429; pausing all writes");
            self.settings.writer.pause(*pause);
        }
        let work = match reply {
            Reply::Secret(outcome) => self.reconciler.wrote_secret(&key, outcome, now),
            Reply::Account(outcome) => self.reconciler.wrote_account(&key, outcome, now),
        };
        self.worker.done(&key, now);
        self.enqueue(work, now);
        self.reconciler.expire(now);
        self.follow(key, now);
    }

    /// Watches the Secret of a key while it is a squatter, or reads it now and then.
    fn follow(&mut self, key: Key, now: Duration) {
        let reconciler = &self.reconciler;
        self.squatters.retain(|followed| reconciler.is_squatted(followed));
        if !reconciler.is_squatted(&key) {
            return;
        }
        let events = &self.inputs;
        if !self
            .squatters
            .follow(&key, &self.settings.watches, events, Input::Followed)
        {
            self.worker.push_at(key, Lane::Fresh, now + LOOK);
        }
    }
}

/// The field manager that wrote last what a write is about.
async fn last_writer(writer: &Writer, namespace: &str, write: &Write) -> Result<Option<String>, ApiError> {
    match write {
        Write::Secret { name, .. } => writer.last_writer_of_secret(namespace, name).await,
        Write::Account { name, .. } => writer.last_writer_of_account(namespace, name).await,
    }
}

/// The reply of a call for this key that has none of its own.
fn failed(key: &Key, error: ApiError) -> Reply {
    match key.target {
        Target::Secret(_) => Reply::Secret(Outcome::Failed(error)),
        Target::Account(_) => Reply::Account(Outcome::Failed(error)),
    }
}

/// The outcome of a read.
fn seen<T>(read: Result<Option<T>, ApiError>) -> Outcome<T> {
    match read {
        Ok(now) => Outcome::Changed(now),
        Err(error) => Outcome::Failed(error),
    }
}
