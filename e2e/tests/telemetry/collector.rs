//! A trace collector on loopback: OTLP over HTTP, decoded with the messages of the protocol.

use std::collections::BTreeMap;
use std::convert::Infallible;
use std::sync::{Arc, Mutex};

use bytes::Bytes;
use http::{Request, Response, StatusCode};
use http_body_util::{BodyExt, Full};
use hyper::body::Incoming;
use hyper::service::service_fn;
use hyper_util::rt::TokioIo;
use opentelemetry_proto::tonic::collector::trace::v1::ExportTraceServiceRequest;
use opentelemetry_proto::tonic::common::v1::KeyValue;
use opentelemetry_proto::tonic::common::v1::any_value::Value;
use prost::Message;
use tokio::net::TcpListener;
use tokio::task::JoinHandle;

/// Its answer to requests.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Manner {
    Takes,
    Refuses(StatusCode),
    NeverAnswers,
}

/// A running collector. Dropping it ends it.
pub(crate) struct Collector {
    address: String,
    received: Arc<Mutex<Vec<Received>>>,
    task: JoinHandle<()>,
}

/// One request.
#[derive(Clone)]
pub(crate) struct Received {
    /// Method, path and headers, for a search.
    pub(crate) head: String,
    pub(crate) body: Bytes,
}

/// One span, with its attributes and those of its events as text.
#[derive(Clone, Debug)]
pub(crate) struct Span {
    pub(crate) name: String,
    pub(crate) attributes: BTreeMap<String, String>,
    pub(crate) service: String,
    pub(crate) nanoseconds: u64,
}

impl Collector {
    pub(crate) async fn start(manner: Manner) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap().to_string();
        let received: Arc<Mutex<Vec<Received>>> = Arc::default();
        let keeping = Arc::clone(&received);
        let task = tokio::spawn(async move {
            let mut connections = tokio::task::JoinSet::new();
            while let Ok((stream, _)) = listener.accept().await {
                let keeping = Arc::clone(&keeping);
                let service = service_fn(move |request| take(Arc::clone(&keeping), manner, request));
                let connection =
                    hyper::server::conn::http1::Builder::new().serve_connection(TokioIo::new(stream), service);
                connections.spawn(async move {
                    let _ = connection.await;
                });
            }
        });
        Self {
            address,
            received,
            task,
        }
    }

    /// Returns the value of `OTEL_EXPORTER_OTLP_ENDPOINT`.
    pub(crate) fn endpoint(&self) -> String {
        format!("http://{}", self.address)
    }

    pub(crate) fn received(&self) -> Vec<Received> {
        self.received.lock().unwrap().clone()
    }

    /// Returns all spans so far.
    pub(crate) fn spans(&self) -> Vec<Span> {
        self.received()
            .iter()
            .flat_map(|request| spans(&request.body))
            .collect()
    }
}

impl Drop for Collector {
    fn drop(&mut self) {
        self.task.abort();
    }
}

async fn take(
    received: Arc<Mutex<Vec<Received>>>,
    manner: Manner,
    request: Request<Incoming>,
) -> Result<Response<Full<Bytes>>, Infallible> {
    let (head, body) = request.into_parts();
    let head = format!("{} {} {:?}", head.method, head.uri, head.headers);
    let body = body.collect().await.unwrap().to_bytes();
    received.lock().unwrap().push(Received { head, body });
    let status = match manner {
        Manner::Takes => StatusCode::OK,
        Manner::Refuses(status) => status,
        Manner::NeverAnswers => std::future::pending().await,
    };
    let mut response = Response::new(Full::default());
    *response.status_mut() = status;
    Ok(response)
}

fn spans(body: &Bytes) -> Vec<Span> {
    let request = ExportTraceServiceRequest::decode(body.clone()).unwrap();
    let of_resource = request.resource_spans.into_iter().flat_map(|of_resource| {
        let resource = of_resource.resource.unwrap_or_default();
        let service = text(&resource.attributes).remove("service.name").unwrap_or_default();
        let spans = of_resource.scope_spans.into_iter().flat_map(|of_scope| of_scope.spans);
        spans.map(move |span| (service.clone(), span))
    });
    let span = of_resource.map(|(service, span)| Span {
        name: span.name,
        attributes: text(&span.attributes),
        service,
        nanoseconds: span.end_time_unix_nano - span.start_time_unix_nano,
    });
    span.collect()
}

fn text(attributes: &[KeyValue]) -> BTreeMap<String, String> {
    let pair = |pair: &KeyValue| {
        let value = match pair.value.as_ref()?.value.as_ref()? {
            Value::StringValue(text) => text.clone(),
            Value::IntValue(number) => number.to_string(),
            other => format!("{other:?}"),
        };
        Some((pair.key.clone(), value))
    };
    attributes.iter().filter_map(pair).collect()
}
