//! Writes to `ClusterPullSecret` objects (finalizer and status), and to the state Secrets that hold the last good
//! credentials.

use std::collections::BTreeMap;
use std::sync::Arc;

use crd::names::{FIELD_MANAGER, FIELD_MANAGER_STATUS, FINALIZER, GROUP, LABEL_MANAGED_BY, MANAGED_BY, STATE_TYPE};
use k8s_openapi::ByteString;
use kube::api::{DeleteParams, ListParams, Patch, PatchParams, Preconditions};
use kube::{Api, ResourceExt as _};
use plan::last_good;
use plan::step::ObjectStep;
use serde_json::json;

use super::{Writer, merging, outcome};
use crate::api::call::{call, found};
use crate::api::partial::{RawClusterPullSecret, SourceSecret};
use crate::outcome::{ApiError, Outcome};

impl Writer {
    /// Performs the step. `seen` is the object that it was planned from.
    pub async fn object(&self, seen: &RawClusterPullSecret, step: &ObjectStep) -> Outcome<RawClusterPullSecret> {
        let api: Api<RawClusterPullSecret> = Api::all(self.client.clone());
        let name = seen.name_any();
        let mut metadata = json!({"uid": seen.uid(), "resourceVersion": seen.resource_version()});
        let written = match step {
            ObjectStep::AddFinalizer | ObjectStep::RemoveFinalizer => {
                let others = seen.finalizers().iter().filter(|held| held.as_str() != FINALIZER);
                let ours = matches!(step, ObjectStep::AddFinalizer).then(|| FINALIZER.to_owned());
                metadata["finalizers"] = others.cloned().chain(ours).collect();
                call(api.patch(&name, &merging(), &Patch::Merge(json!({"metadata": metadata})))).await
            }
            // A merge patch, because an apply would keep fields that another manager owns.
            ObjectStep::PatchStatus { status, gone } => {
                let mut body = json!({ "metadata": metadata, "status": status });
                for field in gone {
                    body["status"][field] = serde_json::Value::Null;
                }
                call(api.patch_status(&name, &reporting(), &Patch::Merge(body))).await
            }
            ObjectStep::ClaimObject {
                installation,
                conditions,
            } => {
                let mut body = json!({ "metadata": metadata, "status": { "installation": **installation } });
                if let Some(conditions) = conditions {
                    body["status"]["conditions"] = json!(conditions);
                }
                call(api.patch_status(&name, &reporting(), &Patch::Merge(body))).await
            }
            ObjectStep::ReadObject => {
                return match self.read_object(&name).await {
                    Ok(seen) => Outcome::Changed(seen),
                    Err(error) => Outcome::Failed(error),
                };
            }
        };
        let outcome = outcome(written, || call(api.get(&name))).await;
        let kind = match step {
            ObjectStep::AddFinalizer | ObjectStep::RemoveFinalizer => "finalizer",
            ObjectStep::ClaimObject { .. } | ObjectStep::PatchStatus { .. } | ObjectStep::ReadObject => "status",
        };
        self.counted(kind, outcome)
    }

    /// Reads an object. A proxy may have made up a 404, so a second read must confirm it.
    async fn read_object(&self, name: &str) -> Result<Option<RawClusterPullSecret>, ApiError> {
        let api: Api<RawClusterPullSecret> = Api::all(self.client.clone());
        match found(call(api.get(name)).await) {
            Ok(None) => found(call(api.get(name)).await),
            seen => seen,
        }
    }

    /// Confirms with the server, and not with a watch, that no object of these names exists.
    ///
    /// # Errors
    ///
    /// One exists, or the server did not say.
    pub async fn confirm_gone(&self, names: &[Arc<str>]) -> Result<(), ApiError> {
        for name in names {
            if self.read_object(name).await?.is_some() {
                let why = format!("ClusterPullSecret {name:?} exists, and the watch of objects does not show it yet");
                return Err(ApiError::Unavailable(why));
            }
        }
        Ok(())
    }

    /// Lists all objects from the server, without a watch.
    pub async fn read_objects(&self) -> Result<Vec<RawClusterPullSecret>, ApiError> {
        let api: Api<RawClusterPullSecret> = Api::all(self.client.clone());
        Ok(call(api.list(&ListParams::default())).await?.items)
    }

    /// Writes the state Secret of an object, over the content that was read.
    pub async fn save_state(
        &self,
        object: &RawClusterPullSecret,
        content: &last_good::Content,
    ) -> Outcome<SourceSecret> {
        let uid = object.uid().unwrap_or_default();
        let name = last_good::secret_name(&uid);
        let api: Api<SourceSecret> = Api::namespaced(self.client.clone(), &self.namespace);
        let body = json!({
            "apiVersion": "v1",
            "kind": "Secret",
            "metadata": {
                "name": name,
                "resourceVersion": content.precondition(),
                "labels": {LABEL_MANAGED_BY: MANAGED_BY},
                "ownerReferences": [{
                    "apiVersion": format!("{GROUP}/v1alpha1"),
                    "kind": "ClusterPullSecret",
                    "name": object.name_any(),
                    "uid": uid,
                }],
            },
            "type": STATE_TYPE,
            "data": BTreeMap::from([(last_good::KEY, ByteString(content.to_json()))]),
        });
        let params = PatchParams::apply(FIELD_MANAGER).force();
        let written = call(api.patch(&name, &params, &Patch::Apply(body))).await;
        let outcome = outcome(written, || call(api.get(&name))).await;
        self.counted("state", outcome)
    }

