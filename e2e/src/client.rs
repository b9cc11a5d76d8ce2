//! Clients of the API server.

use std::path::Path;
use std::time::Duration;

use kube::config::{KubeConfigOptions, Kubeconfig};
use kube::{Client, Config};
use serde_json::Value;

/// Creates a client without retries from a kubeconfig file.
///
/// # Errors
///
/// When the file is not a kubeconfig.
pub async fn connect(kubeconfig: &Path) -> anyhow::Result<Client> {
    // Fails when a provider is already installed, which is fine.
    let _ = rustls::crypto::ring::default_provider().install_default();
    let kubeconfig = Kubeconfig::read_from(kubeconfig)?;
    let options = KubeConfigOptions::default();
    let mut config = Config::from_custom_kubeconfig(kubeconfig, &options).await?;
    config.default_retry = false;
    config.read_timeout = Some(Duration::from_mins(1));
    Ok(Client::try_from(config)?)
}

/// As [`connect`], without an identity and without a timeout for responses.
pub(crate) async fn anonymous(kubeconfig: &Path) -> anyhow::Result<Client> {
    let _ = rustls::crypto::ring::default_provider().install_default();
    let kubeconfig = Kubeconfig::read_from(kubeconfig)?;
    let options = KubeConfigOptions::default();
    let mut config = Config::from_custom_kubeconfig(kubeconfig, &options).await?;
    config.default_retry = false;
    config.read_timeout = None;
    config.auth_info = kube::config::AuthInfo::default();
    Ok(Client::try_from(config)?)
}

/// Returns the body of `GET PATH` from the API server.
///
/// # Errors
///
/// Any response other than success.
pub async fn get(client: &Client, path: &str) -> anyhow::Result<String> {
    let request = http::Request::get(path).body(Vec::new())?;
    Ok(client.request_text(request).await?)
}

/// Sends a write with a body of this media type, or without one, and returns the body of the response.
///
/// # Errors
///
/// Any response other than success.
pub async fn send(
    client: &Client,
    method: http::Method,
    path: &str,
    (media, body): (&str, &Value),
) -> kube::Result<String> {
    let body = if body.is_null() {
        Vec::new()
    } else {
        body.to_string().into_bytes()
    };
    let request = http::Request::builder().method(method).uri(path);
    let request = request.header(http::header::CONTENT_TYPE, media).body(body);
    client.request_text(request.map_err(kube::Error::HttpError)?).await
}
