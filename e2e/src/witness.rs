//! Witness: watches every scenario, and reports each status with `Ready=True` that was false.
//!
//! The oracles check the end, so they would miss a status that was false for a second in between. The witness watches
//! objects, namespaces, copies and accounts, and keeps since when each part is missing. It compares each status with
//! `Ready=True` with its observations at the moment of the write.
//!
//! The witness must not raise false alarms. It reports only deviations older than the promised 5 s, and as much again
//! for a busy machine, at the write of the status. The time of the write comes from the managed fields, which the
//! server cuts to the second. A deviation is a selected namespace without a copy of the current logins, or a selected
//! account without its entry. A login in a deselected namespace is one too. Watches may lag behind each other, so the
//! witness checks each finding once more in the store. It drops a finding that the store refutes, or that no object
//! declares any more.
//!
//! Name and bytes of a Secret decide whether it is a copy. The witness remembers the declarations of objects
//! ([`Witness::declared`]), and the other checks rely on them.

mod observations;

use std::path::Path;
use std::sync::{Arc, Mutex, PoisonError};
use std::thread::JoinHandle;
use std::time::Duration;

use anyhow::Context;
use futures::StreamExt;
use futures::stream::{self, BoxStream};
use k8s_openapi::api::core::v1::{Namespace, Secret, ServiceAccount};
use k8s_openapi::apimachinery::pkg::apis::meta::v1::ObjectMeta;
use kube::api::{DynamicObject, ListParams};
use kube::runtime::watcher::{self, Event, watcher};
use kube::{Api, Client};
use tokio::sync::oneshot;

use crate::client;
use crate::oracle::{Declared, objects};
use crate::wait::until;
use observations::{Memory, Observations, Thing, Violation};

/// `Ready` covers what was selected more than 5 s ago. The rest allows for a busy machine.
pub const PATIENCE: Duration = Duration::from_secs(10);

/// A watch of objects ends after this many seconds and goes on where it was. One that began while the definition was
/// replaced could otherwise show nothing for minutes.
const WATCHED_FOR: u32 = 15;
const CAUGHT_UP_WITHIN: Duration = Duration::from_mins(1);

/// Watches until it is dropped.
#[derive(Debug)]
pub struct Witness {
    violations: Arc<Mutex<Vec<String>>>,
    memory: Memory,
    stop: Option<oneshot::Sender<()>>,
    thread: Option<JoinHandle<()>>,
}

impl Witness {
    /// Starts to watch the cluster of this kubeconfig. A status must not be ready while a part is missing for longer
    /// than `patience`. The witness leaves out the namespaces in `sources` and the operator's own.
    ///
    /// # Errors
    ///
    /// When no thread can be started.
    pub fn start(kubeconfig: &Path, patience: Duration, sources: Vec<String>) -> anyhow::Result<Self> {
        let violations = Arc::new(Mutex::new(Vec::new()));
        let (stop, stopped) = oneshot::channel();
        let (told, kubeconfig) = (Arc::clone(&violations), kubeconfig.to_owned());
        let memory = Memory::default();
        let seen = memory.clone();
        // Its own thread and runtime, because it outlives the tests that share its cluster, and their runtimes.
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
        let watch = move || {
            runtime.block_on(async {
                let Ok(client) = client::connect(&kubeconfig).await else {
                    return;
                };
                let observations = Observations::new(patience, sources, seen);
                tokio::select! {
                    () = stand_by(client, observations, &told) => {}
                    _ = stopped => {}
                }
            });
        };
        let thread = std::thread::Builder::new().name("witness".to_owned()).spawn(watch);
        Ok(Self {
            violations,
            memory,
            stop: Some(stop),
            thread: Some(thread.context("no thread for the witness")?),
        })
    }

    /// Returns the declarations of objects so far, also of deleted ones. The watches may lag behind the store, so only
    /// a check that is repeated may use them. [`declared_by_now`](Self::declared_by_now) waits for the watches.
    pub fn declared(&self) -> Vec<Declared> {
        self.memory.all()
    }

