//! Writers that play tools, each in a task of its own.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use http::Method;
use kube::Client;
use serde_json::Value;
use tokio::task::JoinHandle;

use super::left::Left;
use super::read;
use super::tools::Acts;

const LOOKS_EVERY: Duration = Duration::from_millis(100);

/// A writer. It runs until stopped.
pub(crate) struct Writer {
    stop: Arc<AtomicBool>,
    task: JoinHandle<()>,
}

impl Writer {
    /// Plays the tool.
    pub(crate) fn start(client: Client, left: Arc<Left>) -> Self {
        let stop = Arc::new(AtomicBool::new(false));
        let stopped = Arc::clone(&stop);
        let task = tokio::spawn(async move {
            while !stopped.load(Ordering::Relaxed) {
                for (namespace, copy) in left.namespaces.iter().zip(&left.copies) {
                    if !left.is_source(namespace) && is_on(&client, &left, namespace).await {
                        act(&client, &left, namespace, copy).await;
                    }
                }
                tokio::time::sleep(LOOKS_EVERY).await;
            }
        });
        Self { stop, task }
    }

    /// Stops it, and waits for its end.
    pub(crate) async fn stop(self) {
        self.stop.store(true, Ordering::Relaxed);
        self.task.await.unwrap();
    }
}

/// Whether the switch of the tool is on. A switch that is gone is off.
async fn is_on(client: &Client, left: &Left, namespace: &str) -> bool {
    let (path, is_on) = left.tool.switch;
    let path = match (path, left.tool.owner) {
        ("OWNER", Some((_, owner))) => owner.replace("NAMESPACE", namespace),
        ("SOURCE", _) => left.namespaces.last().map_or_else(String::new, |last| left.path(last)),
        (path, _) => path.to_owned(),
    };
    read(client, &path).await.is_some_and(|object| is_on(&object))
}

async fn act(client: &Client, left: &Left, namespace: &str, like: &Value) {
    let path = left.path(namespace);
    let Some(seen) = read(client, &path).await else {
        if left.tool.acts != Acts::Never {
            let mut wanted = like.clone();
            wanted["metadata"]["uid"].take();
            let all = path.rsplit_once('/').map_or("", |(all, _)| all);
            send(client, Method::POST, all, &wanted).await;
        }
        return;
    };
    let differs = |field: &str| {
        let mut marks = like["metadata"][field].as_object().into_iter().flatten();
        marks.any(|(key, value)| seen["metadata"][field][key] != *value)
    };
    let other_bytes = seen["data"] != like["data"];
    match left.tool.acts {
        Acts::Replaces if other_bytes || differs("labels") || differs("annotations") => {
            send(client, Method::PUT, &path, like).await;
        }
        // A Secret without the annotation is none of its own.
        Acts::Follows if other_bytes && !differs("annotations") => {
            send(client, Method::PUT, &path, like).await;
        }
        Acts::Recreates if other_bytes => {
            send(client, Method::DELETE, &path, &Value::Null).await;
        }
        _ => {}
    }
}

/// A write that loses a race is repeated by the next look.
async fn send(client: &Client, method: Method, path: &str, body: &Value) {
    let _ = e2e::client::send(client, method, path, ("application/json", body)).await;
}
