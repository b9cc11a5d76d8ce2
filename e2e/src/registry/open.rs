//! A registry that serves pulls without a login, until it is closed.
//!
//! The registry of the tests cannot do that with passwords at the same time, as public ones do. So a proxy before it
//! lends its own login to each request without one.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use anyhow::Context;
use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use http::header::AUTHORIZATION;
use http::{HeaderValue, Request, Response, StatusCode, Uri};
use http_body_util::combinators::BoxBody;
use http_body_util::{BodyExt, Empty};
use hyper::body::{Bytes, Incoming};
use hyper::service::service_fn;
use hyper_util::client::legacy::Client;
use hyper_util::client::legacy::connect::HttpConnector;
use hyper_util::rt::{TokioExecutor, TokioIo};
use tokio::net::TcpListener;
use tokio::task::JoinSet;
use tokio_util::task::AbortOnDropHandle;

use super::Registry;
use crate::login::Login;

/// A proxy before a registry. Dropping it ends it.
#[derive(Debug)]
pub struct OpenRegistry {
    address: String,
    open: Arc<AtomicBool>,
    _task: AbortOnDropHandle<()>,
}

struct Shared {
    upstream: String,
    lent: HeaderValue,
    open: Arc<AtomicBool>,
    client: Client<HttpConnector, Incoming>,
}

impl OpenRegistry {
    /// Opens a registry on another port. A login in a request is checked as before.
    ///
    /// # Errors
    ///
    /// When no port is free.
    pub async fn before(registry: &mut Registry) -> anyhow::Result<Self> {
        let listener = TcpListener::bind("127.0.0.1:0").await.context("a port for the proxy")?;
        let address = listener.local_addr()?.to_string();
        let Login { username, password } = registry.pusher()?;
        let open = Arc::new(AtomicBool::new(true));
        let shared = Arc::new(Shared {
            upstream: registry.address().to_owned(),
            lent: format!("Basic {}", STANDARD.encode(format!("{username}:{password}"))).parse()?,
            open: Arc::clone(&open),
            client: Client::builder(TokioExecutor::new()).build_http(),
        });
        Ok(Self {
            address,
            open,
            _task: AbortOnDropHandle::new(tokio::spawn(serve(listener, shared))),
        })
    }

    /// Returns `127.0.0.1:PORT`.
    pub fn address(&self) -> &str {
        &self.address
    }

    /// From now on, each request needs a login.
    pub fn close(&self) {
        self.open.store(false, Ordering::SeqCst);
    }
}

async fn serve(listener: TcpListener, shared: Arc<Shared>) {
    let mut connections = JoinSet::new();
    while let Ok((stream, _)) = listener.accept().await {
        let shared = Arc::clone(&shared);
        let service = service_fn(move |request| pass(Arc::clone(&shared), request));
        let connection = hyper::server::conn::http1::Builder::new().serve_connection(TokioIo::new(stream), service);
        connections.spawn(async move {
            // A client may close its connection at any time.
            let _ = connection.await;
        });
        while connections.try_join_next().is_some() {}
    }
}

async fn pass(
    shared: Arc<Shared>,
    mut request: Request<Incoming>,
) -> Result<Response<BoxBody<Bytes, hyper::Error>>, http::Error> {
    if shared.open.load(Ordering::SeqCst) && !request.headers().contains_key(AUTHORIZATION) {
        request.headers_mut().insert(AUTHORIZATION, shared.lent.clone());
    }
    let path = request.uri().path_and_query().map_or("/", |path| path.as_str());
    *request.uri_mut() = Uri::builder()
        .scheme("http")
        .authority(shared.upstream.as_str())
        .path_and_query(path.to_owned())
        .build()?;
    if let Ok(answer) = shared.client.request(request).await {
        return Ok(answer.map(BodyExt::boxed));
    }
    let nothing = Empty::new().map_err(|never| match never {}).boxed();
    Response::builder().status(StatusCode::BAD_GATEWAY).body(nothing)
}
