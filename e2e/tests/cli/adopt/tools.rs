//! The tools: what each writes on its copies, its objects, and its switch.

mod tokens;

use std::collections::BTreeMap;

use serde_json::{Value, json};

/// A tool.
#[derive(Clone)]
pub(crate) struct Tool {
    /// A word for names of namespaces.
    pub(crate) key: &'static str,
    /// Its name in the JSON of the plan.
    pub(crate) name: &'static str,
    /// The name of its copies.
    pub(crate) secret: &'static str,
    /// What it writes on a copy besides the login.
    pub(crate) metadata: fn(&str) -> Value,
    /// What stands on the Secret that it copies from, where that has the name of the copies.
    pub(crate) source: Option<fn() -> Value>,
    /// What it writes into an entry besides the login.
    pub(crate) email: Option<&'static str>,
    /// Kind and path of the owner of a copy. `NAMESPACE` stands for that of the copy.
    pub(crate) owner: Option<(&'static str, &'static str)>,
    /// The owner is the controller.
    pub(crate) controls: bool,
    /// Labels and image of its Deployment, in the namespace of its key.
    pub(crate) workload: Option<(&'static [(&'static str, &'static str)], &'static str)>,
    /// Its other objects, for copies in these namespaces.
    pub(crate) customs: fn(&[String]) -> Vec<Value>,
    pub(crate) switch: Switch,
    /// What it does with a copy that differs from its own while it is on.
    pub(crate) acts: Acts,
    /// Its logins last for hours.
    pub(crate) short_lived: bool,
}

/// What a tool does with a copy that another writer changed.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum Acts {
    /// Nothing: it only creates what is missing.
    Creates,
    /// It replaces data and metadata, without a version.
    Replaces,
    /// It deletes the copy and creates it again if the bytes differ.
    Recreates,
    /// It replaces the data while its annotation is there.
    Follows,
    /// It never writes.
    Never,
}

/// What switches a tool on and off: an object, and whether the tool is on. A switch that is gone is off.
#[derive(Clone, Copy)]
pub(crate) enum Switch {
    /// Nothing does.
    None,
    /// The replicas of its Deployment.
    Replicas,
    /// The object at this path.
    At(&'static str, fn(&Value) -> bool),
    /// The owner of a copy.
    Owner(fn(&Value) -> bool),
    /// The Secret that it copies from.
    Source(fn(&Value) -> bool),
}

impl Tool {
    /// Returns its objects, for copies in these namespaces.
    pub(crate) fn objects(&self, namespaces: &[String]) -> Vec<Value> {
        let mut objects = (self.customs)(namespaces);
        if let Some((labels, image)) = self.workload {
            let labels: BTreeMap<&str, &str> = labels.iter().copied().collect();
            objects.push(json!({"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": self.key}}));
            objects.push(json!({"apiVersion": "apps/v1", "kind": "Deployment",
                "metadata": {"namespace": self.key, "name": "controller", "labels": labels},
                "spec": {"replicas": 1, "selector": {"matchLabels": {"test": self.key}},
                    "template": {"metadata": {"labels": {"test": self.key}},
                        "spec": {"containers": [{"name": "main", "image": image}]}}}}));
        }
        objects
    }
}

const BASE: Tool = Tool {
    key: "",
    name: "",
    secret: "",
    metadata: |_| json!({}),
    source: None,
    email: None,
    owner: None,
    controls: true,
    workload: None,
    customs: |_| Vec::new(),
    switch: Switch::None,
    acts: Acts::Replaces,
    short_lived: false,
};

pub(crate) fn all() -> Vec<Tool> {
    [
        patchers(),
        credentials(),
        policies(),
        mirrors(),
        external(),
        tokens::all(),
    ]
    .into_iter()
    .flatten()
    .collect()
}

