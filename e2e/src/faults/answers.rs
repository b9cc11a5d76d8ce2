//! Responses that the proxy makes itself, and responses that it forwards.

use bytes::Bytes;
use futures::StreamExt;
use http::{Response, StatusCode};
use http_body_util::combinators::UnsyncBoxBody;
use http_body_util::{BodyExt, Full, StreamBody};
use hyper::body::Frame;
use kube::client::Body;

use super::plan::Answer;

pub(super) type Error = Box<dyn std::error::Error + Send + Sync>;
pub(super) type Answered = Response<UnsyncBoxBody<Bytes, Error>>;

/// Forwards the body unchanged.
pub(super) fn passed(response: Response<Body>) -> Answered {
    response.map(|body| {
        let frames = body.into_data_stream().map(|chunk| match chunk {
            Ok(bytes) => Ok(Frame::data(bytes)),
            Err(error) => Err(Error::from(error)),
        });
        BodyExt::boxed_unsync(StreamBody::new(frames))
    })
}

/// Returns a Status instead of the server's response.
pub(super) fn answered(answer: Answer) -> Answered {
    let (code, reason, details) = answer.status();
    let status = serde_json::json!({
        "kind": "Status", "apiVersion": "v1", "metadata": {}, "status": "Failure",
        "message": answer.message(), "reason": reason, "code": code, "details": details,
    });
    let mut response = text(StatusCode::from_u16(code).unwrap_or_default(), status.to_string());
    let after = match answer {
        Answer::TooManyRequests => Some("1"),
        Answer::Later => Some("180"),
        _ => None,
    };
    if let Some(seconds) = after.map(http::HeaderValue::from_static) {
        response.headers_mut().insert(http::header::RETRY_AFTER, seconds);
    }
    response
}

/// Returns success with a body that is not JSON.
pub(super) fn garbage() -> Answered {
    text(StatusCode::OK, "<html>injected</html>".to_owned())
}

/// Forwards half of the body, and then ends the connection.
pub(super) async fn truncated(response: Response<Body>) -> Result<Answered, Error> {
    let (mut parts, body) = response.into_parts();
    let bytes = body.collect().await.map_err(Error::from)?.to_bytes();
    let half = bytes.slice(..bytes.len() / 2);
    parts.headers.remove(http::header::TRANSFER_ENCODING);
    parts.headers.insert(http::header::CONTENT_LENGTH, bytes.len().into());
    let stream = futures::stream::iter([Ok(Frame::data(half)), Err(Error::from("truncated"))]);
    Ok(Response::from_parts(
        parts,
        BodyExt::boxed_unsync(StreamBody::new(stream)),
    ))
}

/// Returns the list without its items and without a next page.
pub(super) async fn emptied(response: Response<Body>) -> Result<Answered, Error> {
    let bytes = response.into_body().collect().await.map_err(Error::from)?.to_bytes();
    let mut list: serde_json::Value = serde_json::from_slice(&bytes)?;
    list["items"] = serde_json::json!([]);
    if let Some(metadata) = list["metadata"].as_object_mut() {
        metadata.remove("continue");
        metadata.remove("remainingItemCount");
    }
    Ok(text(StatusCode::OK, list.to_string()))
}

fn text(code: StatusCode, text: String) -> Answered {
    let body = Full::new(Bytes::from(text))
        .map_err(|never| match never {})
        .boxed_unsync();
    let mut response = Response::new(body);
    *response.status_mut() = code;
    let json = http::HeaderValue::from_static("application/json");
    response.headers_mut().insert(http::header::CONTENT_TYPE, json);
    response
}
