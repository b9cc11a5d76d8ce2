//! Logs, and traces if a collector is configured.
//!
//! The JSON fields of a log line are an interface, because others search and count by them. operator/README.md lists
//! them.
//!
//! The target `kube_client::client` logs response bodies. It is dropped under every setting of `RUST_LOG`.

use std::time::Duration;

use opentelemetry::trace::TracerProvider as _;
use opentelemetry_otlp::{SpanExporter, WithHttpConfig as _};
use opentelemetry_sdk::Resource;
use opentelemetry_sdk::trace::SdkTracerProvider;
use tracing::Subscriber;
use tracing::level_filters::LevelFilter;
use tracing_subscriber::filter::{EnvFilter, FilterExt as _, Targets};
use tracing_subscriber::layer::SubscriberExt as _;
use tracing_subscriber::registry::LookupSpan;
use tracing_subscriber::util::SubscriberInitExt as _;
use tracing_subscriber::{Layer, fmt};

use crate::args::LogFormat;
use crate::observability::otlp::Sender;
use crate::observability::panics;

/// Traces are exported only if this variable is set.
const ENDPOINT: &str = "OTEL_EXPORTER_OTLP_ENDPOINT";

/// How long the last spans may take to arrive. A stopping process must also keep its other deadlines.
const FAREWELL: Duration = Duration::from_secs(2);

/// Ends the export of traces on shutdown.
pub struct Telemetry(Option<SdkTracerProvider>);

impl Telemetry {
    /// Sets up logs, traces and the panic hook. Must be called once, on the runtime that sends the traces.
    pub fn start(format: LogFormat) -> anyhow::Result<Self> {
        let provider = std::env::var_os(ENDPOINT).map(|_| provider()).transpose()?;
        let traces = provider.as_ref().map(|provider| {
            tracing_opentelemetry::layer()
                .with_tracer(provider.tracer("pullsecrets"))
                .with_filter(ours())
        });
        tracing_subscriber::registry().with(logs(format)).with(traces).init();
        panics::log();
        Ok(Self(provider))
    }

    /// Sends the remaining spans, for at most 2 s. Must be called outside of the runtime's threads.
    pub fn stop(self) {
        if let Some(provider) = self.0 {
            // The process is about to end, so an error has no reader.
            let _ = provider.shutdown_with_timeout(FAREWELL);
        }
    }
}

fn provider() -> anyhow::Result<SdkTracerProvider> {
    let exporter = SpanExporter::builder()
        .with_http()
        .with_http_client(Sender::new())
        .build()?;
    let resource = Resource::builder().with_service_name("pullsecrets").build();
    Ok(SdkTracerProvider::builder()
        .with_batch_exporter(exporter)
        .with_resource(resource)
        .build())
}

fn logs<S: Subscriber + for<'a> LookupSpan<'a>>(format: LogFormat) -> Box<dyn Layer<S> + Send + Sync> {
    let wanted = EnvFilter::try_from_default_env().unwrap_or_else(|_| EnvFilter::new("info"));
    let filter = wanted.and(no_bodies());
    match format {
        LogFormat::Text => fmt::layer().with_writer(std::io::stderr).with_filter(filter).boxed(),
        LogFormat::Json => fmt::layer()
            .json()
            .flatten_event(true)
            .with_writer(std::io::stderr)
            .with_filter(filter)
            .boxed(),
    }
}

/// All targets except the one that logs bodies.
fn no_bodies() -> Targets {
    Targets::new()
        .with_default(LevelFilter::TRACE)
        .with_target("kube_client::client", LevelFilter::OFF)
}

/// Only the operator's own spans, so that connection spans do not flood the collector.
fn ours() -> Targets {
    Targets::new().with_target("operator", LevelFilter::INFO)
}
