//! Events: one for each change of state of an object, never one for each namespace or pass.

use std::sync::Arc;

use crd::{ClusterPullSecretStatus, ConditionStatus};
use kube::runtime::events::{Event, EventType, Recorder, Reporter};
use kube::{Client, Resource as _};
use plan::verdict::Failure;
use tracing::debug;

use crate::apply::Setback;
use crate::kinds::SeenObject;
use crate::metrics::Metrics;
use crate::objects::{is_progress, ready_of};

/// The API server's bound on the text of an Event, in bytes.
const NOTE: usize = 1024;

/// Publishes Events. One that cannot be published is logged and forgotten: it never fails a step.
#[derive(Clone)]
pub struct Announcer {
    recorder: Recorder,
    metrics: Metrics,
}

/// Something worth an Event.
#[derive(Debug, PartialEq, Eq)]
pub struct Announcement {
    warning: bool,
    reason: String,
    note: String,
}

impl Announcement {
    /// Of a status that is about to be written: only when `Ready`, or its reason, changes, and not for mere progress.
    pub fn of_report(before: &ClusterPullSecretStatus, after: &ClusterPullSecretStatus) -> Option<Self> {
        let (was, is) = (ready_of(before), ready_of(after)?);
        let same = was.is_some_and(|was| was.status == is.status && was.reason == is.reason);
        if same || is_progress(&is.reason) {
            return None;
        }
        let warning = is.status != ConditionStatus::True;
        Some(Self {
            warning,
            reason: is.reason.clone(),
            note: is.message.clone(),
        })
    }

    /// Of an object that goes although not all could be taken away.
    pub fn left_behind(owed: usize, failures: &[(Arc<str>, Failure)]) -> Self {
        let named: Vec<String> = failures
            .iter()
            .map(|(namespace, failure)| format!("{namespace}: {}", failure.message))
            .collect();
        let note = format!(
            "{owed} removals were refused for a minute and are left; copies go by garbage collection. {}",
            named.join("; ")
        );
        Self {
            warning: true,
            reason: "LeftBehind".to_owned(),
            note,
        }
    }
}

impl Announcer {
    /// Publishes as `pullsecrets`.
    pub fn new(client: Client, metrics: Metrics) -> Self {
        let reporter = Reporter {
            controller: crd::names::GROUP.to_owned(),
            instance: std::env::var("HOSTNAME").ok(),
        };
        Self {
            recorder: Recorder::new(client, reporter),
            metrics,
        }
    }

    /// Publishes an Event about the object.
    pub async fn announce(&self, about: &SeenObject, announcement: Announcement) {
        let mut note = announcement.note;
        let end = (0..=NOTE.min(note.len()))
            .rev()
            .find(|&at| note.is_char_boundary(at))
            .unwrap_or(0);
        note.truncate(end);
        let event = Event {
            type_: if announcement.warning {
                EventType::Warning
            } else {
                EventType::Normal
            },
            reason: announcement.reason,
            note: Some(note),
            action: "Reconcile".to_owned(),
            secondary: None,
        };
        let published = self.recorder.publish(&event, &about.object_ref(&())).await;
        let setback = published.as_ref().err().map(Setback::from);
        self.metrics
            .wrote("event", setback.as_ref().map_or("done", Setback::word));
        if setback.is_some() {
            debug!("an event could not be published");
        }
    }
}
