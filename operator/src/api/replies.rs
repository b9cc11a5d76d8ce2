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
mod tests {
    use std::convert::Infallible;

    use http_body_util::Full;

    use super::*;
    use crate::outcome::ApiError;

    /// The error for a reply with this code, header and body.
    async fn told(code: u16, retry_after: Option<&'static str>, body: impl Into<Bytes>) -> ApiError {
        let body: Bytes = body.into();
        let answer = move |_: Request<Body>| {
            let mut response = Response::new(Full::new(body.clone()));
            *response.status_mut() = StatusCode::from_u16(code).unwrap();
            if let Some(value) = retry_after {
                response.headers_mut().insert(RETRY_AFTER, value.parse().unwrap());
            }
            async { Ok::<_, Infallible>(response) }
        };
        let client = bounded(Client::new(service_fn(answer), "default"));
        let read = client.request::<serde_json::Value>(Request::get("/api").body(Vec::new()).unwrap());
        ApiError::from(&read.await.unwrap_err())
    }

    fn status(code: u16, message: &str, retry_after: u32) -> String {
        denial(code, "{}", "Failure", message, &retry_after.to_string())
    }

    /// A denial as the server writes it, with parts that a webhook chose.
    fn denial(code: u16, metadata: &str, status: &str, message: &str, retry_after: &str) -> String {
        let message = serde_json::Value::from(message);
        format!(
            r#"{{"kind":"Status","apiVersion":"v1","metadata":{metadata},"status":"{status}","message":{message},"reason":"TooManyRequests","details":{{"retryAfterSeconds":{retry_after}}},"code":{code}}}"#
        )
    }

    #[tokio::test]
    async fn a_429_without_a_status_is_of_the_server_and_ends_within_ten_seconds() {
        use std::time::Duration;
        let busy = "Too many requests, please try again later.";
        for (retry_after, body, seconds) in [
            (Some("3"), busy, 3),
            (None, busy, 1),
            (Some("0"), busy, 1),
            (Some("3600"), busy, 10),
            (Some("tomorrow"), busy, 1),
            (Some("2"), r#"{"error": "a proxy"}"#, 2),
        ] {
            let told = told(429, retry_after, body).await;
            assert_eq!(
                told,
                ApiError::Throttled(Duration::from_secs(seconds)),
                "{retry_after:?} {body}"
            );
        }
    }

    #[tokio::test]
    async fn a_429_with_a_status_is_of_its_key() {
        let told = told(429, Some("3600"), status(429, "storage is (re)initializing", 3600)).await;
        assert!(matches!(told, ApiError::Postponed { by: None, .. }), "{told:?}");
    }

    #[tokio::test]
    async fn a_status_is_read_in_whatever_order_and_spacing() {
        let quota = r#"secrets \"x\" is forbidden: exceeded quota: small, requested: secrets=1"#;
        for body in [
            format!(
                r#"{{"kind":"Status","apiVersion":"v1","metadata":{{}},"status":"Failure","message":"{quota}","code":403}}"#
            ),
            format!("{{\n  \"kind\": \"Status\",\n  \"message\": \"{quota}\",\n  \"code\": 403\n}}"),
            format!(r#"{{"apiVersion":"v1","code":403,"kind":"Status","message":"{quota}"}}"#),
        ] {
            let told = told(403, None, body.clone()).await;
            assert!(format!("{told:?}").contains("QuotaExceeded"), "{body} {told:?}");
        }
    }

    #[tokio::test]
    async fn a_refusal_of_megabytes_is_cut_and_still_names_who_refused() {
        let message = format!(
            "admission webhook \"hook.example.com\" denied the request: {}",
            "\u{1}".repeat(3_000_000)
        );
        for code in [400, 404, 409, 422, 429, 500] {
            let told = told(code, None, status(code, &message, 7)).await;
            assert!(format!("{told:?}").contains("hook.example.com"), "{code} {told:?}");
        }
    }

    #[tokio::test]
    async fn no_webhook_hides_its_name_behind_what_it_chooses() {
        let message = r#"admission webhook "hook.example.com" denied the request: "quoted""#;
        let long = |length: usize| format!(r#"{{"continue":"\"message\":\"{}"}}"#, "x".repeat(length));
        for code in [400, 401, 403, 404, 409, 410, 418, 422, 429, 500, 503, 504, 600, 999] {
            for (what, body) in [
                ("long", denial(code, &long(70_000), "Failure", message, "10")),
                ("longer", denial(code, &long(3_000_000), "Failure", message, "10")),
                ("no status", denial(code, "{}", "Other", message, "10")),
                ("no seconds", denial(code, "{}", "Failure", message, "-1")),
                (
                    "no metadata",
                    denial(code, r#"{"remainingItemCount":"x"}"#, "Failure", message, "1"),
                ),
            ] {
                let told = told(code, None, body).await;
                assert!(
                    matches!(told, ApiError::Refused(_) | ApiError::Postponed { .. }),
                    "{code} {what} {told:?}"
                );
                assert!(
                    format!("{told:?}").contains("hook.example.com"),
                    "{code} {what} {told:?}"
                );
            }
        }
    }

    #[tokio::test]
    async fn a_long_refusal_without_message_is_of_its_key() {
        let body = format!(
            r#"{{"kind":"Status","apiVersion":"v1","metadata":{{"continue":"{}"}}}}"#,
            "x".repeat(70_000)
        );
        for code in [404, 409, 429, 500, 600] {
            let told = told(code, None, body.clone()).await;
            assert!(
                matches!(told, ApiError::Refused(_) | ApiError::Postponed { by: None, .. }),
                "{code} {told:?}"
            );
        }
    }

    #[test]
    fn a_message_is_found_however_it_is_cut() {
        let text = denial(400, "{}", "Failure", "it says \"no\" \u{1}", "1");
        for at in 0..text.len() {
            let mut message = Message::default();
            message.take(&text.as_bytes()[..at]);
            message.take(&text.as_bytes()[at..]);
            assert_eq!(message.read(), "it says \"no\" \u{1}", "{at}");
        }
        let mut spaced = Message::default();
        spaced.take(br#"{"kind": "Status", "message": "no", "code": 400}"#);
        assert_eq!(spaced.read(), "no");
    }

    #[tokio::test]
    async fn a_code_is_not_lost_where_the_body_is_another_json() {
        assert_eq!(told(404, None, "{}").await, ApiError::NotFound);
        let told = told(503, None, r#"{"message": "CANARY"}"#).await;
        assert_eq!(told, ApiError::Unavailable("the server answered 503".to_owned()));
    }

    #[tokio::test]
    async fn of_long_replies_one_is_held_at_a_time() {
        let gate = Arc::new(Semaphore::new(1));
        let long = || one_at_a_time(Body::from(vec![0; 4 * SHORT]), Arc::clone(&gate));
        let (first, second) = (long(), long());
        assert_eq!(first.collect().await.unwrap().to_bytes().len(), 4 * SHORT);
        assert_eq!(second.collect().await.unwrap().to_bytes().len(), 4 * SHORT);
        assert_eq!(gate.available_permits(), 1);
    }
}
