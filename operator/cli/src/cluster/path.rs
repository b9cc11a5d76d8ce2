//! Paths in the API.

use serde_json::Value;

use crate::world::Kind;

/// The path of all objects of a kind, in one namespace or in all.
pub(super) fn path(kind: Kind, namespace: Option<&str>) -> String {
    let group = match kind.group() {
        "" => format!("/api/{}", kind.version()),
        group => format!("/apis/{group}/{}", kind.version()),
    };
    match namespace.filter(|_| kind.is_namespaced()) {
        Some(namespace) => format!("{group}/namespaces/{}/{}", escaped(namespace), kind.plural()),
        None => format!("{group}/{}", kind.plural()),
    }
}

/// Returns the path of one object.
pub fn path_to(kind: Kind, namespace: Option<&str>, name: &str) -> String {
    format!("{}/{}", path(kind, namespace), escaped(name))
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

/// Escapes what has a meaning in a URL.
pub(super) fn escaped(text: &str) -> String {
    use std::fmt::Write as _;
    let mut escaped = String::with_capacity(text.len());
    for byte in text.bytes() {
        if byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'_' | b'.' | b'~') {
            escaped.push(char::from(byte));
        } else {
            let _ = write!(escaped, "%{byte:02X}");
        }
    }
    escaped
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn paths_name_group_version_and_namespace() {
        assert_eq!(path(Kind::Pod, None), "/api/v1/pods");
        assert_eq!(
            path(Kind::Deployment, Some("a")),
            "/apis/apps/v1/namespaces/a/deployments"
        );
        assert_eq!(path(Kind::Namespace, Some("a")), "/api/v1/namespaces");
        assert_eq!(
            path(Kind::ClusterPullSecret, None),
            "/apis/pullsecrets.dev/v1alpha1/clusterpullsecrets"
        );
        assert_eq!(escaped("a in (b,c)"), "a%20in%20%28b%2Cc%29");
        assert_eq!(path(Kind::Pod, Some("../x?")), "/api/v1/namespaces/..%2Fx%3F/pods");
    }

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
}
