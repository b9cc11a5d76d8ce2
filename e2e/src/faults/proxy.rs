//! Between the operator and the API server. Plain HTTP on loopback in, TLS out; what the operator says of itself (its
//! token) goes through.

use std::collections::HashMap;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, AtomicI32, AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use anyhow::Context;
use bytes::Bytes;
use futures::StreamExt;
use http::{Method, Request, Response, StatusCode};
use http_body_util::combinators::UnsyncBoxBody;
use http_body_util::{BodyExt, Full, StreamBody};
use hyper::body::{Frame, Incoming};
use hyper::service::service_fn;
use hyper_util::rt::TokioIo;
use kube::Client;
use kube::client::Body;
use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;
use tokio::net::TcpListener;
use tokio::task::JoinHandle;

use super::plan::{Answer, Fault, Trigger};
use super::stage::plain;
use super::watching;

type Error = Box<dyn std::error::Error + Send + Sync>;
pub(super) type Answered = Response<UnsyncBoxBody<Bytes, Error>>;

/// How long a process that is to die as it learns of an answer gets to read it.
const READS_WITHIN: Duration = Duration::from_millis(3);

/// The entry that somebody else adds to an account.
pub const LATE: &str = "late";

/// A running proxy. Dropping it ends it, and all connections through it.
pub struct Proxy {
    address: String,
    shared: Arc<Shared>,
    task: JoinHandle<()>,
}

/// What happened at the proxy since it was last armed.
#[derive(Debug, Clone, Default)]
pub struct Record {
    /// Each write that the server took, and each event of a watch, in their order, by what it is about.
    pub seen: Vec<String>,
    /// The fault struck.
    pub fired: bool,
    /// Accounts, by namespace and name, to which somebody else added [`LATE`].
    pub meddled: Vec<(String, String)>,
}

pub(super) struct Shared {
    upstream: Client,
    /// Somebody else.
    meddler: Client,
    meddled: Mutex<Vec<(String, String)>>,
    /// The operator, for a fault that kills.
    target: AtomicI32,
    armed: Mutex<Option<(Trigger, Fault)>>,
    counts: Mutex<HashMap<String, u32>>,
    seen: Mutex<Vec<String>>,
    fired: AtomicBool,
    writes: AtomicU64,
}

impl Proxy {
    /// Listens on a free port of loopback. `upstream` has no identity of its own, `meddler` may do anything.
    ///
    /// # Errors
    ///
    /// When there is no port.
    pub async fn start(upstream: Client, meddler: Client) -> anyhow::Result<Self> {
        let listener = TcpListener::bind("127.0.0.1:0").await.context("a port for the proxy")?;
        let address = listener.local_addr()?.to_string();
        let shared = Arc::new(Shared {
            upstream,
            meddler,
            meddled: Mutex::default(),
            target: AtomicI32::new(0),
            armed: Mutex::default(),
            counts: Mutex::default(),
            seen: Mutex::default(),
            fired: AtomicBool::new(false),
            writes: AtomicU64::new(0),
        });
        let serving = Arc::clone(&shared);
        let task = tokio::spawn(async move {
            // Ends with this task, so that no connection outlives the proxy.
            let mut connections = tokio::task::JoinSet::new();
            while let Ok((stream, _)) = listener.accept().await {
                let _ = stream.set_nodelay(true);
                let shared = Arc::clone(&serving);
                let service = service_fn(move |request| handle(Arc::clone(&shared), request));
                let connection =
                    hyper::server::conn::http1::Builder::new().serve_connection(TokioIo::new(stream), service);
                connections.spawn(async move {
                    // A connection that a fault ends is an error here, and meant.
                    let _ = connection.await;
                });
                while connections.try_join_next().is_some() {}
            }
        });
        Ok(Self { address, shared, task })
    }

    /// A kubeconfig beside `direct`, for the same user, that leads through here.
    ///
    /// # Errors
    ///
    /// When `direct` is none, or the new one cannot be written.
    pub fn kubeconfig(&self, direct: &Path) -> anyhow::Result<PathBuf> {
        let mut config: serde_json::Value = serde_json::from_str(&std::fs::read_to_string(direct)?)?;
        config["clusters"][0]["cluster"] = serde_json::json!({"server": format!("http://{}", self.address)});
        let path = direct.with_extension("proxied.kubeconfig");
        std::fs::write(&path, config.to_string())?;
        Ok(path)
    }

    /// The process that a fault kills.
    pub fn aim_at(&self, pid: u32) {
        self.shared
            .target
            .store(i32::try_from(pid).unwrap_or(0), Ordering::SeqCst);
    }

    /// Begins a record, with a fault or none.
    pub fn arm(&self, fault: Option<(Trigger, Fault)>) {
        *lock(&self.shared.armed) = fault;
        lock(&self.shared.counts).clear();
        lock(&self.shared.seen).clear();
        lock(&self.shared.meddled).clear();
        self.shared.fired.store(false, Ordering::SeqCst);
    }

