//! What each tool leaves, in the shapes that it writes, and what must be there before it may be adopted.

mod tokens;

use serde_json::{Value, json};

use super::{CANARY, NOW_TEXT, deployment};
use crate::adopt::Tool;

/// A tool in a test.
pub(crate) struct Row {
    pub(crate) tool: Tool,
    /// The name of its copies.
    pub(crate) secret: &'static str,
    /// The metadata of a copy in a namespace.
    pub(crate) copy: fn(&str) -> Value,
    /// The metadata of what it copies from, where that has the name of the copies.
    pub(crate) source: Option<fn() -> Value>,
    /// A part of each entry besides the login.
    pub(crate) email: Option<&'static str>,
    /// The tool, running, with its objects.
    pub(crate) running: Vec<Value>,
    /// A part of the command that must come first. Empty: none must.
    pub(crate) first: &'static str,
    /// The tool after that command.
    pub(crate) stopped: Vec<Value>,
    /// A part of the commands that follow the adoption.
    pub(crate) after: &'static str,
    /// Its logins last for hours.
    pub(crate) short_lived: bool,
}

/// A custom resource.
fn custom(version: &str, kind: &str, metadata: &Value, spec: &Value) -> Value {
    json!({"apiVersion": version, "kind": kind, "metadata": metadata, "spec": spec})
}

fn owner(version: &str, kind: &str, name: &str, uid: &str, controller: bool) -> Value {
    json!([{"apiVersion": version, "kind": kind, "name": name, "uid": uid, "controller": controller,
        "blockOwnerDeletion": controller}])
}

fn lease(name: &str) -> Value {
    json!({"apiVersion": "coordination.k8s.io/v1", "kind": "Lease", "metadata": {"namespace": "tool", "name": name},
        "spec": {"holderIdentity": "pod-1", "renewTime": NOW_TEXT, "leaseDurationSeconds": 15}})
}

fn deployed(labels: &Value, image: &str, replicas: u8) -> Value {
    deployment("tool", "controller", labels, image, replicas)
}

fn last_applied() -> Value {
    json!({"kubectl.kubernetes.io/last-applied-configuration": format!("{{\"data\":\"{CANARY}\"}}")})
}

const SCALE: &str = "kubectl scale deployment/controller -n tool --replicas=0";

fn row(tool: Tool, secret: &'static str, copy: fn(&str) -> Value) -> Row {
    Row {
        tool,
        secret,
        copy,
        source: None,
        email: None,
        running: Vec::new(),
        first: "",
        stopped: Vec::new(),
        after: "",
        short_lived: false,
    }
}

/// A tool that must be scaled to 0.
fn stopped(mut base: Row, labels: &Value, image: &str) -> Row {
    base.running.push(deployed(labels, image, 1));
    base.stopped.push(deployed(labels, image, 0));
    Row { first: SCALE, ..base }
}

pub(crate) fn rows() -> Vec<Row> {
    [
        patchers(),
        credentials(),
        kyverno(),
        carvel(),
        mirrors(),
        external(),
        tokens::rows(),
        scripts(),
    ]
    .into_iter()
    .flatten()
    .collect()
}

fn patchers() -> Vec<Row> {
    let titansoft = |_: &str| json!({"annotations": {"app.kubernetes.io/managed-by": "imagepullsecret-patcher"}});
    let tamcore = |_: &str| {
        json!({"labels": {"app.kubernetes.io/managed-by": "imagepullsecret-patcher"},
            "annotations": {"app.kubernetes.io/managed-by": "imagepullsecret-patcher"}})
    };
    vec![
        Row {
            after: "kubectl delete deployment controller -n tool",
            ..stopped(
                row(Tool::TitansoftPatcher, "image-pull-secret", titansoft),
                &json!({"name": "imagepullsecret-patcher"}),
                "quay.io/titansoft/imagepullsecret-patcher:v0.14",
            )
        },
        stopped(
            row(Tool::TamcorePatcher, "global-imagepullsecret", tamcore),
            &json!({"app.kubernetes.io/name": "imagepullsecret-patcher"}),
            "ghcr.io/tamcore/imagepullsecret-patcher:1.0",
        ),
    ]
}

