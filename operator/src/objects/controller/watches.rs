//! The watches of objects and sources. A doubtful list of objects is confirmed with a second one before it is trusted.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use futures::StreamExt as _;
use futures::stream::FuturesUnordered;
use kube::runtime::watcher::Event;
use kube::{Api, ResourceExt as _};
use plan::backoff::Backoff;
use tokio::sync::{mpsc, watch};
use tokio_util::sync::CancellationToken;
use tracing::{error, warn};

use super::{Loop, Settings, Start};
use crate::api::partial::{RawClusterPullSecret, SourceSecret};
use crate::api::watch::{Selector, each};
use crate::objects::object::{ObjectState, is_older};
use crate::objects::sources::Listing;
use crate::work::Lane;

/// A list that could not be confirmed is requested again after this time.
const RETRY: Backoff = Backoff::new(Duration::from_millis(250), Duration::from_secs(30));

/// What a watch shows.
pub(super) enum Input {
    /// With whether this process held the Lease when the list began.
    Object(Event<RawClusterPullSecret>, bool),
    /// A second list, because the first one was doubtful.
    Confirmed {
        seen: Vec<RawClusterPullSecret>,
        missing: Vec<(Arc<str>, Option<String>)>,
        older: Vec<RawClusterPullSecret>,
        as_leader: bool,
    },
    /// In this namespace. `listing` is what the list that began last shows.
    Source(String, Event<SourceSecret>, Listing),
}

/// Starts the watches. They end with the token.
pub(super) fn start_watches(settings: &Settings, sender: &mpsc::Sender<Input>, token: &CancellationToken) {
    let (watches, leadership, events) = (&settings.watches, &settings.leadership, || sender.clone());
    let all = Selector::default().as_leader(leadership);
    watches.spawn("objects", Api::all, all, events(), token.clone(), Input::Object);
    for (namespace, wanted, refused) in settings.sources.namespaces() {
        let selector = Selector {
            refused: Some(refused.clone()),
            ..Selector::wanted(wanted).as_leader(leadership)
        };
        let api = |client| Api::namespaced(client, namespace);
        let (namespace, wanted) = (namespace.to_owned(), wanted.clone());
        let wrap = move |event, as_leader| {
            let event = each(event, |secret: &mut SourceSecret| secret.prune(&wanted));
            let edition = wanted.listing();
            Input::Source(namespace.clone(), event, Listing { edition, as_leader })
        };
        watches.spawn("sources", api, selector, events(), token.clone(), wrap);
    }
}

/// Returns the namespace of the first that changes.
pub(super) async fn changed(refusals: &mut [(String, watch::Receiver<bool>)]) -> String {
    let mut waiting: FuturesUnordered<_> = refusals
        .iter_mut()
        .map(|(namespace, refused)| async {
            // The sender lives as long as this loop.
            let _ = refused.changed().await;
            namespace.clone()
        })
        .collect();
    match waiting.next().await {
        Some(namespace) => namespace,
        None => std::future::pending().await,
    }
}

impl Loop {
    /// Takes in what a watch shows.
    pub(super) fn take(&mut self, input: Input) {
        match input {
            Input::Object(event, as_leader) => self.object(event, as_leader),
            Input::Confirmed {
                seen,
                missing,
                older,
                as_leader,
            } => {
                self.went_back |= went_back(&seen, &older, &self.objects);
                self.confirmed(seen, missing);
                self.listed(as_leader);
            }
            Input::Source(namespace, event, listing) => {
                let one = match &event {
                    Event::Apply(secret) | Event::Delete(secret) => Some(secret.name_any()),
                    Event::Init | Event::InitApply(_) | Event::InitDone => None,
                };
                let settled = one.is_some() || matches!(event, Event::InitDone);
                self.settings.sources.take(&namespace, event, listing);
                if settled {
                    // Not all of them: each written state is an event too, and there is one for each object.
                    self.sources_changed(|object| one.as_deref().is_none_or(|secret| object.reads(&namespace, secret)));
                }
            }
        }
    }

    /// Looks again at the objects whose sources may have changed.
    fn sources_changed(&mut self, concerns: impl Fn(&ObjectState) -> bool) {
        for (name, object) in self.objects.iter().filter(|(_, object)| concerns(object)) {
            self.worker.push(Arc::clone(name), Lane::Fresh);
            self.settings
                .metrics
                .object(name, object.measured(&self.settings.sources));
        }
    }

    /// Looks again at the objects with sources in this namespace.
    pub(super) fn refused(&mut self, namespace: &str) {
        self.sources_changed(|object| object.source_words().contains_key(namespace));
    }