    /// Deletes the state Secret of a deleted object, if it still has this resourceVersion.
    pub async fn delete_state(&self, object: &RawClusterPullSecret, version: &str) -> Outcome<SourceSecret> {
        let api: Api<SourceSecret> = Api::namespaced(self.client.clone(), &self.namespace);
        let name = last_good::secret_name(&object.uid().unwrap_or_default());
        let outcome = match found(call(api.get(&name)).await) {
            Ok(None) => Outcome::Done(None),
            Ok(Some(seen)) if seen.resource_version().as_deref() != Some(version) => Outcome::Changed(Some(seen)),
            Ok(Some(seen)) => match delete(&api, &seen).await {
                Err(ApiError::NotFound) | Ok(()) => Outcome::Done(None),
                // The next attempt reads the Secret first.
                Err(error) => Outcome::Failed(error),
            },
            Err(error) => Outcome::Failed(error),
        };
        self.counted("state", outcome)
    }
}

/// Deletes the Secret that was seen, never a later one of the same name. If a foreign finalizer delays that, its logins
/// are removed at once.
async fn delete(api: &Api<SourceSecret>, seen: &SourceSecret) -> Result<(), ApiError> {
    let preconditions = Preconditions {
        uid: seen.uid(),
        resource_version: seen.resource_version(),
    };
    let name = seen.name_any();
    let deleted = call(api.delete(&name, &DeleteParams::default().preconditions(preconditions))).await?;
    if let Some(held) = deleted.left()
        && !held.finalizers().is_empty()
    {
        let metadata = json!({"uid": held.uid(), "resourceVersion": held.resource_version()});
        let empty = json!({"metadata": metadata, "data": {last_good::KEY: ByteString(b"{}".to_vec())}});
        call(api.patch(&name, &merging(), &Patch::Merge(empty))).await?;
    }
    Ok(())
}

/// Parameters of a merge patch of a status.
fn reporting() -> PatchParams {
    PatchParams {
        field_manager: Some(FIELD_MANAGER_STATUS.to_owned()),
        ..PatchParams::default()
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Mutex;
    use std::sync::atomic::{AtomicU32, Ordering};

    use http::{Request, Response};
    use kube::Client;
    use kube::client::Body;
    use tower::service_fn;

    use super::*;

    /// A writer to a server that answers the first `missing` requests with 404.
    fn writer(missing: u32) -> Writer {
        let asked = Arc::new(AtomicU32::new(0));
        let answer = move |_: Request<Body>| {
            let is_there = asked.fetch_add(1, Ordering::Relaxed) >= missing;
            let (code, body) = if is_there {
                (200, json!({"metadata": {"name": "company", "uid": "u"}}))
            } else {
                (
                    404,
                    json!({"kind": "Status", "status": "Failure", "reason": "NotFound", "code": 404}),
                )
            };
            let response = Response::builder()
                .status(code)
                .body(Body::from(body.to_string().into_bytes()));
            async { Ok::<_, kube::Error>(response.unwrap()) }
        };
        Writer::new(
            Client::new(service_fn(answer), "default"),
            "pullsecrets-system",
            |_, _| {},
        )
    }

    /// A state Secret is deleted at the version that was seen. A later one of its name stays.
    #[tokio::test]
    async fn a_state_secret_is_deleted_at_its_version() {
        let sent = Arc::new(Mutex::new(Vec::new()));
        let log = Arc::clone(&sent);
        let answer = move |request: Request<Body>| {
            let log = Arc::clone(&log);
            async move {
                let method = request.method().to_string();
                let body = request.into_body().collect_bytes().await?;
                let body: serde_json::Value = serde_json::from_slice(&body).unwrap_or_default();
                log.lock().unwrap().push((method, body));
                let state = json!({"kind": "Secret", "apiVersion": "v1", "type": STATE_TYPE,
                    "metadata": {"name": "pullsecrets-state-u", "uid": "s", "resourceVersion": "7", "finalizers": ["theirs"]}});
                let response = Response::builder().body(Body::from(state.to_string().into_bytes()));
                Ok::<_, kube::Error>(response.unwrap())
            }
        };
        let client = Client::new(service_fn(answer), "default");
        let writer = Writer::new(client, "pullsecrets-system", |_, _| {});
        let seen: RawClusterPullSecret =
            serde_json::from_value(json!({"metadata": {"name": "company", "uid": "u"}})).unwrap();

        let outcome = writer.delete_state(&seen, "6").await;
        assert!(matches!(outcome, Outcome::Changed(Some(_))), "{outcome:?}");
        assert_eq!(sent.lock().unwrap().len(), 1, "it was read alone");

        let outcome = writer.delete_state(&seen, "7").await;
        assert!(matches!(outcome, Outcome::Done(None)), "{outcome:?}");
        let sent = std::mem::take(&mut *sent.lock().unwrap());
        let (method, body) = &sent[2];
        assert_eq!(method, "DELETE");
        assert_eq!(body["preconditions"], json!({"uid": "s", "resourceVersion": "7"}));
        let (method, body) = &sent[3];
        assert_eq!(method, "PATCH");
        assert_eq!(body["metadata"], json!({"uid": "s", "resourceVersion": "7"}));
    }

    #[tokio::test]
    async fn an_object_is_gone_after_two_answers() {
        let seen: RawClusterPullSecret =
            serde_json::from_value(json!({"metadata": {"name": "company", "uid": "u"}})).unwrap();
        for (missing, gone) in [(0, false), (1, false), (2, true)] {
            match writer(missing).object(&seen, &ObjectStep::ReadObject).await {
                Outcome::Changed(object) => assert_eq!(object.is_none(), gone, "{missing} times"),
                Outcome::Done(_) | Outcome::Failed(_) => panic!("{missing} times"),
            }
            let confirmed = writer(missing).confirm_gone(&["company".into()]).await;
            assert_eq!(confirmed.is_ok(), gone, "{missing} times: {confirmed:?}");
        }
    }
}
