//! Writes. Only server-side apply and deletion are made, and no answer repeats what was written.
//!
//! `kubectl apply` keeps a copy of what it applied in an annotation, which would hold a login. A server-side apply
//! does not.

use std::collections::{BTreeSet, HashMap};

use bytes::Bytes;
use http::header::{ACCEPT, CONTENT_TYPE};
use http::{Method, Request, StatusCode};
use kube::client::Body;
use serde::de::IgnoredAny;
use serde::{Deserialize, Deserializer};
use serde_json::{Value, json};

use super::client::Connected;
use super::failure::{ANSWER_WITHIN, Failure, LONGEST};
use super::refusal::refusal;
use super::request::{JSON, collected, escaped, parsed};

/// The field manager of this tool.
pub const FIELD_MANAGER: &str = "kubectl-pullsecrets";

/// Metadata alone, so that the answer to a write of a login does not hold it.
const METADATA: &str = "application/json;as=PartialObjectMetadata;g=meta.k8s.io;v=v1";

const APPLY: &str = "application/apply-patch+yaml";

/// How an object is applied.
#[derive(Clone, Copy, Debug)]
pub struct Applying {
    /// The server checks the write and stores nothing.
    pub dry_run: bool,
    /// Fields of other managers are taken over.
    pub force: bool,
    /// The field manager.
    pub manager: &'static str,
}

/// The metadata of an object, as far as it matters for writes. It has no values of annotations.
#[derive(Clone, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Metadata {
    /// The uid.
    #[serde(default)]
    pub uid: String,
    /// Changes with each write that changes something.
    #[serde(default)]
    pub resource_version: String,
    /// Changes with each write of the spec, in kinds that have one.
    #[serde(default)]
    generation: Option<i64>,
    /// The keys of the annotations.
    #[serde(default)]
    annotations: Keys,
    /// Who wrote which part.
    #[serde(default)]
    managed_fields: Vec<Managed>,
}

/// The keys of a map whose values are not kept.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
struct Keys(BTreeSet<String>);

impl<'de> Deserialize<'de> for Keys {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let entries = Vec::from_iter(HashMap::<String, IgnoredAny>::deserialize(deserializer)?);
        Ok(Self(entries.into_iter().map(|(key, _)| key).collect()))
    }
}

#[derive(Clone, Debug, Default, PartialEq, Eq, Deserialize)]
struct Managed {
    #[serde(default)]
    manager: String,
    #[serde(default)]
    time: String,
    #[serde(default)]
    subresource: String,
}

impl Metadata {
    /// Returns whether an apply by this tool has changed nothing since. Another writer may have changed the status.
    pub fn is_unchanged_since(&self, before: &Self) -> bool {
        let own = |metadata: &Self| {
            let mut entries = metadata.managed_fields.iter();
            let entry = entries.find(|entry| entry.manager == FIELD_MANAGER);
            entry.map(|entry| entry.time.clone())
        };
        self.resource_version == before.resource_version
            || (self.generation.is_some()
                && self.generation == before.generation
                && own(self).is_some()
                && own(self) == own(before))
    }

    /// Returns whether the annotation of `kubectl apply` is there, which repeats the whole object.
    pub fn repeats_the_object(&self) -> bool {
        self.annotations
            .0
            .contains("kubectl.kubernetes.io/last-applied-configuration")
    }

    /// Returns the field managers that wrote the object itself, and not its status alone.
    pub fn managers(&self) -> impl Iterator<Item = &str> {
        let own = self.managed_fields.iter().filter(|entry| entry.subresource.is_empty());
        own.map(|entry| entry.manager.as_str())
    }
}

/// An object that was applied.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Applied {
    /// It did not exist before.
    pub created: bool,
    /// As it is now.
    pub metadata: Metadata,
}

#[derive(Deserialize)]
struct Partial {
    metadata: Metadata,
}

impl Connected {
    /// Applies an object. Fields that it does not have any more, and that this manager had set, are removed.
    pub async fn apply(&self, object: &Value, how: Applying) -> Result<Applied, Failure> {
        let path = path_of(object);
        let query = format!("fieldManager={}&fieldValidation=Strict", escaped(how.manager));
        let force = if how.force { "&force=true" } else { "" };
        let dry_run = if how.dry_run { "&dryRun=All" } else { "" };
        let request = Request::patch(format!("{path}?{query}{force}{dry_run}")).header(CONTENT_TYPE, APPLY);
        // JSON is YAML.
        let request = request.header(ACCEPT, METADATA).body(object.to_string().into_bytes());
        let (status, body) = self.write(request, "patch", &path).await?;
        let partial: Partial = parsed(&body)?;
        Ok(Applied {
            created: status == StatusCode::CREATED,
            metadata: partial.metadata,
        })
    }

    /// Deletes the object at the path, if it is still the one with this uid. Garbage collection follows.
    pub async fn delete(&self, path: &str, uid: &str, dry_run: bool) -> Result<(), Failure> {
        let options = json!({
            "apiVersion": "v1", "kind": "DeleteOptions", "propagationPolicy": "Background",
            "preconditions": {"uid": uid},
        });
        let query = if dry_run { "?dryRun=All" } else { "" };
        let request = Request::builder()
            .method(Method::DELETE)
            .uri(format!("{path}{query}"))
            .header(CONTENT_TYPE, JSON);
        // The answer holds what was deleted.
        let request = request.header(ACCEPT, METADATA).body(options.to_string().into_bytes());
        self.write(request, "delete", path).await.map(|_| ())
    }

