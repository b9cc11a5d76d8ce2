//! Somebody who stands by during every scenario, and knows when a status said `Ready=True` and it was not so.
//!
//! The oracles look at the end; a status that was false for a second in between would pass. The witness watches objects,
//! namespaces, copies and accounts, keeps since when it has seen something to be missing, and holds each status with
//! `Ready=True` against that at the moment when the status was written.
//!
//! It never cries wolf. What it reports, it has seen all the time from a moment more than the promised 5 s, and as
//! much again for a busy machine, before the time in the status's own managed fields, which the server cuts to the
//! second: a selected namespace had no copy with the logins that the sources hold, a selected account had no entry, or a
//! namespace that is no longer selected still had a login. Its watches may lag behind each other, so what is found is
//! looked at once more in the store itself, and is let pass where that shows that it was there, or no longer asked for.
//!
//! Whether a Secret is a copy follows from its name and its bytes. What the witness has seen objects declare, it
//! remembers ([`Witness::declared`]): other judges go by that.

mod observations;

use std::path::Path;
use std::sync::{Arc, Mutex, PoisonError};
use std::thread::JoinHandle;
use std::time::Duration;

use anyhow::Context;
use futures::StreamExt;
use futures::stream::{self, BoxStream};
use k8s_openapi::api::core::v1::{Namespace, Secret, ServiceAccount};
use kube::api::DynamicObject;
use kube::runtime::watcher::{self, Event, watcher};
use kube::{Api, Client};
use tokio::sync::oneshot;

use crate::client;
use crate::oracle::{Declared, objects};
use observations::{Memory, Observations, Thing, Violation};

/// `Ready` speaks of what was selected more than 5 s ago; the rest is for a machine that does other things too.
pub const PATIENCE: Duration = Duration::from_secs(10);

/// Watches until it is dropped.
#[derive(Debug)]
pub struct Witness {
    violations: Arc<Mutex<Vec<String>>>,
    memory: Memory,
    stop: Option<oneshot::Sender<()>>,
    thread: Option<JoinHandle<()>>,
}

impl Witness {
    /// Begins to watch the cluster of this kubeconfig. What is missing for longer than `patience` must not be called
    /// ready; namespaces that sources are read in, besides the operator's, are left out.
    ///
    /// # Errors
    ///
    /// When there can be no further thread.
    pub fn start(kubeconfig: &Path, patience: Duration, sources: Vec<String>) -> anyhow::Result<Self> {
        let violations = Arc::new(Mutex::new(Vec::new()));
        let (stop, stopped) = oneshot::channel();
        let (told, kubeconfig) = (Arc::clone(&violations), kubeconfig.to_owned());
        let memory = Memory::default();
        let seen = memory.clone();
        // A thread and a runtime of its own: it outlives the tests that share its cluster, and their runtimes.
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

    /// What objects have declared so far, those that are gone too.
    pub fn declared(&self) -> Vec<Declared> {
        self.memory.all()
    }

    /// Forgets what objects declared that are gone.
    pub fn forget_gone(&self) {
        self.memory.forget_gone();
    }

    /// Every violation so far, in a sentence each. A scenario that ends well has none.
    pub fn violations(&self) -> Vec<String> {
        self.violations.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }
}

impl Drop for Witness {
    fn drop(&mut self) {
        drop(self.stop.take());
        if let Some(thread) = self.thread.take() {
            // Its panic was printed as it happened.
            let _ = thread.join();
        }
    }
}

/// Something that was seen.
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
        news(watcher(objects(&client), all()), News::Object),
    ];
    let mut sources = stream::select_all(sources);
    while let Some(event) = sources.next().await {
        for violation in observations.take(event) {
            if let Some(seen) = stands(&client, &observations, &violation).await {
                told.lock().unwrap_or_else(PoisonError::into_inner).push(seen);
            }
        }
    }
}

/// An error of a watch is followed by another try.
fn news<K: Send + 'static>(
    events: impl futures::Stream<Item = watcher::Result<Event<K>>> + Send + 'static,
    wrap: fn(Event<K>) -> News,
) -> BoxStream<'static, News> {
    let good = events.filter_map(async |event| event.ok());
    good.map(wrap).boxed()
}

/// Looks at the store itself. There is no violation if it is no longer so there, or was so in time, or
/// if the store does not answer.
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
            // When an entry was added cannot be seen, so one that is there now counts as in time.
            selected
                && observations.asks_for(&violation.object, &account)
                && !observations::refers(&account, &violation.secret)
        }
    };
    is_so.then(|| violation.to_string())
}
