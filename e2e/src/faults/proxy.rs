//! Proxy between the operator and the API server. It accepts plain HTTP on loopback and sends TLS. It forwards the
//! operator's identity (its token).

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;

use anyhow::Context;
use bytes::Bytes;
use http::request::Parts;
use http::{Request, Response};
use http_body_util::BodyExt;
use hyper::body::Incoming;
use hyper::service::service_fn;
use hyper_util::rt::TokioIo;
use kube::Client;
use kube::client::Body;
use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;
use serde_json::{Value, json};
use tokio::net::TcpListener;
use tokio::task::JoinHandle;
use tokio::time::Instant;

use super::about::{About, plain};
use super::answers::{Answered, Error, answered, emptied, garbage, passed, truncated};
use super::plan::{ACT, Answer, Fault, KINDS, Trigger};
use super::shared::Shared;
use super::targets::FaultTargets;
use super::{versions, watching};

pub use super::edits::LATE;
pub use super::shared::{Record, lock};

/// How long a process may read a response before the proxy kills it.
const READS_WITHIN: Duration = Duration::from_millis(3);

/// How long the proxy holds a write that outlives its process. The next process has begun by then.
const ON_THE_WAY: Duration = Duration::from_secs(4);

/// How long a leader is away. By its own clock, its Lease has expired by then. If its Lease is taken earlier, which
/// only a person does, it relies on what it saw until it next looks.
const PAST_THE_LEASE: Duration = Duration::from_secs(11);

/// A running proxy. Dropping it ends it, and all connections through it.
pub struct Proxy {
    address: String,
    shared: Arc<Shared>,
    task: JoinHandle<()>,
}

impl Proxy {
    /// Listens on a free port of loopback. `upstream` must have no identity of its own; `admin` must have all rights.
    ///
    /// # Errors
    ///
    /// When no port is free.
    pub async fn start(upstream: Client, admin: Client) -> anyhow::Result<Self> {
        Self::with_targets(upstream, FaultTargets::of(admin)).await
    }

    /// As [`start`](Self::start), for faults beyond the connection.
    pub async fn with_targets(upstream: Client, targets: FaultTargets) -> anyhow::Result<Self> {
        let listener = TcpListener::bind("127.0.0.1:0").await.context("a port for the proxy")?;
        let address = listener.local_addr()?.to_string();
        let shared = Arc::new(Shared::new(upstream, targets));
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
                    // A connection that a fault ends is an intended error.
                    let _ = connection.await;
                });
                while connections.try_join_next().is_some() {}
            }
        });
        Ok(Self { address, shared, task })
    }

    /// `127.0.0.1:PORT`.
    pub fn address(&self) -> &str {
        &self.address
    }

    /// Writes a kubeconfig beside `direct` that leads the same user through the proxy.
    ///
    /// # Errors
    ///
    /// When `direct` is not a kubeconfig, or the new one cannot be written.
    pub fn kubeconfig(&self, direct: &Path) -> anyhow::Result<PathBuf> {
        let mut config: Value = serde_json::from_str(&std::fs::read_to_string(direct)?)?;
        config["clusters"][0]["cluster"] = json!({"server": format!("http://{}", self.address)});
        let path = direct.with_extension("proxied.kubeconfig");
        std::fs::write(&path, config.to_string())?;
        Ok(path)
    }

    /// Sets the process that a fault kills.
    pub fn aim_at(&self, pid: u32) {
        self.shared
            .target
            .store(i32::try_from(pid).unwrap_or(0), Ordering::SeqCst);
    }

    /// Begins a record, with or without a fault. It ends all earlier faults.
    pub fn arm(&self, fault: Option<(Trigger, Fault)>) {
        self.shared.arm(fault);
    }

    /// Sets the version of the store for stale views.
    pub fn begun_at(&self, version: u64) {
        self.shared.begun.store(version, Ordering::SeqCst);
    }

    /// Begins the action of users, and with it a fault that affects all requests.
    pub fn act(&self) {
        if let Some(fault) = self.shared.strikes(ACT) {
            self.shared.begin(fault);
        }
    }

    /// Kills the process, as if its machine had failed. The supervisor starts it again.
    pub fn kill(&self) {
        self.shared.lasts(Duration::ZERO);
        self.shared.kill();
    }

    /// Sets whether the server lacks streamed lists and has small pages, as one of 1.33 by default.
    pub fn pages(&self, paged: bool) {
        self.shared.paged.store(paged, Ordering::SeqCst);
    }

    /// Sets whether all versions appear much higher than they are, until the store is restored.
    pub fn raises(&self, raised: bool) {
        self.shared.raised.store(raised, Ordering::SeqCst);
    }

    /// Returns whether a process that ended must stay down.
    pub fn stays_dead(&self) -> bool {
        self.shared.stays_dead.load(Ordering::SeqCst)
    }

    /// Restores what a fault has taken from the cluster. Needs a proxy with targets beyond the server.
    pub async fn restore(&self) -> anyhow::Result<()> {
        let etcd = i32::try_from(self.shared.targets.etcd)?;
        kill(Pid::from_raw(etcd), Signal::SIGCONT).context("etcd")?;
        let restored = self.shared.restore_rights().await;
        restored.map_err(|error| anyhow::anyhow!("the operator's rights: {error}"))
    }

    /// Returns the events since the proxy was armed.
    pub fn record(&self) -> Record {
        self.shared.record()
    }

    /// Returns how many writes came through since the start, without those of the Lease.
    pub fn writes(&self) -> u64 {
        self.shared.writes.load(Ordering::SeqCst)
    }
}

