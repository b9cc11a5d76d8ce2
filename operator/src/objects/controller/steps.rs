//! The steps of objects: which one is next, the call for it, and what its reply changes.

use std::sync::Arc;
use std::time::Duration;

use k8s_openapi::apimachinery::pkg::apis::meta::v1::Time;
use kube::Resource as _;
use plan::step::{Next, Step, StepKind};
use tracing::{debug, info_span, warn};

use super::{Loop, Start};
use crate::api::partial::{RawClusterPullSecret, SourceSecret};
use crate::api::write::Writer;
use crate::namespaces::controller::ObjectMessage;
use crate::objects::object::ObjectState;
use crate::outcome::{ApiError, Outcome};
use crate::work::Lane;
use crate::worker::NoReply;

/// A step that has ended.
pub(super) struct Ended {
    step: StepKind,
    reply: Reply,
}

enum Reply {
    Object(Outcome<RawClusterPullSecret>),
    State(Outcome<SourceSecret>),
}

impl Reply {
    fn error(&self) -> Option<ApiError> {
        match self {
            Self::Object(Outcome::Failed(error)) | Self::State(Outcome::Failed(error)) => Some(error.clone()),
            Self::Object(_) | Self::State(_) => None,
        }
    }
}

impl Loop {
    /// Starts the next steps, as many as may be under way.
    pub(super) fn dispatch(&mut self, now: Duration, time: &Time) {
        if let Some(until) = self.settings.writer.paused_until() {
            self.worker.pause(until);
        }
        if self.start != Start::Complete {
            return;
        }
        for name in self.worker.give_up(now) {
            debug!(object = %name, "gave up a slow step, because others wait");
        }
        while let Some(name) = self.worker.next(now) {
            self.declare(&name, now, time);
            self.say_elsewhere(&name);
            let next = self.objects.get_mut(&name).map_or(Next::Idle, |object| {
                let next = object.next(now, time);
                if let Some(after) = object.reconciled_after.take() {
                    self.settings.metrics.reconciled(after);
                }
                next
            });
            match next {
                Next::Write(step) => self.write(name, step, now),
                Next::At(at) => {
                    self.worker.done(&name, now);
                    self.worker.push_at(name, Lane::Fresh, at);
                }
                Next::Idle => self.worker.done(&name, now),
            }
        }
    }

    fn write(&mut self, name: Arc<str>, step: Step, now: Duration) {
        let Some(object) = self.objects.get_mut(&name) else {
            return;
        };
        let event = object.begin(&step, now);
        let (seen, kind) = (object.seen().clone(), step.kind());
        let (writer, events) = (self.settings.writer.clone(), self.settings.events.clone());
        let span = info_span!("reconcile", object = %name, step = kind.as_str());
        let call = async move {
            let reply = make(&writer, &seen, &step).await;
            if let (Reply::Object(Outcome::Done(_)), Some(event)) = (&reply, event) {
                events.record(seen.object_ref(&()), event);
            }
            Ended { step: kind, reply }
        };
        // What is seen next shows whether it was made.
        let lost = move |why: NoReply| Ended {
            step: kind,
            reply: Reply::Object(Outcome::Failed(why.error("a step panicked"))),
        };
        self.worker.start(name, span, call, lost);
    }

    /// Takes in the reply to a step.
    pub(super) fn ended(&mut self, name: &Arc<str>, Ended { step, reply }: Ended, now: Duration) {
        self.worker.done(name, now);
        let error = reply.error();
        if !matches!(error, Some(ApiError::Unavailable(_))) {
            self.send(ObjectMessage::Answered);
        }
        let done = matches!(&reply, Reply::Object(Outcome::Done(_)));
        match reply {
            Reply::Object(Outcome::Done(seen) | Outcome::Changed(seen)) => self.wrote(name, seen),
            Reply::State(Outcome::Done(secret) | Outcome::Changed(secret)) => {
                let uid = self.objects.get(name).and_then(ObjectState::uid).unwrap_or_default();
                self.settings.sources.take_state(&uid, secret);
            }
            Reply::Object(Outcome::Failed(_)) | Reply::State(Outcome::Failed(_)) => {}
        }
        let Some(object) = self.objects.get_mut(name) else {
            return;
        };
        match error {
            None => object.succeeded(step, done, now),
            Some(error) => {
                if let ApiError::Throttled(pause) = &error {
                    self.settings.writer.pause(*pause);
                }
                let delay = object.failed(step, &error, now);
                warn!(object = %name, setback = %error, retry_in = ?delay, "failed to {step}");
            }
        }
        // At once: a failure is reported, then the step is tried again in time.
        self.worker.push(Arc::clone(name), Lane::Fresh);
    }

    /// Takes in the object as a reply has it, `None` if it is gone.
    fn wrote(&mut self, name: &Arc<str>, seen: Option<RawClusterPullSecret>) {
        match (seen, self.objects.get_mut(name)) {
            (Some(seen), Some(object)) => {
                object.see(seen);
                self.ask(name);
                self.measure(name);
            }
            (None, _) => self.forget(name),
            (Some(_), None) => {}
        }
    }
}

async fn make(writer: &Writer, seen: &RawClusterPullSecret, step: &Step) -> Reply {
    match step {
        Step::Object(step) => Reply::Object(writer.object(seen, step).await),
        Step::SaveState(content) => Reply::State(writer.save_state(seen, content).await),
        Step::DeleteState(version) => Reply::State(writer.delete_state(seen, version).await),
    }
}
