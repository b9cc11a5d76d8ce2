//! A single API call: its deadline, and what its answer means for the next attempt.

use std::sync::Arc;
use std::time::Duration;

use crd::FailureReason;
use kube::core::Status;
use plan::decision::Failure;

use super::refusal;
use super::replies::{CUT, NO_STATUS};
use crate::outcome::ApiError;

/// Deadline of one call. It suits a slow server, and keeps a connection that swallows bytes from blocking a key for
/// minutes.
pub const DEADLINE: Duration = Duration::from_secs(30);

/// Pause after a 429 without `Retry-After`.
const DEFAULT_PAUSE: Duration = Duration::from_secs(1);
/// Longest pause of all writers after a 429. The server sheds load from second to second, so longer values are cut.
const LONGEST_PAUSE: Duration = Duration::from_secs(10);
/// Longest wait after a webhook's 429. A webhook may ask for an hour, but refused writes are retried within a minute.
const LONGEST_WAIT: Duration = Duration::from_secs(45);

/// The reason that kube sets when the body of a refusal is not JSON. It occurs in clients without [`bounded`].
///
/// [`bounded`]: super::replies::bounded
const UNREAD: &str = "Failed to parse error data";

impl From<&kube::Error> for ApiError {
    fn from(error: &kube::Error) -> Self {
        match error {
            kube::Error::Api(status) => Self::from(status.as_ref()),
            // Neither text holds a value: the first names a position, the others the connection.
            kube::Error::SerdeError(error) => Self::Unavailable(format!(
                "the operator cannot decode the reply of the API server (line {}, column {})",
                error.line(),
                error.column()
            )),
            kube::Error::HyperError(_) | kube::Error::Service(_) | kube::Error::ReadEvents(_) => {
                Self::Unavailable("the connection to the API server failed".to_owned())
            }
            _ => Self::Unavailable("the operator could not send the request".to_owned()),
        }
    }
}

impl From<&Status> for ApiError {
    fn from(status: &Status) -> Self {
        let details = status.details.as_ref();
        let caused_by =
            |reason: &str| details.is_some_and(|details| details.causes.iter().any(|cause| cause.reason == reason));
        let seconds = details.map_or(0, |details| details.retry_after_seconds);
        // Comes before the code, because a webhook may choose both its code and its cause.
        let named = refusal::named(status);
        let of_the_server = named.is_none() && matches!(status.reason.as_str(), NO_STATUS | UNREAD);
        match (status.code, named) {
            (429, None) if of_the_server => {
                let requested = Duration::from_secs(seconds.into());
                return Self::Throttled(requested.clamp(DEFAULT_PAUSE, LONGEST_PAUSE));
            }
            (429, named) => return postponed(named, seconds),
            (_, Some(failure)) => return Self::Refused(failure),
            // The server's own refusals are short enough to be read whole.
            (_, None) if status.reason == CUT => return Self::Refused(refusal::of(status)),
            (_, None) => {}
        }
        match status.code {
            404 => Self::NotFound,
            409 => Self::Conflict,
            403 if caused_by("NamespaceTerminating") => Self::NamespaceTerminating,
            400 | 401 | 403 | 405 | 413 | 422 => Self::Refused(refusal::of(status)),
            code => Self::Unavailable(format!("the API server answered {code}")),
        }
    }
}

fn postponed(named: Option<Failure>, seconds: u32) -> ApiError {
    let by = named.as_ref().map(|failure| Arc::clone(&failure.message));
    ApiError::Postponed {
        failure: named.unwrap_or_else(|| Failure::new(FailureReason::ServerError, "the API server answered 429")),
        wait: Duration::from_secs(seconds.into()).min(LONGEST_WAIT),
        by,
    }
}

/// Runs one call within the deadline for writes.
pub(super) async fn call<T>(request: impl Future<Output = kube::Result<T>>) -> Result<T, ApiError> {
    call_within(DEADLINE, request).await
}

/// Runs one call within a deadline.
pub(crate) async fn call_within<T>(
    deadline: Duration,
    request: impl Future<Output = kube::Result<T>>,
) -> Result<T, ApiError> {
    match tokio::time::timeout(deadline, request).await {
        Ok(Ok(reply)) => Ok(reply),
        Ok(Err(error)) => Err(ApiError::from(&error)),
        Err(_) => Err(ApiError::Unavailable(format!(
            "no reply of the API server within {} s",
            deadline.as_secs()
        ))),
    }
}

/// Turns the result of a read after a conflict into the object, or `None` if it does not exist.
pub(crate) fn found<T>(read: Result<T, ApiError>) -> Result<Option<T>, ApiError> {
    match read {
        Ok(object) => Ok(Some(object)),
        Err(ApiError::NotFound) => Ok(None),
        Err(error) => Err(error),
    }
}