fn credentials() -> Vec<Row> {
    let alexellis = |_: &str| json!({"ownerReferences": owner("ops.alexellis.io/v1", "ClusterPullSecret", "dockerhub", "cr-1", true)});
    let labels = json!({"control-plane": "registry-creds-controller"});
    let object = custom(
        "ops.alexellis.io/v1",
        "ClusterPullSecret",
        &json!({"name": "dockerhub", "uid": "cr-1"}),
        &json!({}),
    );
    let running = vec![
        object,
        deployed(&labels, "ghcr.io/alexellis/registry-creds:0.4", 1),
        lease("8bdecb1a.alexellis.io"),
    ];
    let imps = |_: &str| {
        json!({"labels": {"images.banzaicloud.io/owner-uid": "cr-2"},
            "annotations": {"banzaicloud.com/last-applied": CANARY},
            "ownerReferences": owner("images.banzaicloud.io/v1alpha1", "ImagePullSecret", "all", "cr-2", false)})
    };
    let object = custom(
        "images.banzaicloud.io/v1alpha1",
        "ImagePullSecret",
        &json!({"name": "all", "uid": "cr-2"}),
        &json!({}),
    );
    vec![
        Row {
            // It only creates, so nothing must come first.
            running: running.clone(),
            stopped: running,
            after: "kubectl delete clusterpullsecrets.ops.alexellis.io dockerhub --cascade=orphan",
            ..row(Tool::RegistryCreds, "dockerhub", alexellis)
        },
        Row {
            email: Some("none"),
            ..stopped(
                row(Tool::UpmcRegistryCreds, "dpr-secret", |_| json!({})),
                &json!({"name": "registry-creds"}),
                "upmcenterprises/registry-creds:1.10",
            )
        },
        Row {
            after: "kubectl delete imagepullsecrets.images.banzaicloud.io all --cascade=orphan",
            ..stopped(
                Row {
                    running: vec![object.clone()],
                    stopped: vec![object],
                    ..row(Tool::Imps, "pull-secret", imps)
                },
                &json!({"app.kubernetes.io/component": "imagepullsecret-controller"}),
                "ghcr.io/banzaicloud/imagepullsecrets:v0.3",
            )
        },
    ]
}

fn kyverno() -> Vec<Row> {
    let clone = |namespace: &str| {
        json!({"labels": {"app.kubernetes.io/managed-by": "kyverno", "generate.kyverno.io/policy-name": "sync-secrets",
                "generate.kyverno.io/policy-namespace": "", "generate.kyverno.io/rule-name": "sync",
                "generate.kyverno.io/trigger-kind": "Namespace", "generate.kyverno.io/trigger-namespace": "",
                "generate.kyverno.io/trigger-uid": namespace, "generate.kyverno.io/source-uid": "uid-default-regcred",
                "team": "platform"},
            "annotations": last_applied()})
    };
    let source = || json!({"labels": {"generate.kyverno.io/clone-source": "", "team": "platform"}, "annotations": last_applied()});
    let policy = |synchronize: bool| {
        custom(
            "kyverno.io/v1",
            "ClusterPolicy",
            &json!({"name": "sync-secrets", "uid": "cr-3"}),
            &json!({"rules": [{"name": "other"}, {"name": "sync", "generate": {"kind": "Secret", "name": "regcred",
                "synchronize": synchronize, "orphanDownstreamOnPolicyDelete": !synchronize,
                "clone": {"namespace": "default", "name": "regcred"}}}]}),
        )
    };
    let generated = |_: &str| {
        json!({"labels": {"app.kubernetes.io/managed-by": "kyverno", "generate.kyverno.io/policy-name": "pull",
            "generate.kyverno.io/policy-namespace": "", "generate.kyverno.io/trigger-kind": "Namespace"}})
    };
    let generating = |on: bool| {
        custom(
            "policies.kyverno.io/v1",
            "GeneratingPolicy",
            &json!({"name": "pull", "uid": "cr-4"}),
            &json!({"evaluation": {"synchronize": {"enabled": on}}}),
        )
    };
    let controller = deployed(
        &json!({"app.kubernetes.io/component": "background-controller"}),
        "ghcr.io/kyverno/background-controller:v1.18.2",
        1,
    );
    vec![
        Row {
            source: Some(source),
            running: vec![policy(true), controller.clone()],
            first: r#""path":"/spec/rules/1/generate/synchronize","value":false"#,
            stopped: vec![policy(false), controller.clone()],
            after: "kubectl delete clusterpolicies.kyverno.io sync-secrets",
            ..row(Tool::KyvernoGenerate, "regcred", clone)
        },
        Row {
            running: vec![generating(true), controller.clone()],
            first: r#"kubectl patch generatingpolicies.policies.kyverno.io pull --type=merge -p '{"spec":{"evaluation":{"synchronize":{"enabled":false}}}}'"#,
            stopped: vec![generating(false), controller],
            after: "kubectl delete generatingpolicies.policies.kyverno.io pull",
            ..row(Tool::KyvernoGeneratingPolicy, "generated", generated)
        },
    ]
}