impl Drop for Proxy {
    fn drop(&mut self) {
        self.task.abort();
    }
}

/// Handles one request. An error ends the connection without a response.
async fn handle(shared: Arc<Shared>, request: Request<Incoming>) -> Result<Answered, Error> {
    let (mut parts, body) = request.into_parts();
    let body = body.collect().await?.to_bytes();
    if let Some(answer) = shared.meets(&parts.headers).await? {
        return Ok(answer);
    }
    let about = About::of(&parts.method, parts.uri.path(), parts.uri.query().unwrap_or_default());
    // The clock alone triggers renewals of the Lease.
    if about.resource == "leases" {
        return Ok(passed(shared.forward(parts, body).await?));
    }
    if shared.paged.load(Ordering::SeqCst) {
        if about.verb == "stream" {
            return Ok(answered(Answer::Invalid));
        }
        parts.uri = parts.uri.to_string().replace("limit=500", "limit=2").parse()?;
    }
    if let Some(until) = shared.is_stale(&about.resource) {
        match about.verb.as_str() {
            "list" => parts.uri = as_of(&parts.uri, shared.begun.load(Ordering::SeqCst))?,
            // The watch continues from the list, with all later events.
            "open" => tokio::time::sleep_until(until).await,
            _ => {}
        }
    }
    // The server cannot stream an old state. A starting process asks once, and then lists in pages.
    if about.verb == "stream" && lock(&shared.stale).is_some_and(|(_, until)| Instant::now() < until) {
        return Ok(answered(Answer::Invalid));
    }
    let what = plain(&about.to_string());
    let fault = shared.strikes(&what);
    if about.is_read() {
        return read(shared, &about, &what, fault, parts, body).await;
    }
    shared.writes.fetch_add(1, Ordering::SeqCst);
    if let Some(refusal) = shared.persists(&what) {
        return Ok(answered(refusal));
    }
    let answer = write(Arc::clone(&shared), &about, &what, fault, parts, body).await;
    let meant = |key: &Option<String>| match key {
        Some(key) => *key == what,
        None => about.resource == "serviceaccounts",
    };
    let undoes = lock(&shared.undoes)
        .as_ref()
        .is_some_and(|(key, until)| meant(key) && Instant::now() < *until);
    if undoes && answer.as_ref().is_ok_and(|answer| answer.status().is_success()) {
        shared.undo(&about, &what).await?;
    }
    answer
}

/// Returns the request for the same list at that version.
fn as_of(uri: &http::Uri, version: u64) -> Result<http::Uri, Error> {
    let query = uri.query().unwrap_or_default();
    if query.contains("continue=") {
        return Ok(uri.clone());
    }
    let kept = query.split('&').filter(|part| !part.starts_with("resourceVersion"));
    let query = kept.collect::<Vec<_>>().join("&");
    let exact = format!(
        "{}?{query}&resourceVersion={version}&resourceVersionMatch=Exact",
        uri.path()
    );
    Ok(exact.parse()?)
}

async fn read(
    shared: Arc<Shared>,
    about: &About,
    what: &str,
    fault: Option<Fault>,
    parts: Parts,
    body: Bytes,
) -> Result<Answered, Error> {
    match fault {
        Some(Fault::Answer(answer)) => return Ok(answered(answer)),
        Some(Fault::ResetBefore) => return Err("reset".into()),
        Some(Fault::Garbage) => return Ok(garbage()),
        Some(Fault::Hold(millis)) => tokio::time::sleep(Duration::from_millis(millis.into())).await,
        _ => {}
    }
    let response = shared.forward(parts, body).await?;
    if response.status().is_success() {
        shared.saw(what);
    }
    match fault {
        Some(Fault::Empty) if !about.is_watch() => emptied(response).await,
        Some(Fault::Truncate) if !about.is_watch() => truncated(response).await,
        _ if about.is_watch() && response.status().is_success() => Ok(watching::pass(shared, about, response, fault)),
        _ => Ok(passed(response)),
    }
}

