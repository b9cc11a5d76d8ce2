//! Every state of Secrets and accounts that a watch has shown.

use std::sync::{Arc, Mutex};

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use e2e::scenario::SOON;
use futures::StreamExt as _;
use k8s_openapi::api::core::v1::{Secret, ServiceAccount};
use kube::runtime::watcher::{self, Event, watcher};
use kube::{Api, Client, ResourceExt as _};
use serde_json::Value;
use tokio::task::JoinHandle;

use super::left::Left;

/// One state: namespace, name, and the object, or none after its deletion.
type Seen = (String, String, Option<Value>);

/// Watches until it is dropped.
pub(crate) struct History {
    secrets: Arc<Mutex<Vec<Seen>>>,
    accounts: Arc<Mutex<Vec<Seen>>>,
    tasks: Vec<JoinHandle<()>>,
}

impl History {
    pub(crate) fn start(client: &Client) -> Self {
        let (secrets, accounts) = (Arc::default(), Arc::default());
        let tasks = vec![
            tokio::spawn(follow::<Secret>(client.clone(), Arc::clone(&secrets))),
            tokio::spawn(follow::<ServiceAccount>(client.clone(), Arc::clone(&accounts))),
        ];
        Self {
            secrets,
            accounts,
            tasks,
        }
    }

    /// Waits until the watch has shown the copies as they are now, and returns what is wrong with any state of them.
    pub(crate) async fn violations(&self, client: &Client, left: &Left) -> Vec<String> {
        for namespace in &left.namespaces {
            let now = super::read(client, &left.path(namespace)).await.unwrap_or_default();
            e2e::wait::eventually("the watch has shown the copy", SOON, async || {
                let version = &now["metadata"]["resourceVersion"];
                let seen = self.secrets.lock().unwrap();
                let has = |(_, _, object): &Seen| {
                    object
                        .as_ref()
                        .is_some_and(|object| object["metadata"]["resourceVersion"] == *version)
                };
                seen.iter().any(has).then_some(()).ok_or_else(|| "not yet".to_owned())
            })
            .await;
        }
        let mut wrong = Vec::new();
        let entries: Vec<&str> = left.entries.iter().map(String::as_str).collect();
        for (namespace, copy) in left.namespaces.iter().zip(&left.copies) {
            for object in of(&self.secrets, namespace, left.tool.secret) {
                let Some(object) = object else {
                    wrong.push(format!("{namespace}: the copy was deleted"));
                    continue;
                };
                if object["metadata"]["uid"] != copy["metadata"]["uid"] {
                    wrong.push(format!("{namespace}: the copy has another uid"));
                }
                if !has_login(&object, &left.server) {
                    wrong.push(format!("{namespace}: a state of the copy has no login"));
                }
            }
            for account in of(&self.accounts, namespace, "default").into_iter().flatten() {
                let list = account["imagePullSecrets"].as_array();
                let names = list.into_iter().flatten().filter_map(|entry| entry["name"].as_str());
                let names: Vec<&str> = names.collect();
                // The operator appends entries of other objects. Before the tool came, the list was empty.
                if !names.is_empty() && !names.starts_with(&entries) {
                    wrong.push(format!("{namespace}: the list was {names:?}"));
                }
            }
        }
        wrong
    }
}

impl Drop for History {
    fn drop(&mut self) {
        self.tasks.iter().for_each(JoinHandle::abort);
    }
}

fn of(seen: &Mutex<Vec<Seen>>, namespace: &str, name: &str) -> Vec<Option<Value>> {
    let seen = seen.lock().unwrap();
    let here = seen.iter().filter(|(of, named, _)| of == namespace && named == name);
    here.map(|(_, _, object)| object.clone()).collect()
}

async fn follow<K>(client: Client, seen: Arc<Mutex<Vec<Seen>>>)
where
    K: kube::Resource<DynamicType = ()> + Clone + serde::de::DeserializeOwned + serde::Serialize,
    K: std::fmt::Debug + Send + Sync + 'static,
{
    let mut events = std::pin::pin!(watcher(Api::<K>::all(client), watcher::Config::default()));
    while let Some(event) = events.next().await {
        let (object, exists) = match event {
            Ok(Event::Apply(object) | Event::InitApply(object)) => (object, true),
            Ok(Event::Delete(object)) => (object, false),
            _ => continue,
        };
        let place = (object.namespace().unwrap_or_default(), object.name_any());
        let value = exists.then(|| serde_json::to_value(&object).unwrap());
        seen.lock().unwrap().push((place.0, place.1, value));
    }
}

fn has_login(secret: &Value, server: &str) -> bool {
    let data = secret["data"][".dockerconfigjson"].as_str().unwrap_or_default();
    let decoded = STANDARD.decode(data).unwrap_or_default();
    let config: Value = serde_json::from_slice(&decoded).unwrap_or_default();
    config["auths"][server].is_object()
}
