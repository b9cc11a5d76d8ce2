//! Logs, and traces where somebody wants them.
//!
//! README lists the fields of a log line in JSON, which are an interface: others search and count by them.
//!
//! The target `kube_client::client` is always dropped, whatever `RUST_LOG` says: it logs response bodies.

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

/// Traces are exported when this is set, and only then.
const ENDPOINT: &str = "OTEL_EXPORTER_OTLP_ENDPOINT";

/// The last spans get this long to arrive. No more: a process that was told to end has other promises to keep.
const FAREWELL: Duration = Duration::from_secs(2);

/// Ends the export of traces when the process ends.
pub struct Telemetry(Option<SdkTracerProvider>);

impl Telemetry {
    /// Sets logs and traces up, and what is said of a panic. Called once, on the runtime that sends the traces.
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

    /// Sends what is left, and waits 2 s for it at most; call it off the runtime's threads.
    pub fn stop(self) {
        if let Some(provider) = self.0 {
            // The process ends: there is nobody left to tell.
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

/// Everything but the target that logs bodies.
fn no_bodies() -> Targets {
    Targets::new()
        .with_default(LevelFilter::TRACE)
        .with_target("kube_client::client", LevelFilter::OFF)
}

/// Our own spans: a collector is not flooded with those of every connection.
fn ours() -> Targets {
    Targets::new().with_target("operator", LevelFilter::INFO)
}
