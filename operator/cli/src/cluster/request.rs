//! A single request.

use bytes::Bytes;
use crd::ClusterPullSecret;
use http::header::ACCEPT;
use http::{Request, StatusCode};
use http_body_util::{BodyExt as _, LengthLimitError, Limited};
use kube::client::Body;
use serde::Deserialize;
use serde::de::DeserializeOwned;

use super::client::Connected;
use super::failure::{ANSWER_WITHIN, Failure, LONGEST};
use crate::world::Kind;

/// Objects in a page, as with kubectl.
pub(super) const PAGE: usize = 500;

/// Pages of one list: ten million objects.
const MOST_PAGES: usize = 20_000;

/// The usual form of an answer.
pub(super) const JSON: &str = "application/json";

/// Metadata alone: the API server leaves everything else out.
pub(super) const METADATA: &str = "application/json;as=PartialObjectMetadataList;g=meta.k8s.io;v=v1";

impl Connected {
    /// Sends `GET PATH`, a request with this verb of RBAC, and returns the body of its answer.
    pub(super) async fn get(&self, path: &str, verb: &'static str, accept: &str) -> Result<Bytes, Failure> {
        let request = Request::get(path).header(ACCEPT, accept).body(Body::empty());
        let request = request.map_err(|_| Failure::Unreachable(self.host.clone()))?;
        let sent = self.client.send(request).await;
        let response = sent.map_err(|error| Failure::of_error(&error, &self.host))?;
        let status = response.status();
        tracing::debug!(context = self.name, verb, path, status = status.as_u16(), "answered");
        if status != StatusCode::OK {
            return Err(Failure::of_status(status, verb));
        }
        let body = tokio::time::timeout(ANSWER_WITHIN, collected(response.into_body(), LONGEST, &self.host)).await;
        body.unwrap_or_else(|_| Err(Failure::Slow(self.host.clone())))
    }

    /// Returns the JSON of one object.
    pub async fn object(&self, kind: Kind, namespace: Option<&str>, name: &str) -> Result<Bytes, Failure> {
        let path = format!("{}/{name}", path(kind, namespace));
        self.get(&path, "get", JSON).await
    }

    /// Returns a `ClusterPullSecret`.
    pub async fn cluster_pull_secret(&self, name: &str) -> Result<ClusterPullSecret, Failure> {
        let body = self.object(Kind::ClusterPullSecret, None, name).await?;
        parsed(&body)
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
        let selector = selector.map(|selector| format!("&labelSelector={}", escaped(selector)));
        let path = format!("{}?limit={PAGE}{}", path(kind, None), selector.unwrap_or_default());
        let mut found = Vec::new();
        self.pages(&path, METADATA, |body| {
            let page: Page<Item> = parsed(body)?;
            let items = page.items.into_iter().flatten().map(|item| item.metadata);
            found.extend(items.map(|item| (item.namespace, item.name)));
            Ok(page.metadata.next)
        })
        .await?;
        found.sort_unstable();
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
}

/// The path of all objects of a kind, in one namespace or in all.
pub(super) fn path(kind: Kind, namespace: Option<&str>) -> String {
    let group = match kind.group() {
        "" => format!("/api/{}", kind.version()),
        group => format!("/apis/{group}/{}", kind.version()),
    };
    match namespace.filter(|_| kind.is_namespaced()) {
        Some(namespace) => format!("{group}/namespaces/{}/{}", escaped(namespace), kind.plural()),
        None => format!("{group}/{}", kind.plural()),
    }
}

/// Escapes what has a meaning in a URL.
pub(super) fn escaped(text: &str) -> String {
    use std::fmt::Write as _;
    let mut escaped = String::with_capacity(text.len());
    for byte in text.bytes() {
        if byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'_' | b'.' | b'~') {
            escaped.push(char::from(byte));
        } else {
            let _ = write!(escaped, "%{byte:02X}");
        }
    }
    escaped
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_list_without_objects_may_be_null() {
        let page = |items: &str| parsed::<Page<Item>>(format!(r#"{{"metadata":{{}},"items":{items}}}"#).as_bytes());
        for items in ["null", "[]"] {
            let page = page(items).ok().map(|page| page.items.into_iter().flatten().count());
            assert_eq!(page, Some(0), "{items}");
        }
    }

    #[tokio::test]
    async fn a_larger_answer_is_refused() {
        let body = || Body::from(b"0123456789".to_vec());
        assert_eq!(collected(body(), 10, "h").await.map(|body| body.len()), Ok(10));
        assert_eq!(collected(body(), 9, "h").await, Err(Failure::TooLarge));
    }

    #[test]
    fn paths_name_group_version_and_namespace() {
        assert_eq!(path(Kind::Pod, None), "/api/v1/pods");
        assert_eq!(
            path(Kind::Deployment, Some("a")),
            "/apis/apps/v1/namespaces/a/deployments"
        );
        assert_eq!(path(Kind::Namespace, Some("a")), "/api/v1/namespaces");
        assert_eq!(
            path(Kind::ClusterPullSecret, None),
            "/apis/pullsecrets.dev/v1alpha1/clusterpullsecrets"
        );
        assert_eq!(escaped("a in (b,c)"), "a%20in%20%28b%2Cc%29");
        assert_eq!(path(Kind::Pod, Some("../x?")), "/api/v1/namespaces/..%2Fx%3F/pods");
    }
}
