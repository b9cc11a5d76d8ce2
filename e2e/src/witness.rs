//! Somebody who stands by during every scene, and knows when a status said `Ready=True` and it was not so.
//!
//! The oracles look at the end; a status that lied for a second in between would pass. The witness watches objects,
//! namespaces, copies and accounts, keeps since when it has seen something to be missing, and holds each status with
//! `Ready=True` against that at the moment when the status was written.
//!
//! It never cries wolf. What it claims, it has seen all the time from a moment that lies more than the promised 5 s, and as
//! much again for a busy machine, before the time in the status's own managed fields, which the server cuts to the
//! second: a selected namespace had no copy with the logins that the sources hold, a selected account had no entry, or a
//! namespace that is no longer selected still had a login. Its watches may lag behind each other, so what is found is
//! looked at once more in the store itself, and is let pass where that shows that it was there, or no longer asked for.
//!
//! Whether a Secret is a copy follows from its name and its bytes. What the witness has seen objects declare, it
//! remembers ([`Witness::declared`]): other judges go by that.

mod sight;

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
use sight::{Claim, Memory, Sight, Thing};

/// `Ready` speaks of what was selected more than 5 s ago; the rest is for a machine that does other things too.
pub const PATIENCE: Duration = Duration::from_secs(10);

/// Watches until it is dropped.
#[derive(Debug)]
pub struct Witness {
    lies: Arc<Mutex<Vec<String>>>,
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
        let lies = Arc::new(Mutex::new(Vec::new()));
        let (stop, stopped) = oneshot::channel();
        let (told, kubeconfig) = (Arc::clone(&lies), kubeconfig.to_owned());
        let memory = Memory::default();
        let seen = memory.clone();
        // A thread and a runtime of its own: it outlives the tests that share its cluster, and their runtimes.
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
        let watch = move || {
            runtime.block_on(async {
                let Ok(client) = client::connect(&kubeconfig).await else {
                    return;
                };
                let sight = Sight::new(patience, sources, seen);
                tokio::select! {
                    () = stand_by(client, sight, &told) => {}
                    _ = stopped => {}
                }
            });
        };
        let thread = std::thread::Builder::new().name("witness".to_owned()).spawn(watch);
        Ok(Self {
            lies,
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

    /// Every lie so far, in a sentence each. A scene that ends well has none.
    pub fn lies(&self) -> Vec<String> {
        self.lies.lock().unwrap_or_else(PoisonError::into_inner).clone()
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

async fn stand_by(client: Client, mut sight: Sight, told: &Mutex<Vec<String>>) {
    let all = watcher::Config::default;
    let sources: Vec<BoxStream<'static, News>> = vec![
        news(watcher(Api::all(client.clone()), all()), News::Namespace),
        news(watcher(Api::all(client.clone()), all()), News::Account),
        news(watcher(Api::all(client.clone()), all()), News::Secret),
        news(watcher(objects(&client), all()), News::Object),
    ];
    let mut sources = stream::select_all(sources);
    while let Some(event) = sources.next().await {
        for claim in sight.take(event) {
            if let Some(lie) = stands(&client, &sight, &claim).await {
                told.lock().unwrap_or_else(PoisonError::into_inner).push(lie);
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

/// Looks at the store itself. The claim falls if it is no longer so there, or was so in time. Where the store does not
/// answer, nothing is claimed.
async fn stands(client: &Client, sight: &Sight, claim: &Claim) -> Option<String> {
    let namespaces: Api<Namespace> = Api::all(client.clone());
    let namespace = namespaces.get_opt(&claim.namespace).await.ok()??;
    let secrets: Api<Secret> = Api::namespaced(client.clone(), &claim.namespace);
    let selected = sight.is_selected(&claim.object, &namespace);
    let is_so = match &claim.thing {
        Thing::Copy => {
            let copy = secrets.get_opt(&claim.secret).await.ok()?;
            selected && copy.is_none_or(|copy| !sight.is_current(&claim.object, &copy) || claim.is_before(&copy))
        }
        Thing::Leftover => {
            let left = secrets.get_opt(&claim.secret).await.ok()??;
            !selected && sight.is_leftover(&claim.object, &namespace, &left)
        }
        Thing::Reference(account) => {
            let accounts: Api<ServiceAccount> = Api::namespaced(client.clone(), &claim.namespace);
            let account = accounts.get_opt(account).await.ok()??;
            // When an entry was added cannot be seen, so one that is there now counts as in time.
            selected && sight.asks_for(&claim.object, &account) && !sight::refers(&account, &claim.secret)
        }
    };
    is_so.then(|| claim.to_string())
}
