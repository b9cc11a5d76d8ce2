//! Clients of the API server.

use std::path::Path;
use std::time::Duration;

use kube::config::{KubeConfigOptions, Kubeconfig};
use kube::{Client, Config};

/// A client for a kubeconfig file that tries nothing twice.
///
/// # Errors
///
/// When the file is no kubeconfig.
pub async fn connect(kubeconfig: &Path) -> anyhow::Result<Client> {
    // Fails when it is installed already, which is as good.
    let _ = rustls::crypto::ring::default_provider().install_default();
    let kubeconfig = Kubeconfig::read_from(kubeconfig)?;
    let options = KubeConfigOptions::default();
    let mut config = Config::from_custom_kubeconfig(kubeconfig, &options).await?;
    config.default_retry = false;
    config.read_timeout = Some(Duration::from_mins(1));
    Ok(Client::try_from(config)?)
}

/// As [`connect`], without what says who it is, and without an end to how long an answer may take.
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

/// The body of `GET PATH` from the API server.
///
/// # Errors
///
/// Any answer but success.
pub async fn get(client: &Client, path: &str) -> anyhow::Result<String> {
    let request = http::Request::get(path).body(Vec::new())?;
    Ok(client.request_text(request).await?)
}