#[cfg(test)]
mod tests {
    use kube::core::response::{StatusCause, StatusDetails};

    use super::*;

    fn api_error(code: u16, message: &str, cause: Option<&str>, retry_after_seconds: u32) -> ApiError {
        api_error_about(code, message, cause.map(|reason| (reason, "")), retry_after_seconds)
    }

    fn api_error_about(code: u16, message: &str, cause: Option<(&str, &str)>, retry_after_seconds: u32) -> ApiError {
        let causes = cause.map(|(reason, field)| StatusCause {
            reason: reason.to_owned(),
            message: String::new(),
            field: field.to_owned(),
        });
        let details = StatusDetails {
            causes: causes.into_iter().collect(),
            retry_after_seconds,
            name: String::new(),
            group: String::new(),
            kind: String::new(),
            uid: String::new(),
        };
        ApiError::from(&Status::failure(message, "Reason").with_code(code).with_details(details))
    }

    #[test]
    fn missing_room_is_too_large() {
        let answered = |reason, field| match api_error_about(422, "", Some((reason, field)), 0) {
            ApiError::Refused(failure) => failure.reason,
            other => panic!("{other:?}"),
        };
        assert_eq!(answered("FieldValueTooLong", "data"), FailureReason::TooLarge);
        assert_eq!(
            answered("FieldValueTooLong", "metadata.annotations"),
            FailureReason::TooLarge
        );
        assert_eq!(answered("FieldValueTooLong", "spec"), FailureReason::AdmissionDenied);
        assert_eq!(answered("FieldValueInvalid", "data"), FailureReason::AdmissionDenied);
    }

    fn refused(reason: FailureReason, message: &str) -> ApiError {
        ApiError::Refused(Failure::new(reason, message))
    }

    fn postponed(seconds: u64, reason: FailureReason, message: &str, by: Option<&str>) -> ApiError {
        ApiError::Postponed {
            failure: Failure::new(reason, message),
            wait: Duration::from_secs(seconds),
            by: by.map(Arc::from),
        }
    }

    #[test]
    fn each_answer_of_the_server_means_one_thing() {
        use FailureReason::{AdmissionDenied, Forbidden, QuotaExceeded, ServerError};
        let quota = r#"secrets "x" is forbidden: exceeded quota: small, requested: secrets=1"#;
        let policy = "serviceaccounts \"d\" is forbidden: ValidatingAdmissionPolicy 'no.dice' with binding 'b' denied request: no";
        let webhook = r#"admission webhook "hook.example.com" denied the request: CANARY"#;
        let denial = |code: u16| format!(r#"refused by admission webhook "hook.example.com" ({code})"#);
        let denied = |code| refused(AdmissionDenied, &denial(code));
        for (seen, expected) in [
            (api_error(404, "", None, 0), ApiError::NotFound),
            (api_error(409, "", None, 0), ApiError::Conflict),
            (
                api_error(429, "", None, 7),
                postponed(7, ServerError, "the API server answered 429", None),
            ),
            (
                api_error(429, webhook, None, 3600),
                postponed(45, AdmissionDenied, &denial(429), Some(&denial(429))),
            ),
            (api_error(409, webhook, None, 0), denied(409)),
            (api_error(403, webhook, Some("NamespaceTerminating"), 0), denied(403)),
            (
                api_error(403, "", Some("NamespaceTerminating"), 0),
                ApiError::NamespaceTerminating,
            ),
            (
                api_error(403, "no", None, 0),
                refused(
                    Forbidden,
                    "the API server forbids the request (403): compare the operator's rights with config/rbac",
                ),
            ),
            (
                api_error(403, quota, None, 0),
                refused(QuotaExceeded, r#"quota "small" is used up"#),
            ),
            (
                api_error(422, policy, None, 0),
                refused(AdmissionDenied, r#"refused by policy "no.dice", binding "b" (422)"#),
            ),
            (api_error(400, webhook, None, 0), denied(400)),
            (
                api_error(422, "CANARY", None, 0),
                refused(AdmissionDenied, "refused by the API server (422 Reason)"),
            ),
            (
                api_error(503, "CANARY", None, 0),
                ApiError::Unavailable("the API server answered 503".to_owned()),
            ),
        ] {
            assert_eq!(seen, expected);
        }
    }

    #[test]
    fn messages_that_quote_values_are_dropped() {
        let leak = api_error(
            403,
            "exceeded quota: CANARY-s3cret!, ValidatingAdmissionPolicy 'CAN ARY'",
            None,
            0,
        );
        assert!(!format!("{leak:?}").contains("CAN"), "{leak:?}");
    }
}
