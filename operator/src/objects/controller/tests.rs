//! The controller against a server that never answers a write.

use http::{Request, Response};
use kube::Client;
use kube::client::Body;
use serde_json::{Value, json};
use tower::service_fn;

use super::*;
use crate::api::watch::ListStrategy;
use crate::api::watch_health::WatchHealth;

/// A server that answers a list with the items that `items` returns for its path, and no other call.
fn server(items: impl Fn(&str) -> Option<Value> + Clone + Send + 'static) -> Client {
    let answer = move |request: Request<Body>| {
        let is_watch = request.uri().query().unwrap_or_default().contains("watch=");
        let items = (!is_watch).then(|| items(request.uri().path())).flatten();
        async move {
            let Some(items) = items else {
                return std::future::pending().await;
            };
            let list =
                json!({"kind": "List", "apiVersion": "v1", "metadata": {"resourceVersion": "9"}, "items": items});
            let response = Response::builder().body(Body::from(list.to_string().into_bytes()));
            Ok::<_, kube::Error>(response.unwrap())
        }
    };
    Client::new(service_fn(answer), "default")
}

fn object(name: &str) -> Value {
    json!({"metadata": {"name": name, "uid": name, "resourceVersion": "5", "generation": 1},
        "spec": {"registries": [], "namespaces": {"selectors": [{}]}}})
}

fn settings(client: Client, leadership: Leadership) -> Settings {
    Settings {
        watches: Watches::new(client.clone(), ListStrategy::Paged, None, WatchHealth::new()),
        writer: Writer::new(client.clone(), "pullsecrets-system", |_, _| {}),
        events: EventRecorder::new(client, |_, _| {}),
        metrics: Metrics::new(leadership.clone(), WatchHealth::new()),
        leadership,
        namespace: "pullsecrets-system".to_owned(),
        sources: Sources::new("pullsecrets-system", &BTreeSet::new()),
        keys: LabelKeys::new(),
        heartbeat: Heartbeat::new(),
    }
}

#[tokio::test(start_paused = true)]
async fn slow_writes_delay_no_other_object() {
    let (sender, mut asked) = mpsc::unbounded_channel();
    let slow = ["a", "b", "c", "d", "e", "f", "g", "h"];
    assert_eq!(slow.len(), CONCURRENCY);
    let objects: Vec<Value> = [&slow[..], &["late"]].concat().into_iter().map(object).collect();
    // Sends the name of each object that a call is about.
    let client = server(move |path| {
        if let Some((_, rest)) = path.split_once("/clusterpullsecrets/") {
            let _ = sender.send(rest.trim_end_matches("/status").to_owned());
            return None;
        }
        let is_objects = path.ends_with("/clusterpullsecrets");
        Some(if is_objects { json!(objects) } else { json!([]) })
    });
    let settings = settings(client, Leadership::alone());
    let (messages, _received) = mpsc::unbounded_channel();
    let (_sender, summaries) = mpsc::unbounded_channel();
    let token = CancellationToken::new();
    let run = tokio::spawn(run(settings, messages, summaries, token.clone()));
    for _ in slow {
        asked.recv().await.unwrap();
    }
    let late = async { while asked.recv().await.is_some_and(|name| name != "late") {} };
    let late = tokio::time::timeout(Duration::from_secs(5), late).await;
    assert!(late.is_ok(), "it waits for the slow ones");
    token.cancel();
    run.abort();
}

/// A standby lists again what decides, once it has the Lease, and declares nothing before.
#[tokio::test(start_paused = true)]
async fn new_leader_lists_before_it_declares() {
    let (sender, mut asked) = mpsc::unbounded_channel();
    // One object and no Secret. Sends the path of each list.
    let client = server(move |path| {
        let items = match path.rsplit('/').next()? {
            "clusterpullsecrets" => json!([object("one")]),
            "secrets" => json!([]),
            _ => return None,
        };
        let _ = sender.send(path.to_owned());
        Some(items)
    });
    let leadership = Leadership::new();
    leadership.end_attempt();
    let settings = settings(client, leadership.clone());
    let (messages, mut received) = mpsc::unbounded_channel();
    let (_sender, summaries) = mpsc::unbounded_channel();
    let token = CancellationToken::new();
    let run = tokio::spawn(run(settings, messages, summaries, token.clone()));
    let mut lists = BTreeSet::new();
    while lists.len() < 2 {
        lists.insert(asked.recv().await.unwrap());
    }
    tokio::time::sleep(Duration::from_secs(60)).await;
    assert!(received.try_recv().is_err(), "a standby declares nothing");
    while asked.try_recv().is_ok() {}

    leadership.extend(Duration::MAX);
    assert!(received.recv().await.is_some());
    let again: BTreeSet<String> = std::iter::from_fn(|| asked.try_recv().ok()).collect();
    assert_eq!(again, lists);
    token.cancel();
    run.abort();
}
