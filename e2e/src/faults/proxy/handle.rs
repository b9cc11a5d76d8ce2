//! Handles one request: the fault that strikes there, and lasting effects of earlier ones.

use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;

use bytes::Bytes;
use http::Request;
use http::request::Parts;
use http_body_util::BodyExt;
use hyper::body::Incoming;
use nix::sys::signal::Signal;
use tokio::time::Instant;

use crate::faults::about::{About, plain};
use crate::faults::answers::{Answered, Error, answered, emptied, garbage, passed, truncated};
use crate::faults::plan::{Answer, Fault, KINDS};
use crate::faults::shared::{Shared, lock};
use crate::faults::watching;

/// How long a process may read a response before the proxy kills it.
const READS_WITHIN: Duration = Duration::from_millis(3);

/// How long the proxy holds a write that outlives its process. The next process has begun by then.
const LATE_WRITE_DELAY: Duration = Duration::from_secs(4);

/// How long a leader is away. By its own clock, its Lease has expired by then. If its Lease is taken earlier, which
/// only a person does, it relies on what it saw until it next looks.
const PAST_THE_LEASE: Duration = Duration::from_secs(11);

/// Handles one request. An error ends the connection without a response.
pub(super) async fn handle(shared: Arc<Shared>, request: Request<Incoming>) -> Result<Answered, Error> {
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
            tokio::time::sleep(LATE_WRITE_DELAY).await;
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
