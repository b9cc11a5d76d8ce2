//! Writers that play tools, each in a task of its own.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use kube::Client;
use serde_json::Value;
use tokio::task::JoinHandle;

use super::left::Left;
use super::read;
use super::tools::Acts;

const LOOKS_EVERY: Duration = Duration::from_millis(100);

/// A writer. It runs until stopped.
pub(super) struct Writer {
    stop: Arc<AtomicBool>,
    task: JoinHandle<()>,
}

impl Writer {
    /// Plays the tool.
    pub(super) fn start(client: Client, left: Arc<Left>) -> Self {
        let stop = Arc::new(AtomicBool::new(false));
        let stopped = Arc::clone(&stop);
        let task = tokio::spawn(async move {
            while !stopped.load(Ordering::Relaxed) {
                for (namespace, copy) in left.namespaces.iter().zip(&left.copies) {
                    // What a tool copies from is not its own to write.
                    if !namespace.ends_with("-s") && is_on(&client, &left, namespace).await {
                        act(&client, &left, namespace, copy).await;
                    }
                }
                tokio::time::sleep(LOOKS_EVERY).await;
            }
        });
        Self { stop, task }
    }

    /// Stops it, and waits for its end.
    pub(super) async fn stop(self) {
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
    let mut wanted = like.clone();
    let Some(seen) = read(client, &path).await else {
        if left.tool.acts != Acts::Never {
            wanted["metadata"]["uid"].take();
            send(
                client,
                "POST",
                path.rsplit_once('/').map_or("", |(all, _)| all),
                &wanted,
            )
            .await;
        }
        return;
    };
    let differs = |field: &str| {
        like["metadata"][field]
            .as_object()
            .is_some_and(|marks| marks.iter().any(|(key, value)| seen["metadata"][field][key] != *value))
    };
    let other_bytes = seen["data"] != like["data"];
    match left.tool.acts {
        Acts::Replaces if other_bytes || differs("labels") || differs("annotations") => {
            send(client, "PUT", &path, &wanted).await;
        }
        // A Secret without the annotation is none of its own.
        Acts::Follows if other_bytes && !differs("annotations") => {
            send(client, "PUT", &path, &wanted).await;
        }
        Acts::Recreates if other_bytes => {
            send(client, "DELETE", &path, &Value::Null).await;
        }
        _ => {}
    }
}

/// A write that loses a race is repeated by the next look.
async fn send(client: &Client, method: &str, path: &str, body: &Value) {
    let body = if body.is_null() {
        Vec::new()
    } else {
        body.to_string().into_bytes()
    };
    let request = http::Request::builder()
        .method(method)
        .uri(path)
        .header("Content-Type", "application/json")
        .body(body)
        .unwrap();
    let _ = client.request_text(request).await;
}
