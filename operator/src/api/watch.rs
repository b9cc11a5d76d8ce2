//! Watches. Each is a task that sends its events to a controller and never gives up.

use std::ops::ControlFlow;
use std::time::Duration;

use futures::{StreamExt as _, TryStreamExt as _};
use kube::api::{WatchEvent, WatchParams};
use kube::runtime::watcher::{self, Config, Event, InitialListStrategy};
use kube::runtime::{WatchStreamExt as _, watcher as watch};
use kube::{Api, Client, Resource};
use serde::de::DeserializeOwned;
use tokio::sync::{mpsc, watch as value};
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;
use tracing::{debug, warn};

use crate::api::partial::PartialNamespace;
use crate::api::watch_health::WatchHealth;
use crate::leadership::Leadership;
use crate::outcome::ApiError;
use crate::wanted::Wanted;

/// Seconds after which the server ends a watch. Reopening it costs one call.
const WATCH_SECONDS: u32 = 290;

/// How long a watch may be silent before the operator reopens it at the same version. A healthy server sends a bookmark
/// about every minute. So silence means a dead connection, or an answer that does not come. A server without bookmarks
/// is asked as often.
pub const SILENCE: Duration = Duration::from_secs(90);

/// Spread of the relist interval: a tenth up or down, so that the lists of different kinds do not coincide.
const SPREAD: f64 = 0.1;

/// How long a list waits for the objects, which determine what it keeps.
const OBJECTS_WITHIN: Duration = Duration::from_secs(5);

/// Rest after a list that an object caused, as a multiple of the time that it took. An object whose selectors change
/// all the time must not keep the others from being watched.
const REST: u32 = 4;

/// Wait before relisting what the server allowed before and now forbids.
const AFTER_REFUSAL: Duration = Duration::from_secs(10);

/// Page size of a list that the server does not stream. Smaller pages are far slower, and save little memory because
/// decoding prunes.
const PAGE: u32 = 500;

/// How this server can list.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ListStrategy {
    /// As a stream, at the start of the watch.
    Streaming,
    /// In pages.
    Paged,
}

impl ListStrategy {
    /// Asks the server once whether it streams. Streaming is off by default in 1.33, and kube has no fallback.
    pub async fn probe(client: &Client) -> Self {
        let namespaces: Api<PartialNamespace> = Api::all(client.clone());
        let one = WatchParams::default()
            .fields("metadata.name=kube-system")
            .initial_events();
        let first = async { Box::pin(namespaces.watch(&one, "").await.ok()?).next().await };
        match tokio::time::timeout(Duration::from_secs(10), first).await {
            Ok(Some(Ok(WatchEvent::Added(_) | WatchEvent::Bookmark(_)))) => Self::Streaming,
            _ => Self::Paged,
        }
    }

    fn config(self) -> Config {
        let config = Config::default().timeout(WATCH_SECONDS);
        match self {
            Self::Streaming => Config {
                initial_list_strategy: InitialListStrategy::StreamingList,
                ..config
            },
            Self::Paged => config.page_size(PAGE),
        }
    }
}

/// Selects what to watch, within the kind that the type gives.
#[derive(Clone, Debug, Default)]
pub struct Selector {
    /// Label selector.
    pub labels: Option<String>,
    /// Field selector.
    pub fields: Option<String>,
    /// What to keep. When an object wants more, the watch relists.
    pub wanted: Option<Wanted>,
    /// What must be complete before the first list. More wanted words do not cause another list.
    pub after: Option<Wanted>,
    /// Whether the server now forbids what it allowed before. The watch relists when the server allows it again.
    pub refused: Option<value::Sender<bool>>,
    /// With it the watch relists when this process gets the Lease. Another replica wrote until then, by what its own
    /// watches showed, and a watch that has gone silent does not show it for [`SILENCE`].
    pub leadership: Option<Leadership>,
}

impl Selector {
    /// Selects objects with this label, of any value.
    pub fn labelled(label: &str) -> Self {
        Self {
            labels: Some(label.to_owned()),
            ..Self::default()
        }
    }

    /// Selects all, and keeps only what objects want.
    pub fn wanted(wanted: &Wanted) -> Self {
        Self {
            wanted: Some(wanted.clone()),
            ..Self::default()
        }
    }

    /// Delays the first list until all objects are known.
    #[must_use]
    pub fn after(self, wanted: &Wanted) -> Self {
        Self {
            after: Some(wanted.clone()),
            ..self
        }
    }

