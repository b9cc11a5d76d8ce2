//! Sends OTLP over HTTP with the operator's own HTTP client. The exporter's thread has no runtime, so each request is
//! spawned on the operator's.
//!
//! An unreachable collector loses its spans and has no other effect. The log reports when it goes and when it returns.

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

/// Deadline of a request. It limits how long an unresponsive collector delays spans.
const DEADLINE: Duration = Duration::from_secs(10);

/// Most bytes that are read of the collector's answer. Useful answers are shorter.
const ANSWER: usize = 64 * 1024;

/// An HTTP client for the exporter.
#[derive(Clone, Debug)]
pub(crate) struct Sender {
    client: Client<HttpConnector, Full<Bytes>>,
    runtime: Handle,
    /// Whether the last request failed.
    failing: Arc<AtomicBool>,
}

impl Sender {
    /// Sends on the current runtime.
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
        // The timer too must be created on the runtime; elsewhere that panics.
        let sent = self
            .runtime
            .spawn(async { tokio::time::timeout(DEADLINE, exchange).await });
        let late = |_| HttpError::from("the collector did not answer in time");
        sent.await?.map_err(late)?
    }

    /// Logs only changes, so that a collector that is down for a day does not fill the log.
    fn log_change(&self, sent: &Result<Response<Bytes>, HttpError>) {
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
        self.log_change(&sent);
        sent
    }
}
