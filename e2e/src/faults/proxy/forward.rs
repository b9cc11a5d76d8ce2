//! Forwards a request to the API server, as if all versions were higher where a fault says so.

use std::sync::atomic::Ordering;

use bytes::Bytes;
use http::request::Parts;
use http::{Request, Response};
use http_body_util::BodyExt;
use kube::client::Body;

use crate::faults::answers::Error;
use crate::faults::shared::{Shared, lock};
use crate::faults::versions;

impl Shared {
    pub(in crate::faults) async fn forward(&self, mut parts: Parts, body: Bytes) -> Result<Response<Body>, Error> {
        for hop in [
            http::header::HOST,
            http::header::CONNECTION,
            http::header::TRANSFER_ENCODING,
        ] {
            parts.headers.remove(hop);
        }
        let path = parts.uri.path_and_query().map_or("/", |path| path.as_str());
        parts.uri = path.parse()?;
        let mut body = body;
        let raised = self.raised.load(Ordering::SeqCst);
        if raised {
            parts.uri = versions::lowered_in(&parts.uri)?;
            body = versions::lowered(&body);
            parts.headers.remove(http::header::CONTENT_LENGTH);
        }
        // Versions of a watch are raised line by line.
        let is_watch = path_is_watch(&parts.uri);
        let request = Request::from_parts(parts, Body::from(body.to_vec()));
        let mut response = self.upstream.send(request).await?;
        if raised && !is_watch {
            let (mut head, body) = response.into_parts();
            head.headers.remove(http::header::CONTENT_LENGTH);
            let bytes = body.collect().await.map_err(Error::from)?.to_bytes();
            response = Response::from_parts(head, Body::from(versions::raised(&bytes).to_vec()));
        }
        // The missing right was noticed.
        if response.status() == http::StatusCode::FORBIDDEN && lock(&self.rights).is_some() {
            self.fired.store(true, Ordering::SeqCst);
        }
        Ok(response)
    }
}

fn path_is_watch(uri: &http::Uri) -> bool {
    uri.query().is_some_and(|query| query.contains("watch="))
}
