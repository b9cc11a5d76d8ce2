//! The proxy between the operator and the API server, found as client-go finds it. The `proxy-url` of a kubeconfig
//! comes first. Then come `HTTPS_PROXY` and `NO_PROXY`, by the rules of Go's `golang.org/x/net/http/httpproxy`.
//!
//! kube applies other rules: it compares `NO_PROXY` with the address of the proxy, and rejects the whole list for one
//! odd entry. The rules of hyper-util ignore ports. So this file has rules of its own, and uses only the connections of
//! hyper-util.

use std::net::IpAddr;

use anyhow::{Context as _, bail};
use http::Uri;
use hyper_timeout::TimeoutConnector;
use hyper_util::client::legacy::Client as HttpClient;
use hyper_util::client::legacy::connect::proxy::{SocksV5, Tunnel};
use hyper_util::client::legacy::connect::{Connection, HttpConnector};
use hyper_util::client::proxy::matcher::{Intercept, Matcher};
use hyper_util::rt::TokioExecutor;
use ipnet::IpNet;
use kube::client::{Body, ClientBuilder, ConfigExt as _};
use kube::config::{KubeConfigOptions, Kubeconfig};
use kube::{Client, Config};
use tower::{BoxError, Service, ServiceBuilder};

/// Placeholder for "no proxy" in a kubeconfig, so that kube does not read the environment.
const NONE_GIVEN: &str = "http://none.invalid";

/// The environment variables that choose a proxy. An empty variable counts as unset.
#[derive(Clone, Debug, Default)]
pub(crate) struct Variables {
    /// Proxy for servers with the scheme https.
    https: String,
    /// Proxy for servers with the scheme http.
    http: String,
    /// Servers to reach without a proxy.
    no_proxy: String,
}

impl Variables {
    /// Reads the variables of the process, in capitals or in lower case.
    pub(crate) fn of_the_process() -> Self {
        let read = |names: [&str; 2]| {
            let set = names.into_iter().filter_map(|name| std::env::var(name).ok());
            set.into_iter().find(|value| !value.is_empty()).unwrap_or_default()
        };
        Self {
            https: read(["HTTPS_PROXY", "https_proxy"]),
            http: read(["HTTP_PROXY", "http_proxy"]),
            no_proxy: read(["NO_PROXY", "no_proxy"]),
        }
    }

    /// The proxy for this server, if any.
    fn proxy_to(&self, server: &Uri) -> Option<String> {
        let https = server.scheme_str() == Some("https");
        let (proxy, usual) = if https { (&self.https, 443) } else { (&self.http, 80) };
        let host = server.host().unwrap_or_default();
        let direct = is_direct(&self.no_proxy, host, server.port_u16().unwrap_or(usual));
        (!proxy.is_empty() && !direct).then(|| proxy.clone())
    }
}

/// Whether `NO_PROXY` names this server. `localhost` and loopback addresses never use a proxy.
fn is_direct(no_proxy: &str, host: &str, port: u16) -> bool {
    let host = host.trim_matches(['[', ']']).to_lowercase();
    let ip = host.parse::<IpAddr>().ok().map(|ip| ip.to_canonical());
    host == "localhost"
        || ip.is_some_and(|ip| ip.is_loopback())
        || no_proxy
            .split(',')
            .any(|entry| names(&entry.trim().to_lowercase(), &host, ip, port))
}

/// Whether one entry of `NO_PROXY` names the server.
///
/// - `*` names all servers, an address or a range names those addresses.
/// - `example.com` names the domain and its subdomains; `.example.com` and `*.example.com` name only subdomains.
/// - Addresses and domains may have a port.
/// - Any other text names no server.
fn names(entry: &str, host: &str, ip: Option<IpAddr>, port: u16) -> bool {
    if entry == "*" {
        return true;
    }
    if let Ok(range) = entry.parse::<IpNet>() {
        return ip.is_some_and(|ip| range.contains(&ip));
    }
    let (name, wanted) = split_port(entry);
    if name.is_empty() || wanted.is_some_and(|wanted| !wanted.is_empty() && wanted != port.to_string()) {
        return false;
    }
    if let Ok(named) = name.parse::<IpAddr>() {
        return ip == Some(named.to_canonical());
    }
    // A domain never matches an address.
    if ip.is_some() {
        return false;
    }
    let name = name
        .strip_prefix('*')
        .filter(|rest| rest.starts_with('.'))
        .unwrap_or(name);
    if name.starts_with('.') {
        host.ends_with(name)
    } else {
        host == name || host.ends_with(&format!(".{name}"))
    }
}