    /// Relists when this process gets the Lease.
    #[must_use]
    pub fn as_leader(self, leadership: &Leadership) -> Self {
        Self {
            leadership: Some(leadership.clone()),
            ..self
        }
    }

    /// Selects the object of this name. RBAC can confine such a list or watch with `resourceNames`.
    pub fn named(name: &str) -> Self {
        Self {
            fields: Some(format!("metadata.name={name}")),
            ..Self::default()
        }
    }
}

/// The objects of one namespace, for [`Watches::spawn`].
pub fn namespaced<K>(namespace: &str) -> impl FnOnce(Client) -> Api<K>
where
    K: Resource<DynamicType = (), Scope = k8s_openapi::NamespaceResourceScope>,
{
    move |client| Api::namespaced(client, namespace)
}

/// Opens watches.
#[derive(Clone)]
pub struct Watches {
    /// Without retries, and with [`SILENCE`] as the only read timeout.
    client: Client,
    list_strategy: ListStrategy,
    /// `None` means never.
    relist: Option<Duration>,
    watch_health: WatchHealth,
}

impl Watches {
    /// `list_strategy` is how this server can list. `relist` is the time between two full lists.
    pub fn new(
        client: Client,
        list_strategy: ListStrategy,
        relist: Option<Duration>,
        watch_health: WatchHealth,
    ) -> Self {
        Self {
            client,
            list_strategy,
            relist,
            watch_health,
        }
    }

    /// Watches until the token is cancelled, and sends on each event. It logs errors and reopens the watch. Each watch
    /// backs off by itself, so a forbidden one slows no other. Several watches may share a `name`.
    ///
    /// A watch cannot detect a missed event. So each one relists periodically, counted from the end of its last list.
    ///
    /// `wrap` also takes whether the list began while this process held the Lease; always true without
    /// [`Selector::leadership`].
    pub fn spawn<K, E>(
        &self,
        name: &'static str,
        api: impl FnOnce(Client) -> Api<K>,
        selector: Selector,
        events: mpsc::Sender<E>,
        token: CancellationToken,
        wrap: impl Fn(Event<K>, bool) -> E + Send + 'static,
    ) -> tokio::task::JoinHandle<()>
    where
        K: Resource<DynamicType = ()> + Clone + DeserializeOwned + std::fmt::Debug + Send + 'static,
        E: Send + 'static,
    {
        let config = Config {
            label_selector: selector.labels,
            field_selector: selector.fields,
            ..self.list_strategy.config()
        };
        let (client, registration) = self.watch_health.watch_client(name, self.client.clone());
        let api = api(client);
        let watching = Watching {
            name,
            api,
            config,
            wanted: selector.wanted,
            refused: selector.refused,
            leadership: selector.leadership,
            relist: self.relist,
            events,
            wrap,
        };
        let after = selector.after;
        tokio::spawn(async move {
            let _registration = registration;
            tokio::select! {
                () = token.cancelled() => {}
                () = watching.run(after) => {}
            }
        })
    }
}

/// The state of one watch.
struct Watching<K: Resource<DynamicType = ()>, E, W> {
    name: &'static str,
    api: Api<K>,
    config: Config,
    wanted: Option<Wanted>,
    refused: Option<value::Sender<bool>>,
    leadership: Option<Leadership>,
    relist: Option<Duration>,
    events: mpsc::Sender<E>,
    wrap: W,
}

