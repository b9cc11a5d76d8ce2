//! The watches: each a task of its own that hands events to its loop and never gives up.

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

use crate::api::partial::SeenNamespace;
use crate::api::watch_health::Progress;
use crate::wanted::Wanted;

/// The server ends a watch after this many seconds. Every watch is opened anew as often, which is one call each.
const WATCH_SECONDS: u32 = 290;

/// A connection of a watch that brings nothing for so long is given up, and the watch opened anew where it was. A server
/// sends a bookmark about every minute, so this is a connection that is dead, or an answer that does not come; one
/// that sends none is asked as often.
pub const SILENCE: Duration = Duration::from_secs(90);

/// Everything is listed anew after this, give or take a tenth, so that the lists of all kinds do not come at once.
const SPREAD: f64 = 0.1;

/// How long a list waits for the objects, which say what of it is to be kept.
const OBJECTS_WITHIN: Duration = Duration::from_secs(5);

/// After a list that an object asked for, no other is begun for four times as long as it took: whoever changes the
/// selectors of an object all the time does not keep the others from being watched.
const REST: u32 = 4;

/// After a refusal of what was listed before, until it is listed again.
const AFTER_REFUSAL: Duration = Duration::from_secs(10);

/// Pages of a list, where the server does not stream it. Small pages are slower by far and save little, since what is
/// kept is pruned while it is decoded.
const PAGE: u32 = 500;

/// How lists are to be had from this server.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Lists {
    /// As a stream, at the head of the watch.
    Streaming,
    /// In pages.
    Paged,
}