/// Splits `host:port` and `[address]:port`. Any other text has no port.
fn split_port(entry: &str) -> (&str, Option<&str>) {
    let bracketed = entry.strip_prefix('[').and_then(|rest| rest.split_once("]:"));
    let plain = entry.split_once(':').filter(|(_, port)| !port.contains(':'));
    match bracketed.or(plain) {
        Some((host, port)) => (host, Some(port)),
        None => (entry, None),
    }
}

/// How to reach the API server.
#[derive(Clone)]
pub(crate) struct Connect {
    /// Server, identity and deadlines.
    pub(crate) config: Config,
    proxy: Option<Intercept>,
}

impl Connect {
    /// Connects as the service account of a pod, with a proxy from the environment.
    pub(crate) fn in_cluster(mut config: Config, variables: &Variables) -> anyhow::Result<Self> {
        config.proxy_url = None;
        let proxy = variables.proxy_to(&config.cluster_url);
        Ok(Self {
            proxy: proxy.as_deref().map(parsed).transpose()?,
            config,
        })
    }

    /// Connects as the kubeconfig says. Its `proxy-url` applies even where `NO_PROXY` names the server.
    pub(crate) async fn by_kubeconfig(mut kubeconfig: Kubeconfig, variables: &Variables) -> anyhow::Result<Self> {
        for cluster in kubeconfig
            .clusters
            .iter_mut()
            .filter_map(|named| named.cluster.as_mut())
        {
            let given = cluster.proxy_url.take().filter(|url| !url.is_empty());
            cluster.proxy_url = Some(given.unwrap_or_else(|| NONE_GIVEN.to_owned()));
        }
        let mut config = Config::from_custom_kubeconfig(kubeconfig, &KubeConfigOptions::default()).await?;
        let given = config.proxy_url.take().map(|url| url.to_string());
        let given = given.filter(|url| url.trim_end_matches('/') != NONE_GIVEN);
        if let Some(cluster) = config.auth_info.exec.as_mut().and_then(|exec| exec.cluster.as_mut()) {
            cluster.proxy_url.clone_from(&given);
        }
        let Some(proxy) = given else {
            return Self::in_cluster(config, variables);
        };
        Ok(Self {
            config,
            proxy: Some(parsed(&proxy)?),
        })
    }

    /// Builds a client for this connection.
    pub(crate) fn client(self) -> anyhow::Result<Client> {
        let Self { config, proxy } = self;
        let Some(proxy) = proxy else {
            return Ok(Client::try_from(config)?);
        };
        let mut direct = HttpConnector::new();
        direct.enforce_http(false);
        match proxy.uri().scheme_str() {
            Some("http") => client_over(&config, tunnel(&proxy, direct)),
            Some("https") => {
                let secured = config.rustls_https_connector_with_connector(direct)?;
                client_over(&config, tunnel(&proxy, secured))
            }
            Some("socks5" | "socks5h") => {
                let mut socks = SocksV5::new(proxy.uri().clone(), direct);
                if let Some((user, password)) = proxy.raw_auth() {
                    socks = socks.with_auth(user.to_owned(), password.to_owned());
                }
                client_over(&config, socks)
            }
            other => bail!("the proxy has the scheme {other:?}: use http, https or socks5"),
        }
    }
}

/// Parses a proxy. The error must not quote the text, because it may hold a password.
fn parsed(proxy: &str) -> anyhow::Result<Intercept> {
    let any = Uri::from_static("https://any.invalid");
    Matcher::builder()
        .https(proxy)
        .build()
        .intercept(&any)
        .context("the proxy in HTTPS_PROXY, HTTP_PROXY or the kubeconfig's proxy-url is invalid: use http://HOST:PORT")
}

fn tunnel<C>(proxy: &Intercept, connector: C) -> Tunnel<C> {
    let tunnel = Tunnel::new(proxy.uri().clone(), connector);
    match proxy.basic_auth() {
        Some(login) => tunnel.with_auth(login.clone()),
        None => tunnel,
    }
}

