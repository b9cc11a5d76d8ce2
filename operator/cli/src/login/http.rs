//! Requests to registries, over TLS with the authorities of this machine.

use std::io;
use std::time::Duration;

use bytes::Bytes;
use http::header::{ACCEPT, AUTHORIZATION, LOCATION, USER_AGENT};
use http::{HeaderMap, HeaderValue, Method, Request, StatusCode, Uri};
use http_body_util::{BodyExt as _, Empty, Limited};
use hyper_rustls::{ConfigBuilderExt as _, HttpsConnectorBuilder};
use hyper_util::client::legacy::Client;
use hyper_util::client::legacy::connect::{Connect, HttpConnector};
use hyper_util::rt::TokioExecutor;
use rustls::ClientConfig;

use crate::net::{self, Proxy, Variables};

/// The forms of a manifest that container runtimes accept.
const MANIFESTS: &str = "application/vnd.oci.image.index.v1+json, application/vnd.oci.image.manifest.v1+json, \
     application/vnd.docker.distribution.manifest.list.v2+json, application/vnd.docker.distribution.manifest.v2+json, */*";

const AGENT: &str = concat!("kubectl-pullsecrets/", env!("CARGO_PKG_VERSION"));

/// How long one request may take.
const WITHIN: Duration = Duration::from_secs(15);

/// The longest answer that is read: a token.
const LONGEST: usize = 256 * 1024;

/// How often a request may be sent on.
const REDIRECTS: usize = 4;

/// An HTTP client.
pub(super) struct Http {
    tls: ClientConfig,
    variables: Variables,
    direct: Client<hyper_rustls::HttpsConnector<HttpConnector>, Empty<Bytes>>,
}

/// An answer. Its body is read for tokens alone.
pub(super) struct Reply {
    pub(super) status: StatusCode,
    pub(super) headers: HeaderMap,
    pub(super) body: Bytes,
}

impl Http {
    /// Makes a client. The error is that of the certificates of this machine.
    pub(super) fn new() -> io::Result<Self> {
        let tls = ClientConfig::builder().with_native_roots()?.with_no_client_auth();
        let direct = secured(&tls, net::direct());
        Ok(Self {
            variables: Variables::of_the_process(),
            direct: Client::builder(TokioExecutor::new()).build(direct),
            tls,
        })
    }

    /// Sends a request, and follows where it is sent on. The login goes to the first host alone.
    pub(super) async fn send(&self, method: &Method, to: &Uri, login: Option<&HeaderValue>) -> Option<Reply> {
        let (mut to, mut login) = (to.clone(), login);
        for _ in 0..REDIRECTS {
            let reply = tokio::time::timeout(WITHIN, self.once(method, &to, login))
                .await
                .ok()??;
            if !reply.status.is_redirection() {
                return Some(reply);
            }
            let next = next(&to, reply.headers.get(LOCATION)?)?;
            if next.authority() != to.authority() {
                login = None;
            }
            to = next;
        }
        None
    }

    async fn once(&self, method: &Method, to: &Uri, login: Option<&HeaderValue>) -> Option<Reply> {
        let mut request = Request::builder().method(method).uri(to).header(USER_AGENT, AGENT);
        if method == Method::HEAD {
            request = request.header(ACCEPT, MANIFESTS);
        }
        if let Some(login) = login {
            request = request.header(AUTHORIZATION, login);
        }
        let request = request.body(Empty::new()).ok()?;
        let response = match self.variables.proxy_to(to).ok()? {
            None => self.direct.request(request).await,
            Some(Proxy::Tunnel(proxy, false)) => self.over(net::tunnel(&proxy, net::direct()), request).await,
            Some(Proxy::Tunnel(proxy, true)) => {
                let secured = secured(&self.tls, net::direct());
                self.over(net::tunnel(&proxy, secured), request).await
            }
            Some(Proxy::Socks(proxy)) => self.over(net::socks(&proxy), request).await,
        };
        let (head, body) = response.ok()?.into_parts();
        tracing::debug!(host = to.host(), status = head.status.as_u16(), "registry answered");
        let body = Limited::new(body, LONGEST).collect().await.ok()?.to_bytes();
        Some(Reply {
            status: head.status,
            headers: head.headers,
            body,
        })
    }

    async fn over<C>(
        &self,
        connector: C,
        request: Request<Empty<Bytes>>,
    ) -> Result<http::Response<hyper::body::Incoming>, hyper_util::client::legacy::Error>
    where
        hyper_rustls::HttpsConnector<C>: Connect + Clone + Send + Sync + 'static,
    {
        let client = Client::builder(TokioExecutor::new()).build(secured(&self.tls, connector));
        client.request(request).await
    }
}

fn secured<C>(tls: &ClientConfig, connector: C) -> hyper_rustls::HttpsConnector<C> {
    let builder = HttpsConnectorBuilder::new()
        .with_tls_config(tls.clone())
        .https_or_http();
    builder.enable_http1().wrap_connector(connector)
}

/// The address that a redirection names. It never leads from https to http.
fn next(from: &Uri, location: &HeaderValue) -> Option<Uri> {
    let location: Uri = location.to_str().ok()?.parse().ok()?;
    let mut parts = location.into_parts();
    parts.scheme = parts.scheme.or_else(|| from.scheme().cloned());
    parts.authority = parts.authority.or_else(|| from.authority().cloned());
    let next = Uri::from_parts(parts).ok()?;
    (from.scheme_str() != Some("https") || next.scheme_str() == Some("https")).then_some(next)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_redirection_stays_secure() {
        let from = Uri::from_static("https://a.example/v2/x");
        let to = |location: &'static str| next(&from, &HeaderValue::from_static(location)).map(|uri| uri.to_string());
        assert_eq!(to("/y").as_deref(), Some("https://a.example/y"));
        assert_eq!(to("https://b.example/z").as_deref(), Some("https://b.example/z"));
        assert_eq!(to("http://a.example/y"), None);
    }
}
