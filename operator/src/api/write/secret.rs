//! Writes to copies.

use std::collections::BTreeMap;
use std::fmt;
use std::sync::Arc;

use crd::names::{
    ANNOTATION_RETAINED, DOCKER_CONFIG_KEY, DOCKER_CONFIG_TYPE, FIELD_MANAGER, LABEL_MANAGED_BY, LABEL_OBJECT,
    MANAGED_BY,
};
use kube::Api;
use kube::Resource as _;
use kube::api::{DeleteParams, Patch, PatchParams, Preconditions};
use plan::action::{Content, SecretAction};
use plan::identity::Version;
use plan::observed::{Owner, Secret};
use plan::payload::NO_LOGIN;
use serde::Serialize;
use serde_json::json;

use super::{Writer, merging};
use crate::api::call::{call, found};
use crate::api::partial::{API_VERSION, PartialSecret, SecretMeta};
use crate::outcome::{ApiError, Outcome};

/// With this resourceVersion, a server-side apply creates the object, or conflicts if it exists. A plain apply would
/// take over a Secret with equal bytes. Measured on 1.36.
const ONLY_IF_ABSENT: &str = "1";

impl Writer {
    /// Performs an action on the Secret `name` in `namespace`.
    pub async fn secret(&self, namespace: &str, name: &str, action: &SecretAction) -> Outcome<Secret> {
        let kind = match action {
            SecretAction::Create(_) => "create",
            SecretAction::Update { .. } => "update",
            SecretAction::Reclaim { .. } => "reclaim",
            SecretAction::Assign { .. } => "assign",
            SecretAction::Release { .. } => "release",
            SecretAction::Delete { .. } => "delete",
            SecretAction::Empty { .. } => "empty",
        };
        self.counted(kind, self.carry_out(namespace, name, action).await)
    }

    async fn carry_out(&self, namespace: &str, name: &str, action: &SecretAction) -> Outcome<Secret> {
        let written = match action {
            SecretAction::Create(content) => {
                let body = Body::new(name, None, content);
                self.apply(namespace, name, &body, content).await.map(Some)
            }
            SecretAction::Update { version, content } => {
                let body = Body::new(name, Some(version), content);
                self.apply(namespace, name, &body, content).await.map(Some)
            }
            // A merge patch keeps the data, which its reply does not show. So the Secret is read.
            SecretAction::Reclaim { version, object } => {
                let metadata = json!({
                    "labels": {LABEL_OBJECT: object.as_ref(), LABEL_MANAGED_BY: MANAGED_BY},
                    "annotations": {ANNOTATION_RETAINED: null},
                });
                self.mark(namespace, name, version, metadata).await
            }
            SecretAction::Assign {
                version,
                object,
                owners,
            } => {
                let labels = json!({LABEL_OBJECT: object.as_ref(), LABEL_MANAGED_BY: MANAGED_BY});
                self.disown(namespace, name, version, owners, json!({ "labels": labels }))
                    .await
            }
            SecretAction::Release { version, object } => {
                let marks = json!({
                    "labels": {LABEL_OBJECT: null, LABEL_MANAGED_BY: null},
                    "annotations": {ANNOTATION_RETAINED: object.as_ref()},
                });
                self.disown(namespace, name, version, &[], marks).await
            }
            SecretAction::Delete { version } => self.delete(namespace, name, version).await,
            SecretAction::Empty { version } => {
                let data = json!({DOCKER_CONFIG_KEY: NO_LOGIN});
                self.patch(namespace, name, version, json!({}), Some(data)).await
            }
        };
        match written {
            Ok(now) => Outcome::Done(now),
            // A create that finds no namespace answers 404.
            Err(ApiError::NotFound) if matches!(action, SecretAction::Create(_)) => Outcome::Failed(ApiError::NotFound),
            Err(ApiError::Conflict | ApiError::NotFound) => match self.read(namespace, name).await {
                Ok(now) => Outcome::Changed(now),
                Err(error) => Outcome::Failed(error),
            },
            Err(error) => Outcome::Failed(error),
        }
    }

