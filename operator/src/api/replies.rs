//! Bounds replies before they are decoded. Tenants and webhooks choose how long a reply is. So refusals are cut, and
//! only one long reply at a time is held in memory.
//!
//! A refusal without a `Status` comes from the server itself, or from a proxy before it. This file adds a `Status` that
//! keeps the code and `Retry-After`. Without it, the client would take any JSON for a `Status`, and drop the headers.

use std::sync::Arc;

use bytes::Bytes;
use futures::stream;
use http::header::{CONTENT_LENGTH, RETRY_AFTER};
use http::{HeaderMap, Request, Response, StatusCode};
use http_body_util::combinators::UnsyncBoxBody;
use http_body_util::{BodyExt as _, StreamBody};
use kube::Client;
use kube::client::Body;
use kube::core::Status;
use kube::core::response::StatusDetails;
use tokio::sync::Semaphore;
use tower::service_fn;

/// Reason of the `Status` that replaces a missing one.
pub(crate) const NO_STATUS: &str = "NoStatus";

/// Reason of the `Status` that replaces one that is too long or malformed.
pub(crate) const CUT: &str = "Cut";

/// Both spellings by which the server marks a `Status`. Quotes within a string are escaped, so neither occurs there.
const KIND: [&[u8]; 2] = [br#""kind":"Status""#, br#""kind": "Status""#];
/// Longest refusal in bytes. A message with its source fits; a webhook may send megabytes.
const REFUSAL: usize = 64 * 1024;
/// Longest message of a refusal that was cut.
const MESSAGE: usize = 1024;
/// A longer reply waits until no other long reply is held.
const SHORT: usize = 64 * 1024;

type Reply = Response<UnsyncBoxBody<Bytes, kube::Error>>;

/// Returns a client over `client` that bounds its replies.
pub fn bounded(client: Client) -> Client {
    let namespace = client.default_namespace().to_owned();
    let gate = Arc::new(Semaphore::new(1));
    let send = move |request: Request<Body>| {
        let (client, gate) = (client.clone(), Arc::clone(&gate));
        async move {
            let response = client.send(request).await?;
            let code = response.status();
            if code.is_success() {
                Ok(response.map(|body| one_at_a_time(body, gate)))
            } else {
                refusal(response).await
            }
        }
    };
    Client::new(service_fn(send), namespace)
}

/// Passes the body on. A long body holds the gate from its second part until it is read or dropped.
fn one_at_a_time(body: Body, gate: Arc<Semaphore>) -> UnsyncBoxBody<Bytes, kube::Error> {
    let frames = stream::try_unfold((body, 0, None), move |(mut body, read, mut permit)| {
        let gate = Arc::clone(&gate);
        async move {
            if read > SHORT && permit.is_none() {
                // The semaphore is never closed.
                permit = gate.acquire_owned().await.ok();
            }
            let Some(frame) = body.frame().await.transpose()? else {
                return Ok(None);
            };
            let read = read + frame.data_ref().map_or(0, Bytes::len);
            Ok(Some((frame, (body, read, permit))))
        }
    });
    StreamBody::new(frames).boxed_unsync()
}

async fn refusal(response: Response<Body>) -> kube::Result<Reply> {
    let (mut head, mut body) = response.into_parts();
    let mut text = Vec::new();
    let mut message = Message::default();
    let mut cut = false;
    let mut done = false;
    while !done && let Some(frame) = body.frame().await.transpose()? {
        let data = frame.into_data().unwrap_or_default();
        message.take(&data);
        let room = data.len().min(REFUSAL - text.len());
        text.extend_from_slice(&data[..room]);
        let first = !cut && room < data.len();
        cut |= first;
        done = cut && message.is_complete() || first && !begins_as_status(&text);
    }
    drop(body);
    if cut || !is_read_as_status(&text) {
        let message = begins_as_status(&text).then(|| message.read());
        let status = instead(head.status.as_u16(), message, &head.headers);
        text = serde_json::to_vec(&status).map_err(kube::Error::SerdeError)?;
    }
    // A webhook may choose the code 600, which the client would take for success, and the `Status` for the object.
    if !head.status.is_client_error() {
        head.status = StatusCode::INTERNAL_SERVER_ERROR;
    }
    head.headers.remove(CONTENT_LENGTH);
    Ok(Response::from_parts(head, Body::from(text).boxed_unsync()))
}

/// Whether the client decodes the text as a `Status`. A webhook can choose a value that no `Status` has.
fn is_read_as_status(text: &[u8]) -> bool {
    begins_as_status(text) && serde_json::from_slice::<Status>(text).is_ok()
}

/// Whether the text starts like a `Status`. The server writes the kind first, before any text that a webhook chooses.
fn begins_as_status(text: &[u8]) -> bool {
    KIND.iter().any(|kind| text.windows(kind.len()).any(|at| at == *kind))
}

/// Makes a `Status` in place of a missing one. With a `message`, in place of one that is too long or malformed.
fn instead(code: u16, message: Option<String>, headers: &HeaderMap) -> Status {
    let reason = if message.is_some() { CUT } else { NO_STATUS };
    let seconds = headers
        .get(RETRY_AFTER)
        .and_then(|value| value.to_str().ok()?.parse().ok());
    let details = StatusDetails {
        retry_after_seconds: seconds.unwrap_or_default(),
        name: String::new(),
        group: String::new(),
        kind: String::new(),
        uid: String::new(),
        causes: Vec::new(),
    };
    Status::failure(&message.unwrap_or_default(), reason)
        .with_code(code)
        .with_details(details)
}

/// Extracts the start of the message from a `Status` that arrives in parts. Any amount of text may precede it.
#[derive(Default)]
struct Message {
    /// The latest bytes; once the message has begun, its first bytes.
    window: Vec<u8>,
    begun: bool,
}

impl Message {
    /// Within a JSON string, each of these quotes would be escaped.
    const START: &[u8] = br#""message":"#;

    fn take(&mut self, part: &[u8]) {
        if self.is_complete() {
            return;
        }
        self.window.extend_from_slice(part);
        if self.begun {
            self.window.truncate(MESSAGE);
            return;
        }
        let start = self.window.windows(Self::START.len()).position(|at| at == Self::START);
        if let Some(start) = start {
            self.begun = true;
            self.window.drain(..start + Self::START.len());
            self.window.truncate(MESSAGE);
        } else {
            let ends = self.window.len().saturating_sub(Self::START.len() - 1);
            self.window.drain(..ends);
        }
    }

    fn is_complete(&self) -> bool {
        self.begun && self.window.len() >= MESSAGE
    }

    /// The start of the message; empty if there is none.
    fn read(&self) -> String {
        if !self.begun {
            return String::new();
        }
        let text = self.window.utf8_chunks().next().map_or("", |chunk| chunk.valid());
        let whole = serde_json::Deserializer::from_str(text).into_iter().next();
        if let Some(Ok(message)) = whole {
            return message;
        }
        let cut = text.trim_start().strip_prefix('"').unwrap_or_default();
        // An escape has at most six characters; one that was cut in two is dropped.
        let ends = (0..=cut.len().min(6)).map(|less| cut.floor_char_boundary(cut.len() - less));
        let mut read = ends.filter_map(|end| serde_json::from_str(&format!("\"{}\"", &cut[..end])).ok());
        read.next().unwrap_or_default()
    }
}

#[cfg(test)]
mod tests;
