//! Serves `/metrics`.

use std::net::SocketAddr;

use axum::Router;
use axum::http::header::CONTENT_TYPE;
use axum::routing::get;
use tokio_util::sync::CancellationToken;

use super::Metrics;
use crate::observability::listen;

const OPENMETRICS: &str = "application/openmetrics-text; version=1.0.0; charset=utf-8";

/// Serves the metrics until the token is cancelled. Binds before it returns, so that an address in use is an error at
/// start.
pub async fn serve(address: SocketAddr, metrics: Metrics, token: CancellationToken) -> std::io::Result<()> {
    let answer = move || async move { ([(CONTENT_TYPE, OPENMETRICS)], metrics.text()) };
    let router = Router::new().route("/metrics", get(answer));
    listen::serve(address, router, token).await
}