fn patchers() -> Vec<Tool> {
    vec![
        Tool {
            key: "titansoft",
            name: "TitansoftPatcher",
            secret: "image-pull-secret",
            metadata: |_| json!({"annotations": {"app.kubernetes.io/managed-by": "imagepullsecret-patcher"}}),
            workload: Some((
                &[("name", "imagepullsecret-patcher")],
                "titansoft/imagepullsecret-patcher:v1",
            )),
            switch: Switch::Replicas,
            acts: Acts::Recreates,
            ..BASE
        },
        Tool {
            key: "tamcore",
            name: "TamcorePatcher",
            secret: "global-imagepullsecret",
            metadata: |_| {
                json!({"labels": {"app.kubernetes.io/managed-by": "imagepullsecret-patcher"},
                    "annotations": {"app.kubernetes.io/managed-by": "imagepullsecret-patcher"}})
            },
            workload: Some((&[], "ghcr.io/tamcore/imagepullsecret-patcher:v1")),
            switch: Switch::Replicas,
            ..BASE
        },
        Tool {
            key: "script",
            name: "Script",
            secret: "docker",
            acts: Acts::Never,
            ..BASE
        },
    ]
}

fn credentials() -> Vec<Tool> {
    vec![
        Tool {
            key: "alexellis",
            name: "RegistryCreds",
            secret: "dockerhub",
            owner: Some((
                "ClusterPullSecret",
                "/apis/ops.alexellis.io/v1/clusterpullsecrets/dockerhub",
            )),
            customs: |_| {
                let metadata = json!({"name": "dockerhub"});
                vec![json!({"apiVersion": "ops.alexellis.io/v1", "kind": "ClusterPullSecret", "metadata": metadata})]
            },
            switch: Switch::Owner(|_| true),
            acts: Acts::Creates,
            ..BASE
        },
        Tool {
            key: "upmc",
            name: "UpmcRegistryCreds",
            secret: "dpr-secret",
            email: Some("none"),
            workload: Some((&[("name", "registry-creds")], "upmcenterprises/registry-creds:1.10")),
            switch: Switch::Replicas,
            ..BASE
        },
        Tool {
            key: "imps",
            name: "Imps",
            secret: "imps-secret",
            metadata: |_| {
                json!({"labels": {"images.banzaicloud.io/owner-uid": "uid"},
                    "annotations": {"banzaicloud.com/last-applied": "zip"}})
            },
            owner: Some((
                "ImagePullSecret",
                "/apis/images.banzaicloud.io/v1alpha1/imagepullsecrets/all",
            )),
            controls: false,
            workload: Some((
                &[("app.kubernetes.io/component", "imagepullsecret-controller")],
                "banzaicloud/imagepullsecrets:v1",
            )),
            customs: |_| {
                vec![
                    json!({"apiVersion": "images.banzaicloud.io/v1alpha1", "kind": "ImagePullSecret",
                    "metadata": {"name": "all"}}),
                ]
            },
            switch: Switch::Replicas,
            ..BASE
        },
    ]
}

fn policies() -> Vec<Tool> {
    vec![
        Tool {
            key: "kyverno",
            name: "KyvernoGenerate",
            secret: "regcred",
            source: Some(|| json!({"labels": {"generate.kyverno.io/clone-source": ""}})),
            metadata: |namespace| {
                json!({"labels": {"app.kubernetes.io/managed-by": "kyverno", "generate.kyverno.io/policy-name": "sync",
                    "generate.kyverno.io/policy-namespace": "", "generate.kyverno.io/rule-name": "clone",
                    "generate.kyverno.io/trigger-kind": "Namespace", "generate.kyverno.io/trigger-namespace": namespace}})
            },
            customs: |_| {
                let clone = json!({"kind": "Secret", "name": "regcred", "synchronize": true,
                    "clone": {"namespace": "default", "name": "regcred"}});
                vec![
                    json!({"apiVersion": "kyverno.io/v1", "kind": "ClusterPolicy", "metadata": {"name": "sync"},
                    "spec": {"rules": [{"name": "clone", "generate": clone}]}}),
                ]
            },
            switch: Switch::At("/apis/kyverno.io/v1/clusterpolicies/sync", |policy| {
                policy["spec"]["rules"][0]["generate"]["synchronize"] == true
            }),
            ..BASE
        },
        Tool {
            key: "gpol",
            name: "KyvernoGeneratingPolicy",
            secret: "generated",
            metadata: |_| {
                json!({"labels": {"app.kubernetes.io/managed-by": "kyverno", "generate.kyverno.io/policy-name": "pull",
                    "generate.kyverno.io/policy-namespace": ""}})
            },
            customs: |_| {
                vec![
                    json!({"apiVersion": "policies.kyverno.io/v1", "kind": "GeneratingPolicy",
                    "metadata": {"name": "pull"}, "spec": {"evaluation": {"synchronize": {"enabled": true}}}}),
                ]
            },
            switch: Switch::At("/apis/policies.kyverno.io/v1/generatingpolicies/pull", |policy| {
                policy["spec"]["evaluation"]["synchronize"]["enabled"] == true
            }),
            ..BASE
        },
    ]
}

