//! Single writes, under the identity of the person. Each carries what it was planned from.

use bytes::Bytes;
use http::header::{ACCEPT, CONTENT_TYPE};
use http::{Method, Request};
use kube::client::Body;
use serde::Deserialize;
use serde_json::{Value, json};

use super::client::Connected;
use super::failure::{ANSWER_WITHIN, Failure, LONGEST};
use super::request::{JSON, METADATA, PAGE, collected, escaped, path};
use crate::world::Kind;

const MERGE: &str = "application/merge-patch+json";

/// The field manager of all writes of this tool.
const MANAGER: &str = "kubectl-pullsecrets";

/// An object that is written.
#[derive(Clone, Copy, Debug)]
pub struct Place<'a> {
    /// Its kind.
    pub kind: Kind,
    /// Its namespace.
    pub namespace: Option<&'a str>,
    /// Its name.
    pub name: &'a str,
}

/// Writes to one cluster.
#[derive(Clone, Copy)]
pub struct Writer<'a> {
    /// The cluster.
    pub connected: &'a Connected,
    /// The server checks each write and stores none.
    pub dry_run: bool,
}

#[derive(Deserialize)]
struct Page {
    metadata: ListMeta,
    items: Vec<Item>,
}

#[derive(Deserialize)]
struct ListMeta {
    #[serde(default, rename = "continue")]
    next: Option<String>,
}

#[derive(Deserialize)]
struct Item {
    metadata: Named,
}

#[derive(Deserialize)]
struct Named {
    #[serde(default)]
    namespace: String,
    name: String,
    uid: String,
}

impl Writer<'_> {
    /// Creates an object. One that exists is a [`Failure::Conflict`].
    pub async fn create(&self, kind: Kind, namespace: Option<&str>, object: &Value) -> Result<Bytes, Failure> {
        self.send(Method::POST, &path(kind, namespace), JSON, "create", object)
            .await
    }

    /// Sends a merge patch, and returns the object after it.
    pub async fn patch(&self, place: Place<'_>, patch: &Value) -> Result<Bytes, Failure> {
        self.send(Method::PATCH, &place.path(), MERGE, "patch", patch).await
    }

    /// Deletes an object with this uid.
    pub async fn delete(&self, place: Place<'_>, uid: &str) -> Result<(), Failure> {
        let options = json!({
            "apiVersion": "v1",
            "kind": "DeleteOptions",
            "preconditions": {"uid": uid},
            "propagationPolicy": "Background",
        });
        self.send(Method::DELETE, &place.path(), JSON, "delete", &options)
            .await
            .map(drop)
    }

    async fn send(
        &self,
        method: Method,
        path: &str,
        type_: &str,
        verb: &'static str,
        body: &Value,
    ) -> Result<Bytes, Failure> {
        let connected = self.connected;
        let mut parameters = vec![];
        if method != Method::DELETE {
            parameters.push(format!("fieldManager={MANAGER}&fieldValidation=Strict"));
        }
        if self.dry_run {
            parameters.push("dryRun=All".to_owned());
        }
        let request = Request::builder()
            .method(method)
            .uri(format!("{path}?{}", parameters.join("&")))
            .header(ACCEPT, JSON)
            .header(CONTENT_TYPE, type_)
            .body(Body::from(body.to_string().into_bytes()));
        let request = request.map_err(|_| Failure::Unreachable(connected.host.clone()))?;
        let sent = connected.client.send(request).await;
        let response = sent.map_err(|error| Failure::of_error(&error, &connected.host))?;
        let status = response.status();
        tracing::debug!(
            context = connected.name,
            verb,
            path,
            status = status.as_u16(),
            "answered"
        );
        if !status.is_success() {
            return Err(Failure::of_status(status, verb));
        }
        let read = collected(response.into_body(), LONGEST, &connected.host);
        let body = tokio::time::timeout(ANSWER_WITHIN, read).await;
        body.unwrap_or_else(|_| Err(Failure::Slow(connected.host.clone())))
    }
}

impl Place<'_> {
    fn path(&self) -> String {
        format!("{}/{}", path(self.kind, self.namespace), escaped(self.name))
    }
}

impl Connected {
    /// Returns the JSON of one object.
    pub async fn read_object(&self, place: Place<'_>) -> Result<Bytes, Failure> {
        self.get(&place.path(), "get", JSON).await
    }

    /// Returns namespace, name and uid of all Secrets with these labels, without any other part of them.
    pub async fn secret_uids(&self, selector: &str) -> Result<Vec<(String, String, String)>, Failure> {
        let path = format!(
            "{}?limit={PAGE}&labelSelector={}",
            path(Kind::Secret, None),
            escaped(selector)
        );
        let mut found = Vec::new();
        self.pages(&path, METADATA, |body| {
            let page: Page = serde_json::from_slice(body).map_err(|error| Failure::unreadable(&error))?;
            let items = page.items.into_iter().map(|item| item.metadata);
            found.extend(items.map(|item| (item.namespace, item.name, item.uid)));
            Ok(page.metadata.next)
        })
        .await?;
        Ok(found)
    }
}
