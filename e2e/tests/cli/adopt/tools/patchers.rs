//! Tools that make Secrets and entries of accounts in all namespaces.

use serde_json::json;

use super::{Acts, BASE, Switch, Tool};

pub(super) fn all() -> Vec<Tool> {
    [patchers(), credentials(), imps()].into_iter().flatten().collect()
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
        // The manager of addons starts a Deployment again that was scaled to 0.
        Tool {
            key: "minikube",
            name: "UpmcRegistryCreds",
            secret: "awsecr-cred",
            email: Some("none"),
            customs: |_| {
                let labels = json!({"kubernetes.io/minikube-addons": "registry-creds"});
                let container = json!({"name": "main", "image": "gcr.io/k8s-minikube/registry-creds:1.10"});
                vec![json!({"apiVersion": "apps/v1", "kind": "Deployment",
                    "metadata": {"namespace": "kube-system", "name": "registry-creds", "labels": labels},
                    "spec": {"selector": {"matchLabels": {"name": "registry-creds"}},
                        "template": {"metadata": {"labels": {"name": "registry-creds"}},
                            "spec": {"containers": [container]}}}})]
            },
            switch: Switch::At(
                "/apis/apps/v1/namespaces/kube-system/deployments/registry-creds",
                |_| true,
            ),
            ..BASE
        },
    ]
}

fn imps() -> Vec<Tool> {
    vec![Tool {
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
    }]
}
