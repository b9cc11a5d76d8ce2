//! Tools whose logins last for hours.

use serde_json::json;

use super::{BASE, Switch, Tool};

const TOKENS: Tool = Tool {
    short_lived: true,
    switch: Switch::Replicas,
    ..BASE
};

pub(super) fn all() -> Vec<Tool> {
    [operators(), clouds()].into_iter().flatten().collect()
}

fn operators() -> Vec<Tool> {
    vec![
        Tool {
            key: "jfrog",
            name: "Jfrog",
            secret: "token-imagepull-secret",
            owner: Some(("SecretRotator", "/apis/apps.jfrog.com/v1alpha1/secretrotators/rotator")),
            workload: Some((&[("app", "jfrog-operator")], "jfrog/jfrog-registry-operator:2")),
            customs: |_| {
                vec![json!({"apiVersion": "apps.jfrog.com/v1alpha1", "kind": "SecretRotator",
                    "metadata": {"name": "rotator", "finalizers": ["apps.jfrog.com/finalizer"]}})]
            },
            ..TOKENS
        },
        Tool {
            key: "nabsul",
            name: "EcrLoginRenew",
            secret: "k8s-ecr-login-renew-docker-secret",
            email: Some("awsregrenew@demo.test"),
            customs: |_| {
                let container = json!({"name": "main", "image": "nabsul/k8s-ecr-login-renew:v1"});
                let pod = json!({"restartPolicy": "Never", "containers": [container]});
                vec![
                    json!({"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": "nabsul"}}),
                    json!({"apiVersion": "batch/v1", "kind": "CronJob", "metadata": {"namespace": "nabsul", "name": "renew"},
                        "spec": {"schedule": "0 0 1 1 *", "jobTemplate": {"spec": {"template": {"spec": pod}}}}}),
                ]
            },
            switch: Switch::At("/apis/batch/v1/namespaces/nabsul/cronjobs/renew", |job| {
                job["spec"]["suspend"] != true
            }),
            ..TOKENS
        },
    ]
}

fn clouds() -> Vec<Tool> {
    vec![
        Tool {
            key: "pfnet",
            name: "Pfnet",
            secret: "imagepullsecret-default",
            metadata: |_| {
                json!({"labels": {"imagepullsecrets.preferred.jp/service-account": "default"},
                    "annotations": {"imagepullsecrets.preferred.jp/principal": "p"}})
            },
            owner: Some(("ServiceAccount", "/api/v1/namespaces/NAMESPACE/serviceaccounts/default")),
            workload: Some((&[], "ghcr.io/pfnet/image-pull-secrets-provisioner:v1")),
            ..TOKENS
        },
        Tool {
            key: "acrpull",
            name: "AcrPull",
            secret: "acr-pull-acr",
            metadata: |_| json!({"labels": {"acr.microsoft.com/binding": "acr"}}),
            owner: Some((
                "AcrPullBinding",
                "/apis/acrpull.microsoft.com/v1beta2/namespaces/NAMESPACE/acrpullbindings/acr",
            )),
            workload: Some((
                &[("app.kubernetes.io/name", "acrpull")],
                "mcr.microsoft.com/aks/msi-acrpull:v1",
            )),
            customs: |namespaces| {
                let binding = |namespace: &String| {
                    json!({"apiVersion": "acrpull.microsoft.com/v1beta2", "kind": "AcrPullBinding",
                        "metadata": {"namespace": namespace, "name": "acr", "finalizers": ["msi-acrpull.microsoft.com/finalizer"]}})
                };
                namespaces.iter().map(binding).collect()
            },
            ..TOKENS
        },
    ]
}
