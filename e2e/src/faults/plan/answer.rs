//! Answers of the proxy instead of the server's.

use serde::{Deserialize, Serialize};

/// An answer of the proxy instead of the server's.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub enum Answer {
    /// 409: the object has changed.
    Conflict,
    /// 409: the object exists.
    AlreadyExists,
    /// 404.
    NotFound,
    /// 401.
    Unauthorized,
    /// 403 by RBAC.
    Forbidden,
    /// 403 by a quota.
    Quota,
    /// 403: the namespace is terminating. In truth it is not, because the answering server lags.
    NamespaceTerminating,
    /// 410: the requested version is too old.
    Gone,
    /// 422 with causes: an admission refusal.
    Invalid,
    /// 429 with `Retry-After: 1`.
    TooManyRequests,
    /// 429 for this object, with a `Retry-After` of three minutes.
    Later,
    /// 500.
    InternalError,
    /// 503.
    Unavailable,
    /// 504.
    Timeout,
}

impl Answer {
    /// Returns the status code, the reason, and the `details` of the Status object.
    pub fn status(self) -> (u16, &'static str, serde_json::Value) {
        let details = serde_json::json!({});
        match self {
            Self::Conflict => (409, "Conflict", details),
            Self::AlreadyExists => (409, "AlreadyExists", details),
            Self::Unauthorized => (401, "Unauthorized", details),
            Self::NotFound => (404, "NotFound", details),
            Self::Forbidden | Self::Quota => (403, "Forbidden", details),
            Self::NamespaceTerminating => {
                let causes = serde_json::json!({"causes": [{"reason": "NamespaceTerminating",
                    "message": "namespace x is being terminated", "field": "metadata.namespace"}]});
                (403, "Forbidden", causes)
            }
            Self::Gone => (410, "Expired", details),
            Self::Invalid => {
                let causes =
                    serde_json::json!({"causes": [{"reason": "FieldValueInvalid", "field": "x", "message": "no"}]});
                (422, "Invalid", causes)
            }
            Self::TooManyRequests => (429, "TooManyRequests", serde_json::json!({"retryAfterSeconds": 1})),
            Self::Later => (429, "TooManyRequests", serde_json::json!({"retryAfterSeconds": 180})),
            Self::InternalError => (500, "InternalError", details),
            Self::Unavailable => (503, "ServiceUnavailable", details),
            Self::Timeout => (504, "Timeout", details),
        }
    }

    /// Returns the message of the Status object.
    pub fn message(self) -> &'static str {
        match self {
            Self::Quota => {
                "secrets \"x\" is forbidden: exceeded quota: small, requested: secrets=1, used: 1, limited: 1"
            }
            Self::NamespaceTerminating => {
                "secrets \"x\" is forbidden: unable to create new content in namespace x because it is being terminated"
            }
            _ => "injected",
        }
    }
}
