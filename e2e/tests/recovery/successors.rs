//! Successors that wait as well.

use std::time::Duration;

use e2e::scenario::{LABEL, SOON};
use e2e::wait::{eventually, quiet};
use serde_json::json;

use crate::recovery::env::{Env, waits};
use crate::recovery::workloads::workload;

/// Twice the time after which the operator replaces a Pod.
const A_WHILE: Duration = Duration::from_secs(25);

/// Where another party takes the reference from every new Pod, one Pod of each controller is lost, and no more.
#[tokio::test]
async fn waiting_successor_stops_the_replacement() {
    let env = Env::start("stripped").await;
    strip_lists(&env).await;
    env.scenario.namespaces(&["a"]).await;
    let namespace = env.scenario.in_scenario(&["a"]).remove(0);
    env.scenario.wait_for_accounts(std::slice::from_ref(&namespace)).await;
    let two = [workload("ReplicaSet", "one", 4), workload("StatefulSet", "two", 3)];
    env.make(&two.map(|one| (namespace.clone(), one))).await;
    env.pods_are("all Pods wait", 7, SOON, waits).await;

    env.start_operator().await;
    let mark = env.scenario.mark().await;
    env.scenario.source(&env.scenario.login("first")).await;
    env.scenario.apply(&env.scenario.object()).await;
    eventually("both controllers have an Event", SOON, async || {
        let events = env.events(&namespace, "PodNotReplaced").await;
        let named = |kind: &str| {
            events
                .iter()
                .any(|(of, _, text)| of == kind && text.contains("as the Pod before it did"))
        };
        let done = named("ReplicaSet") && named("StatefulSet");
        if done { Ok(()) } else { Err(format!("{events:?}")) }
    })
    .await;
    quiet("no further Pod is deleted", A_WHILE, async || {
        let deleted = env.deleted(mark).await;
        if deleted.len() <= 2 {
            Ok(())
        } else {
            Err(format!("{deleted:?}"))
        }
    })
    .await;
    assert_eq!(env.deleted(mark).await.len(), 2);
    env.counts(7, 2, 0).await;
}

/// Applies a policy that empties the list of every new Pod.
async fn strip_lists(env: &Env) {
    let name = env.scenario.name();
    let expression =
        "has(object.spec.imagePullSecrets) ? [JSONPatch{op: \"remove\", path: \"/spec/imagePullSecrets\"}] : []";
    let policy = json!({
        "apiVersion": "admissionregistration.k8s.io/v1", "kind": "MutatingAdmissionPolicy", "metadata": {"name": name},
        "spec": {
            "failurePolicy": "Fail", "reinvocationPolicy": "IfNeeded",
            "matchConstraints": {
                "namespaceSelector": {"matchLabels": {LABEL: name}},
                "resourceRules": [{"apiGroups": [""], "apiVersions": ["v1"], "resources": ["pods"], "operations": ["CREATE"]}],
            },
            "mutations": [{"patchType": "JSONPatch", "jsonPatch": {"expression": expression}}],
        },
    });
    let binding = json!({
        "apiVersion": "admissionregistration.k8s.io/v1", "kind": "MutatingAdmissionPolicyBinding",
        "metadata": {"name": name}, "spec": {"policyName": name},
    });
    env.scenario.apply(&policy).await;
    env.scenario.apply(&binding).await;
    env.scenario
        .make_namespaces(
            vec![format!("{name}-probe")],
            &[(LABEL.to_owned(), name.to_owned())].into(),
        )
        .await;
    let probe = format!("{name}-probe");
    env.scenario.wait_for_accounts(std::slice::from_ref(&probe)).await;
    eventually("the policy is in force", SOON, async || {
        let mut pod = workload("Pod", "probe", 1).manifest(&probe);
        pod["spec"]["imagePullSecrets"] = json!([{"name": "x"}]);
        let create = [
            "create",
            "--dry-run=server",
            "-f",
            "-",
            "-o",
            "jsonpath={.spec.imagePullSecrets}",
        ];
        let made = env.scenario.cluster().kubectl().run(&create, &pod.to_string()).await;
        match made {
            Ok(text) if text.is_empty() => Ok(()),
            other => Err(format!("{other:?}")),
        }
    })
    .await;
    env.scenario
        .kubectl(&["delete", "namespace", &probe, "--wait=false"])
        .await;
}
