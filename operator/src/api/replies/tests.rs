//! Replies of a fake server, as the client reads them.

use std::convert::Infallible;

use http_body_util::Full;

use super::*;
use crate::outcome::ApiError;

/// The error for a reply with this code, header and body.
async fn error_of(code: u16, retry_after: Option<&'static str>, body: impl Into<Bytes>) -> ApiError {
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
async fn a_429_without_status_pauses_all_writes_briefly() {
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
        let error = error_of(429, retry_after, body).await;
        assert_eq!(
            error,
            ApiError::Throttled(Duration::from_secs(seconds)),
            "{retry_after:?} {body}"
        );
    }
}

#[tokio::test]
async fn a_429_with_a_status_postpones_one_write() {
    let error = error_of(429, Some("3600"), status(429, "storage is (re)initializing", 3600)).await;
    assert!(matches!(error, ApiError::Postponed { by: None, .. }), "{error:?}");
}

#[tokio::test]
async fn a_status_is_read_in_any_order() {
    let quota = r#"secrets \"x\" is forbidden: exceeded quota: small, requested: secrets=1"#;
    for body in [
        format!(
            r#"{{"kind":"Status","apiVersion":"v1","metadata":{{}},"status":"Failure","message":"{quota}","code":403}}"#
        ),
        format!("{{\n  \"kind\": \"Status\",\n  \"message\": \"{quota}\",\n  \"code\": 403\n}}"),
        format!(r#"{{"apiVersion":"v1","code":403,"kind":"Status","message":"{quota}"}}"#),
    ] {
        let error = error_of(403, None, body.clone()).await;
        assert!(format!("{error:?}").contains("QuotaExceeded"), "{body} {error:?}");
    }
}

#[tokio::test]
async fn a_cut_refusal_still_names_its_webhook() {
    let message = format!(
        "admission webhook \"hook.example.com\" denied the request: {}",
        "\u{1}".repeat(3_000_000)
    );
    for code in [400, 404, 409, 422, 429, 500] {
        let error = error_of(code, None, status(code, &message, 7)).await;
        assert!(format!("{error:?}").contains("hook.example.com"), "{code} {error:?}");
    }
}

#[tokio::test]
async fn no_webhook_can_hide_its_name() {
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
            let error = error_of(code, None, body).await;
            assert!(
                matches!(error, ApiError::Refused(_) | ApiError::Postponed { .. }),
                "{code} {what} {error:?}"
            );
            assert!(
                format!("{error:?}").contains("hook.example.com"),
                "{code} {what} {error:?}"
            );
        }
    }
}

#[tokio::test]
async fn a_cut_refusal_without_message_affects_one_key() {
    let body = format!(
        r#"{{"kind":"Status","apiVersion":"v1","metadata":{{"continue":"{}"}}}}"#,
        "x".repeat(70_000)
    );
    for code in [404, 409, 429, 500, 600] {
        let error = error_of(code, None, body.clone()).await;
        assert!(
            matches!(error, ApiError::Refused(_) | ApiError::Postponed { by: None, .. }),
            "{code} {error:?}"
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
async fn other_json_bodies_keep_the_code() {
    assert_eq!(error_of(404, None, "{}").await, ApiError::NotFound);
    let error = error_of(503, None, r#"{"message": "CANARY"}"#).await;
    assert_eq!(error, ApiError::Unavailable("the API server answered 503".to_owned()));
}

#[tokio::test]
async fn one_long_reply_is_held_at_once() {
    let gate = Arc::new(Semaphore::new(1));
    let long = || one_at_a_time(Body::from(vec![0; 4 * SHORT]), Arc::clone(&gate));
    let (first, second) = (long(), long());
    assert_eq!(first.collect().await.unwrap().to_bytes().len(), 4 * SHORT);
    assert_eq!(second.collect().await.unwrap().to_bytes().len(), 4 * SHORT);
    assert_eq!(gate.available_permits(), 1);
}
