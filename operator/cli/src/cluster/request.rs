//! A single request.

use std::collections::BTreeMap;

use bytes::Bytes;
use crd::ClusterPullSecret;
use http::header::ACCEPT;
use http::{Request, Response, StatusCode};
use http_body_util::{BodyExt as _, LengthLimitError, Limited};
use kube::client::Body;
use serde::Deserialize;
use serde::de::DeserializeOwned;
use serde_json::Value;

use super::client::Connected;
use super::failure::{ANSWER_WITHIN, Failure, LONGEST};
use super::path::{escaped, path, path_to};
use crate::world::Kind;

/// Objects in a page, as with kubectl.
pub(super) const PAGE: usize = 500;

/// Pages of one list: ten million objects.
const MOST_PAGES: usize = 20_000;

/// The usual form of an answer.
pub(super) const JSON: &str = "application/json";

/// Metadata alone: the API server leaves everything else out.
const METADATA: &str = "application/json;as=PartialObjectMetadataList;g=meta.k8s.io;v=v1";

impl Connected {
    /// Sends `GET PATH`, a request with this verb of RBAC, and returns the body of its answer.
    pub(super) async fn get(&self, path: &str, verb: &'static str, accept: &str) -> Result<Bytes, Failure> {
        let request = Request::get(path).header(ACCEPT, accept);
        let response = self.send(request, Body::empty(), verb, path).await?;
        match response.status() {
            StatusCode::OK => self.body(response).await,
            status => Err(Failure::of_status(status, verb)),
        }
    }

    /// Sends a request with this verb of RBAC.
    pub(super) async fn send(
        &self,
        request: http::request::Builder,
        body: Body,
        verb: &'static str,
        path: &str,
    ) -> Result<Response<Body>, Failure> {
        let request = request.body(body);
        let request = request.map_err(|_| Failure::Unreachable(self.host.clone()))?;
        let sent = self.client.send(request).await;
        let response = sent.map_err(|error| Failure::of_error(&error, &self.host))?;
        let status = response.status().as_u16();
        tracing::debug!(context = self.name, verb, path, status, "answered");
        Ok(response)
    }

    /// Returns the body of an answer.
    pub(super) async fn body(&self, response: Response<Body>) -> Result<Bytes, Failure> {
        let body = collected(response.into_body(), LONGEST, &self.host);
        let body = tokio::time::timeout(ANSWER_WITHIN, body).await;
        body.unwrap_or_else(|_| Err(Failure::Slow(self.host.clone())))
    }

    /// Reads what is at the path, in this form.
    pub(super) async fn read_one<T: DeserializeOwned>(&self, path: &str, accept: &str) -> Result<T, Failure> {
        parsed(&self.get(path, "get", accept).await?)
    }

    /// As [`read_one`](Self::read_one), if it exists.
    pub(super) async fn find<T: DeserializeOwned>(&self, path: &str, accept: &str) -> Result<Option<T>, Failure> {
        match self.read_one(path, accept).await {
            Ok(found) => Ok(Some(found)),
            Err(Failure::NotFound) => Ok(None),
            Err(failure) => Err(failure),
        }
    }

    /// Returns the object at the path, if it exists.
    pub async fn value(&self, path: &str) -> Result<Option<Value>, Failure> {
        self.find(path, JSON).await
    }

    /// Returns the JSON of one object.
    pub async fn object(&self, kind: Kind, namespace: Option<&str>, name: &str) -> Result<Bytes, Failure> {
        self.get(&path_to(kind, namespace, name), "get", JSON).await
    }

    /// Returns a `ClusterPullSecret`.
    pub async fn cluster_pull_secret(&self, name: &str) -> Result<ClusterPullSecret, Failure> {
        self.read_one(&path_to(Kind::ClusterPullSecret, None, name), JSON).await
    }