    /// Reads one Secret, to determine its owner.
    pub async fn read(&self, namespace: &str, name: &str) -> Result<Option<Secret>, ApiError> {
        let api: Api<PartialSecret> = Api::namespaced(self.client.clone(), namespace);
        let secret = found(call(api.get(name)).await)?;
        Ok(secret.map(PartialSecret::facts))
    }

    /// The field manager that last wrote a declared field, if it is not ours.
    pub async fn last_writer_of_secret(&self, namespace: &str, name: &str) -> Result<Option<String>, ApiError> {
        let managed = self.managed::<SecretMeta>(namespace, name).await?;
        let declared = [
            "/f:data",
            "/f:metadata/f:labels",
            "/f:metadata/f:annotations",
            "/f:metadata/f:ownerReferences",
        ];
        let owns = |fields: &serde_json::Value| declared.iter().any(|path| fields.pointer(path).is_some());
        Ok(managed.last_writer(owns))
    }

    async fn apply(&self, namespace: &str, name: &str, body: &Body<'_>, content: &Content) -> Result<Secret, ApiError> {
        let api: Api<SecretMeta> = Api::namespaced(self.client.clone(), namespace);
        // Forced, because another manager may own one of our fields. The version proves that the Secret is ours.
        let params = PatchParams::apply(FIELD_MANAGER).force();
        let mut written = call(api.patch(name, &params, &Patch::Apply(body))).await?;
        let digest = Some(Arc::clone(content.payload.digest()));
        // An apply removes only owners, and fields of them, that it added. `Assign` or another tool may have added more.
        let traits = written.facts(digest.clone()).traits;
        if traits.owners != content.owners || traits.bent_owners {
            let metadata = json!({
                "resourceVersion": written.meta().resource_version,
                "ownerReferences": all_owners(&written, &content.owners),
            });
            let patch = Patch::Merge(json!({ "metadata": metadata }));
            written = call(api.patch(name, &merging(), &patch)).await?;
        }
        Ok(written.facts(digest))
    }

    async fn mark(
        &self,
        namespace: &str,
        name: &str,
        version: &Version,
        metadata: serde_json::Value,
    ) -> Result<Option<Secret>, ApiError> {
        self.patch(namespace, name, version, metadata, None).await
    }

    /// Patches the given fields and reads the result.
    async fn patch(
        &self,
        namespace: &str,
        name: &str,
        version: &Version,
        mut metadata: serde_json::Value,
        data: Option<serde_json::Value>,
    ) -> Result<Option<Secret>, ApiError> {
        metadata["uid"] = version.uid.to_string().into();
        metadata["resourceVersion"] = version.resource_version.to_string().into();
        let mut body = json!({ "metadata": metadata });
        if let Some(data) = data {
            body["data"] = data;
        }
        let api: Api<SecretMeta> = Api::namespaced(self.client.clone(), namespace);
        call(api.patch(name, &merging(), &Patch::Merge(body))).await?;
        self.read(namespace, name).await
    }

    /// Adds our marks, and replaces all our owners with `owners`.
    async fn disown(
        &self,
        namespace: &str,
        name: &str,
        version: &Version,
        owners: &[Owner],
        mut metadata: serde_json::Value,
    ) -> Result<Option<Secret>, ApiError> {
        let api: Api<SecretMeta> = Api::namespaced(self.client.clone(), namespace);
        let seen = call(api.get(name)).await?;
        metadata["ownerReferences"] = all_owners(&seen, owners);
        self.mark(namespace, name, version, metadata).await
    }

    async fn delete(&self, namespace: &str, name: &str, version: &Version) -> Result<Option<Secret>, ApiError> {
        let api: Api<SecretMeta> = Api::namespaced(self.client.clone(), namespace);
        let preconditions = Preconditions {
            uid: Some(version.uid.to_string()),
            resource_version: Some(version.resource_version.to_string()),
        };
        let deleted = call(api.delete(name, &DeleteParams::default().preconditions(preconditions))).await?;
        match deleted.left() {
            // A foreign finalizer keeps the Secret until it is removed.
            Some(secret) if secret.is_held_up() => self.read(namespace, name).await,
            Some(_) | None => Ok(None),
        }
    }
}

