//! Record of every version of every object in the store during a scenario.

use std::sync::{Arc, Mutex};

use e2e::oracle;
use e2e::scenario::Scenario;
use e2e::wait::eventually;
use futures::StreamExt;
use kube::runtime::watcher::{self, Event, watcher};
use serde_json::Value;
use std::time::Duration;
use tokio::task::JoinHandle;

/// A watch that keeps all versions.
pub(crate) struct Record {
    versions: Arc<Mutex<Vec<Value>>>,
    task: JoinHandle<()>,
}

impl Record {
    /// Begins with the current versions.
    pub(crate) fn of(scenario: &Scenario) -> Self {
        let versions = Arc::new(Mutex::new(Vec::new()));
        let seen = Arc::clone(&versions);
        let objects = oracle::objects(scenario.client());
        let task = tokio::spawn(async move {
            let mut events = watcher(objects, watcher::Config::default()).boxed();
            while let Some(event) = events.next().await {
                if let Ok(Event::Apply(object) | Event::InitApply(object)) = event {
                    let object = serde_json::to_value(object).expect("an object is JSON");
                    seen.lock().expect("the record").push(object);
                }
            }
        });
        Self { versions, task }
    }

    /// Returns the versions of one object so far, oldest first.
    pub(crate) fn versions(&self, name: &str) -> Vec<Value> {
        let versions = self.versions.lock().expect("the record");
        let mut of_name: Vec<Value> = versions
            .iter()
            .filter(|object| object["metadata"]["name"] == name)
            .cloned()
            .collect();
        // A relist repeats known versions.
        of_name.dedup_by_key(|object| object["metadata"]["resourceVersion"].clone());
        of_name
    }

    /// Returns the names of all objects so far.
    pub(crate) fn names(&self) -> Vec<String> {
        let versions = self.versions.lock().expect("the record");
        let mut names: Vec<String> = versions
            .iter()
            .filter_map(|object| object["metadata"]["name"].as_str().map(str::to_owned))
            .collect();
        names.sort();
        names.dedup();
        names
    }

    /// Waits for the first version that matches, and returns it.
    pub(crate) async fn first(&self, name: &str, what: &str, within: Duration, so: impl Fn(&Value) -> bool) -> Value {
        let what = format!("{name} is seen {what}");
        eventually(&what, within, async || {
            let versions = self.versions(name);
            let found = versions.iter().find(|version| so(version)).cloned();
            found.ok_or_else(|| {
                versions
                    .last()
                    .map_or_else(String::new, |last| last["status"].to_string())
            })
        })
        .await
    }
}

impl Drop for Record {
    fn drop(&mut self) {
        self.task.abort();
    }
}

/// Returns the status of a condition of this version, if present.
pub(crate) fn condition<'a>(object: &'a Value, kind: &str) -> Option<&'a Value> {
    let conditions = object["status"]["conditions"].as_array()?;
    conditions.iter().find(|condition| condition["type"] == kind)
}

/// Returns whether the status describes this version's spec, and `Ready` has this status and this reason.
pub(crate) fn ready_is(object: &Value, status: &str, reason: &str) -> bool {
    let ready = condition(object, "Ready");
    is_observed(object) && ready.is_some_and(|ready| ready["status"] == status && ready["reason"] == reason)
}

/// Returns whether the condition is present and holds.
pub(crate) fn holds(object: &Value, kind: &str) -> bool {
    condition(object, kind).is_some_and(|condition| condition["status"] == "True")
}

/// Returns whether the status describes this version's spec.
pub(crate) fn is_observed(object: &Value) -> bool {
    object["status"]["observedGeneration"] == object["metadata"]["generation"]
}