    /// Takes in an event of the watch of objects.
    fn object(&mut self, event: Event<RawClusterPullSecret>, as_leader: bool) {
        match event {
            Event::Init => {
                self.relist = Some(Vec::new());
                self.older.clear();
            }
            Event::InitApply(seen) => {
                let known = self.known(&seen);
                self.older.extend(known.filter(|known| is_older(&seen, known)).cloned());
                let name = self.see(seen);
                self.relist.get_or_insert_default().push(name);
            }
            Event::InitDone => {
                let listed = self.relist.take().unwrap_or_default();
                let missing = self.missing(&listed);
                let older = std::mem::take(&mut self.older);
                if listed.is_empty() || !missing.is_empty() || !older.is_empty() {
                    self.confirm(missing, older, as_leader);
                } else {
                    self.listed(as_leader);
                }
            }
            Event::Apply(seen) if self.is_echo(&seen) => {}
            Event::Apply(seen) => {
                self.see(seen);
            }
            Event::Delete(seen) => {
                if self.known(&seen).is_some_and(|known| known.uid() == seen.uid()) {
                    self.forget(&seen.name_any());
                }
            }
        }
    }

    /// Every object is known.
    fn listed(&mut self, as_leader: bool) {
        self.start = self.start.max(Start::Listed);
        self.listed_as_leader |= as_leader;
    }

    /// Returns the object of that name.
    fn known(&self, seen: &RawClusterPullSecret) -> Option<&RawClusterPullSecret> {
        self.objects.get(seen.name_any().as_str()).map(ObjectState::seen)
    }

    /// Returns whether the reply to a write already had this version. The reply is the better witness. For up to two
    /// minutes after the definition was replaced, an older watch shows objects without the fields of the new one.
    fn is_echo(&self, seen: &RawClusterPullSecret) -> bool {
        self.known(seen)
            .is_some_and(|known| known.uid() == seen.uid() && known.resource_version() == seen.resource_version())
    }

    /// Returns the objects, by name and uid, that a list lacks.
    fn missing(&self, listed: &[Arc<str>]) -> Vec<(Arc<str>, Option<String>)> {
        let lacks = |(name, _): &(&Arc<str>, &ObjectState)| !listed.contains(name);
        let missing = self.objects.iter().filter(lacks);
        missing.map(|(name, object)| (Arc::clone(name), object.uid())).collect()
    }

    /// Requests a second list. An object that is gone takes all its copies along, so an empty list is confirmed before it
    /// is trusted, and so is one that lacks known objects or shows older versions.
    fn confirm(&self, missing: Vec<(Arc<str>, Option<String>)>, older: Vec<RawClusterPullSecret>, as_leader: bool) {
        let writer = self.settings.writer.clone();
        let (inputs, token) = (self.inputs.clone(), self.token.clone());
        let ask = async move {
            for attempt in 0.. {
                match writer.read_objects().await {
                    Ok(seen) => {
                        let confirmed = Input::Confirmed {
                            seen,
                            missing,
                            older,
                            as_leader,
                        };
                        // The loop ends only with the process.
                        return drop(inputs.send(confirmed).await);
                    }
                    Err(error) => warn!(setback = %error, "failed to confirm a list that lacks objects, retrying"),
                }
                tokio::time::sleep(RETRY.delay(attempt)).await;
            }
        };
        tokio::spawn(async move {
            tokio::select! {
                () = token.cancelled() => {}
                () = ask => {}
            }
        });
    }

    /// Takes in the second list. The watch may already have shown newer versions, and objects that came later.
    fn confirmed(&mut self, seen: Vec<RawClusterPullSecret>, missing: Vec<(Arc<str>, Option<String>)>) {
        for (name, uid) in missing {
            let is_there = seen.iter().any(|seen| seen.name_any() == *name && seen.uid() == uid);
            let is_known = self.objects.get(&name).is_some_and(|object| object.uid() == uid);
            if is_known && !is_there {
                self.forget(&name);
            }
        }
        for seen in seen {
            if self.known(&seen).is_none_or(|known| known.uid() == seen.uid()) {
                self.see(seen);
            }
        }
    }
}

/// Returns whether a second list shows older versions, too, of objects that did not change since the first.
fn went_back(
    seen: &[RawClusterPullSecret],
    older: &[RawClusterPullSecret],
    objects: &BTreeMap<Arc<str>, ObjectState>,
) -> bool {
    let still = |known: &&RawClusterPullSecret| {
        let now = objects.get(known.name_any().as_str()).map(ObjectState::seen);
        now.is_some_and(|now| now.resource_version() == known.resource_version())
    };
    let found = older
        .iter()
        .filter(still)
        .find(|known| seen.iter().any(|seen| is_older(seen, known)));
    if let Some(known) = found {
        error!(
            object = known.name_any(),
            "two lists show an older version than before: the store of the API server was restored from a backup. \
             Exiting, because the cache is no longer true"
        );
    }
    found.is_some()
}