impl<K, E, W> Watching<K, E, W>
where
    K: Resource<DynamicType = ()> + Clone + DeserializeOwned + std::fmt::Debug + Send + 'static,
    W: Fn(Event<K>, bool) -> E,
{
    async fn run(mut self, after: Option<Wanted>) {
        // A process that gets the Lease at once lists once.
        if let Some(leadership) = &self.leadership {
            leadership.attempted().await;
        }
        if let Some(wanted) = self.wanted.as_ref().or(after.as_ref()) {
            wanted.completed(OBJECTS_WITHIN).await;
        }
        let mut again = false;
        while self.list_and_watch(again).await.is_continue() {
            again = true;
            debug!(kind = self.name, "relisting");
        }
    }

    /// Lists, then watches until the next list is due. Breaks when the receiver of the events is gone.
    async fn list_and_watch(&mut self, again: bool) -> ControlFlow<()> {
        let (name, begun) = (self.name, Instant::now());
        if let Some(wanted) = &self.wanted {
            wanted.begin();
        }
        let as_leader = self.leadership.as_ref().is_none_or(Leadership::holds_lease);
        let stream = watch(self.api.clone(), self.config.clone()).default_backoff();
        let mut stream = std::pin::pin!(stream.inspect_err(|error| log(name, error)));
        let mut listed = None;
        let mut rest = begun;
        loop {
            let next = tokio::select! {
                () = elapsed(listed, self.relist) => return ControlFlow::Continue(()),
                () = outdated(self.wanted.as_ref().filter(|_| listed.is_some()), rest) => {
                    return ControlFlow::Continue(());
                }
                () = gets_lease(self.leadership.as_ref()), if listed.is_some() && !as_leader => {
                    return ControlFlow::Continue(());
                }
                next = stream.next() => next,
            };
            match next {
                Some(Ok(event)) => {
                    let complete = matches!(event, Event::InitDone);
                    if complete {
                        listed = Some((Instant::now(), rand::random_range(1.0 - SPREAD..1.0 + SPREAD)));
                        rest = Instant::now() + begun.elapsed() * if again { REST } else { 0 };
                    }
                    if self.events.send((self.wrap)(event, as_leader)).await.is_err() {
                        return ControlFlow::Break(());
                    }
                    if complete {
                        set(self.refused.as_ref(), false);
                    }
                }
                Some(Err(error)) if self.refused.is_some() && listed.is_some() && forbids(&error) => {
                    set(self.refused.as_ref(), true);
                    tokio::time::sleep(AFTER_REFUSAL).await;
                    return ControlFlow::Continue(());
                }
                Some(Err(_)) => {}
                None => return ControlFlow::Break(()),
            }
        }
    }
}

fn set(refused: Option<&value::Sender<bool>>, now: bool) {
    if let Some(refused) = refused {
        refused.send_if_modified(|before| std::mem::replace(before, now) != now);
    }
}

/// Whether the server refused for lack of rights.
fn forbids(error: &watcher::Error) -> bool {
    match error {
        watcher::Error::InitialListFailed(kube::Error::Api(status))
        | watcher::Error::WatchStartFailed(kube::Error::Api(status))
        | watcher::Error::WatchFailed(kube::Error::Api(status))
        | watcher::Error::WatchError(status) => status.code == 403,
        _ => false,
    }
}

/// Changes the object in an event before it is queued.
pub(crate) fn each<K>(mut event: Event<K>, change: impl FnOnce(&mut K)) -> Event<K> {
    match &mut event {
        Event::Apply(seen) | Event::InitApply(seen) | Event::Delete(seen) => change(seen),
        Event::Init | Event::InitDone => {}
    }
    event
}

/// Completes when an object wants more than the last complete list has, and the rest after that list is over.
async fn outdated(wanted: Option<&Wanted>, rest: Instant) {
    match wanted {
        Some(wanted) => {
            wanted.more().await;
            tokio::time::sleep_until(rest).await;
        }
        None => std::future::pending().await,
    }
}

/// Completes when this process gets the Lease.
async fn gets_lease(leadership: Option<&Leadership>) {
    match leadership {
        Some(leadership) => leadership.lease_held().await,
        None => std::future::pending().await,
    }
}

/// Completes when the last complete list is due for a relist; never before the first list.
async fn elapsed(listed: Option<(Instant, f64)>, relist: Option<Duration>) {
    match (listed, relist) {
        (Some((at, share)), Some(relist)) => tokio::time::sleep_until(at + relist.mul_f64(share)).await,
        _ => std::future::pending().await,
    }
}

/// Logs an error of a watch. An ended watch is routine, a refused one is worth a warning. The error's own text must not
/// be logged, because it may quote an undecodable value.
fn log(kind: &str, error: &watcher::Error) {
    let (what, cause) = match error {
        watcher::Error::InitialListFailed(cause) => ("list", Some(cause)),
        watcher::Error::WatchStartFailed(cause) => ("start of watch", Some(cause)),
        watcher::Error::WatchFailed(cause) => ("watch", Some(cause)),
        watcher::Error::WatchError(status) => {
            debug!(kind, code = status.code, "API server ended the watch, relisting");
            return;
        }
        watcher::Error::NoResourceVersion => ("watch without resourceVersion", None),
    };
    let setback = cause.map(|cause| tracing::field::display(ApiError::from(cause)));
    warn!(kind, what, setback, "watch failed, retrying");
}
