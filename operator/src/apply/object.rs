//! Writes of our own objects: the finalizer, the status, and the Secret that remembers the last good credentials.

use std::collections::BTreeMap;

use crd::ClusterPullSecretStatus;
use crd::names::{
    FIELD_MANAGER, FIELD_MANAGER_STATUS, FINALIZER, GROUP, LABEL_MANAGED_BY, MANAGED_BY, STATE_TYPE,
};
use k8s_openapi::ByteString;
use kube::api::{DeleteParams, Patch, PatchParams};
use kube::{Api, ResourceExt as _};
use serde_json::json;

use super::{Outcome, Setback, Writer, call, found};
use crate::credentials::state;
use crate::kinds::{SeenObject, SourceSecret};

/// A write for one object of ours.
pub enum Step {
    /// Put our finalizer on: nothing is written for an object that has none, since nothing would take it away.
    Arm,
    /// Take our finalizer off: nothing is left to do.
    Disarm,
    /// Say how things stand.
    Report(Box<ClusterPullSecretStatus>),
    /// Remember the last good credentials, before the first copy of new ones is made.
    Remember(state::Content),
    /// Forget them.
    Forget,
}

impl Writer {
    /// Arms, disarms, or reports. `seen` is the object that the step was planned from.
    pub async fn object(&self, seen: &SeenObject, step: &Step) -> Outcome<SeenObject> {
        let api: Api<SeenObject> = Api::all(self.client.clone());
        let name = seen.name_any();
        let version = json!({"uid": seen.uid(), "resourceVersion": seen.resource_version()});
        let mut metadata = version.clone();
        let written = match step {
            Step::Arm | Step::Disarm => {
                let others = seen.finalizers().iter().filter(|held| held.as_str() != FINALIZER);
                let ours = matches!(step, Step::Arm).then(|| FINALIZER.to_owned());
                metadata["finalizers"] = others.cloned().chain(ours).collect();
                let params = PatchParams { field_manager: Some(FIELD_MANAGER.to_owned()), ..PatchParams::default() };
                call(api.patch(&name, &params, &Patch::Merge(json!({"metadata": metadata})))).await
            }
            Step::Report(status) => {
                let body = json!({
                    "apiVersion": format!("{GROUP}/v1alpha1"),
                    "kind": "ClusterPullSecret",
                    "metadata": metadata,
                    "status": status,
                });
                let params = PatchParams::apply(FIELD_MANAGER_STATUS).force();
                call(api.patch_status(&name, &params, &Patch::Apply(body))).await
            }
            Step::Remember(_) | Step::Forget => return self.state(seen, step).await,
        };
        self.outcome(written, || call(api.get(&name))).await
    }

    async fn outcome<F: Future<Output = Result<SeenObject, Setback>>>(
        &self,
        written: Result<SeenObject, Setback>,
        read: impl FnOnce() -> F,
    ) -> Outcome<SeenObject> {
        match written {
            Ok(object) => Outcome::Done(Some(object)),
            Err(Setback::NotFound) => Outcome::Changed(None),
            Err(Setback::Conflict) => match found(read().await) {
                Ok(object) => Outcome::Changed(object),
                Err(setback) => Outcome::Failed(setback),
            },
            Err(setback) => Outcome::Failed(setback),
        }
    }

    /// The state Secret has one writer, and is keyed by the uid: no race to lose but with one that lost the lease.
    async fn state(&self, seen: &SeenObject, step: &Step) -> Outcome<SeenObject> {
        let api: Api<SourceSecret> = Api::namespaced(self.client.clone(), &self.namespace);
        let uid = seen.uid().unwrap_or_default();
        let name = state::secret_name(&uid);
        let done = match step {
            Step::Remember(content) => {
                let body = json!({
                    "apiVersion": "v1",
                    "kind": "Secret",
                    "metadata": {
                        "name": name,
                        "labels": {LABEL_MANAGED_BY: MANAGED_BY},
                        "ownerReferences": [{
                            "apiVersion": format!("{GROUP}/v1alpha1"),
                            "kind": "ClusterPullSecret",
                            "name": seen.name_any(),
                            "uid": uid,
                        }],
                        "resourceVersion": content.precondition(),
                    },
                    "type": STATE_TYPE,
                    "data": BTreeMap::from([(state::KEY, ByteString(content.to_json()))]),
                });
                let params = PatchParams::apply(FIELD_MANAGER).force();
                call(api.patch(&name, &params, &Patch::Apply(body))).await.map(drop)
            }
            Step::Forget => found(call(api.delete(&name, &DeleteParams::default())).await).map(drop),
            Step::Arm | Step::Disarm | Step::Report(_) => Ok(()),
        };
        match done {
            Ok(()) => Outcome::Done(Some(seen.clone())),
            Err(Setback::Conflict) => Outcome::Changed(Some(seen.clone())),
            Err(setback) => Outcome::Failed(setback),
        }
    }
}
