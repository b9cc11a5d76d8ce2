//! The body of a watch, line by line.

use std::collections::HashMap;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;

use bytes::{Bytes, BytesMut};
use futures::{Stream, StreamExt};
use http::Response;
use http_body_util::{BodyExt, StreamBody};
use hyper::body::Frame;
use kube::client::Body;
use serde::Deserialize;
use tokio::sync::mpsc;

use super::about::{About, plain};
use super::answers::{Answered, Error};
use super::plan::Fault;
use super::shared::{Outage, Shared};
use super::versions;

/// How long the list after a lost history takes. An operator that wrongly treats objects as gone has time to act.
const LIST_TAKES: Duration = Duration::from_millis(500);

/// The API server's answer to a watch from a version that is too old.
const EXPIRED: &str = r#"{"type":"ERROR","object":{"kind":"Status","apiVersion":"v1","metadata":{},"status":"Failure","message":"too old resource version","reason":"Expired","code":410}}"#;

/// The head of a line: enough to identify its subject.
#[derive(Deserialize)]
struct Line {
    #[serde(rename = "type")]
    kind: String,
    object: Object,
}

#[derive(Deserialize)]
struct Object {
    #[serde(default)]
    metadata: Metadata,
}

#[derive(Deserialize, Default)]
#[serde(default)]
struct Metadata {
    name: String,
    namespace: String,
    annotations: HashMap<String, String>,
}

/// Annotation of the bookmark after the list at the head of a watch.
const LISTED: &str = "k8s.io/initial-events-end";

/// Forwards a watch, with the fault for one of its events or for its whole list.
pub(super) fn pass(shared: Arc<Shared>, about: &About, response: Response<Body>, fault: Option<Fault>) -> Answered {
    let (mut parts, body) = response.into_parts();
    parts.headers.remove(http::header::CONTENT_LENGTH);
    // The proxy reads no further than the operator, so that it records only what the operator took.
    let (sender, receiver) = mpsc::channel(1);
    let watch = Watch {
        shared,
        resource: about.resource.clone(),
        of_one: about.of_one,
        lists: about.verb == "stream",
        hollow: fault == Some(Fault::Empty),
        sender,
    };
    tokio::spawn(watch.pass(body, fault == Some(Fault::Truncate)));
    let stream = futures::stream::unfold(receiver, |mut receiver| async move {
        receiver
            .recv()
            .await
            .map(|chunk: Result<Bytes, Error>| (chunk.map(Frame::data), receiver))
    });
    Response::from_parts(parts, BodyExt::boxed_unsync(StreamBody::new(stream)))
}

/// A forwarded watch.
struct Watch {
    shared: Arc<Shared>,
    resource: String,
    of_one: bool,
    /// Whether the list at its head is still in progress.
    lists: bool,
    /// Whether the items of that list are left out.
    hollow: bool,
    sender: mpsc::Sender<Result<Bytes, Error>>,
}

impl Watch {
    async fn pass(mut self, body: Body, truncate: bool) {
        let mut lines = std::pin::pin!(lines(body));
        // After the head of the response, where the operator begins to read a list.
        if self.shared.replaces_history(&self.resource) {
            tokio::time::sleep(LIST_TAKES).await;
        }
        self.shared.opened(&self.resource);
        if truncate {
            // Half of the first line.
            if let Some(line) = lines.next().await {
                send(&self.sender, line, Some(Fault::CutWithin)).await;
            }
            return;
        }
        loop {
            // A watch of a dead process ends.
            let line = tokio::select! {
                () = self.sender.closed() => return,
                () = self.shared.becomes(|now| *now == Outage::Refuse) => {
                    self.shared.met_outage();
                    let _ = self.sender.send(Err("refused".into())).await;
                    return;
                }
                line = lines.next() => line,
            };
            let Some(line) = line else {
                return;
            };
            if !self.pass_line(line).await {
                return;
            }
        }
    }

    /// Forwards a line, and returns whether the watch continues.
    async fn pass_line(&mut self, line: Bytes) -> bool {
        let Self { shared, resource, .. } = self;
        let says_nothing = |now: &Outage| matches!(now, Outage::Hang | Outage::Lag);
        if says_nothing(&shared.outage.borrow()) {
            shared.met_outage();
            shared.becomes(|now| !says_nothing(now)).await;
        }
        let raised = shared.raised.load(Ordering::SeqCst);
        let line = if raised { versions::raised(&line) } else { line };
        let head = serde_json::from_slice::<Line>(&line).ok();
        if self.hollow {
            // The bookmark at the end of a list passes.
            self.hollow = head.as_ref().is_some_and(|head| head.kind == "ADDED");
            if self.hollow {
                return true;
            }
        }
        if head.as_ref().is_some_and(Line::ends_list) {
            self.lists = false;
        }
        let passes = self.lists && shared.spares_lists();
        let what = head.and_then(|head| head.about(resource));
        let fault = what.as_ref().and_then(|what| {
            shared.saw(what);
            if passes { None } else { shared.strikes(what) }
        });
        if fault == Some(Fault::Expire) {
            shared.lost_history(resource);
        }
        // The operator watches a single foreign Secret only while it blocks a copy.
        if !self.of_one && matches!(fault, Some(Fault::Cut | Fault::CutWithin | Fault::Expire)) {
            shared.shuts(resource);
        }
        send(&self.sender, line, fault).await
    }
}

/// Returns whether the watch continues.
async fn send(sender: &mpsc::Sender<Result<Bytes, Error>>, line: Bytes, fault: Option<Fault>) -> bool {
    match fault {
        None => sender.send(Ok(line)).await.is_ok(),
        Some(Fault::Lose) => true,
        Some(Fault::Delay(millis)) => {
            tokio::time::sleep(Duration::from_millis(millis.into())).await;
            sender.send(Ok(line)).await.is_ok()
        }
        Some(Fault::Duplicate) => sender.send(Ok(line.clone())).await.is_ok() && sender.send(Ok(line)).await.is_ok(),
        Some(Fault::CutWithin) => {
            let half = line.slice(..line.len() / 2);
            let _ = sender.send(Ok(half)).await;
            let _ = sender.send(Err("cut".into())).await;
            false
        }
        Some(Fault::Expire) => {
            let _ = sender.send(Ok(Bytes::from(format!("{EXPIRED}\n")))).await;
            false
        }
        Some(Fault::Silence) => {
            sender.closed().await;
            false
        }
        Some(_) => false,
    }
}

impl Line {
    fn ends_list(&self) -> bool {
        self.kind == "BOOKMARK" && self.object.metadata.annotations.contains_key(LISTED)
    }

    /// Returns `None` for bookmarks, because they come at any time.
    fn about(&self, resource: &str) -> Option<String> {
        let Metadata { name, namespace, .. } = &self.object.metadata;
        let counts = matches!(self.kind.as_str(), "ADDED" | "MODIFIED" | "DELETED");
        counts.then(|| plain(&format!("watch {resource} {} {namespace}/{name}", self.kind)))
    }
}

/// Returns whole lines, each with its line end.
fn lines(body: Body) -> impl Stream<Item = Bytes> {
    let chunks = body.into_data_stream();
    futures::stream::unfold(
        (Box::pin(chunks), BytesMut::new()),
        |(mut chunks, mut held)| async move {
            loop {
                if let Some(end) = held.iter().position(|byte| *byte == b'\n') {
                    let line = held.split_to(end + 1).freeze();
                    return Some((line, (chunks, held)));
                }
                match chunks.next().await {
                    Some(Ok(chunk)) => held.extend_from_slice(&chunk),
                    Some(Err(_)) | None => return None,
                }
            }
        },
    )
}