impl Lists {
    /// Asks the server once. Streaming is off by default in 1.33, and kube has no fallback for a server that refuses.
    pub async fn probe(client: &Client) -> Self {
        let namespaces: Api<SeenNamespace> = Api::all(client.clone());
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

/// What to watch: which kind is said by the type.
#[derive(Clone, Debug, Default)]
pub struct Which {
    /// Only with these labels.
    pub labels: Option<String>,
    /// Only with these fields.
    pub fields: Option<String>,
    /// What is passed over of them, until an object asks for it: then all is listed anew.
    pub wanted: Option<Wanted>,
    /// What objects ask for must be known before the list begins. It is not listed again for more.
    pub after: Option<Wanted>,
    /// Holds whether the server forbids what was listed before. It is listed again when the server allows it again.
    pub refused: Option<value::Sender<bool>>,
}

impl Which {
    /// What has this label, with whatever value.
    pub fn labelled(label: &str) -> Self {
        Self {
            labels: Some(label.to_owned()),
            ..Self::default()
        }
    }

    /// All, of which what no object asks for is passed over.
    pub fn wanted(wanted: &Wanted) -> Self {
        Self {
            wanted: Some(wanted.clone()),
            ..Self::default()
        }
    }

    /// The same, once all objects are known.
    #[must_use]
    pub fn after(self, wanted: &Wanted) -> Self {
        Self {
            after: Some(wanted.clone()),
            ..self
        }
    }

    /// What has this name. RBAC confines such a list or watch by `resourceNames`.
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
    /// No read timeout beyond [`SILENCE`], no retry.
    client: Client,
    lists: Lists,
    /// None: never.
    relist: Option<Duration>,
    progress: Progress,
}

impl Watches {
    /// With this client, on a server from which lists are to be had in this way; listed anew after so long.
    pub fn new(client: Client, lists: Lists, relist: Option<Duration>, progress: Progress) -> Self {
        Self {
            client,
            lists,
            relist,
            progress,
        }
    }

    /// Watches until the token is cancelled, and sends each event on. Errors are logged and the watch opened again,
    /// with a backoff of its own, so that one watch that is forbidden slows no other. `name` says what is watched; several
    /// may have the same.
    ///
    /// A watch cannot tell that it was not told of something. So it begins anew with a list now and then, counted
    /// from the end of the last one.
    pub fn spawn<K, E>(
        &self,
        name: &'static str,
        api: impl FnOnce(Client) -> Api<K>,
        which: Which,
        events: mpsc::Sender<E>,
        token: CancellationToken,
        wrap: impl Fn(Event<K>) -> E + Send + 'static,
    ) -> tokio::task::JoinHandle<()>
    where
        K: Resource<DynamicType = ()> + Clone + DeserializeOwned + std::fmt::Debug + Send + 'static,
        E: Send + 'static,
    {
        let config = Config {
            label_selector: which.labels,
            field_selector: which.fields,
            ..self.lists.config()
        };
        let (client, followed) = self.progress.follow(name, self.client.clone());
        let api = api(client);
        let watching = Watching {
            name,
            api,
            config,
            wanted: which.wanted,
            refused: which.refused,
            relist: self.relist,
            events,
            wrap,
        };
        let after = which.after;
        tokio::spawn(async move {
            let _followed = followed;
            tokio::select! {
                () = token.cancelled() => {}
                () = watching.run(after) => {}
            }
        })
    }
}

/// One watch, for as long as it is wanted.
struct Watching<K: Resource<DynamicType = ()>, E, W> {
    name: &'static str,
    api: Api<K>,
    config: Config,
    wanted: Option<Wanted>,
    refused: Option<value::Sender<bool>>,
    relist: Option<Duration>,
    events: mpsc::Sender<E>,
    wrap: W,
}

impl<K, E, W> Watching<K, E, W>
where
    K: Resource<DynamicType = ()> + Clone + DeserializeOwned + std::fmt::Debug + Send + 'static,
    W: Fn(Event<K>) -> E,
{
    async fn run(mut self, after: Option<Wanted>) {
        if let Some(wanted) = self.wanted.as_ref().or(after.as_ref()) {
            wanted.completed(OBJECTS_WITHIN).await;
        }
        let mut again = false;
        while self.list_and_watch(again).await.is_continue() {
            again = true;
            debug!(kind = self.name, "listing anew");
        }
    }

    /// Lists, and watches from there, until it is to be listed again. Breaks when the events are no longer received.
    async fn list_and_watch(&mut self, again: bool) -> ControlFlow<()> {
        let (name, begun) = (self.name, Instant::now());
        if let Some(wanted) = &self.wanted {
            wanted.begin();
        }
        let stream = watch(self.api.clone(), self.config.clone()).default_backoff();
        let mut stream = std::pin::pin!(stream.inspect_err(|error| log(name, error)));
        let mut listed = None;
        let mut rest = begun;
        loop {
            let next = tokio::select! {
                () = elapsed(listed, self.relist) => return ControlFlow::Continue(()),
                () = outdated(self.wanted.as_ref().filter(|_| listed.is_some()), rest) => return ControlFlow::Continue(()),
                next = stream.next() => next,
            };
            match next {
                Some(Ok(event)) => {
                    let complete = matches!(event, Event::InitDone);
                    if complete {
                        listed = Some((Instant::now(), rand::random_range(1.0 - SPREAD..1.0 + SPREAD)));
                        rest = Instant::now() + begun.elapsed() * if again { REST } else { 0 };
                    }
                    if self.events.send((self.wrap)(event)).await.is_err() {
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

/// Whether the rights do not suffice.
fn forbids(error: &watcher::Error) -> bool {
    let cause = match error {
        watcher::Error::InitialListFailed(cause)
        | watcher::Error::WatchStartFailed(cause)
        | watcher::Error::WatchFailed(cause) => cause,
        watcher::Error::WatchError(status) => return status.code == 403,
        watcher::Error::NoResourceVersion => return false,
    };
    matches!(cause, kube::Error::Api(status) if status.code == 403)
}

/// Changes what an event shows, before it waits for its turn.
pub(crate) fn each<K>(mut event: Event<K>, change: impl FnOnce(&mut K)) -> Event<K> {
    match &mut event {
        Event::Apply(seen) | Event::InitApply(seen) | Event::Delete(seen) => change(seen),
        Event::Init | Event::InitDone => {}
    }
    event
}

/// When an object asks for what a complete list passed over, and the rest after that list is over.
async fn outdated(wanted: Option<&Wanted>, rest: Instant) {
    match wanted {
        Some(wanted) => {
            wanted.more().await;
            tokio::time::sleep_until(rest).await;
        }
        None => std::future::pending().await,
    }
}

/// When a list that was complete then has become old; never without one.
async fn elapsed(listed: Option<(Instant, f64)>, relist: Option<Duration>) {
    match (listed, relist) {
        (Some((at, share)), Some(relist)) => tokio::time::sleep_until(at + relist.mul_f64(share)).await,
        _ => std::future::pending().await,
    }
}

/// A watch that ends is daily business; a list or watch that is refused is worth a look. Never the error's own text:
/// it may quote what did not decode.
fn log(kind: &str, error: &watcher::Error) {
    let (what, cause) = match error {
        watcher::Error::InitialListFailed(cause) => ("list", Some(cause)),
        watcher::Error::WatchStartFailed(cause) => ("start of watch", Some(cause)),
        watcher::Error::WatchFailed(cause) => ("watch", Some(cause)),
        watcher::Error::WatchError(status) => {
            debug!(kind, code = status.code, "watch ended by the server, listing anew");
            return;
        }
        watcher::Error::NoResourceVersion => ("watch without resourceVersion", None),
    };
    let setback = cause.map(crate::outcome::ApiError::from);
    warn!(kind, what, ?setback, "watch failed, trying again");
}
