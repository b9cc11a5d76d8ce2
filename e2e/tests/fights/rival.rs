//! Another controller, with a field manager of its own, that wants what the operator does not want.

use std::fmt::Debug;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use e2e::scenario::Scenario;
use kube::api::{Patch, PatchParams};
use kube::{Api, Resource};
use serde::Serialize;
use serde::de::DeserializeOwned;
use serde_json::Value;
use tokio::task::JoinHandle;

/// What it calls itself in managedFields.
pub(crate) const NAME: &str = "rival-controller";

/// As good as at once, and no load.
const LOOKS_EVERY: Duration = Duration::from_millis(100);

/// See the module. It works until it is told to stop.
pub(crate) struct Rival {
    stop: Arc<AtomicBool>,
    task: JoinHandle<()>,
}

impl Rival {
    /// Patches `name` in the scenario's namespace `a` whenever `undo` says so of what is there.
    pub(crate) fn start<K>(
        scenario: &Scenario,
        name: &str,
        undo: impl Fn(&Value) -> Option<Value> + Send + 'static,
    ) -> Self
    where
        K: Resource<Scope = kube::core::NamespaceResourceScope, DynamicType = ()>,
        K: Clone + DeserializeOwned + Serialize + Debug + Send + Sync + 'static,
    {
        let api: Api<K> = Api::namespaced(scenario.client().clone(), &format!("{}-a", scenario.name()));
        let (name, stop) = (name.to_owned(), Arc::new(AtomicBool::new(false)));
        let stopped = Arc::clone(&stop);
        let task = tokio::spawn(async move {
            let params = PatchParams {
                field_manager: Some(NAME.to_owned()),
                ..PatchParams::default()
            };
            while !stopped.load(Ordering::Relaxed) {
                if let Ok(seen) = api.get(&name).await
                    && let Some(patch) = undo(&serde_json::to_value(seen).unwrap())
                {
                    // One that loses a race comes again.
                    let _ = api.patch(&name, &params, &Patch::Merge(patch)).await;
                }
                tokio::time::sleep(LOOKS_EVERY).await;
            }
        });
        Self { stop, task }
    }

    /// Ends it, and waits until it has ended.
    pub(crate) async fn stop(self) {
        self.stop.store(true, Ordering::Relaxed);
        self.task.await.unwrap();
    }
}
