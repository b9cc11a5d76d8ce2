//! Between the operator and the API server. Plain HTTP on loopback in, TLS out; what the operator says of itself (its
//! token) goes through.

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

/// How long a process that is to die as it learns of an answer gets to read it.
const READS_WITHIN: Duration = Duration::from_millis(3);

/// How long a write is on its way that outlives its process: another one has begun by then.
const ON_THE_WAY: Duration = Duration::from_secs(4);

/// How long a leader is away: by its own clock too, its Lease is over then. One whose Lease is taken from it earlier, as
/// nothing but a hand does, goes by what it saw until it next looks.
const PAST_THE_LEASE: Duration = Duration::from_secs(11);

/// A running proxy. Dropping it ends it, and all connections through it.
pub struct Proxy {
    address: String,
    shared: Arc<Shared>,
    task: JoinHandle<()>,
}

impl Proxy {
    /// Listens on a free port of loopback. `upstream` has no identity of its own, `admin` may do anything.
    ///
    /// # Errors
    ///
    /// When there is no port.
    pub async fn start(upstream: Client, admin: Client) -> anyhow::Result<Self> {
        Self::with_targets(upstream, FaultTargets::of(admin)).await
    }

    /// As [`start`](Self::start), for faults that reach further.
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
                    // A connection that a fault ends is an error here, and meant.
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

    /// A kubeconfig beside `direct`, for the same user, that leads through here.
    ///
    /// # Errors
    ///
    /// When `direct` is none, or the new one cannot be written.
    pub fn kubeconfig(&self, direct: &Path) -> anyhow::Result<PathBuf> {
        let mut config: Value = serde_json::from_str(&std::fs::read_to_string(direct)?)?;
        config["clusters"][0]["cluster"] = json!({"server": format!("http://{}", self.address)});
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

    /// Begins a record, with a fault or none. Whatever went wrong before is over.
    pub fn arm(&self, fault: Option<(Trigger, Fault)>) {
        self.shared.arm(fault);
    }

    /// The version of the store that a stale view shows.
    pub fn begun_at(&self, version: u64) {
        self.shared.begun.store(version, Ordering::SeqCst);
    }

    /// The act begins: what goes wrong with everything does so from here on.
    pub fn act(&self) {
        if let Some(fault) = self.shared.strikes(ACT) {
            self.shared.begin(fault);
        }
    }

    /// Ends the process, as if the machine had lost it; it is started again.
    pub fn kill(&self) {
        self.shared.lasts(Duration::ZERO);
        self.shared.kill();
    }

    /// From here on the server streams no lists, as one of 1.33 does by default, and its pages are small; or no more.
    pub fn pages(&self, paged: bool) {
        self.shared.paged.store(paged, Ordering::SeqCst);
    }

    /// From here on all versions seem to be much higher than they are, until the store is put back; or no more.
    pub fn raises(&self, raised: bool) {
        self.shared.raised.store(raised, Ordering::SeqCst);
    }

    /// Whether a process that ended is not to be started again.
    pub fn stays_dead(&self) -> bool {
        self.shared.stays_dead.load(Ordering::SeqCst)
    }

    /// Gives back what a fault has taken from everybody. For a proxy that reaches further than the server.
    pub async fn restore(&self) -> anyhow::Result<()> {
        let etcd = i32::try_from(self.shared.targets.etcd)?;
        kill(Pid::from_raw(etcd), Signal::SIGCONT).context("etcd")?;
        let restored = self.shared.restore_rights().await;
        restored.map_err(|error| anyhow::anyhow!("the operator's rights: {error}"))
    }

    /// What happened since it was armed.
    pub fn record(&self) -> Record {
        self.shared.record()
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

/// One request. An error ends the connection without an answer.
async fn handle(shared: Arc<Shared>, request: Request<Incoming>) -> Result<Answered, Error> {
    let (mut parts, body) = request.into_parts();
    let body = body.collect().await?.to_bytes();
    if let Some(answer) = shared.meets(&parts.headers).await? {
        return Ok(answer);
    }
    let about = About::of(&parts.method, parts.uri.path(), parts.uri.query().unwrap_or_default());
    // Renewals of the lease come by the clock, whatever happens.
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
            // It goes on from the list, with all that came since.
            "open" => tokio::time::sleep_until(until).await,
            _ => {}
        }
    }
    // A stream cannot be had of what was: asked once, by a process that starts, which then lists in pages.
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

/// The same list, as it was at that version.
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
            // Whatever the server says, nobody is there to hear it.
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

/// What a fault does before a write reaches the server: an answer in its place, or none. An error ends the connection.
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
        // Raised line by line.
        let is_watch = path_is_watch(&parts.uri);
        let request = Request::from_parts(parts, Body::from(body.to_vec()));
        let mut response = self.upstream.send(request).await?;
        if raised && !is_watch {
            let (mut head, body) = response.into_parts();
            head.headers.remove(http::header::CONTENT_LENGTH);
            let bytes = body.collect().await.map_err(Error::from)?.to_bytes();
            response = Response::from_parts(head, Body::from(versions::raised(&bytes).to_vec()));
        }
        // A right that is gone has been missed.
        if response.status() == http::StatusCode::FORBIDDEN && lock(&self.rights).is_some() {
            self.fired.store(true, Ordering::SeqCst);
        }
        Ok(response)
    }
}

fn path_is_watch(uri: &http::Uri) -> bool {
    uri.query().is_some_and(|query| query.contains("watch="))
}