/// Builds a [`Client`] as kube does, over another connector.
fn client_over<C>(config: &Config, connector: C) -> anyhow::Result<Client>
where
    C: Service<Uri> + Clone + Send + Sync + 'static,
    C::Response: Connection + hyper::rt::Read + hyper::rt::Write + Send + Unpin + 'static,
    C::Future: Send + 'static,
    C::Error: Into<BoxError> + Send + Sync + std::error::Error + 'static,
{
    let mut connector = TimeoutConnector::new(config.rustls_https_connector_with_connector(connector)?);
    connector.set_connect_timeout(config.connect_timeout);
    connector.set_read_timeout(config.read_timeout);
    connector.set_write_timeout(config.write_timeout);
    connector.set_reset_reader_on_write(config.reset_reader_on_write);
    let client: HttpClient<_, Body> = HttpClient::builder(TokioExecutor::new()).build(connector);
    let service = ServiceBuilder::new()
        .layer(config.base_uri_layer())
        .option_layer(config.auth_layer()?)
        .layer(config.extra_headers_layer()?)
        .map_err(BoxError::from)
        .service(client);
    Ok(ClientBuilder::new(service, config.default_namespace.clone()).build())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn no_proxy_names_servers_as_go_does() {
        const ODD: &str = "127.0.0.1,,10.0.0.0/8, .svc,*.cluster.local,example.com:6443,[fd00::2]:443,fd00::/64,192.0.2.7:8443,:80,a b";
        for (no_proxy, server, direct) in [
            ("", "https://10.96.0.1", false),
            ("", "https://127.0.0.1:6443", true),
            ("", "https://127.8.9.1:6443", true),
            ("", "https://[::1]:6443", true),
            ("", "https://localhost:6443", true),
            ("*", "https://api.example.org", true),
            ("a, *", "https://api.example.org", true),
            (ODD, "https://10.96.0.1", true),
            (ODD, "https://11.96.0.1", false),
            (ODD, "https://kubernetes.default.svc", true),
            (ODD, "https://svc", false),
            (ODD, "https://api.cluster.local:1", true),
            (ODD, "https://cluster.local", false),
            (ODD, "https://example.com:6443", true),
            (ODD, "https://API.Example.com:6443", true),
            (ODD, "https://example.com", false),
            (ODD, "https://badexample.com:6443", false),
            (ODD, "https://[fd00::2]", true),
            (ODD, "https://[fd00::ffff]:1", true),
            (ODD, "https://[fd01::2]", false),
            (ODD, "https://192.0.2.7:8443", true),
            (ODD, "https://192.0.2.7", false),
            ("::ffff:192.0.2.7", "https://192.0.2.7", true),
            ("0.2.7", "https://192.0.2.7", false),
            ("https://example.com", "https://example.com", false),
        ] {
            let variables = Variables {
                https: "http://proxy.example:3128".to_owned(),
                no_proxy: no_proxy.to_owned(),
                ..Variables::default()
            };
            let proxy = variables.proxy_to(&server.parse().unwrap());
            assert_eq!(proxy.is_none(), direct, "{no_proxy:?} {server}");
        }
    }

    #[test]
    fn each_scheme_of_a_server_has_its_proxy() {
        let variables = Variables {
            https: "secure.example:1".to_owned(),
            http: "plain.example:2".to_owned(),
            no_proxy: String::new(),
        };
        let to = |server: &'static str| variables.proxy_to(&Uri::from_static(server)).unwrap_or_default();
        assert_eq!(to("https://api.example"), "secure.example:1");
        assert_eq!(to("http://api.example"), "plain.example:2");
        assert_eq!(parsed("secure.example:1").unwrap().uri(), "http://secure.example:1/");
    }

    #[test]
    fn an_invalid_proxy_error_hides_its_password() {
        for bad in ["ftp://user:CANARY@proxy.example", "http://user:CAN ARY@x", "CANARY://"] {
            let error = format!("{:#}", parsed(bad).map(|_| ()).unwrap_err());
            assert!(error.contains("HTTPS_PROXY") && !error.contains("CAN"), "{error}");
        }
    }
}
