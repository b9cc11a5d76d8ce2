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
use super::tools::{Acts, Switch};

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
                if let Some(parent) = left.tool.parent {
                    keep_owners(&client, &left, parent).await;
                }
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

/// Whether the tool is on, for its copy in this namespace.
async fn is_on(client: &Client, left: &Left, namespace: &str) -> bool {
    let scaled: fn(&Value) -> bool = |workload| workload["spec"]["replicas"] != 0;
    let tool = &left.tool;
    let (path, is_on) = match tool.switch {
        Switch::None => return true,
        Switch::Replicas => {
            let path = format!("/apis/apps/v1/namespaces/{}/deployments/controller", tool.key);
            (path, scaled)
        }
        Switch::At(path, is_on) => (path.replace("NAMESPACE", namespace), is_on),
        Switch::Owner(is_on) => {
            let (_, owner) = tool.owner.unwrap();
            (owner.replace("NAMESPACE", namespace), is_on)
        }
        Switch::Source(is_on) => (left.path(left.namespaces.last().unwrap()), is_on),
    };
    read(client, &path).await.is_some_and(|object| is_on(&object))
}

/// Plays the controller of the parent. It keeps the spec of each owner, and deletes all of them before the parent goes.
async fn keep_owners(client: &Client, left: &Left, path: &str) {
    let Some(parent) = read(client, path).await else {
        return;
    };
    let ends = parent["metadata"]["deletionTimestamp"].is_string();
    let (_, owner) = left.tool.owner.unwrap();
    for namespace in &left.namespaces {
        let owner = owner.replace("NAMESPACE", namespace);
        let Some(mut seen) = read(client, &owner).await else {
            continue;
        };
        if ends {
            send(client, Method::DELETE, &owner, &Value::Null).await;
        } else if seen["spec"] != parent["spec"]["externalSecretSpec"] {
            seen["spec"] = parent["spec"]["externalSecretSpec"].clone();
            send(client, Method::PUT, &owner, &seen).await;
        }
    }
    if ends {
        let mut freed = parent.clone();
        freed["metadata"]["finalizers"].take();
        send(client, Method::PUT, path, &freed).await;
    }
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
