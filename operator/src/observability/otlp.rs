//! Sends OTLP over HTTP with the client that is here anyway. The exporter's own thread has no runtime, so all of a request
//! is spawned on ours.
//!
//! A collector that is away costs its spans and nothing else. The log says when it goes and when it comes back.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use bytes::Bytes;
use http::{Request, Response};
use http_body_util::{BodyExt as _, Full, Limited};
use hyper_util::client::legacy::Client;
use hyper_util::client::legacy::connect::HttpConnector;
use hyper_util::rt::TokioExecutor;
use opentelemetry_http::{HttpClient, HttpError};
use tokio::runtime::Handle;
use tracing::{info, warn};

/// A collector that does not answer holds spans up for no longer.
const DEADLINE: Duration = Duration::from_secs(10);

/// So many bytes of its answer are read. It has nothing to say that is longer.
const ANSWER: usize = 64 * 1024;

/// An HTTP client for the exporter.
#[derive(Clone, Debug)]
pub(crate) struct Sender {
    client: Client<HttpConnector, Full<Bytes>>,
    runtime: Handle,
    /// The last request did not arrive.
    failing: Arc<AtomicBool>,
}

impl Sender {
    /// Sends on the runtime that this is called on.
    pub(crate) fn new() -> Self {
        Self {
            client: Client::builder(TokioExecutor::new()).build_http(),
            runtime: Handle::current(),
            failing: Arc::default(),
        }
    }

    async fn send(&self, request: Request<Bytes>) -> Result<Response<Bytes>, HttpError> {
        let client = self.client.clone();
        let exchange = async move {
            let response = client.request(request.map(Full::new)).await?;
            let (head, body) = response.into_parts();
            let body = Limited::new(body, ANSWER).collect().await?.to_bytes();
            Ok::<_, HttpError>(Response::from_parts(head, body))
        };
        // Even the timer is made on the runtime: where there is none, making it is a panic.
        let sent = self
            .runtime
            .spawn(async { tokio::time::timeout(DEADLINE, exchange).await });
        let late = |_| HttpError::from("the collector did not answer in time");
        sent.await?.map_err(late)?
    }

    /// Once for each change, so that a collector that is away for a day does not fill the log.
    fn tell(&self, sent: &Result<Response<Bytes>, HttpError>) {
        let error = match sent {
            Ok(response) if response.status().is_success() => None,
            Ok(response) => Some(format!("the collector answered {}", response.status().as_u16())),
            Err(error) => Some(error.to_string()),
        };
        let failed = self.failing.swap(error.is_some(), Ordering::Relaxed);
        match error {
            Some(error) if !failed => warn!(error, "traces do not arrive and are dropped"),
            None if failed => info!("traces arrive again"),
            _ => {}
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
        let sent = self.send(request).await;
        self.tell(&sent);
        sent
    }
}
