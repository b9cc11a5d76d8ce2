//! Events: one for each change of state of an object, never one for each namespace or pass.

use std::sync::Arc;
use std::time::Duration;

use crd::names::ANNOTATION_INSTALLATION;
use crd::{ClusterPullSecretStatus, ConditionStatus};
use k8s_openapi::api::core::v1::ObjectReference;
use kube::runtime::events::{Event, EventType, Recorder, Reporter};
use kube::{Client, Resource as _, ResourceExt as _};
use plan::decision::Failure;
use tokio::sync::{mpsc, oneshot};
use tracing::debug;

use crate::apply::{DEADLINE, call_within, replies};
use crate::kinds::SeenObject;
use crate::leader::LEASE;
use crate::metrics::Metrics;
use crate::outcome::ApiError;
use crate::report::{DELETION_WAITS, NOT_HANDED_OVER};

/// The API server's bound on the text of an Event, in bytes.
const NOTE: usize = 1024;

/// Publishes Events beside the steps that they are about: none waits for one. One that cannot be published is logged and
/// forgotten, and so is one that comes while `WAITING` others wait.
#[derive(Clone)]
pub struct Announcer {
    orders: mpsc::Sender<Order>,
    metrics: Metrics,
}

/// So many Events wait for their turn.
const WAITING: usize = 64;

enum Order {
    Publish(Box<(ObjectReference, Event)>),
    /// To be told when all before it were published.
    Flush(oneshot::Sender<()>),
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
        let (was, is) = (before.ready(), after.ready()?);
        let is_misnamed = |ready: &crd::Condition| ready.message.ends_with(NOT_HANDED_OVER);
        if is_misnamed(is) && !was.is_some_and(is_misnamed) {
            return Some(Self {
                warning: true,
                reason: "NotHandedOver".to_owned(),
                note: is.message.clone(),
            });
        }
        let same = was.is_some_and(|was| was.status == is.status && was.reason == is.reason);
        if same || is.is_progress() {
            return None;
        }
        let warning = is.status != ConditionStatus::True;
        Some(Self {
            warning,
            reason: is.reason.clone(),
            note: is.message.clone(),
        })
    }

    /// Of the status of an object whose deletion waits: when it begins to wait, and when it waits for something else.
    pub fn of_waiting(before: &ClusterPullSecretStatus, after: &ClusterPullSecretStatus) -> Option<Self> {
        let (was, is) = (before.ready(), after.ready()?);
        let same = |was: &crd::Condition| was.reason == is.reason && was.message.starts_with(DELETION_WAITS);
        (!was.is_some_and(same)).then(|| Self {
            warning: !is.is_progress(),
            reason: "DeletionWaits".to_owned(),
            note: is.message.clone(),
        })
    }

    /// Of an object that a person hands over from the installation in this namespace to another.
    pub fn handed_over(namespace: &str, object: &str, other: &str) -> Self {
        let note = format!(
            "handed over: {namespace}/{LEASE} writes no more for this object, {other} does as soon as it runs; if there is no \
             such installation: kubectl annotate cps {object} {ANNOTATION_INSTALLATION}-"
        );
        Self {
            warning: false,
            reason: "HandedOver".to_owned(),
            note,
        }
    }

    /// Of an object that this installation takes over from another.
    pub fn taken_over(own: &str, before: &str) -> Self {
        Self {
            warning: false,
            reason: "TakenOver".to_owned(),
            note: format!("{own} acts for this object from now on, {before} did before"),
        }
    }

    /// Of an object that goes although not all could be taken away: what was left, the most important first, how much more
    /// of it there is, and why.
    pub fn left_behind(left: &[String], unnamed: usize, failures: &[(Arc<str>, Failure)]) -> Self {
        let mut named = String::new();
        let mut unnamed = left.len() + unnamed;
        for one in left {
            if !named.is_empty() && named.len() + one.len() > NOTE / 2 {
                break;
            }
            named += if named.is_empty() { "" } else { ", " };
            named += one;
            unnamed -= 1;
        }
        let more = match unnamed {
            0 => String::new(),
            _ => format!(" and {unnamed} more"),
        };
        let why: Vec<String> = failures
            .iter()
            .map(|(namespace, failure)| format!("{namespace}: {}", failure.message))
            .collect();
        let note = format!(
            "left behind, because the removal was tried in vain for a minute: {named}{more}. Garbage collection keeps trying to \
             delete secrets. {}",
            why.join("; ")
        );
        Self {
            warning: true,
            reason: "LeftBehind".to_owned(),
            note,
        }
    }
}

