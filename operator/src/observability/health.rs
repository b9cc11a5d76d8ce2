//! `/livez` and `/readyz`.

use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::Duration;

use axum::Router;
use axum::http::StatusCode;
use axum::routing::get;
use plan::restraint::Restraint;
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;

use crate::api::watch_health::WatchHealth;
use crate::leadership::Leadership;
use crate::observability::listen;

/// Heartbeat of a controller. It beats on every turn, at least every [`Heartbeat::INTERVAL`].
#[derive(Clone, Debug)]
pub struct Heartbeat {
    epoch: Instant,
    /// Milliseconds since the epoch.
    last: Arc<AtomicU64>,
    ready: Arc<AtomicBool>,
}

impl Heartbeat {
    /// A controller turns at least this often.
    pub const INTERVAL: Duration = Duration::from_secs(5);
    /// A controller that has not turned for this long hangs.
    const DEAD: Duration = Duration::from_secs(60);

    /// Beats now, and is not ready.
    pub fn new() -> Self {
        Self {
            epoch: Instant::now(),
            last: Arc::default(),
            ready: Arc::default(),
        }
    }

    /// Records a turn of the controller.
    pub fn beat(&self) {
        let millis = u64::try_from(self.epoch.elapsed().as_millis()).unwrap_or(u64::MAX);
        self.last.store(millis, Ordering::Relaxed);
    }

    /// Marks the controller as ready: it has seen all that it needs to act.
    pub fn ready(&self) {
        self.ready.store(true, Ordering::Relaxed);
    }

    fn is_alive(&self) -> bool {
        let last = Duration::from_millis(self.last.load(Ordering::Relaxed));
        self.epoch.elapsed().saturating_sub(last) < Self::DEAD
    }

    fn is_ready(&self) -> bool {
        self.ready.load(Ordering::Relaxed)
    }
}

impl Default for Heartbeat {
    fn default() -> Self {
        Self::new()
    }
}

/// Serves both paths until the token is cancelled. Binds before it returns, so that an address in use is an error at
/// start.
///
/// `/livez` succeeds while every controller turns, and no watch is stuck. An outage of the API server affects neither,
/// so it causes no restart. `/readyz` succeeds once every kind was listed. A leader that must prove the admission
/// policies first is ready as soon as it has proven them, and says until then what is missing.
pub async fn serve(
    address: SocketAddr,
    heartbeats: Vec<Heartbeat>,
    leadership: Leadership,
    watch_health: WatchHealth,
    token: CancellationToken,
) -> std::io::Result<()> {
    listen::serve(address, router(heartbeats, leadership, watch_health), token).await
}

pub(crate) fn router(heartbeats: Vec<Heartbeat>, leadership: Leadership, watch_health: WatchHealth) -> Router {
    let live = heartbeats.clone();
    let is_live = move || live.iter().all(Heartbeat::is_alive) && watch_health.stuck().is_none();
    let is_listed = move || heartbeats.iter().all(Heartbeat::is_ready);
    let ready = move || match leadership.restraint() {
        Some(Restraint::Unproven(why)) if leadership.holds_lease() => Err(format!(
            "not ok: the admission policies on the operator are not proven: {why}"
        )),
        _ => answer(is_listed()),
    };
    Router::new()
        .route("/livez", get(move || async move { reply(answer(is_live())) }))
        .route("/readyz", get(move || async move { reply(ready()) }))
}

fn answer(good: bool) -> Result<(), String> {
    if good { Ok(()) } else { Err("not ok".to_owned()) }
}

fn reply(answer: Result<(), String>) -> (StatusCode, String) {
    match answer {
        Ok(()) => (StatusCode::OK, "ok".to_owned()),
        Err(why) => (StatusCode::SERVICE_UNAVAILABLE, why),
    }
}