fn carvel() -> Vec<Row> {
    let placeholder = |_: &str| {
        json!({"annotations": {"secretgen.carvel.dev/image-pull-secret": "",
            "secretgen.carvel.dev/status": "{\"conditions\":[],\"secrets\":[\"default/reg\"]}"}})
    };
    let import = |namespace: &str| {
        json!({"ownerReferences": owner("secretgen.carvel.dev/v1alpha1", "SecretImport", "reg", &format!("import-{namespace}"), true),
            "managedFields": [{"manager": "secretgen-controller"}]})
    };
    let objects = ["a", "b", "c"].map(|namespace| {
        custom(
            "secretgen.carvel.dev/v1alpha1",
            "SecretImport",
            &json!({"namespace": namespace, "name": "reg", "uid": format!("import-{namespace}")}),
            &json!({"fromNamespace": "default"}),
        )
    });
    let controller = deployed(
        &json!({"app": "secretgen-controller"}),
        "ghcr.io/carvel-dev/secretgen-controller:v0.19",
        1,
    );
    vec![
        Row {
            running: vec![controller.clone()],
            stopped: vec![controller.clone()],
            after: "",
            ..row(Tool::CarvelPlaceholder, "placeholder", placeholder)
        },
        Row {
            running: [&objects[..], std::slice::from_ref(&controller)].concat(),
            first: "kubectl delete secretimports.secretgen.carvel.dev reg -n a --cascade=orphan",
            stopped: vec![controller],
            ..row(Tool::CarvelImport, "reg", import)
        },
    ]
}

fn mirrors() -> Vec<Row> {
    let mirror = |_: &str| {
        json!({"annotations": {"reflector.v1.k8s.emberstack.com/reflects": "default/mirrored",
            "reflector.v1.k8s.emberstack.com/auto-reflects": "True",
            "reflector.v1.k8s.emberstack.com/reflected-version": "12",
            "reflector.v1.k8s.emberstack.com/reflected-at": NOW_TEXT}})
    };
    let mirrored = || {
        json!({"annotations": {"reflector.v1.k8s.emberstack.com/reflection-allowed": "true",
            "reflector.v1.k8s.emberstack.com/reflection-auto-enabled": "true"}})
    };
    let pushed = |_: &str| {
        json!({"annotations": {"replicator.v1.mittwald.de/replicated-at": NOW_TEXT,
            "replicator.v1.mittwald.de/replicated-from-version": "12",
            "replicator.v1.mittwald.de/replicated-keys": ".dockerconfigjson"}})
    };
    let origin = || json!({"annotations": {"replicator.v1.mittwald.de/replicate-to": "*"}});
    let controller = deployed(
        &json!({"app.kubernetes.io/name": "kubernetes-replicator"}),
        "quay.io/mittwald/kubernetes-replicator:v2.12",
        1,
    );
    vec![
        Row {
            source: Some(mirrored),
            ..stopped(
                row(Tool::Reflector, "mirrored", mirror),
                &json!({"app.kubernetes.io/name": "reflector"}),
                "emberstack/kubernetes-reflector:9.1",
            )
        },
        Row {
            source: Some(origin),
            running: vec![controller.clone()],
            first: "kubectl annotate secret pushed -n default replicator.v1.mittwald.de/replicate-to- ",
            stopped: vec![controller],
            ..row(Tool::Replicator, "pushed", pushed)
        },
    ]
}

fn external() -> Vec<Row> {
    let kept = |namespace: &str| {
        json!({"labels": {"reconcile.external-secrets.io/managed": "true", "reconcile.external-secrets.io/created-by": "hash"},
            "annotations": {"reconcile.external-secrets.io/data-hash": "hash"},
            "ownerReferences": owner("external-secrets.io/v1", "ExternalSecret", "registry", &format!("es-{namespace}"), true)})
    };
    let objects = |creation: &str, refresh: &str| -> Vec<Value> {
        let mut all: Vec<Value> = ["a", "b", "c"]
            .iter()
            .map(|namespace| {
                custom(
                    "external-secrets.io/v1",
                    "ExternalSecret",
                    &json!({"namespace": namespace, "name": "registry", "uid": format!("es-{namespace}"),
                        "ownerReferences": owner("external-secrets.io/v1", "ClusterExternalSecret", "registry", "ces", true)}),
                    &json!({"target": {"creationPolicy": creation, "name": "from-store"}, "refreshPolicy": refresh}),
                )
            })
            .collect();
        all.push(custom(
            "external-secrets.io/v1",
            "ClusterExternalSecret",
            &json!({"name": "registry", "uid": "ces"}),
            &json!({}),
        ));
        all
    };
    vec![Row {
        running: objects("Owner", "Periodic"),
        first: r#"kubectl patch clusterexternalsecrets.external-secrets.io registry --type=merge -p '{"spec":{"externalSecretSpec":{"target":{"creationPolicy":"Orphan","deletionPolicy":"Retain"}}}}'"#,
        stopped: objects("Orphan", "CreatedOnce"),
        after: "kubectl delete clusterexternalsecrets.external-secrets.io registry",
        ..row(Tool::ExternalSecrets, "from-store", kept)
    }]
}

fn scripts() -> Vec<Row> {
    let applied =
        |_: &str| json!({"annotations": last_applied(), "managedFields": [{"manager": "kubectl-client-side-apply"}]});
    vec![row(Tool::Script, "docker", applied)]
}
