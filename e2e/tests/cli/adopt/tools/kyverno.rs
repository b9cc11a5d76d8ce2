//! Policies of Kyverno.

use serde_json::json;

use super::{BASE, Switch, Tool};

pub(super) fn all() -> Vec<Tool> {
    [of_the_cluster(), of_namespaces()].into_iter().flatten().collect()
}

fn of_the_cluster() -> Vec<Tool> {
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

/// A policy of a namespace makes Secrets there alone.
fn of_namespaces() -> Vec<Tool> {
    vec![
        Tool {
            key: "kynamed",
            name: "KyvernoGenerate",
            secret: "regcred-own",
            metadata: |namespace| {
                json!({"labels": {"app.kubernetes.io/managed-by": "kyverno", "generate.kyverno.io/policy-name": "own",
                    "generate.kyverno.io/policy-namespace": namespace, "generate.kyverno.io/rule-name": "data"}})
            },
            customs: |namespaces| {
                let policy = |namespace: &String| {
                    let other = json!({"name": "labels", "mutate": {}});
                    let data = json!({"name": "data", "generate": {"kind": "Secret", "name": "regcred-own",
                        "synchronize": true}});
                    json!({"apiVersion": "kyverno.io/v1", "kind": "Policy",
                        "metadata": {"namespace": namespace, "name": "own"}, "spec": {"rules": [other, data]}})
                };
                namespaces.iter().map(policy).collect()
            },
            switch: Switch::At("/apis/kyverno.io/v1/namespaces/NAMESPACE/policies/own", |policy| {
                policy["spec"]["rules"][1]["generate"]["synchronize"] == true
            }),
            ..BASE
        },
        Tool {
            key: "ngpol",
            name: "KyvernoGeneratingPolicy",
            secret: "generated-own",
            metadata: |namespace| {
                json!({"labels": {"app.kubernetes.io/managed-by": "kyverno", "generate.kyverno.io/policy-name": "pull-own",
                    "generate.kyverno.io/policy-namespace": namespace}})
            },
            customs: |namespaces| {
                let policy = |namespace: &String| {
                    json!({"apiVersion": "policies.kyverno.io/v1", "kind": "NamespacedGeneratingPolicy",
                        "metadata": {"namespace": namespace, "name": "pull-own"},
                        "spec": {"evaluation": {"synchronize": {"enabled": true}}}})
                };
                namespaces.iter().map(policy).collect()
            },
            switch: Switch::At(
                "/apis/policies.kyverno.io/v1/namespaces/NAMESPACE/namespacedgeneratingpolicies/pull-own",
                |policy| policy["spec"]["evaluation"]["synchronize"]["enabled"] == true,
            ),
            ..BASE
        },
    ]
}
