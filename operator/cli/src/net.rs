//! Connections to servers, through a proxy where the environment or a kubeconfig names one.
//!
//! `HTTPS_PROXY`, `HTTP_PROXY` and `NO_PROXY` count in capitals and in lower case. `NO_PROXY` has names, addresses and
//! ranges. As in Go, a server on this machine is reached without a proxy.

use std::net::IpAddr;

use http::Uri;
use hyper_util::client::legacy::connect::HttpConnector;
use hyper_util::client::legacy::connect::proxy::{SocksV5, Tunnel};
use hyper_util::client::proxy::matcher::{Intercept, Matcher};
use thiserror::Error;

/// The variables of the environment that choose a proxy.
#[derive(Clone, Default)]
pub(crate) struct Variables {
    https: String,
    http: String,
    no_proxy: String,
}

/// A proxy.
#[derive(Clone)]
pub(crate) enum Proxy {
    /// It connects by the method `CONNECT`. Its own scheme is http, or https if the flag is set.
    Tunnel(Intercept, bool),
    /// SOCKS 5.
    Socks(Intercept),
}

/// A proxy that cannot be used. It never holds the text, which may contain a password.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Error)]
#[error("the proxy in HTTPS_PROXY, HTTP_PROXY or proxy-url is invalid: use http://HOST:PORT, https:// or socks5://")]
pub(crate) struct BadProxy;

impl Variables {
    /// Reads the variables of the process. An empty variable counts as unset.
    pub(crate) fn of_the_process() -> Self {
        let read = |names: [&str; 2]| {
            let mut set = names.into_iter().filter_map(|name| std::env::var(name).ok());
            set.find(|value| !value.is_empty()).unwrap_or_default()
        };
        Self {
            https: read(["HTTPS_PROXY", "https_proxy"]),
            http: read(["HTTP_PROXY", "http_proxy"]),
            no_proxy: read(["NO_PROXY", "no_proxy"]),
        }
    }

    /// Returns the proxy for this server, if it has one.
    pub(crate) fn proxy_to(&self, server: &Uri) -> Result<Option<Proxy>, BadProxy> {
        let is_https = server.scheme_str() == Some("https");
        let proxy = if is_https { &self.https } else { &self.http };
        if proxy.is_empty() || is_local(server.host().unwrap_or_default()) {
            return Ok(None);
        }
        let chosen = Proxy::parse(proxy)?;
        let matcher = Matcher::builder()
            .all(proxy.as_str())
            .no(self.no_proxy.as_str())
            .build();
        Ok(matcher.intercept(server).map(|_| chosen))
    }
}

fn is_local(host: &str) -> bool {
    let host = host.trim_matches(['[', ']']);
    host == "localhost" || host.parse::<IpAddr>().is_ok_and(|ip| ip.to_canonical().is_loopback())
}

impl Proxy {
    /// Parses the address of a proxy. Without a scheme it is http.
    pub(crate) fn parse(text: &str) -> Result<Self, BadProxy> {
        let any = Uri::from_static("https://any.invalid");
        let intercept = Matcher::builder().https(text).build().intercept(&any).ok_or(BadProxy)?;
        match intercept.uri().scheme_str() {
            Some("http") => Ok(Self::Tunnel(intercept, false)),
            Some("https") => Ok(Self::Tunnel(intercept, true)),
            Some("socks5" | "socks5h") => Ok(Self::Socks(intercept)),
            _ => Err(BadProxy),
        }
    }
}

/// Returns a connector without a proxy.
pub(crate) fn direct() -> HttpConnector {
    let mut direct = HttpConnector::new();
    direct.enforce_http(false);
    direct
}

/// Returns a connector through a tunnel. `connector` reaches the proxy.
pub(crate) fn tunnel<C>(proxy: &Intercept, connector: C) -> Tunnel<C> {
    let tunnel = Tunnel::new(proxy.uri().clone(), connector);
    match proxy.basic_auth() {
        Some(login) => tunnel.with_auth(login.clone()),
        None => tunnel,
    }
}

/// Returns a connector through SOCKS 5.
pub(crate) fn socks(proxy: &Intercept) -> SocksV5<HttpConnector> {
    let socks = SocksV5::new(proxy.uri().clone(), direct());
    match proxy.raw_auth() {
        Some((user, password)) => socks.with_auth(user.to_owned(), password.to_owned()),
        None => socks,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn no_proxy_and_this_machine_are_reached_directly() {
        let variables = Variables {
            https: "proxy.example:3128".to_owned(),
            http: String::new(),
            no_proxy: "10.0.0.0/8,.svc,example.com".to_owned(),
        };
        for (server, direct) in [
            ("https://api.example.org:6443", false),
            ("https://example.com:6443", true),
            ("https://api.example.com", true),
            ("https://10.96.0.1", true),
            ("https://11.96.0.1", false),
            ("https://kubernetes.default.svc", true),
            ("https://127.0.0.1:6443", true),
            ("https://[::1]:6443", true),
            ("https://localhost:6443", true),
            ("http://api.example.org", true),
        ] {
            let proxy = variables.proxy_to(&server.parse().unwrap()).unwrap();
            assert_eq!(proxy.is_none(), direct, "{server}");
        }
    }

    #[test]
    fn invalid_proxies_are_refused_without_their_password() {
        for bad in ["ftp://user:CANARY@proxy.example", "http://user:CAN ARY@x", "CANARY://"] {
            let error = Proxy::parse(bad).map(|_| ()).unwrap_err().to_string();
            assert!(error.contains("HTTPS_PROXY") && !error.contains("CAN"), "{error}");
        }
        assert!(matches!(Proxy::parse("socks5://a:1"), Ok(Proxy::Socks(_))));
        assert!(matches!(Proxy::parse("https://a:1"), Ok(Proxy::Tunnel(_, true))));
        assert!(matches!(Proxy::parse("a:1"), Ok(Proxy::Tunnel(_, false))));
    }
}
