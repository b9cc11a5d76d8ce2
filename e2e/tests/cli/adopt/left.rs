//! What a tool leaves: its objects, and its copies.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use e2e::cluster::Cluster;
use e2e::oracle::Login;
use serde_json::{Value, json};

use super::tools::Tool;
use super::{create, read};

/// A tool that has worked in some namespaces.
pub(crate) struct Left {
    pub(crate) tool: Tool,
    /// The registry of the logins.
    pub(crate) server: String,
    /// The list of each account `default`.
    pub(crate) entries: Vec<String>,
    pub(crate) namespaces: Vec<String>,
    /// The copies as the tool makes them, without versions.
    pub(crate) copies: Vec<Value>,
}

/// A pull secret with this login.
pub(super) fn secret((namespace, name): (&str, &str), (server, login): (&str, &Login), email: Option<&str>) -> Value {
    let mut entry = json!({"username": login.username, "password": login.password});
    if let Some(email) = email {
        entry["email"] = email.into();
    }
    let config = json!({"auths": {server: entry}}).to_string();
    json!({"apiVersion": "v1", "kind": "Secret", "type": "kubernetes.io/dockerconfigjson",
        "metadata": {"namespace": namespace, "name": name}, "data": {".dockerconfigjson": STANDARD.encode(config)}})
}

impl Left {
    /// Makes the objects of the tool, its copies in these namespaces, and the entries of accounts. A tool that copies from
    /// a Secret of the same name has that in the last namespace.
    pub(crate) async fn make(
        cluster: &Cluster,
        tool: Tool,
        namespaces: Vec<String>,
        (server, login): (&str, &Login),
        entries: &[&str],
    ) -> Self {
        let client = cluster.admin().await.unwrap();
        let mut first = None;
        for mut object in tool.objects(&namespaces) {
            if let Some(owner) = object.pointer_mut("/metadata/ownerReferences/0") {
                owner["uid"].clone_from(first.as_ref().unwrap());
            }
            let created = create(cluster, &object).await;
            first.get_or_insert_with(|| created["metadata"]["uid"].clone());
        }
        let list: Vec<Value> = entries.iter().map(|name| json!({"name": name})).collect();
        let list = json!({"imagePullSecrets": list}).to_string();
        let mut copies = Vec::new();
        for namespace in &namespaces {
            let mut copy = secret((namespace, tool.secret), (server, login), tool.email);
            let metadata = match tool.source {
                Some(source) if Some(namespace) == namespaces.last() => source(),
                _ => (tool.metadata)(namespace),
            };
            for (field, value) in metadata.as_object().unwrap() {
                copy["metadata"][field] = value.clone();
            }
            if let Some((kind, owner)) = &tool.owner {
                let owner = read(&client, &owner.replace("NAMESPACE", namespace)).await.unwrap();
                copy["metadata"]["ownerReferences"] = json!([{"apiVersion": owner["apiVersion"], "kind": kind,
                    "name": owner["metadata"]["name"], "uid": owner["metadata"]["uid"], "controller": tool.controls}]);
            }
            let created = create(cluster, &copy).await;
            copy["metadata"]["uid"] = created["metadata"]["uid"].clone();
            copies.push(copy);
            let account = ["patch", "serviceaccount", "default", "-n", namespace];
            let patch = [&account[..], &["--type=merge", "-p", &list]].concat();
            cluster.kubectl().run(&patch, "").await.unwrap();
        }
        Self {
            tool,
            server: server.to_owned(),
            entries: entries.iter().map(|name| (*name).to_owned()).collect(),
            namespaces,
            copies,
        }
    }

    /// Returns the path of the copy in this namespace.
    pub(crate) fn path(&self, namespace: &str) -> String {
        format!("/api/v1/namespaces/{namespace}/secrets/{}", self.tool.secret)
    }

    /// Returns whether this is the namespace with what the tool copies from, which the tool does not write.
    pub(super) fn is_source(&self, namespace: &String) -> bool {
        self.tool.source.is_some() && self.namespaces.last() == Some(namespace)
    }
}

/// Group, version, plural, kind and scope of the custom resources of all tools.
const CUSTOMS: &str = "\
ops.alexellis.io v1 clusterpullsecrets ClusterPullSecret Cluster
images.banzaicloud.io v1alpha1 imagepullsecrets ImagePullSecret Cluster
kyverno.io v1 clusterpolicies ClusterPolicy Cluster
kyverno.io v1 policies Policy Namespaced
policies.kyverno.io v1 generatingpolicies GeneratingPolicy Cluster
policies.kyverno.io v1 namespacedgeneratingpolicies NamespacedGeneratingPolicy Namespaced
secretgen.carvel.dev v1alpha1 secretimports SecretImport Namespaced
apps.jfrog.com v1alpha1 secretrotators SecretRotator Cluster
external-secrets.io v1 externalsecrets ExternalSecret Namespaced
external-secrets.io v1 clusterexternalsecrets ClusterExternalSecret Cluster
acrpull.microsoft.com v1beta2 acrpullbindings AcrPullBinding Namespaced
";

/// Definitions of the custom resources of all tools, without a schema.
pub(super) fn definitions() -> Vec<Value> {
    let definition = |line: &str| {
        let columns: Vec<&str> = line.split(' ').collect();
        let [group, version, plural, kind, scope] = columns[..] else {
            panic!("{line}");
        };
        let schema = json!({"openAPIV3Schema": {"type": "object", "x-kubernetes-preserve-unknown-fields": true}});
        json!({"apiVersion": "apiextensions.k8s.io/v1", "kind": "CustomResourceDefinition",
            "metadata": {"name": format!("{plural}.{group}")},
            "spec": {"group": group, "scope": scope, "names": {"plural": plural, "kind": kind},
                "versions": [{"name": version, "served": true, "storage": true, "schema": schema}]}})
    };
    CUSTOMS.lines().map(definition).collect()
}