    /// Reads a list page by page. `take` returns the token of the next page.
    pub(super) async fn pages(
        &self,
        path: &str,
        accept: &str,
        mut take: impl FnMut(&[u8]) -> Result<Option<String>, Failure>,
    ) -> Result<(), Failure> {
        let mut next: Option<String> = None;
        for _ in 0..MOST_PAGES {
            let more = next.as_deref().map(|next| format!("&continue={}", escaped(next)));
            let path = format!("{path}{}", more.unwrap_or_default());
            let body = self.get(&path, "list", accept).await?;
            next = take(&body)?.filter(|next| !next.is_empty());
            if next.is_none() {
                return Ok(());
            }
        }
        Err(Failure::Endless)
    }

    /// As [`pages`](Self::pages). A list that expires between two pages is read once more.
    pub(super) async fn whole(
        &self,
        path: &str,
        mut take: impl FnMut(&[u8]) -> Result<Option<String>, Failure>,
    ) -> Result<(), Failure> {
        match self.pages(path, JSON, &mut take).await {
            Err(Failure::Gone) => self.pages(path, JSON, take).await,
            done => done,
        }
    }

    /// Returns all `ClusterPullSecret`s.
    pub async fn cluster_pull_secrets(&self) -> Result<Vec<ClusterPullSecret>, Failure> {
        let path = format!("{}?limit={PAGE}", path(Kind::ClusterPullSecret, None));
        let mut found = Vec::new();
        self.pages(&path, JSON, |body| {
            let page: Page<ClusterPullSecret> = parsed(body)?;
            found.extend(page.items.into_iter().flatten());
            Ok(page.metadata.next)
        })
        .await?;
        Ok(found)
    }

    /// Returns namespace and name of all objects of a kind, sorted, without any other part of them.
    pub async fn names(&self, kind: Kind, selector: Option<&str>) -> Result<Vec<(String, String)>, Failure> {
        Ok(self.uids(kind, selector).await?.into_keys().collect())
    }

    /// As [`names`](Self::names), each with its uid.
    pub async fn uids(
        &self,
        kind: Kind,
        selector: Option<&str>,
    ) -> Result<BTreeMap<(String, String), String>, Failure> {
        let selector = selector.map(|selector| format!("&labelSelector={}", escaped(selector)));
        let path = format!("{}?limit={PAGE}{}", path(kind, None), selector.unwrap_or_default());
        let mut found = BTreeMap::new();
        self.pages(&path, METADATA, |body| {
            let page: Page<Item> = parsed(body)?;
            let items = page.items.into_iter().flatten().map(|item| item.metadata);
            found.extend(items.map(|item| ((item.namespace, item.name), item.uid)));
            Ok(page.metadata.next)
        })
        .await?;
        Ok(found)
    }
}

/// Reads a body up to `longest` bytes.
pub(super) async fn collected(body: Body, longest: usize, host: &str) -> Result<Bytes, Failure> {
    match Limited::new(body, longest).collect().await {
        Ok(body) => Ok(body.to_bytes()),
        Err(error) if error.is::<LengthLimitError>() => Err(Failure::TooLarge),
        Err(error) => Err(match error.downcast::<kube::Error>() {
            Ok(error) => Failure::of_error(&error, host),
            Err(error) => Failure::of_cause(error.as_ref(), host),
        }),
    }
}

pub(super) fn parsed<T: DeserializeOwned>(body: &[u8]) -> Result<T, Failure> {
    serde_json::from_slice(body).map_err(|error| Failure::unreadable(&error))
}

#[derive(Deserialize)]
struct Page<T> {
    metadata: ListMeta,
    /// The API server writes null for a list of metadata without objects.
    items: Option<Vec<T>>,
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
    #[serde(default)]
    uid: String,
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;
    use crate::cluster::fake::Server;

    #[tokio::test]
    async fn a_list_without_objects_may_be_null() {
        let server = Server::new(|_, _| (200, json!({"metadata": {}, "items": null})));
        assert_eq!(server.connected.names(Kind::Secret, None).await, Ok(Vec::new()));
    }

    #[tokio::test]
    async fn a_larger_answer_is_refused() {
        let body = || Body::from(b"0123456789".to_vec());
        assert_eq!(collected(body(), 10, "h").await.map(|body| body.len()), Ok(10));
        assert_eq!(collected(body(), 9, "h").await, Err(Failure::TooLarge));
    }
}
