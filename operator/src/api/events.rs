//! Publishes Events.

use std::sync::Arc;
use std::time::Duration;

use k8s_openapi::api::core::v1::ObjectReference;
use kube::Client;
use kube::runtime::events::{Event, EventType, Recorder, Reporter};
use tokio::sync::{mpsc, oneshot};
use tracing::debug;

use crate::api::call::{DEADLINE, call_within};
use crate::api::replies;
use crate::outcome::{ApiError, OnEnd};

/// Longest text of an Event in bytes, as the API server allows it.
pub const NOTE: usize = 1024;

/// Publishes Events in the background, so that no reconciliation waits for one. A failed publish is logged and dropped.
/// So is an Event that arrives while `WAITING` others wait.
#[derive(Clone)]
pub struct EventRecorder {
    orders: mpsc::Sender<Order>,
    ended: OnEnd,
}

/// Most Events that wait to be published.
const WAITING: usize = 64;

enum Order {
    Publish(Box<(ObjectReference, Event)>),
    /// Answers when all Events before it were published.
    Flush(oneshot::Sender<()>),
}

/// An Event about an object.
#[derive(Debug, PartialEq, Eq)]
pub struct ObjectEvent {
    /// Whether a person should look at it.
    pub warning: bool,
    /// The reason, in one word.
    pub reason: String,
    /// The message, in one sentence; cut to [`NOTE`].
    pub note: String,
}

impl EventRecorder {
    /// Publishes as `pullsecrets`, on the current runtime. Calls `ended` for each Event, as a
    /// [`crate::api::write::Writer`] does for each write.
    pub fn new(client: Client, ended: impl Fn(&'static str, &'static str) + Send + Sync + 'static) -> Self {
        let ended: OnEnd = Arc::new(ended);
        let reporter = Reporter {
            controller: crd::names::GROUP.to_owned(),
            instance: std::env::var("HOSTNAME").ok(),
        };
        let recorder = Recorder::new(replies::bounded(client), reporter);
        let (orders, ordered) = mpsc::channel(WAITING);
        tokio::spawn(publish(recorder, Arc::clone(&ended), ordered));
        Self { orders, ended }
    }

    /// Queues an Event about this object.
    pub fn record(&self, about: ObjectReference, event: ObjectEvent) {
        let mut note = event.note;
        note.truncate(note.floor_char_boundary(NOTE));
        let event = Event {
            type_: if event.warning {
                EventType::Warning
            } else {
                EventType::Normal
            },
            reason: event.reason,
            note: Some(note),
            action: "Reconcile".to_owned(),
            secondary: None,
        };
        let order = Order::Publish(Box::new((about, event)));
        if self.orders.try_send(order).is_err() {
            (self.ended)("event", "unavailable");
            debug!("too many Events are queued, dropping one");
        }
    }

    /// Waits until the queued Events are published, at most this long.
    pub async fn flush(&self, within: Duration) {
        let (done, published) = oneshot::channel();
        let flushed = async {
            if self.orders.send(Order::Flush(done)).await.is_ok() {
                let _ = published.await;
            }
        };
        // The process is about to end, so the remaining Events are lost.
        let _ = tokio::time::timeout(within, flushed).await;
    }
}

async fn publish(recorder: Recorder, ended: OnEnd, mut ordered: mpsc::Receiver<Order>) {
    while let Some(order) = ordered.recv().await {
        match order {
            Order::Flush(done) => drop(done.send(())),
            Order::Publish(order) => {
                let (about, event) = *order;
                let published = call_within(DEADLINE, recorder.publish(&event, &about)).await;
                let result = published.as_ref().err().map_or("done", ApiError::as_label);
                ended("event", result);
                if let Err(error) = published {
                    debug!(setback = %error, "failed to publish an Event, dropping it");
                }
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::{AtomicUsize, Ordering};

    use http::{Request, Response};
    use kube::client::Body;

    use super::*;

    #[tokio::test]
    async fn a_server_that_takes_no_events_delays_nobody() {
        let silent =
            tower::service_fn(|_: Request<Body>| std::future::pending::<Result<Response<Body>, kube::Error>>());
        let dropped = Arc::new(AtomicUsize::new(0));
        let counted = Arc::clone(&dropped);
        let recorder = EventRecorder::new(Client::new(silent, "default"), move |kind, result| {
            assert_eq!((kind, result), ("event", "unavailable"));
            counted.fetch_add(1, Ordering::Relaxed);
        });
        for _ in 0..10 * WAITING {
            let event = ObjectEvent {
                warning: true,
                reason: "SourceNotFound".to_owned(),
                note: "ä".repeat(NOTE),
            };
            recorder.record(ObjectReference::default(), event);
        }
        recorder.flush(Duration::from_millis(10)).await;
        assert_eq!(dropped.load(Ordering::Relaxed), 9 * WAITING);
    }
}
