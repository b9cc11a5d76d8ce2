//! The client of one context.

use std::time::Duration;

use http::Uri;
use hyper_timeout::TimeoutConnector;
use hyper_util::client::legacy::Client as HttpClient;
use hyper_util::client::legacy::connect::Connection as IsConnection;
use hyper_util::rt::TokioExecutor;
use kube::client::{Body, ClientBuilder, ConfigExt as _};
use kube::config::{KubeConfigOptions, KubeconfigError};
use tower::{BoxError, Service, ServiceBuilder};

use super::config::{Config, IN_CLUSTER};
use super::failure::{Failure, READ_WITHIN};
use super::plugin;
use crate::net::{self, Proxy, Variables};

/// How long a connection may take.
const CONNECT_WITHIN: Duration = Duration::from_secs(10);

/// Stands for "no proxy" in a kubeconfig, so that kube does not read the environment.
const NONE_GIVEN: &str = "http://none.invalid";

/// A context with its client. The credential is there.
pub struct Connected {
    /// The name of the context.
    pub name: String,
    /// The namespace of the context.
    pub namespace: String,
    pub(super) client: kube::Client,
    /// The host and port, for messages.
    pub(super) host: String,
}

impl Connected {
    /// Returns the host and port of the API server.
    pub fn host(&self) -> &str {
        &self.host
    }
}

/// On whose behalf requests are made.
#[derive(Clone, Copy, Debug, Default)]
pub struct Identity<'a> {
    /// The user to impersonate.
    pub user: Option<&'a str>,
    /// The groups to impersonate.
    pub groups: &'a [String],
    /// A person can be asked: an exec plugin may use the terminal.
    pub terminal: bool,
}

/// Connects a context. It gets the credential, which may ask a person, so contexts must be connected one after the other.
pub async fn connect(config: &Config, name: &str, identity: Identity<'_>) -> Result<Connected, Failure> {
    let (mut settings, given) = settings(config, name).await?;
    let user = &mut settings.auth_info;
    if let Some(name) = identity.user {
        user.impersonate = Some(name.to_owned());
        user.impersonate_groups = Some(identity.groups.to_vec());
    }
    let mut plugged = user.clone();
    // A plugin may wait for a browser. An interrupt ends the tool during that wait.
    let credential = tokio::task::spawn_blocking(move || {
        plugin::run(&mut plugged, identity.terminal)?;
        Ok(plugged)
    });
    let credential = credential
        .await
        .unwrap_or_else(|_| Err("the exec plugin cannot be run".to_owned()));
    settings.auth_info = credential.map_err(Failure::Credentials)?;
    settings.connect_timeout = Some(CONNECT_WITHIN);
    settings.read_timeout = Some(READ_WITHIN);
    settings.reset_reader_on_write = true;
    settings.default_retry = false;
    let url = settings.cluster_url.clone();
    let host = url
        .authority()
        .map_or_else(|| "the server".to_owned(), |host| host.as_str().to_owned());
    let proxy = match given {
        Some(proxy) => Proxy::parse(&proxy).map(Some),
        None => Variables::of_the_process().proxy_to(&url),
    };
    let proxy = proxy.map_err(|error| Failure::Credentials(error.to_string()))?;
    let client = client(&settings, proxy).map_err(|error| Failure::of_error(&error, &host))?;
    Ok(Connected {
        name: name.to_owned(),
        namespace: settings.default_namespace,
        client,
        host,
    })
}