async fn write(
    shared: Arc<Shared>,
    about: &About,
    what: &str,
    fault: Option<Fault>,
    parts: Parts,
    body: Bytes,
) -> Result<Answered, Error> {
    if let Some(answer) = before_write(&shared, about, what, fault).await? {
        return Ok(answer);
    }
    if fault == Some(Fault::Late) {
        shared.kill();
        tokio::spawn(async move {
            tokio::time::sleep(ON_THE_WAY).await;
            // The process that sent the write is gone, so the response is dropped.
            let _ = shared.forward(parts, body).await;
        });
        return Err("killed".into());
    }
    let response = shared.forward(parts, body).await?;
    if response.status().is_success() {
        shared.saw(what);
    }
    match fault {
        Some(Fault::KillUnacknowledged) => {
            shared.kill();
            Err("killed".into())
        }
        Some(Fault::KillAfter | Fault::Stale(_)) => {
            if let Some(Fault::Stale(kind)) = fault {
                let until = Instant::now() + Fault::Stale(kind).lasts();
                *lock(&shared.stale) = Some((KINDS.get(usize::from(kind)).copied(), until));
            }
            tokio::spawn(async move {
                tokio::time::sleep(READS_WITHIN).await;
                shared.kill();
            });
            Ok(passed(response))
        }
        Some(Fault::ResetAfter) => Err("reset".into()),
        Some(Fault::Truncate) => truncated(response).await,
        Some(Fault::Garbage) => Ok(garbage()),
        _ => Ok(passed(response)),
    }
}

/// Applies a fault before a write reaches the server: an answer, or `None` to let it pass. An error ends the
/// connection.
async fn before_write(
    shared: &Arc<Shared>,
    about: &About,
    what: &str,
    fault: Option<Fault>,
) -> Result<Option<Answered>, Error> {
    let until = |millis: u32| Instant::now() + Duration::from_millis(millis.into());
    match fault {
        Some(Fault::Hold(millis)) => tokio::time::sleep(Duration::from_millis(millis.into())).await,
        Some(Fault::ConcurrentEdit) => shared.edit_concurrently(about).await?,
        Some(Fault::Undo(millis)) => *lock(&shared.undoes) = Some((Some(what.to_owned()), until(millis))),
        Some(Fault::UndoAccounts(millis)) => *lock(&shared.undoes) = Some((None, until(millis))),
        Some(Fault::Persist(refusal, millis)) => {
            *lock(&shared.persists) = Some((what.to_owned(), refusal, until(millis)));
            return Ok(Some(answered(refusal)));
        }
        Some(Fault::KillBefore) => {
            shared.kill();
            return Err("killed".into());
        }
        Some(Fault::ResetBefore) => return Err("reset".into()),
        Some(Fault::Answer(answer)) => return Ok(Some(answered(answer))),
        Some(Fault::HandOver) => shared.signal(Signal::SIGTERM),
        Some(Fault::LeaderDies) => {
            shared.stays_dead.store(true, Ordering::SeqCst);
            shared.kill();
            shared.end_lease();
            return Err("killed".into());
        }
        Some(Fault::LeaderSleeps) => {
            shared.signal(Signal::SIGSTOP);
            shared.end_lease();
            tokio::time::sleep(PAST_THE_LEASE).await;
            shared.signal(Signal::SIGCONT);
        }
        Some(Fault::LeaderCut) => {
            shared.end_lease();
            shared.begin(Fault::Refuse(u32::try_from(PAST_THE_LEASE.as_millis())?));
            return Err("cut off".into());
        }
        _ => {}
    }
    Ok(None)
}

impl Shared {
    async fn forward(&self, mut parts: Parts, body: Bytes) -> Result<Response<Body>, Error> {
        for hop in [
            http::header::HOST,
            http::header::CONNECTION,
            http::header::TRANSFER_ENCODING,
        ] {
            parts.headers.remove(hop);
        }
        let path = parts.uri.path_and_query().map_or("/", |path| path.as_str());
        parts.uri = path.parse()?;
        let mut body = body;
        let raised = self.raised.load(Ordering::SeqCst);
        if raised {
            parts.uri = versions::lowered_in(&parts.uri)?;
            body = versions::lowered(&body);
            parts.headers.remove(http::header::CONTENT_LENGTH);
        }
        // Versions of a watch are raised line by line.
        let is_watch = path_is_watch(&parts.uri);
        let request = Request::from_parts(parts, Body::from(body.to_vec()));
        let mut response = self.upstream.send(request).await?;
        if raised && !is_watch {
            let (mut head, body) = response.into_parts();
            head.headers.remove(http::header::CONTENT_LENGTH);
            let bytes = body.collect().await.map_err(Error::from)?.to_bytes();
            response = Response::from_parts(head, Body::from(versions::raised(&bytes).to_vec()));
        }
        // The missing right was noticed.
        if response.status() == http::StatusCode::FORBIDDEN && lock(&self.rights).is_some() {
            self.fired.store(true, Ordering::SeqCst);
        }
        Ok(response)
    }
}

fn path_is_watch(uri: &http::Uri) -> bool {
    uri.query().is_some_and(|query| query.contains("watch="))
}
