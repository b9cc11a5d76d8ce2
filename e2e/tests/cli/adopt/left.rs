//! What a tool leaves: its objects, and its copies in two namespaces.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use e2e::SYSTEM_NAMESPACE;
use e2e::scenario::Scenario;
use serde_json::{Value, json};

use super::tools::Tool;
use super::{create, read};

/// The registry of all logins. It is never called.
pub(super) const SERVER: &str = "registry.example.com";

/// A tool that has worked in two namespaces.
pub(super) struct Left {
    pub(super) tool: Tool,
    pub(super) namespaces: Vec<String>,
    /// The copies as the tool makes them, without versions.
    pub(super) copies: Vec<Value>,
}

/// A pull secret with a login of the scenario.
pub(super) fn secret(scenario: &Scenario, namespace: &str, name: &str, email: Option<&str>) -> Value {
    let login = scenario.login("left behind");
    let mut entry = json!({"username": login.username, "password": login.password});
    if let Some(email) = email {
        entry["email"] = email.into();
    }
    let config = json!({"auths": {SERVER: entry}}).to_string();
    json!({"apiVersion": "v1", "kind": "Secret", "type": "kubernetes.io/dockerconfigjson",
        "metadata": {"namespace": namespace, "name": name}, "data": {".dockerconfigjson": STANDARD.encode(config)}})
}

impl Left {
    /// Makes namespaces, objects and copies, and the entries of accounts.
    pub(super) async fn make(scenario: &Scenario, tool: Tool) -> Self {
        let places: &[&str] = if tool.source.is_some() {
            &["a", "b", "s"]
        } else {
            &["a", "b"]
        };
        let parts: Vec<String> = places.iter().map(|place| format!("{}-{place}", tool.key)).collect();
        let parts: Vec<&str> = parts.iter().map(String::as_str).collect();
        scenario.unselected_namespaces(&parts).await;
        let namespaces = scenario.in_scenario(&parts);
        for object in (tool.objects)(&namespaces) {
            create(scenario, &object).await;
        }
        let mut copies = Vec::new();
        for namespace in &namespaces {
            let mut copy = secret(scenario, namespace, tool.secret, tool.email);
            // The last namespace has what the tool copies from.
            let metadata = match tool.source {
                Some(source) if namespace.ends_with("-s") => source(),
                _ => (tool.metadata)(namespace),
            };
            for (field, value) in metadata.as_object().unwrap() {
                copy["metadata"][field] = value.clone();
            }
            if let Some((kind, owner)) = &tool.owner {
                let path = owner.replace("NAMESPACE", namespace);
                let found = read(scenario.client(), &path).await.unwrap();
                copy["metadata"]["ownerReferences"] = json!([{"apiVersion": found["apiVersion"], "kind": kind,
                    "name": found["metadata"]["name"], "uid": found["metadata"]["uid"], "controller": tool.controls}]);
            }
            let created = create(scenario, &copy).await;
            copy["metadata"]["uid"] = created["metadata"]["uid"].clone();
            copies.push(copy);
            let patch = json!({"imagePullSecrets": [{"name": "first"}, {"name": tool.secret}, {"name": "last"}]});
            let patch = patch.to_string();
            let arguments = [
                "patch",
                "serviceaccount",
                "default",
                "-n",
                namespace,
                "--type=merge",
                "-p",
                &patch,
            ];
            scenario.kubectl(&arguments).await;
        }
        Self {
            tool,
            namespaces,
            copies,
        }
    }

    /// Returns the path of the copy in this namespace.
    pub(super) fn path(&self, namespace: &str) -> String {
        format!("/api/v1/namespaces/{namespace}/secrets/{}", self.tool.secret)
    }
}

/// A source with a lasting login, for the tools that renew theirs.
pub(super) async fn lasting(scenario: &Scenario) {
    let mut source = secret(scenario, SYSTEM_NAMESPACE, "lasting", None);
    let login = scenario.login("lasting");
    let config = json!({"auths": {SERVER: {"username": login.username, "password": login.password}}});
    source["data"][".dockerconfigjson"] = STANDARD.encode(config.to_string()).into();
    create(scenario, &source).await;
}

/// Group, version, plural, kind and scope of the custom resources of all tools.
const CUSTOMS: [(&str, &str, &str, &str, &str); 8] = [
    (
        "ops.alexellis.io",
        "v1",
        "clusterpullsecrets",
        "ClusterPullSecret",
        "Cluster",
    ),
    (
        "images.banzaicloud.io",
        "v1alpha1",
        "imagepullsecrets",
        "ImagePullSecret",
        "Cluster",
    ),
    ("kyverno.io", "v1", "clusterpolicies", "ClusterPolicy", "Cluster"),
    (
        "policies.kyverno.io",
        "v1",
        "generatingpolicies",
        "GeneratingPolicy",
        "Cluster",
    ),
    (
        "secretgen.carvel.dev",
        "v1alpha1",
        "secretimports",
        "SecretImport",
        "Namespaced",
    ),
    (
        "apps.jfrog.com",
        "v1alpha1",
        "secretrotators",
        "SecretRotator",
        "Cluster",
    ),
    (
        "external-secrets.io",
        "v1",
        "externalsecrets",
        "ExternalSecret",
        "Namespaced",
    ),
    (
        "acrpull.microsoft.com",
        "v1beta2",
        "acrpullbindings",
        "AcrPullBinding",
        "Namespaced",
    ),
];

/// Definitions of the custom resources of all tools, without a schema.
pub(super) fn definitions() -> Vec<Value> {
    let definition = |(group, version, plural, kind, scope): (&str, &str, &str, &str, &str)| {
        let schema = json!({"openAPIV3Schema": {"type": "object", "x-kubernetes-preserve-unknown-fields": true}});
        json!({"apiVersion": "apiextensions.k8s.io/v1", "kind": "CustomResourceDefinition",
            "metadata": {"name": format!("{plural}.{group}")},
            "spec": {"group": group, "scope": scope, "names": {"plural": plural, "kind": kind},
                "versions": [{"name": version, "served": true, "storage": true, "schema": schema}]}})
    };
    CUSTOMS.into_iter().map(definition).collect()
}
