//! The calls that replace Pods. They have a queue of their own, so that they never delay a copy or a reference.

use std::collections::HashMap;
use std::time::Duration;

use k8s_openapi::api::core::v1::ObjectReference;
use kube::ResourceExt as _;
use kube::runtime::watcher::Event;
use plan::observed::Pod;
use plan::recovery::{Cause, Verdict, check};
use tokio::sync::mpsc;
use tokio_util::sync::CancellationToken;
use tracing::{info, info_span, warn};

use super::watches::Input;
use super::{Loop, Settings};
use crate::api::events::{EventRecorder, ObjectEvent};
use crate::api::partial::PartialPod;
use crate::api::watch::Selector;
use crate::api::write::Writer;
use crate::namespaces::recovery::{Candidate, Ended, PodKey, Recovery, Report};
use crate::outcome::{ApiError, Outcome};
use crate::queue::Queue;
use crate::work::Lane;
use crate::worker::{NoReply, Worker};

/// The Pods that wait, and the calls that replace them.
pub(super) struct Replacer {
    pub(super) recovery: Recovery,
    worker: Worker<PodKey, Result<Ended, ApiError>>,
    candidates: HashMap<PodKey, Candidate>,
    events: EventRecorder,
}

/// Watches Pods of phase `Pending`. The server drops all others before it sends them.
pub(super) fn start_watch(settings: &Settings, sender: &mpsc::Sender<Input>, token: &CancellationToken) {
    let selector = Selector {
        fields: Some("status.phase=Pending".to_owned()),
        ..Selector::default()
    };
    let watches = &settings.watches;
    let wrap = |event, _| Input::Pod(event);
    watches.spawn("pods", kube::Api::all, selector, sender.clone(), token.clone(), wrap);
}

impl Replacer {
    pub(super) fn new(settings: &Settings, events: EventRecorder) -> Self {
        let leadership = settings.leadership.clone();
        Self {
            recovery: Recovery::default(),
            // The sweeps limit the calls.
            worker: Worker::new(Queue::default(), leadership.clock(), leadership),
            candidates: HashMap::new(),
            events,
        }
    }

    /// Returns the next call that has ended.
    pub(super) async fn ended(replacer: Option<&mut Self>) -> Option<(PodKey, Result<Ended, ApiError>)> {
        replacer?.worker.ended().await
    }

    /// Waits until every call has ended.
    pub(super) async fn finish(replacer: Option<&mut Self>) {
        if let Some(replacer) = replacer {
            replacer.worker.finish().await;
        }
    }

    /// Returns when it has work without any input.
    pub(super) fn wakes_at(&self, now: Duration) -> Option<Duration> {
        self.recovery
            .due_at()
            .into_iter()
            .chain(self.worker.wakes_at(now))
            .min()
    }

    /// Takes in an event of the watch.
    pub(super) fn see(&mut self, event: Event<PartialPod>, now: Duration) {
        let key = |seen: &PartialPod| PodKey {
            namespace: seen.namespace().unwrap_or_default().into(),
            name: seen.name_any().into(),
        };
        match event {
            Event::Init => self.recovery.begin_list(),
            Event::InitDone => self.recovery.end_list(),
            Event::Apply(seen) | Event::InitApply(seen) => self.recovery.see(&key(&seen), seen.facts(), now),
            Event::Delete(seen) => self.recovery.forget(&key(&seen)),
        }
    }

    fn begin(&mut self, key: PodKey, writer: Writer) {
        let Some(Candidate { pod, .. }) = self.candidates.get(&key).cloned() else {
            return;
        };
        let span = info_span!("write", namespace = %key.namespace);
        let of = key.clone();
        let call = async move { replace(&writer, &of, &pod).await };
        self.worker
            .start(key, span, call, |why: NoReply| Err(why.error("a deletion panicked")));
    }

    fn end(&mut self, key: &PodKey, ended: &Ended, now: Duration) {
        self.worker.done(key, now);
        if let Some(Candidate { pod, objects }) = self.candidates.remove(key) {
            self.recovery.ended(key, &pod, &objects, ended, now);
        }
        self.publish();
    }

    fn publish(&mut self) {
        for report in self.recovery.take_reports() {
            let (about, event) = event(report);
            self.events.record(about, event);
        }
    }
}

impl Loop {
    /// Looks at the waiting Pods when that is due, and begins the calls that are left.
    pub(super) fn replace_pods(&mut self, now: Duration) {
        let Some(replacer) = &mut self.replacer else {
            return;
        };
        if !self.reconciler.is_started() || !self.settings.leadership.is_held() {
            return;
        }
        if let Some(until) = self.settings.writer.paused_until() {
            replacer.worker.pause(until);
        }
        if replacer.recovery.due_at().is_some_and(|due| due <= now) {
            for (key, candidate) in replacer.recovery.sweep(&mut self.reconciler, now) {
                replacer.candidates.insert(key.clone(), candidate);
                replacer.worker.push(key, Lane::Bulk);
            }
            replacer.publish();
        }
        while let Some(key) = replacer.worker.next(now) {
            replacer.begin(key, self.settings.writer.clone());
        }
    }

    /// Takes in the end of a call.
    pub(super) fn replaced(&mut self, key: &PodKey, ended: Result<Ended, ApiError>, now: Duration) {
        let Some(replacer) = &mut self.replacer else {
            return;
        };
        let ended = ended.unwrap_or_else(|error| {
            if let ApiError::Throttled(pause) = error {
                self.settings.writer.pause(pause);
            }
            warn!(namespace = %key.namespace, setback = %error, "failed to replace a Pod");
            Ended::Failed
        });
        if matches!(ended, Ended::Replaced(_)) {
            info!(namespace = %key.namespace, "replaced a Pod that is older than the reference on its account");
        }
        replacer.end(key, &ended, now);
    }
}

/// Reads the Pod's controller, and deletes the Pod if its controller agrees.
async fn replace(writer: &Writer, key: &PodKey, pod: &Pod) -> Result<Ended, ApiError> {
    let Some(controller) = &pod.controller else {
        return Ok(Ended::Kept(Verdict::Later));
    };
    let template = match writer.read_controller(&key.namespace, controller).await {
        Ok(template) => template,
        Err(ApiError::Refused(_)) => return Ok(Ended::Kept(Verdict::Leave(Cause::Unreadable))),
        Err(error) => return Err(error),
    };
    match check(pod, template.as_ref()) {
        Verdict::Replace => {}
        verdict => return Ok(Ended::Kept(verdict)),
    }
    match writer.delete_pod(&key.namespace, &key.name, &pod.version).await {
        Outcome::Done(at) => Ok(Ended::Replaced(at)),
        Outcome::Changed(_) => Ok(Ended::Changed),
        Outcome::Failed(error) => Err(error),
    }
}

fn event(report: Report) -> (ObjectReference, ObjectEvent) {
    let about = ObjectReference {
        api_version: Some(report.api_version.to_owned()),
        kind: Some(report.kind.to_owned()),
        namespace: Some(report.namespace),
        name: Some(report.name),
        uid: Some(report.uid),
        ..ObjectReference::default()
    };
    let event = ObjectEvent {
        warning: report.warning,
        reason: report.reason.to_owned(),
        note: report.note,
    };
    (about, event)
}
