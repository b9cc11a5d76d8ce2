//! History: every version of every Secret and account during a run, in the order of the store, and the rules for each
//! step.
//!
//! The end of a run may be right although a moment before was wrong. Examples are a copy that was deleted and
//! recreated, an old password that came back, and a foreign entry that was missing for a while.

mod content;
mod rules;

use std::pin::pin;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use anyhow::Context;
use futures::StreamExt;
use k8s_openapi::api::core::v1::{Secret, ServiceAccount};
use kube::api::{ListParams, WatchEvent, WatchParams};
use kube::{Api, Client, Resource, ResourceExt};
use serde::de::DeserializeOwned;
use tokio::task::JoinSet;
use tokio::time::Instant;

use crate::verdict::Wrong;
use e2e::faults::proxy::lock;
use rules::Seen;

pub use rules::Rules;

/// The history of a run; see the module. It watches until it is dropped.
pub struct History {
    client: Client,
    changes: Arc<Mutex<Vec<Change>>>,
    _watches: JoinSet<()>,
}

/// One version of an object, or its deletion.
struct Change {
    version: u64,
    at: Instant,
    /// Whether it existed when the watch began.
    listed: bool,
    gone: bool,
    object: Object,
}

enum Object {
    Secret(Secret),
    Account(ServiceAccount),
}

impl History {
    /// Begins with the current state.
    ///
    /// # Errors
    ///
    /// The error of the API server.
    pub async fn begin(client: &Client) -> anyhow::Result<Self> {
        let changes = Arc::default();
        let mut watches = JoinSet::new();
        follow(client, &changes, &mut watches, Object::Secret).await?;
        follow(client, &changes, &mut watches, Object::Account).await?;
        Ok(Self {
            client: client.clone(),
            changes,
            _watches: watches,
        })
    }

    /// Returns the current version of the store.
    ///
    /// # Errors
    ///
    /// The error of the API server.
    pub async fn version(&self) -> anyhow::Result<u64> {
        let secrets: Api<Secret> = Api::all(self.client.clone());
        let list = secrets.list_metadata(&ListParams::default().limit(1)).await?;
        number(list.metadata.resource_version.as_deref())
    }

    /// Checks all versions against the rules.
    ///
    /// # Errors
    ///
    /// The first violation.
    pub fn judge(&self, rules: &Rules<'_>) -> Result<(), Wrong> {
        let mut changes = lock(&self.changes);
        changes.sort_by_key(|change| change.version);
        let mut seen = Seen::default();
        changes.iter().try_for_each(|change| seen.observe(change, rules))
    }
}

fn number(version: Option<&str>) -> anyhow::Result<u64> {
    version.unwrap_or_default().parse().context("a resourceVersion")
}

async fn follow<K>(
    client: &Client,
    changes: &Arc<Mutex<Vec<Change>>>,
    watches: &mut JoinSet<()>,
    wrap: fn(K) -> Object,
) -> anyhow::Result<()>
where
    K: Resource<DynamicType = ()> + Clone + std::fmt::Debug + DeserializeOwned + Send + 'static,
{
    let api: Api<K> = Api::all(client.clone());
    let list = api.list(&ListParams::default()).await?;
    let put = move |changes: &Mutex<Vec<Change>>, object: K, listed: bool, gone: bool| {
        let version = object.resource_version().and_then(|version| version.parse().ok());
        lock(changes).push(Change {
            version: version.unwrap_or_default(),
            at: Instant::now(),
            listed,
            gone,
            object: wrap(object),
        });
        version
    };
    let mut from = number(list.metadata.resource_version.as_deref())?;
    for object in list.items {
        put(changes, object, true, false);
    }
    let changes = Arc::clone(changes);
    watches.spawn(async move {
        loop {
            if let Ok(events) = api.watch(&WatchParams::default(), &from.to_string()).await {
                let mut events = pin!(events);
                while let Some(Ok(event)) = events.next().await {
                    let version = match event {
                        WatchEvent::Added(object) | WatchEvent::Modified(object) => put(&changes, object, false, false),
                        WatchEvent::Deleted(object) => put(&changes, object, false, true),
                        WatchEvent::Bookmark(_) | WatchEvent::Error(_) => None,
                    };
                    from = version.unwrap_or(from);
                }
            }
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    });
    Ok(())
}

#[cfg(test)]
mod tests;
