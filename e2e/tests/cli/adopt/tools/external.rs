//! Secrets that External Secrets makes from a store.

use serde_json::json;

use super::{BASE, Switch, Tool};

pub(super) fn all() -> Vec<Tool> {
    vec![
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
        Tool {
            key: "externals",
            name: "ExternalSecrets",
            secret: "from-stores",
            metadata: |_| {
                json!({"labels": {"reconcile.external-secrets.io/managed": "true"},
                    "annotations": {"reconcile.external-secrets.io/data-hash": "hash"}})
            },
            owner: Some((
                "ExternalSecret",
                "/apis/external-secrets.io/v1/namespaces/NAMESPACE/externalsecrets/from-stores",
            )),
            customs: |namespaces| {
                let spec = json!({"target": {"creationPolicy": "Owner"}, "refreshPolicy": "Periodic"});
                let parent = json!({"apiVersion": "external-secrets.io/v1", "kind": "ClusterExternalSecret",
                    "metadata": {"name": "from-stores", "finalizers": ["externalsecrets.external-secrets.io/finalizer"]},
                    "spec": {"externalSecretSpec": spec}});
                let kept = |namespace: &String| {
                    json!({"apiVersion": "external-secrets.io/v1", "kind": "ExternalSecret",
                        "metadata": {"namespace": namespace, "name": "from-stores",
                            "ownerReferences": [{"apiVersion": "external-secrets.io/v1", "kind": "ClusterExternalSecret",
                                "name": "from-stores", "controller": true}]},
                        "spec": spec})
                };
                let kept: Vec<_> = namespaces.iter().map(kept).collect();
                [vec![parent], kept].concat()
            },
            switch: Switch::Owner(|kept| kept["spec"]["refreshPolicy"] != "CreatedOnce"),
            parent: Some("/apis/external-secrets.io/v1/clusterexternalsecrets/from-stores"),
            ..BASE
        },
    ]
}