    /// What happened since then.
    pub fn record(&self) -> Record {
        Record {
            seen: lock(&self.shared.seen).clone(),
            fired: self.shared.fired.load(Ordering::SeqCst),
            meddled: lock(&self.shared.meddled).clone(),
        }
    }

    /// How many writes came through since the start, the lease aside.
    pub fn writes(&self) -> u64 {
        self.shared.writes.load(Ordering::SeqCst)
    }
}

impl Drop for Proxy {
    fn drop(&mut self) {
        self.task.abort();
    }
}

impl Shared {
    /// Counts what is about to happen, and gives the fault that strikes here.
    pub(super) fn strikes(&self, what: &str) -> Option<Fault> {
        let mut counts = lock(&self.counts);
        let count = counts.entry(what.to_owned()).or_default();
        *count += 1;
        let mut armed = lock(&self.armed);
        let strikes = armed
            .as_ref()
            .is_some_and(|(trigger, _)| trigger.what == what && trigger.occurrence == *count);
        let fault = if strikes { armed.take() } else { None };
        if fault.is_some() {
            self.fired.store(true, Ordering::SeqCst);
        }
        fault.map(|(_, fault)| fault)
    }

    pub(super) fn saw(&self, what: &str) {
        lock(&self.seen).push(what.to_owned());
    }

    /// Writes the same object, in a way that the operator must let be. What is not there yet is let be too.
    async fn meddle(&self, about: &About) -> Result<(), Error> {
        let core = format!(
            "/api/v1/namespaces/{}/{}/{}",
            about.namespace, about.resource, about.name
        );
        let (target, patch) = match about.resource.as_str() {
            "serviceaccounts" => {
                let seen: serde_json::Value = self.meddler.request(Request::get(&core).body(Vec::new())?).await?;
                let mut entries = seen["imagePullSecrets"].as_array().cloned().unwrap_or_default();
                entries.push(serde_json::json!({"name": LATE}));
                lock(&self.meddled).push((about.namespace.clone(), about.name.clone()));
                (core, serde_json::json!({"imagePullSecrets": entries}))
            }
            "secrets" => (core, annotate()),
            _ => {
                let path = format!("/apis/pullsecrets.dev/v1alpha1/clusterpullsecrets/{}", about.name);
                (path, annotate())
            }
        };
        let request = Request::patch(target)
            .header(http::header::CONTENT_TYPE, "application/merge-patch+json")
            .body(patch.to_string().into_bytes())?;
        // Nothing of that name: there is nothing to meddle with.
        let _ = self.meddler.request::<serde_json::Value>(request).await;
        Ok(())
    }

    fn kill(&self) {
        let pid = self.target.swap(0, Ordering::SeqCst);
        if pid > 0 {
            // It may have ended by itself.
            let _ = kill(Pid::from_raw(pid), Signal::SIGKILL);
        }
    }
}

/// One request. An error ends the connection without an answer.
async fn handle(shared: Arc<Shared>, request: Request<Incoming>) -> Result<Answered, Error> {
    let (parts, body) = request.into_parts();
    let body = body.collect().await?.to_bytes();
    let query = parts.uri.query().unwrap_or_default();
    let about = About::of(&parts.method, parts.uri.path());
    if query.split('&').any(|part| part == "watch=true" || part == "watch=1") {
        let response = forward(&shared, parts, body).await?;
        return Ok(watching::pass(shared, &about.resource, response));
    }
    if matches!(parts.method, Method::GET | Method::HEAD) {
        return Ok(forward(&shared, parts, body).await?.map(passed));
    }
    // Renewals of the lease come by the clock, whatever happens.
    if about.resource == "leases" {
        return Ok(forward(&shared, parts, body).await?.map(passed));
    }
    shared.writes.fetch_add(1, Ordering::SeqCst);
    let what = plain(&about.to_string());
    match shared.strikes(&what) {
        None => {
            let response = forward(&shared, parts, body).await?;
            if response.status().is_success() {
                shared.saw(&what);
            }
            Ok(response.map(passed))
        }
        Some(fault @ (Fault::Meddle | Fault::Hold(_))) => {
            match fault {
                Fault::Hold(millis) => tokio::time::sleep(Duration::from_millis(millis.into())).await,
                _ => shared.meddle(&about).await?,
            }
            let response = forward(&shared, parts, body).await?;
            if response.status().is_success() {
                shared.saw(&what);
            }
            Ok(response.map(passed))
        }
        Some(Fault::KillBefore) => {
            shared.kill();
            Err("killed".into())
        }
        Some(Fault::ResetBefore) => Err("reset".into()),
        Some(Fault::Answer(answer)) => Ok(answered(answer)),
        Some(fault) => {
            let response = forward(&shared, parts, body).await?;
            shared.saw(&what);
            after(&shared, fault, response).await
        }
    }
}