    /// As [`declared`](Self::declared), once the watches have shown every object and namespace that the store has now.
    /// Before that, the declarations would lack objects or namespaces, and their copies would look like leaks.
    ///
    /// # Errors
    ///
    /// After a minute, with the name of an object or namespace that the watches have not shown.
    pub async fn declared_by_now(&self, client: &Client) -> anyhow::Result<Vec<Declared>> {
        let expected = stored(client).await?;
        until("the witness has seen the store", CAUGHT_UP_WITHIN, async || {
            if expected.iter().all(|meta| self.memory.has_shown(meta)) {
                return Ok(());
            }
            // A watch that lists again does not show what was deleted before.
            let now = stored(client).await.map_err(|error| format!("{error:#}"))?;
            let is_left =
                |meta: &&ObjectMeta| now.iter().any(|now| now.uid == meta.uid) && !self.memory.has_shown(meta);
            expected.iter().find(is_left).map_or(Ok(()), |meta| {
                Err(format!("{} was not seen", meta.name.as_deref().unwrap_or_default()))
            })
        })
        .await?;
        Ok(self.memory.all())
    }

    /// Forgets the declarations of deleted objects.
    pub fn forget_gone(&self) {
        self.memory.forget_gone();
    }

    /// Returns every violation so far, one sentence each. A successful scenario has none.
    pub fn violations(&self) -> Vec<String> {
        self.violations.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }
}

impl Drop for Witness {
    fn drop(&mut self) {
        drop(self.stop.take());
        if let Some(thread) = self.thread.take() {
            // Its panic was already printed.
            let _ = thread.join();
        }
    }
}

/// Returns the metadata of every object and namespace in the store.
async fn stored(client: &Client) -> anyhow::Result<Vec<ObjectMeta>> {
    let all = ListParams::default();
    let namespaces: Api<Namespace> = Api::all(client.clone());
    let namespaces = namespaces.list(&all).await?.items;
    let objects = match objects(client).list(&all).await {
        // The definition is gone, and every object with it.
        Err(kube::Error::Api(status)) if status.code == 404 => Vec::new(),
        objects => objects?.items,
    };
    let namespaces = namespaces.into_iter().map(|namespace| namespace.metadata);
    Ok(namespaces
        .chain(objects.into_iter().map(|object| object.metadata))
        .collect())
}

/// An observation.
enum News {
    Object(Event<DynamicObject>),
    Namespace(Event<Namespace>),
    Secret(Event<Secret>),
    Account(Event<ServiceAccount>),
}

async fn stand_by(client: Client, mut observations: Observations, told: &Mutex<Vec<String>>) {
    let all = watcher::Config::default;
    let sources: Vec<BoxStream<'static, News>> = vec![
        news(watcher(Api::all(client.clone()), all()), News::Namespace),
        news(watcher(Api::all(client.clone()), all()), News::Account),
        news(watcher(Api::all(client.clone()), all()), News::Secret),
        news(watcher(objects(&client), all().timeout(WATCHED_FOR)), News::Object),
    ];
    let mut sources = stream::select_all(sources);
    while let Some(event) = sources.next().await {
        for violation in observations.observe(event) {
            if let Some(seen) = stands(&client, &observations, &violation).await {
                told.lock().unwrap_or_else(PoisonError::into_inner).push(seen);
            }
        }
    }
}

/// Streams observations; after an error the watch is retried.
fn news<K: Send + 'static>(
    events: impl futures::Stream<Item = watcher::Result<Event<K>>> + Send + 'static,
    wrap: fn(Event<K>) -> News,
) -> BoxStream<'static, News> {
    let good = events.filter_map(async |event| event.ok());
    good.map(wrap).boxed()
}

/// Checks a violation in the store. It is dropped if the store refutes it, shows that the state was right in time, or
/// does not answer.
async fn stands(client: &Client, observations: &Observations, violation: &Violation) -> Option<String> {
    let namespaces: Api<Namespace> = Api::all(client.clone());
    let namespace = namespaces.get_opt(&violation.namespace).await.ok()??;
    let secrets: Api<Secret> = Api::namespaced(client.clone(), &violation.namespace);
    let selected = observations.is_selected(&violation.object, &namespace);
    let is_so = match &violation.thing {
        Thing::Copy => {
            let copy = secrets.get_opt(&violation.secret).await.ok()?;
            selected
                && copy
                    .is_none_or(|copy| !observations.is_current(&violation.object, &copy) || violation.is_before(&copy))
        }
        Thing::Leftover => {
            let left = secrets.get_opt(&violation.secret).await.ok()??;
            !selected && observations.is_leftover(&violation.object, &namespace, &left)
        }
        Thing::Reference(account) => {
            let accounts: Api<ServiceAccount> = Api::namespaced(client.clone(), &violation.namespace);
            let account = accounts.get_opt(account).await.ok()??;
            // The time of an added entry is unknown, so an existing one counts as in time.
            selected
                && observations.asks_for(&violation.object, &account)
                && !observations::refers(&account, &violation.secret)
        }
    };
    is_so.then(|| violation.to_string())
}
