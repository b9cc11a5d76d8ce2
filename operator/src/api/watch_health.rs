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
pub struct Progress(Arc<Shared>);

#[derive(Debug)]
struct Shared {
    epoch: Instant,
    /// When the server last answered any observed client.
    answered: Moment,
    watches: Mutex<Vec<Arc<Watch>>>,
}

/// Milliseconds since the epoch.
#[derive(Debug, Default)]
struct Moment(AtomicU64);

#[derive(Debug)]
struct Watch {
    name: &'static str,
    /// When the watch was last active.
    moved: Moment,
    /// When the server last sent an event or bookmark, or opened the watch.
    told: Moment,
}

/// Registers a watch until it is dropped. A drop by panic keeps it registered, so that the lost watch is noticed.
#[derive(Debug)]
pub struct Followed {
    progress: Progress,
    watch: Arc<Watch>,
}

impl Progress {
    /// No activity yet.
    pub fn new() -> Self {
        Self(Arc::new(Shared {
            epoch: Instant::now(),
            answered: Moment::default(),
            watches: Mutex::default(),
        }))
    }

    /// Returns a client over `client` for one watch, which counts as active now.
    pub fn follow(&self, name: &'static str, client: Client) -> (Client, Followed) {
        let watch = Arc::new(Watch {
            name,
            moved: Moment::at(self.now()),
            told: Moment::at(self.now()),
        });
        self.watches().push(Arc::clone(&watch));
        let followed = Followed {
            progress: self.clone(),
            watch: Arc::clone(&watch),
        };
        (self.observed(client, Some(watch)), followed)
    }

    /// Returns a client over `client` whose answers show that the server is up.
    pub fn hear(&self, client: Client) -> Client {
        self.observed(client, None)
    }

    fn observed(&self, client: Client, watch: Option<Arc<Watch>>) -> Client {
        let namespace = client.default_namespace().to_owned();
        let progress = self.clone();
        let observe = move |request: Request<Body>| {
            let (client, progress, watch) = (client.clone(), progress.clone(), watch.clone());
            async move {
                progress.moved(watch.as_deref());
                let response = client.send(request).await;
                match &response {
                    Ok(response) => progress.answered(watch.as_deref(), response.status().is_success()),
                    Err(_) => progress.moved(watch.as_deref()),
                }
                response.map(|response| progress.observe_body(response, watch))
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
                self.answered(watch.as_deref(), good);
                piece
            });
            pieces.map_err(move |error| {
                after.moved(of.as_deref());
                error
            })
        })
    }

    fn moved(&self, watch: Option<&Watch>) {
        if let Some(watch) = watch {
            watch.moved.set(self.now());
        }
    }

    fn answered(&self, watch: Option<&Watch>, good: bool) {
        self.0.answered.set(self.now());
        self.moved(watch);
        if let Some(watch) = watch.filter(|_| good) {
            watch.told.set(self.now());
        }
    }

    /// The name of a stuck watch, if any.
    pub fn stuck(&self) -> Option<&'static str> {
        let answered = self.0.answered.get();
        let stuck = |watch: &&Arc<Watch>| answered.saturating_sub(watch.moved.get()) > STUCK;
        self.watches().iter().find(stuck).map(|watch| watch.name)
    }

    /// Time since the last message of the server, by watch. Of several watches with one name, the longest.
    pub fn ages(&self) -> BTreeMap<&'static str, Duration> {
        let now = self.now();
        let mut ages = BTreeMap::new();
        for watch in self.watches().iter() {
            let age = now.saturating_sub(watch.told.get());
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

impl Default for Progress {
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

impl Drop for Followed {
    fn drop(&mut self) {
        if !std::thread::panicking() {
            self.progress.watches().retain(|watch| !Arc::ptr_eq(watch, &self.watch));
        }
    }
}

#[cfg(test)]
mod tests;