/// The write was made.
async fn after(shared: &Arc<Shared>, fault: Fault, response: Response<Body>) -> Result<Answered, Error> {
    match fault {
        Fault::KillUnacknowledged => {
            shared.kill();
            Err("killed".into())
        }
        Fault::KillAfter => {
            let shared = Arc::clone(shared);
            tokio::spawn(async move {
                tokio::time::sleep(READS_WITHIN).await;
                shared.kill();
            });
            Ok(response.map(passed))
        }
        Fault::Truncate => {
            let (mut parts, body) = response.into_parts();
            let bytes = body.collect().await.map_err(Error::from)?.to_bytes();
            let half = bytes.slice(..bytes.len() / 2);
            parts.headers.remove(http::header::TRANSFER_ENCODING);
            parts.headers.insert(http::header::CONTENT_LENGTH, bytes.len().into());
            let stream = futures::stream::iter([Ok(Frame::data(half)), Err(Error::from("truncated"))]);
            Ok(Response::from_parts(
                parts,
                BodyExt::boxed_unsync(StreamBody::new(stream)),
            ))
        }
        Fault::Garbage => Ok(text(StatusCode::OK, "<html>injected</html>".to_owned())),
        _ => Err("reset".into()),
    }
}

async fn forward(shared: &Shared, mut parts: http::request::Parts, body: Bytes) -> Result<Response<Body>, Error> {
    for hop in [
        http::header::HOST,
        http::header::CONNECTION,
        http::header::TRANSFER_ENCODING,
    ] {
        parts.headers.remove(hop);
    }
    let path = parts.uri.path_and_query().map_or("/", |path| path.as_str());
    parts.uri = path.parse()?;
    let request = Request::from_parts(parts, Body::from(body.to_vec()));
    Ok(shared.upstream.send(request).await?)
}

/// The body as it comes.
fn passed(body: Body) -> UnsyncBoxBody<Bytes, Error> {
    let frames = body.into_data_stream().map(|chunk| match chunk {
        Ok(bytes) => Ok(Frame::data(bytes)),
        Err(error) => Err(Error::from(error)),
    });
    BodyExt::boxed_unsync(StreamBody::new(frames))
}

fn annotate() -> serde_json::Value {
    serde_json::json!({"metadata": {"annotations": {"example.com/theirs": "late"}}})
}

fn answered(answer: Answer) -> Answered {
    let (code, reason, details) = answer.status();
    let status = serde_json::json!({
        "kind": "Status", "apiVersion": "v1", "metadata": {}, "status": "Failure",
        "message": answer.message(), "reason": reason, "code": code, "details": details,
    });
    let mut response = text(StatusCode::from_u16(code).unwrap_or_default(), status.to_string());
    if answer == Answer::TooManyRequests {
        let one = http::HeaderValue::from_static("1");
        response.headers_mut().insert(http::header::RETRY_AFTER, one);
    }
    response
}

fn text(code: StatusCode, text: String) -> Answered {
    let body = Full::new(Bytes::from(text))
        .map_err(|never| match never {})
        .boxed_unsync();
    let mut response = Response::new(body);
    *response.status_mut() = code;
    let json = http::HeaderValue::from_static("application/json");
    response.headers_mut().insert(http::header::CONTENT_TYPE, json);
    response
}

/// What a request is about, from its path.
struct About {
    verb: String,
    /// With its subresource: `clusterpullsecrets/status`.
    resource: String,
    namespace: String,
    name: String,
}

impl About {
    fn of(method: &Method, path: &str) -> Self {
        let mut segments = path.split('/').filter(|segment| !segment.is_empty());
        // `api/v1` or `apis/GROUP/VERSION`.
        let skip = if segments.next() == Some("apis") { 2 } else { 1 };
        let rest: Vec<&str> = segments.skip(skip).collect();
        let (namespace, rest) = match rest.as_slice() {
            ["namespaces", namespace, rest @ ..] if !rest.is_empty() => (*namespace, rest),
            rest => ("", rest),
        };
        let part = |index: usize| rest.get(index).copied().unwrap_or_default();
        let slash = if part(2).is_empty() { "" } else { "/" };
        Self {
            verb: method.as_str().to_lowercase(),
            resource: format!("{}{slash}{}", part(0), part(2)),
            namespace: namespace.to_owned(),
            name: part(1).to_owned(),
        }
    }
}

impl std::fmt::Display for About {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let Self {
            verb,
            resource,
            namespace,
            name,
        } = self;
        write!(formatter, "{verb} {resource} {namespace}/{name}")
    }
}

pub(super) fn lock<T>(mutex: &Mutex<T>) -> std::sync::MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_request_is_named_by_what_it_is_about() {
        let named = |method: Method, path: &str| About::of(&method, path).to_string();
        let copy = named(Method::PATCH, "/api/v1/namespaces/a/secrets/company");
        assert_eq!(copy, "patch secrets a/company");
        let status = named(
            Method::PATCH,
            "/apis/pullsecrets.dev/v1alpha1/clusterpullsecrets/company/status",
        );
        assert_eq!(status, "patch clusterpullsecrets/status /company");
        assert_eq!(named(Method::GET, "/api/v1/namespaces"), "get namespaces /");
        assert_eq!(named(Method::GET, "/api/v1/secrets"), "get secrets /");
    }
}
