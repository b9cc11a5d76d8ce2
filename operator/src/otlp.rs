//! Sends OTLP over HTTP with the client that is here anyway. The exporter's own thread has no runtime, so each request
//! is spawned on ours.

use std::time::Duration;

use bytes::Bytes;
use http::{Request, Response};
use http_body_util::{BodyExt as _, Full};
use hyper_util::client::legacy::Client;
use hyper_util::client::legacy::connect::HttpConnector;
use hyper_util::rt::TokioExecutor;
use opentelemetry_http::{HttpClient, HttpError};
use tokio::runtime::Handle;

/// A collector that does not answer holds spans up for no longer.
const DEADLINE: Duration = Duration::from_secs(10);

/// An HTTP client for the exporter.
#[derive(Clone, Debug)]
pub(crate) struct Sender {
    client: Client<HttpConnector, Full<Bytes>>,
    runtime: Handle,
}

impl Sender {
    /// Sends on the runtime that this is called on.
    pub(crate) fn new() -> Self {
        Self {
            client: Client::builder(TokioExecutor::new()).build_http(),
            runtime: Handle::current(),
        }
    }
}

impl Default for Sender {
    fn default() -> Self {
        Self::new()
    }
}

#[async_trait::async_trait]
impl HttpClient for Sender {
    async fn send_bytes(&self, request: Request<Bytes>) -> Result<Response<Bytes>, HttpError> {
        let client = self.client.clone();
        let sent = self.runtime.spawn(async move {
            let response = client.request(request.map(Full::new)).await?;
            let (head, body) = response.into_parts();
            let body = body.collect().await?.to_bytes();
            Ok::<_, HttpError>(Response::from_parts(head, body))
        });
        tokio::select! {
            sent = sent => sent?,
            // The exporter's thread has no timer; the runtime's task tells the time.
            late = self.runtime.spawn(tokio::time::sleep(DEADLINE)) => {
                late?;
                Err("the collector did not answer in time".into())
            }
        }
    }
}
