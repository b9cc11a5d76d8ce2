//! One line of the log, in the format of `audit.k8s.io/v1`.

use anyhow::Context;
use serde::Deserialize;

use super::record::Record;

/// Returns `None` for the end of a watch, because its beginning was recorded.
pub(super) fn parse(line: &str) -> anyhow::Result<Option<Record>> {
    let event: Event = serde_json::from_str(line).context("an audit record")?;
    if event.verb == "watch" && event.stage != "ResponseStarted" {
        return Ok(None);
    }
    let object = event.object_ref;
    Ok(Some(Record {
        verb: event.verb,
        user: event.user.username,
        resource: object.resource,
        subresource: object.subresource,
        namespace: object.namespace,
        name: object.name,
        code: event.response_status.code,
        authorized: event.annotations.decision != "forbid",
        request_uri: event.request_uri,
        timestamp: event.request_received_timestamp.parse()?,
        answered: event.stage_timestamp.parse()?,
    }))
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Event {
    stage: String,
    verb: String,
    #[serde(rename = "requestURI")]
    request_uri: String,
    user: User,
    #[serde(default)]
    object_ref: ObjectRef,
    #[serde(default)]
    response_status: ResponseStatus,
    #[serde(default)]
    annotations: Annotations,
    request_received_timestamp: String,
    stage_timestamp: String,
}

#[derive(Deserialize)]
struct User {
    #[serde(default)]
    username: String,
}

#[derive(Default, Deserialize)]
#[serde(default)]
struct ObjectRef {
    resource: String,
    subresource: String,
    namespace: String,
    name: String,
}

#[derive(Default, Deserialize)]
#[serde(default)]
struct Annotations {
    #[serde(rename = "authorization.k8s.io/decision")]
    decision: String,
}

#[derive(Default, Deserialize)]
#[serde(default)]
struct ResponseStatus {
    code: u16,
}
