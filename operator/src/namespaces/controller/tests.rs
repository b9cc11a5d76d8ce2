//! The controller against an empty API server.

use std::sync::atomic::{AtomicUsize, Ordering};

use http::{Request, Response};
use kube::Client;
use kube::client::Body;
use plan::object::{Lifecycle, Object, Spec};
use serde_json::json;
use tower::service_fn;

use super::*;
use crate::api::watch::ListStrategy;
use crate::api::watch_health::WatchHealth;

/// An empty API server.
fn empty() -> Client {
    let answer = |request: Request<Body>| async move {
        if request.uri().query().unwrap_or_default().contains("watch=") {
            return std::future::pending().await;
        }
        let list = json!({"kind": "List", "apiVersion": "v1", "metadata": {"resourceVersion": "9"}, "items": []});
        let response = Response::builder().body(Body::from(list.to_string().into_bytes()));
        Ok::<_, kube::Error>(response.unwrap())
    };
    Client::new(service_fn(answer), "default")
}

fn declaration(name: &str, revision: u64) -> ObjectMessage {
    let spec = serde_json::from_value(json!({"registries": [], "namespaces": {"names": ["*"]}})).unwrap();
    let object = Object {
        name: name.into(),
        uid: name.into(),
        created: 1,
        lifecycle: Lifecycle::Active,
        spec: Spec::parse(name, &spec, "pullsecrets-system").unwrap(),
        payload: None,
        tied: None,
    };
    ObjectMessage::Upsert(Declaration {
        object: Arc::new(object),
        revision,
        spec_changed: false,
        taken_over: false,
    })
}

/// A running controller that has seen everything, and has one object.
async fn started() -> (
    mpsc::UnboundedSender<ObjectMessage>,
    mpsc::UnboundedReceiver<(Arc<str>, Summary)>,
) {
    let metrics = Metrics::new(Leadership::alone(), WatchHealth::new());
    let keys = LabelKeys::new();
    keys.complete();
    let settings = Settings {
        watches: Watches::new(empty(), ListStrategy::Paged, None, WatchHealth::new()),
        writer: Writer::new(empty(), "pullsecrets-system", |_, _| {}),
        concurrency: 8,
        leadership: Leadership::alone(),
        protected: Vec::new(),
        managed: None,
        keys,
        heartbeat: Heartbeat::new(),
        metrics,
        recover_pods: None,
    };
    let (messages, received) = mpsc::unbounded_channel();
    let (sender, mut summaries) = mpsc::unbounded_channel();
    tokio::spawn(run(settings, received, sender, CancellationToken::new()));
    messages.send(declaration("first", 1)).unwrap();
    messages.send(ObjectMessage::InitDone).unwrap();
    assert_eq!(summaries.recv().await.unwrap().0.as_ref(), "first");
    (messages, summaries)
}

async fn until_summary(summaries: &mut mpsc::UnboundedReceiver<(Arc<str>, Summary)>, of: (&str, u64)) {
    while summaries
        .recv()
        .await
        .is_some_and(|(name, summary)| (&*name, summary.revision) != of)
    {}
}

#[tokio::test]
async fn other_tasks_run_between_two_declarations() {
    let (messages, mut summaries) = started().await;
    let turns = Arc::new(AtomicUsize::new(0));
    let counted = Arc::clone(&turns);
    tokio::spawn(async move {
        loop {
            counted.fetch_add(1, Ordering::Relaxed);
            tokio::task::yield_now().await;
        }
    });
    for number in 0..50 {
        messages
            .send(declaration(&format!("object-{number}"), 2 + number))
            .unwrap();
    }
    turns.store(0, Ordering::Relaxed);
    until_summary(&mut summaries, ("object-49", 51)).await;
    assert!(turns.load(Ordering::Relaxed) >= 50, "{turns:?} turns");
}

#[tokio::test]
async fn of_an_object_the_last_edition_is_declared() {
    let (messages, mut summaries) = started().await;
    for revision in 2..50 {
        messages.send(declaration("first", revision)).unwrap();
    }
    messages.send(declaration("other", 50)).unwrap();
    let mut revisions = Vec::new();
    while let Some((name, summary)) = summaries.recv().await
        && name.as_ref() != "other"
    {
        revisions.push(summary.revision);
    }
    assert_eq!(revisions, [49], "what was replaced is not declared");
}
