//! Writes, under the identity of the person. No answer repeats what was written.
//!
//! `kubectl apply` keeps a copy of what it applied in an annotation, which would hold a login. A server-side apply
//! does not.

use bytes::Bytes;
use http::header::{ACCEPT, CONTENT_TYPE};
use http::{Request, StatusCode};
use kube::client::Body;
use serde_json::{Value, json};

use super::client::Connected;
use super::failure::Failure;
use super::metadata::{FIELD_MANAGER, METADATA, Metadata, Partial};
use super::path::path_of;
use super::refusal::refusal;
use super::request::{JSON, parsed};

const APPLY: &str = "application/apply-patch+yaml";

const MERGE: &str = "application/merge-patch+json";

/// How an object is applied.
#[derive(Clone, Copy, Debug)]
pub struct Applying {
    /// The server checks the write and stores nothing.
    pub dry_run: bool,
    /// Fields of other managers are taken over.
    pub force: bool,
    /// The field manager.
    pub manager: &'static str,
}

/// An object that was applied.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Applied {
    /// It did not exist before.
    pub created: bool,
    /// As it is now.
    pub metadata: Metadata,
}

impl Connected {
    /// Applies an object. Fields that it does not have any more, and that this manager had set, are removed.
    pub async fn apply(&self, object: &Value, how: Applying) -> Result<Applied, Failure> {
        let path = path_of(object);
        let force = if how.force { "&force=true" } else { "" };
        let request = Request::patch(format!("{path}?{}{force}", parameters(how.manager, how.dry_run)));
        // JSON is YAML.
        let request = request.header(CONTENT_TYPE, APPLY);
        let (status, body) = self.write(request, object, "patch", &path).await?;
        let partial: Partial = parsed(&body)?;
        Ok(Applied {
            created: status == StatusCode::CREATED,
            metadata: partial.metadata,
        })
    }

    /// Creates an object. One that exists is a [`Failure::Changed`].
    pub async fn create(&self, object: &Value, dry_run: bool) -> Result<(), Failure> {
        let path = path_of(object);
        let all = path.rsplit_once('/').map_or("", |(all, _)| all);
        let request = Request::post(format!("{all}?{}", parameters(FIELD_MANAGER, dry_run)));
        let request = request.header(CONTENT_TYPE, JSON);
        self.write(request, object, "create", all).await.map(drop)
    }

    /// Sends a merge patch to the object at the path. If the patch has a uid or a version that the object does not have,
    /// it is a [`Failure::Changed`].
    pub async fn patch(&self, path: &str, fields: &Value, dry_run: bool) -> Result<(), Failure> {
        let request = Request::patch(format!("{path}?{}", parameters(FIELD_MANAGER, dry_run)));
        let request = request.header(CONTENT_TYPE, MERGE);
        self.write(request, fields, "patch", path).await.map(drop)
    }

    /// Deletes the object at the path, if it is still the one with this uid. Garbage collection follows.
    pub async fn delete(&self, path: &str, uid: &str, dry_run: bool) -> Result<(), Failure> {
        let options = json!({
            "apiVersion": "v1", "kind": "DeleteOptions", "propagationPolicy": "Background",
            "preconditions": {"uid": uid},
        });
        let query = if dry_run { "?dryRun=All" } else { "" };
        let request = Request::delete(format!("{path}{query}")).header(CONTENT_TYPE, JSON);
        self.write(request, &options, "delete", path).await.map(drop)
    }

    /// Sends a write. Its answer has metadata alone.
    async fn write(
        &self,
        request: http::request::Builder,
        body: &Value,
        verb: &'static str,
        path: &str,
    ) -> Result<(StatusCode, Bytes), Failure> {
        let body = Body::from(body.to_string().into_bytes());
        let response = self.send(request.header(ACCEPT, METADATA), body, verb, path).await?;
        let status = response.status();
        let body = self.body(response).await?;
        if status.is_success() {
            Ok((status, body))
        } else {
            Err(refusal(status, &body, verb))
        }
    }
}

/// The parameters of a write by this field manager.
fn parameters(manager: &str, dry_run: bool) -> String {
    let dry_run = if dry_run { "&dryRun=All" } else { "" };
    format!("fieldManager={manager}&fieldValidation=Strict{dry_run}")
}