/// The settings of the context, and the proxy that its kubeconfig names.
async fn settings(config: &Config, name: &str) -> Result<(kube::Config, Option<String>), Failure> {
    if config.is_of_a_pod() && name == IN_CLUSTER {
        let settings = kube::Config::incluster_env();
        return settings
            .map(|settings| (settings, None))
            .map_err(|_| Failure::Credentials("the token of the Pod cannot be read".to_owned()));
    }
    let mut kubeconfig = config.0.clone();
    for cluster in kubeconfig
        .clusters
        .iter_mut()
        .filter_map(|named| named.cluster.as_mut())
    {
        let given = cluster.proxy_url.take().filter(|url| !url.is_empty());
        cluster.proxy_url = Some(given.unwrap_or_else(|| NONE_GIVEN.to_owned()));
    }
    let options = KubeConfigOptions {
        context: Some(name.to_owned()),
        ..KubeConfigOptions::default()
    };
    let mut settings = kube::Config::from_custom_kubeconfig(kubeconfig, &options)
        .await
        .map_err(|error| Failure::Credentials(unusable(&error).to_owned()))?;
    let given = settings.proxy_url.take().map(|url| url.to_string());
    let given = given.filter(|url| url.trim_end_matches('/') != NONE_GIVEN);
    if let Some(cluster) = settings.auth_info.exec.as_mut().and_then(|exec| exec.cluster.as_mut()) {
        cluster.proxy_url.clone_from(&given);
    }
    Ok((settings, given))
}

/// Why a context of a kubeconfig cannot be used, without a value of the file.
fn unusable(error: &KubeconfigError) -> &'static str {
    match error {
        KubeconfigError::LoadContext(_) => "the context is not in the kubeconfig",
        KubeconfigError::LoadClusterOfContext(_) => "the cluster of the context is not in the kubeconfig",
        KubeconfigError::MissingClusterUrl | KubeconfigError::ParseClusterUrl(_) => {
            "the cluster of the context has no usable server"
        }
        KubeconfigError::ParseProxyUrl(_) => "the proxy-url of the context is invalid",
        KubeconfigError::LoadCertificateAuthority(_) | KubeconfigError::ParseCertificates(_) => {
            "the certificate-authority of the context cannot be read"
        }
        KubeconfigError::LoadClientCertificate(_) => "the client-certificate of the context cannot be read",
        KubeconfigError::LoadClientKey(_) => "the client-key of the context cannot be read",
        _ => "the context cannot be used",
    }
}

fn client(settings: &kube::Config, proxy: Option<Proxy>) -> Result<kube::Client, kube::Error> {
    match proxy {
        None => over(settings, net::direct()),
        Some(Proxy::Tunnel(proxy, false)) => over(settings, net::tunnel(&proxy, net::direct())),
        Some(Proxy::Tunnel(proxy, true)) => {
            let secured = settings.rustls_https_connector_with_connector(net::direct())?;
            over(settings, net::tunnel(&proxy, secured))
        }
        Some(Proxy::Socks(proxy)) => over(settings, net::socks(&proxy)),
    }
}

/// Builds a client as kube does, over another connector.
fn over<C>(settings: &kube::Config, connector: C) -> Result<kube::Client, kube::Error>
where
    C: Service<Uri> + Clone + Send + Sync + 'static,
    C::Response: IsConnection + hyper::rt::Read + hyper::rt::Write + Send + Unpin + 'static,
    C::Future: Send + 'static,
    C::Error: Into<BoxError> + Send + Sync + std::error::Error + 'static,
{
    let mut connector = TimeoutConnector::new(settings.rustls_https_connector_with_connector(connector)?);
    connector.set_connect_timeout(settings.connect_timeout);
    connector.set_read_timeout(settings.read_timeout);
    connector.set_write_timeout(settings.write_timeout);
    connector.set_reset_reader_on_write(settings.reset_reader_on_write);
    let client: HttpClient<_, Body> = HttpClient::builder(TokioExecutor::new()).build(connector);
    let service = ServiceBuilder::new()
        .layer(settings.base_uri_layer())
        .option_layer(settings.auth_layer()?)
        .layer(settings.extra_headers_layer()?)
        .map_err(BoxError::from)
        .service(client);
    Ok(ClientBuilder::new(service, settings.default_namespace.clone()).build())
}