/// The operator's own Lease: what is said of an object for which another installation acts is said there, in the operator's
/// own namespace.
fn own_lease(namespace: &str) -> ObjectReference {
    ObjectReference {
        api_version: Some("coordination.k8s.io/v1".to_owned()),
        kind: Some("Lease".to_owned()),
        name: Some(LEASE.to_owned()),
        namespace: Some(namespace.to_owned()),
        ..ObjectReference::default()
    }
}

impl Announcer {
    /// Publishes as `pullsecrets`. Called on the runtime that publishes.
    pub fn new(client: Client, metrics: Metrics) -> Self {
        let reporter = Reporter {
            controller: crd::names::GROUP.to_owned(),
            instance: std::env::var("HOSTNAME").ok(),
        };
        let recorder = Recorder::new(replies::bounded(client), reporter);
        let (orders, ordered) = mpsc::channel(WAITING);
        tokio::spawn(publish(recorder, metrics.clone(), ordered));
        Self { orders, metrics }
    }

    /// Publishes an Event about the object, now or soon.
    pub fn announce(&self, about: &SeenObject, announcement: Announcement) {
        self.publish(about.object_ref(&()), announcement);
    }

    /// Publishes in the operator's own namespace that another installation acts for this object, and for others.
    pub fn announce_elsewhere(&self, namespace: &str, object: &SeenObject, other: &str) {
        let name = object.name_any();
        let note = format!(
            "ClusterPullSecret {name:?} belongs to the installation {other}, and {namespace}/{LEASE} does not write for it, nor \
             for others of that installation; to hand it over: kubectl annotate cps {name} \
             {ANNOTATION_INSTALLATION}={namespace}/{LEASE} --overwrite",
        );
        let announcement = Announcement {
            warning: true,
            reason: "InstalledTwice".to_owned(),
            note,
        };
        self.publish(own_lease(namespace), announcement);
    }

    fn publish(&self, about: ObjectReference, announcement: Announcement) {
        let mut note = announcement.note;
        note.truncate(note.floor_char_boundary(NOTE));
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
        let order = Order::Publish(Box::new((about, event)));
        if self.orders.try_send(order).is_err() {
            self.metrics.wrote("event", "unavailable");
            debug!("too many events wait, one is dropped");
        }
    }

    /// Waits until those that were announced are published; no longer than this.
    pub async fn flush(&self, within: Duration) {
        let (done, told) = oneshot::channel();
        let flushed = async {
            if self.orders.send(Order::Flush(done)).await.is_ok() {
                let _ = told.await;
            }
        };
        // The process ends: those that are left are lost.
        let _ = tokio::time::timeout(within, flushed).await;
    }
}

async fn publish(recorder: Recorder, metrics: Metrics, mut ordered: mpsc::Receiver<Order>) {
    while let Some(order) = ordered.recv().await {
        match order {
            Order::Flush(done) => drop(done.send(())),
            Order::Publish(order) => {
                let (about, event) = *order;
                let published = call_within(DEADLINE, recorder.publish(&event, &about)).await;
                let result = published.as_ref().err().map_or("done", ApiError::word);
                metrics.wrote("event", result);
                if let Err(setback) = published {
                    debug!(?setback, "an event could not be published");
                }
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use http::{Request, Response};
    use kube::client::Body;

    use super::*;
    use crate::leadership::Leadership;
    use crate::progress::Progress;

    #[test]
    fn what_is_left_behind_is_named_and_counted() {
        let named = |left: usize, more: usize| {
            let left: Vec<String> = (0..left).map(|number| format!("secret {number:0>300}")).collect();
            Announcement::left_behind(&left, more, &[]).note
        };
        let few = named(1, 0);
        assert!(few.contains("secret 000") && !few.contains(" more"), "{few}");
        let many = named(20, 30);
        assert!(many.contains("secret 000") && many.contains(" and 49 more. "), "{many}");
        assert!(many.len() <= NOTE, "{}", many.len());
    }

    #[tokio::test]
    async fn a_server_that_takes_no_events_delays_nobody() {
        let silent =
            tower::service_fn(|_: Request<Body>| std::future::pending::<Result<Response<Body>, kube::Error>>());
        let metrics = Metrics::new(Leadership::alone(), Progress::new());
        let announcer = Announcer::new(Client::new(silent, "default"), metrics.clone());
        let about: SeenObject =
            serde_json::from_value(serde_json::json!({"metadata": {"name": "a", "uid": "u"}})).unwrap();
        for _ in 0..10 * WAITING {
            let announcement = Announcement {
                warning: true,
                reason: "SourceNotFound".to_owned(),
                note: "ä".repeat(NOTE),
            };
            announcer.announce(&about, announcement);
        }
        announcer.flush(Duration::from_millis(10)).await;
        let told = metrics.render();
        let dropped = format!(r#"kind="event",result="unavailable"}} {}"#, 9 * WAITING);
        assert!(told.contains(&dropped), "{told}");
    }
}
