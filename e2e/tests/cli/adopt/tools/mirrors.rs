//! Tools that copy a Secret of the cluster to other namespaces.

use serde_json::json;

use super::{Acts, BASE, Switch, Tool};

pub(super) fn all() -> Vec<Tool> {
    [carvel(), reflector(), replicator()].into_iter().flatten().collect()
}

fn carvel() -> Vec<Tool> {
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
    ]
}

fn reflector() -> Vec<Tool> {
    vec![Tool {
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
    }]
}

/// It pushes from the source, or pulls for a copy.
fn replicator() -> Vec<Tool> {
    vec![
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
        // The replicator has what it pulls in memory until it stops.
        Tool {
            key: "pull",
            name: "Replicator",
            secret: "pulled",
            metadata: |_| {
                json!({"annotations": {"replicator.v1.mittwald.de/replicate-from": "default/origin",
                    "replicator.v1.mittwald.de/replicated-at": "2026-03-02T10:00:00Z",
                    "replicator.v1.mittwald.de/replicated-from-version": "1"}})
            },
            workload: Some((
                &[("app.kubernetes.io/name", "kubernetes-replicator")],
                "quay.io/mittwald/kubernetes-replicator:v2",
            )),
            switch: Switch::Replicas,
            ..BASE
        },
    ]
}
