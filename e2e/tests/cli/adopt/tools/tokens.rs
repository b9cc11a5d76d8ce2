//! Tools whose logins last for hours.

use serde_json::json;

use super::{BASE, Tool, deployment, scaled};

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
            objects: |_| {
                let rotator = json!({"apiVersion": "apps.jfrog.com/v1alpha1", "kind": "SecretRotator",
                    "metadata": {"name": "rotator", "finalizers": ["apps.jfrog.com/finalizer"]}});
                [
                    deployment(
                        "jfrog",
                        &json!({"app": "jfrog-operator"}),
                        "jfrog/jfrog-registry-operator:2",
                    ),
                    vec![rotator],
                ]
                .concat()
            },
            switch: ("/apis/apps/v1/namespaces/jfrog/deployments/controller", scaled),
            short_lived: true,
            ..BASE
        },
        Tool {
            key: "nabsul",
            name: "EcrLoginRenew",
            secret: "k8s-ecr-login-renew-docker-secret",
            email: Some("awsregrenew@demo.test"),
            objects: |_| {
                let container = json!({"name": "main", "image": "nabsul/k8s-ecr-login-renew:v1"});
                let pod = json!({"restartPolicy": "Never", "containers": [container]});
                vec![
                    json!({"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": "nabsul"}}),
                    json!({"apiVersion": "batch/v1", "kind": "CronJob", "metadata": {"namespace": "nabsul", "name": "renew"},
                        "spec": {"schedule": "0 0 1 1 *", "jobTemplate": {"spec": {"template": {"spec": pod}}}}}),
                ]
            },
            switch: ("/apis/batch/v1/namespaces/nabsul/cronjobs/renew", |job| {
                job["spec"]["suspend"] != true
            }),
            short_lived: true,
            ..BASE
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
            objects: |_| deployment("pfnet", &json!({}), "ghcr.io/pfnet/image-pull-secrets-provisioner:v1"),
            switch: ("/apis/apps/v1/namespaces/pfnet/deployments/controller", scaled),
            short_lived: true,
            ..BASE
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
            objects: |namespaces| {
                let binding = |namespace: &String| {
                    json!({"apiVersion": "acrpull.microsoft.com/v1beta2", "kind": "AcrPullBinding",
                        "metadata": {"namespace": namespace, "name": "acr", "finalizers": ["msi-acrpull.microsoft.com/finalizer"]}})
                };
                let labels = json!({"app.kubernetes.io/name": "acrpull"});
                let controller = deployment("acrpull", &labels, "mcr.microsoft.com/aks/msi-acrpull:v1");
                controller.into_iter().chain(namespaces.iter().map(binding)).collect()
            },
            switch: ("/apis/apps/v1/namespaces/acrpull/deployments/controller", scaled),
            short_lived: true,
            ..BASE
        },
    ]
}
