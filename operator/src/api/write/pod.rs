//! Deletions of Pods that their controllers replace.

use http::Request;
use kube::Api;
use kube::api::{DeleteParams, Preconditions};
use plan::identity::Version;
use plan::observed::{Controller, ControllerKind, Template};

use super::Writer;
use crate::api::call::{call, found};
use crate::api::partial::{PartialController, PartialPod};
use crate::outcome::{ApiError, Outcome};

impl Writer {
    /// Reads the controller of a Pod in `namespace`; `None` if it does not exist, or is of a kind that is not read.
    pub async fn read_controller(
        &self,
        namespace: &str,
        controller: &Controller,
    ) -> Result<Option<Template>, ApiError> {
        let Some(resource) = resource(controller.kind) else {
            return Ok(None);
        };
        let path = format!("{resource}/{}", controller.name);
        let path = path.replacen("{namespace}", namespace, 1);
        let request = Request::get(path)
            .body(Vec::new())
            .map_err(|_| ApiError::Unavailable("the operator could not send the request".to_owned()))?;
        let read = call(self.client.request::<PartialController>(request)).await;
        Ok(found(read)?.map(PartialController::facts))
    }

    /// Deletes the Pod `name` in `namespace`, if it still has this version. Returns when the server did so, in seconds
    /// of Unix time, if it says so.
    ///
    /// Neither a deletion nor an eviction consults a `PodDisruptionBudget` for a Pod of phase `Pending`.
    pub async fn delete_pod(&self, namespace: &str, name: &str, version: &Version) -> Outcome<i64> {
        let api: Api<PartialPod> = Api::namespaced(self.client.clone(), namespace);
        let params = DeleteParams {
            preconditions: Some(Preconditions {
                uid: Some(version.uid.to_string()),
                resource_version: Some(version.resource_version.to_string()),
            }),
            ..DeleteParams::default()
        };
        let outcome = match call(api.delete(name, &params)).await {
            Ok(deleted) => Outcome::Done(deleted.left().and_then(|pod| pod.deleted_at())),
            // The watch shows what became of it.
            Err(ApiError::Conflict | ApiError::NotFound) => Outcome::Changed(None),
            Err(error) => Outcome::Failed(error),
        };
        self.counted("pod", outcome)
    }
}

/// The path of the controllers of a kind.
fn resource(kind: ControllerKind) -> Option<&'static str> {
    match kind {
        ControllerKind::ReplicaSet => Some("/apis/apps/v1/namespaces/{namespace}/replicasets"),
        ControllerKind::StatefulSet => Some("/apis/apps/v1/namespaces/{namespace}/statefulsets"),
        ControllerKind::DaemonSet => Some("/apis/apps/v1/namespaces/{namespace}/daemonsets"),
        ControllerKind::ReplicationController => Some("/api/v1/namespaces/{namespace}/replicationcontrollers"),
        ControllerKind::Job => Some("/apis/batch/v1/namespaces/{namespace}/jobs"),
        ControllerKind::Other => None,
    }
}
