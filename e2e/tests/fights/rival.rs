//! A rival: a controller with its own field manager that contradicts the operator.

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

/// Its field manager.
pub(crate) const NAME: &str = "rival-controller";

/// Close to immediate, without load.
const LOOKS_EVERY: Duration = Duration::from_millis(100);

/// The rival; see the module. It runs until stopped.
pub(crate) struct Rival {
    stop: Arc<AtomicBool>,
    task: JoinHandle<()>,
}

impl Rival {
    /// Patches `name` in the scenario's namespace `a` whenever `undo` returns a patch for the current object.
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
                    // A patch that loses a race is retried.
                    let _ = api.patch(&name, &params, &Patch::Merge(patch)).await;
                }
                tokio::time::sleep(LOOKS_EVERY).await;
            }
        });
        Self { stop, task }
    }

    /// Stops it, and waits for its end.
    pub(crate) async fn stop(self) {
        self.stop.store(true, Ordering::Relaxed);
        self.task.await.unwrap();
    }
}