    /// Returns the metadata of the object at the path, if it exists.
    pub async fn metadata(&self, path: &str) -> Result<Option<Metadata>, Failure> {
        match self.get(path, "get", METADATA).await {
            Ok(body) => Ok(Some(parsed::<Partial>(&body)?.metadata)),
            Err(Failure::NotFound) => Ok(None),
            Err(failure) => Err(failure),
        }
    }

    /// Returns the object at the path, if it exists.
    pub async fn value(&self, path: &str) -> Result<Option<Value>, Failure> {
        match self.get(path, "get", JSON).await {
            Ok(body) => Ok(Some(parsed(&body)?)),
            Err(Failure::NotFound) => Ok(None),
            Err(failure) => Err(failure),
        }
    }

    async fn write(
        &self,
        request: http::Result<Request<Vec<u8>>>,
        verb: &'static str,
        path: &str,
    ) -> Result<(StatusCode, Bytes), Failure> {
        let request = request.map_err(|_| Failure::Unreachable(self.host.clone()))?;
        let sent = self.client.send(request.map(Body::from)).await;
        let response = sent.map_err(|error| Failure::of_error(&error, &self.host))?;
        let status = response.status();
        tracing::debug!(context = self.name, verb, path, status = status.as_u16(), "answered");
        let body = tokio::time::timeout(ANSWER_WITHIN, collected(response.into_body(), LONGEST, &self.host)).await;
        let body = body.unwrap_or_else(|_| Err(Failure::Slow(self.host.clone())))?;
        if status.is_success() {
            Ok((status, body))
        } else {
            Err(refusal(status, &body, verb))
        }
    }
}

/// Returns the path of an object in the API, by its kind and its metadata.
pub fn path_of(object: &Value) -> String {
    let text = |pointer: &str| object.pointer(pointer).and_then(Value::as_str).unwrap_or_default();
    let version = text("/apiVersion");
    let group = if version.contains('/') { "apis" } else { "api" };
    let kind = text("/kind").to_lowercase();
    let plural = match kind.strip_suffix('y') {
        Some(stem) => format!("{stem}ies"),
        None => format!("{kind}s"),
    };
    let name = escaped(text("/metadata/name"));
    match text("/metadata/namespace") {
        "" => format!("/{group}/{version}/{plural}/{name}"),
        namespace => format!("/{group}/{version}/namespaces/{}/{plural}/{name}", escaped(namespace)),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn paths_follow_kind_and_namespace() {
        let path = |version: &str, kind: &str, namespace: Option<&str>| {
            path_of(&json!({"apiVersion": version, "kind": kind, "metadata": {"name": "a", "namespace": namespace}}))
        };
        assert_eq!(path("v1", "Secret", Some("b")), "/api/v1/namespaces/b/secrets/a");
        assert_eq!(path("v1", "Namespace", None), "/api/v1/namespaces/a");
        assert_eq!(
            path("admissionregistration.k8s.io/v1", "ValidatingAdmissionPolicy", None),
            "/apis/admissionregistration.k8s.io/v1/validatingadmissionpolicies/a"
        );
        assert_eq!(
            path("pullsecrets.dev/v1alpha1", "ClusterPullSecret", None),
            "/apis/pullsecrets.dev/v1alpha1/clusterpullsecrets/a"
        );
    }

    /// The operator writes the status at any time.
    #[test]
    fn a_write_of_the_status_is_no_change() {
        let metadata = |version: &str, generation: Option<i64>, time: &str| -> Metadata {
            let managed = json!([{"manager": "other", "time": version}, {"manager": FIELD_MANAGER, "time": time}]);
            let metadata = json!({"resourceVersion": version, "generation": generation, "managedFields": managed});
            serde_json::from_value(metadata).unwrap()
        };
        let before = metadata("1", Some(1), "t1");
        assert!(metadata("1", Some(1), "t1").is_unchanged_since(&before));
        assert!(metadata("2", Some(1), "t1").is_unchanged_since(&before));
        assert!(!metadata("2", Some(2), "t1").is_unchanged_since(&before));
        assert!(!metadata("2", Some(1), "t2").is_unchanged_since(&before));
        // A Secret has no generation, and its versions change with its data alone.
        assert!(!metadata("2", None, "t1").is_unchanged_since(&metadata("1", None, "t1")));
    }

    /// What `kubectl apply` keeps in an annotation repeats the login.
    #[test]
    fn metadata_has_no_value_of_an_annotation() {
        let body = json!({"metadata": {"uid": "u", "resourceVersion": "7",
            "annotations": {"kubectl.kubernetes.io/last-applied-configuration": "CANARY"},
            "managedFields": [{"manager": "helm"}, {"manager": "operator", "subresource": "status"}]}});
        let metadata = parsed::<Partial>(body.to_string().as_bytes()).unwrap().metadata;
        assert!(metadata.repeats_the_object() && !format!("{metadata:?}").contains("CANARY"));
        assert_eq!(metadata.managers().collect::<Vec<_>>(), ["helm"]);
    }
}
