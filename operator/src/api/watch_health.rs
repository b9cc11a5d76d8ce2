//! Health of watches, observed at the requests. `/livez` fails when a watch is stuck.
//!
//! In a quiet cluster, a healthy watch yields no event for hours. So each watch gets its own client over a shared
//! connection pool. That client sees each request, each answer, and each part of an answer, bookmarks included.
//!
//! A watch is stuck when it was inactive for [`STUCK`], while the server answered other requests. Activity is a
//! request, an answer or an error. The timeouts of a watch cause activity far sooner: [`crate::api::watch::SILENCE`],
//! half a minute to connect, a minute between attempts. So:
//!
//! - while the server is down, no watch is stuck,
//! - a refused watch keeps asking, so it is not stuck,
//! - a watch that hangs, or whose task panicked, is stuck.

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use bytes::Bytes;
use http::{Request, Response};
use http_body_util::BodyExt as _;
use kube::Client;
use kube::client::Body;
use tokio::time::Instant;
use tower::service_fn;

/// Twice the longest inactivity that the timeouts of a watch allow.
pub const STUCK: Duration = Duration::from_secs(180);

/// Health of all watches; see the module.
#[derive(Clone, Debug)]
pub struct WatchHealth(Arc<Shared>);

#[derive(Debug)]
struct Shared {
    epoch: Instant,
    /// When the server last answered any observed client.
    last_answer: Moment,
    watches: Mutex<Vec<Arc<Watch>>>,
}

/// Milliseconds since the epoch.
#[derive(Debug, Default)]
struct Moment(AtomicU64);

#[derive(Debug)]
struct Watch {
    name: &'static str,
    /// When the watch was last active.
    last_active: Moment,
    /// When the server last sent an event or bookmark, or opened the watch.
    last_event: Moment,
}

/// Registers a watch until it is dropped. A drop by panic keeps it registered, so that the lost watch is noticed.
#[derive(Debug)]
pub struct Registration {
    health: WatchHealth,
    watch: Arc<Watch>,
}

impl WatchHealth {
    /// No activity yet.
    pub fn new() -> Self {
        Self(Arc::new(Shared {
            epoch: Instant::now(),
            last_answer: Moment::default(),
            watches: Mutex::default(),
        }))
    }

    /// Returns a client over `client` for one watch, which counts as active now.
    pub fn watch_client(&self, name: &'static str, client: Client) -> (Client, Registration) {
        let watch = Arc::new(Watch {
            name,
            last_active: Moment::at(self.now()),
            last_event: Moment::at(self.now()),
        });
        self.watches().push(Arc::clone(&watch));
        let registration = Registration {
            health: self.clone(),
            watch: Arc::clone(&watch),
        };
        (self.observing_client(client, Some(watch)), registration)
    }

    /// Returns a client over `client` whose answers show that the server is up.
    pub fn observe(&self, client: Client) -> Client {
        self.observing_client(client, None)
    }

    fn observing_client(&self, client: Client, watch: Option<Arc<Watch>>) -> Client {
        let namespace = client.default_namespace().to_owned();
        let health = self.clone();
        let observe = move |request: Request<Body>| {
            let (client, health, watch) = (client.clone(), health.clone(), watch.clone());
            async move {
                health.note_activity(watch.as_deref());
                let response = client.send(request).await;
                match &response {
                    Ok(response) => health.note_answer(watch.as_deref(), response.status().is_success()),
                    Err(_) => health.note_activity(watch.as_deref()),
                }
                response.map(|response| health.observe_body(response, watch))
            }
        };
        Client::new(service_fn(observe), namespace)
    }

    fn observe_body(
        self,
        response: Response<Body>,
        watch: Option<Arc<Watch>>,
    ) -> Response<impl hyper::body::Body<Data = Bytes, Error = kube::Error> + Send + 'static> {
        let good = response.status().is_success();
        let (after, of) = (self.clone(), watch.clone());
        response.map(|body| {
            let pieces = body.map_frame(move |piece| {
                self.note_answer(watch.as_deref(), good);
                piece
            });
            pieces.map_err(move |error| {
                after.note_activity(of.as_deref());
                error
            })
        })
    }

    fn note_activity(&self, watch: Option<&Watch>) {
        if let Some(watch) = watch {
            watch.last_active.set(self.now());
        }
    }

    fn note_answer(&self, watch: Option<&Watch>, good: bool) {
        self.0.last_answer.set(self.now());
        self.note_activity(watch);
        if let Some(watch) = watch.filter(|_| good) {
            watch.last_event.set(self.now());
        }
    }

    /// The name of a stuck watch, if any.
    pub fn stuck(&self) -> Option<&'static str> {
        let last_answer = self.0.last_answer.get();
        let stuck = |watch: &&Arc<Watch>| last_answer.saturating_sub(watch.last_active.get()) > STUCK;
        self.watches().iter().find(stuck).map(|watch| watch.name)
    }

    /// Time since the last message of the server, by watch. Of several watches with one name, the longest.
    pub fn ages(&self) -> BTreeMap<&'static str, Duration> {
        let now = self.now();
        let mut ages = BTreeMap::new();
        for watch in self.watches().iter() {
            let age = now.saturating_sub(watch.last_event.get());
            let oldest = ages.entry(watch.name).or_insert(age);
            *oldest = age.max(*oldest);
        }
        ages
    }

    fn now(&self) -> Duration {
        self.0.epoch.elapsed()
    }

    fn watches(&self) -> MutexGuard<'_, Vec<Arc<Watch>>> {
        self.0.watches.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Default for WatchHealth {
    fn default() -> Self {
        Self::new()
    }
}

impl Moment {
    fn at(time: Duration) -> Self {
        let moment = Self::default();
        moment.set(time);
        moment
    }

    fn set(&self, time: Duration) {
        let millis = u64::try_from(time.as_millis()).unwrap_or(u64::MAX);
        self.0.store(millis, Ordering::Relaxed);
    }

    fn get(&self) -> Duration {
        Duration::from_millis(self.0.load(Ordering::Relaxed))
    }
}

impl Drop for Registration {
    fn drop(&mut self) {
        if !std::thread::panicking() {
            self.health.watches().retain(|watch| !Arc::ptr_eq(watch, &self.watch));
        }
    }
}

#[cfg(test)]
mod tests;