/// Body of an apply. It holds the credential, so its `Debug` output is redacted.
#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Body<'a> {
    api_version: &'static str,
    kind: &'static str,
    metadata: BodyMeta<'a>,
    #[serde(rename = "type")]
    type_: &'static str,
    data: BTreeMap<&'static str, &'a str>,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct BodyMeta<'a> {
    name: &'a str,
    #[serde(skip_serializing_if = "Option::is_none")]
    uid: Option<String>,
    resource_version: String,
    labels: &'a BTreeMap<String, String>,
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    annotations: &'a BTreeMap<String, String>,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    owner_references: Vec<BodyOwner<'a>>,
}

/// Has no `controller` or `blockOwnerDeletion`, because several objects may own one copy and none should wait for it.
#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct BodyOwner<'a> {
    api_version: &'static str,
    kind: &'static str,
    name: &'a str,
    uid: String,
}

impl<'a> From<&'a Owner> for BodyOwner<'a> {
    fn from(owner: &'a Owner) -> Self {
        Self {
            api_version: API_VERSION,
            kind: "ClusterPullSecret",
            name: &owner.name,
            uid: owner.uid.to_string(),
        }
    }
}

/// `ownerReferences` for a merge patch. The patch replaces the list, so it repeats foreign owners.
fn all_owners(seen: &SecretMeta, ours: &[Owner]) -> serde_json::Value {
    let theirs = seen.other_owners().into_iter().map(|owner| json!(owner));
    let ours = ours.iter().map(|owner| json!(BodyOwner::from(owner)));
    theirs.chain(ours).collect()
}

impl fmt::Debug for Body<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Body(redacted)")
    }
}

impl<'a> Body<'a> {
    fn new(name: &'a str, version: Option<&Version>, content: &'a Content) -> Self {
        Self {
            api_version: "v1",
            kind: "Secret",
            metadata: BodyMeta {
                name,
                uid: version.map(|version| version.uid.to_string()),
                resource_version: version.map_or_else(
                    || ONLY_IF_ABSENT.to_owned(),
                    |version| version.resource_version.to_string(),
                ),
                labels: &content.labels,
                annotations: &content.annotations,
                owner_references: content.owners.iter().map(BodyOwner::from).collect(),
            },
            type_: DOCKER_CONFIG_TYPE,
            data: BTreeMap::from([(DOCKER_CONFIG_KEY, content.payload.base64())]),
        }
    }
}

#[cfg(test)]
mod tests {
    use plan::payload::{DigestKey, Payload};
    use serde_json::json;

    use super::*;

    fn content() -> Content {
        Content {
            labels: BTreeMap::from([(LABEL_OBJECT.to_owned(), "company".to_owned())]),
            annotations: BTreeMap::new(),
            owners: vec![Owner {
                uid: "u-company".into(),
                name: "company".into(),
            }],
            payload: Arc::new(Payload::new(b"CANARY", &DigestKey::new([0; 16]))),
        }
    }

    #[test]
    fn a_create_carries_the_version_that_nothing_has() {
        let content = content();
        let body = serde_json::to_value(Body::new("company", None, &content)).unwrap();
        assert_eq!(body["metadata"]["resourceVersion"], "1");
        assert_eq!(body["metadata"].get("uid"), None);
        assert_eq!(body["type"], "kubernetes.io/dockerconfigjson");
        assert_eq!(body.get("immutable"), None);
        assert_eq!(body.get("stringData"), None);
    }

    #[test]
    fn an_update_carries_uid_and_version() {
        let (content, version) = (content(), Version::new("u-copy", "7"));
        let body = serde_json::to_value(Body::new("company", Some(&version), &content)).unwrap();
        assert_eq!(body["metadata"]["uid"], "u-copy");
        assert_eq!(body["metadata"]["resourceVersion"], "7");
        let owner = json!([{"apiVersion": "pullsecrets.dev/v1alpha1", "kind": "ClusterPullSecret",
            "name": "company", "uid": "u-company"}]);
        assert_eq!(
            body["metadata"]["ownerReferences"], owner,
            "no controller, no blockOwnerDeletion"
        );
    }

    #[test]
    fn a_body_prints_nothing_of_the_credential() {
        assert_eq!(
            format!("{:?}", Body::new("company", None, &content())),
            "Body(redacted)"
        );
    }
}