fn mirrors() -> Vec<Tool> {
    vec![
        Tool {
            key: "import",
            name: "CarvelImport",
            secret: "imported",
            owner: Some((
                "SecretImport",
                "/apis/secretgen.carvel.dev/v1alpha1/namespaces/NAMESPACE/secretimports/imported",
            )),
            customs: |namespaces| {
                let import = |namespace: &String| {
                    json!({"apiVersion": "secretgen.carvel.dev/v1alpha1", "kind": "SecretImport",
                        "metadata": {"namespace": namespace, "name": "imported"}})
                };
                namespaces.iter().map(import).collect()
            },
            switch: Switch::Owner(|import| import["metadata"]["deletionTimestamp"].is_null()),
            ..BASE
        },
        Tool {
            key: "reflector",
            name: "Reflector",
            secret: "mirrored",
            metadata: |_| {
                json!({"annotations": {"reflector.v1.k8s.emberstack.com/reflects": "default/mirrored",
                    "reflector.v1.k8s.emberstack.com/auto-reflects": "True"}})
            },
            workload: Some((
                &[("app.kubernetes.io/name", "reflector")],
                "emberstack/kubernetes-reflector:9",
            )),
            switch: Switch::Replicas,
            ..BASE
        },
        Tool {
            key: "replicator",
            name: "Replicator",
            secret: "pushed",
            metadata: |_| {
                json!({"annotations": {"replicator.v1.mittwald.de/replicated-at": "2026-03-02T10:00:00Z",
                    "replicator.v1.mittwald.de/replicated-from-version": "1",
                    "replicator.v1.mittwald.de/replicated-keys": ".dockerconfigjson"}})
            },
            source: Some(|| json!({"annotations": {"replicator.v1.mittwald.de/replicate-to": "*"}})),
            switch: Switch::Source(|source| {
                source["metadata"]["annotations"]["replicator.v1.mittwald.de/replicate-to"].is_string()
            }),
            ..BASE
        },
    ]
}

fn external() -> Vec<Tool> {
    vec![
        Tool {
            key: "placeholder",
            name: "CarvelPlaceholder",
            secret: "placeholder",
            metadata: |_| {
                json!({"annotations": {"secretgen.carvel.dev/image-pull-secret": "",
                    "secretgen.carvel.dev/status": "{}"}})
            },
            acts: Acts::Follows,
            ..BASE
        },
        Tool {
            key: "external",
            name: "ExternalSecrets",
            secret: "from-store",
            metadata: |_| {
                json!({"labels": {"reconcile.external-secrets.io/managed": "true"},
                    "annotations": {"reconcile.external-secrets.io/data-hash": "hash"}})
            },
            owner: Some((
                "ExternalSecret",
                "/apis/external-secrets.io/v1/namespaces/NAMESPACE/externalsecrets/from-store",
            )),
            customs: |namespaces| {
                let kept = |namespace: &String| {
                    json!({"apiVersion": "external-secrets.io/v1", "kind": "ExternalSecret",
                        "metadata": {"namespace": namespace, "name": "from-store"},
                        "spec": {"target": {"creationPolicy": "Owner"}, "refreshPolicy": "Periodic"}})
                };
                namespaces.iter().map(kept).collect()
            },
            switch: Switch::Owner(|kept| kept["spec"]["refreshPolicy"] != "CreatedOnce"),
            ..BASE
        },
    ]
}
