//! Mutating policies of the cluster beside the policies on the operator: what these refuse, what they say, and what
//! `allowedKeys` lets pass.

use std::time::{Duration, Instant};

use e2e::scenario::{SOON, Scenario};
use e2e::wait::eventually;
use e2e::{OPERATOR_ACCOUNT, SYSTEM_NAMESPACE, client};
use k8s_openapi::api::core::v1::{Secret, ServiceAccount};
use kube::api::{DeleteParams, Patch, PatchParams};
use kube::{Api, Client};
use serde_json::{Value, json};

use super::bare;

const SECRETS: &str = "pullsecrets-operator-secrets";
const ACCOUNTS: &str = "pullsecrets-operator-serviceaccounts";

const LABEL: &str = r#"Object{metadata: Object.metadata{labels: {"cost-center": "CANARY"}}}"#;
const STAMP: &str =
    r#"Object{metadata: Object.metadata{annotations: {"example.com/modified-by": request.userInfo.username}}}"#;

/// Keys that mutating policies add everywhere are refused by name. Where they are allowed, the operator serves.
#[tokio::test]
async fn allowed_keys_of_mutators_pass() {
    let scenario = Scenario::own("mutators").await;
    let (first, second) = (scenario.login("first"), scenario.login("second"));
    scenario.namespaces(&["a"]).await;
    scenario.wait_for_accounts(&scenario.in_scenario(&["a"])).await;
    scenario.source(&first).await;
    for policy in [
        mutator("cost-center", "", "secrets", LABEL),
        mutator("stamp", "", "serviceaccounts", STAMP),
    ] {
        for object in &policy {
            scenario.apply(object).await;
        }
    }
    is_mutated(&scenario).await;
    scenario.apply(&scenario.object()).await;

    // The state of the logins comes first.
    names_the_remedy(&scenario, "CredentialsReady", SECRETS, "cost-center").await;
    allow(&scenario, SECRETS, "['other', 'cost-*']").await;
    names_the_remedy(&scenario, "ServiceAccountsSynced", ACCOUNTS, "example.com/modified-by").await;
    allow(&scenario, ACCOUNTS, "['example.com/modified-by']").await;
    scenario
        .holds("copies and references come", &scenario.expected(&["a"], &first))
        .await;
    scenario.source(&second).await;
    scenario
        .holds("the rotation passes", &scenario.expected(&["a"], &second))
        .await;
    scenario.says("Ready", "True", "Synced").await;
}

/// The operator removes its finalizer from an object in deletion although a mutating policy writes on that object.
#[tokio::test]
async fn mutator_of_objects_holds_no_deletion() {
    let scenario = Scenario::own("stamped").await;
    scenario.set_up(&["a"], &scenario.login("first")).await;
    scenario.says("Ready", "True", "Synced").await;
    for object in &mutator("stamp", "pullsecrets.dev", "clusterpullsecrets", STAMP) {
        scenario.apply(object).await;
    }
    let kubectl = scenario.cluster().kubectl();
    eventually("the policy is in force", SOON, async || {
        // For a while after a definition is created, a mutating policy for its kind answers 503.
        let touch = ["annotate", "cps", scenario.name(), "touched=true", "--overwrite"];
        kubectl.run(&touch, "").await.map_err(|error| format!("{error:#}"))?;
        let object = scenario.current().await;
        let stamp = &object["metadata"]["annotations"]["example.com/modified-by"];
        stamp.is_string().then_some(()).ok_or_else(|| object.to_string())
    })
    .await;
    scenario
        .kubectl(&["delete", "cps", scenario.name(), "--wait=false"])
        .await;
    scenario.gone("the object goes, with its copies and references").await;
}

/// A mutating policy holds up the release of a retained copy, which keeps its login. The status names the key.
#[tokio::test]
async fn release_of_retained_copies_waits_for_keys() {
    let scenario = Scenario::own("retained").await;
    let login = scenario.login("first");
    scenario.namespaces(&["a", "b"]).await;
    scenario.wait_for_accounts(&scenario.in_scenario(&["a", "b"])).await;
    scenario.source(&login).await;
    let mut object = scenario.object();
    object["spec"]["deletionPolicy"] = json!("Retain");
    scenario.apply(&object).await;
    scenario.says("Ready", "True", "Synced").await;
    for object in &mutator("cost-center", "", "secrets", LABEL) {
        scenario.apply(object).await;
    }
    let [a, b] = ["a", "b"].map(|part| scenario.in_scenario(&[part]).remove(0));
    let touch = [
        "annotate",
        "secret",
        scenario.name(),
        "-n",
        &a,
        "touched=a",
        "--overwrite",
        "-o",
        "json",
    ];
    eventually("the mutating policy is in force", SOON, async || {
        let copy = scenario.kubectl(&touch).await;
        copy.contains("cost-center").then_some(()).ok_or(copy)
    })
    .await;
    scenario
        .kubectl(&["label", "namespace", &b, "pullsecrets.dev/exclude=true"])
        .await;
    eventually("the status names policy, key and remedy", SOON, async || {
        let failures = scenario.current().await["status"]["failures"].to_string();
        let named = [b.as_str(), SECRETS, "cost-center", "allowedKeys"];
        named
            .iter()
            .all(|word| failures.contains(word))
            .then_some(())
            .ok_or(failures)
    })
    .await;
    let copy = ["get", "secret", scenario.name(), "-n", &b, "-o", "json"];
    let held = scenario.kubectl(&copy).await;
    assert!(held.contains("pullsecrets.dev/cluster-pull-secret"), "{held}");

    allow(&scenario, SECRETS, "['cost-center']").await;
    eventually("the copy is released", SOON * 2, async || {
        let copy: Value = serde_json::from_str(&scenario.kubectl(&copy).await).unwrap();
        let metadata = &copy["metadata"];
        let is_released = metadata["annotations"]["pullsecrets.dev/retained"] == scenario.name()
            && metadata["labels"]["pullsecrets.dev/cluster-pull-secret"].is_null();
        is_released.then_some(()).ok_or_else(|| metadata.to_string())
    })
    .await;
    scenario.says("Ready", "True", "Synced").await;
}

/// A refusal names the key and the remedy, never a value. A held copy in deletion is emptied all the same.
#[tokio::test]
async fn refusals_name_keys_and_never_values() {
    let cluster = bare::own().await.unwrap();
    let labels = json!({"pullsecrets.dev/cluster-pull-secret": "object"});
    let copy = |name: &str, finalizers: &Value| {
        json!({"apiVersion": "v1", "kind": "Secret", "type": "kubernetes.io/dockerconfigjson",
            "data": {".dockerconfigjson": "e30="},
            "metadata": {"name": name, "namespace": "default", "labels": labels, "finalizers": finalizers}})
    };
    let copies = [copy("copy", &json!([])), copy("held", &json!(["example.com/theirs"]))];
    bare::apply(&cluster, &copies).await;
    let admin: Api<Secret> = Api::namespaced(cluster.admin().await.unwrap(), "default");
    admin.delete("held", &DeleteParams::default()).await.unwrap();
    let kubeconfig = cluster
        .service_account_kubeconfig(SYSTEM_NAMESPACE, OPERATOR_ACCOUNT)
        .await;
    let operator: Api<Secret> = Api::namespaced(client::connect(&kubeconfig.unwrap()).await.unwrap(), "default");
    let write = async |name: &str, body: Value| {
        let params = PatchParams {
            dry_run: true,
            ..PatchParams::default()
        };
        let answer = operator.patch(name, &params, &Patch::Merge(body)).await;
        answer.map(|_| ()).map_err(|error| error.to_string())
    };

    let said = write("copy", json!({"immutable": true})).await.unwrap_err();
    assert!(said.contains("an immutable copy cannot be rotated"), "{said}");
    let said = write("copy", json!({"data": {"theirs": "Q0FOQVJZ"}}))
        .await
        .unwrap_err();
    assert!(said.contains("not theirs") && !said.contains("Q0FOQVJZ"), "{said}");
    bare::apply(&cluster, &mutator("cost-center", "", "secrets", LABEL)).await;
    let rotated = json!({"data": {".dockerconfigjson": "eyJhIjoxfQ=="}});
    eventually("the refusal names the key and the remedy", bare::SOON, async || {
        let said = write("copy", rotated.clone()).await.err().unwrap_or_default();
        assert!(!said.contains("CANARY"), "{said}");
        let named = ["cost-center", "a mutating webhook or policy", "allowedKeys"];
        named.iter().all(|word| said.contains(word)).then_some(()).ok_or(said)
    })
    .await;
    let emptied = json!({"data": {".dockerconfigjson": "eyJhdXRocyI6e319"}});
    assert_eq!(write("held", emptied.clone()).await, Ok(()));
    assert!(write("copy", emptied).await.is_err());
    let many: Value = (0..1_000).map(|at| (format!("x{at}"), json!("a"))).collect();
    let said = write("copy", json!({"metadata": {"annotations": many}}))
        .await
        .unwrap_err();
    assert!(said.contains("hundreds of keys") && said.len() < 2_000, "{said}");
}

/// A tenant fills an account and a copy. A write of the operator then takes little more than one of an administrator.
#[tokio::test]
async fn crowded_objects_cost_the_server_little() {
    let cluster = bare::own().await.unwrap();
    let many = |count: usize| -> Value { (0..count).map(|at| (format!("{at:x}"), json!(""))).collect() };
    let account = json!({"apiVersion": "v1", "kind": "ServiceAccount",
        "metadata": {"name": "crowded", "namespace": "default"}});
    let copy = json!({"apiVersion": "v1", "kind": "Secret", "type": "kubernetes.io/dockerconfigjson",
        "data": {".dockerconfigjson": "e30="}, "metadata": {"name": "crowded", "namespace": "default",
            "labels": {"pullsecrets.dev/cluster-pull-secret": "object"}}});
    bare::apply(&cluster, &[account, copy]).await;
    let admin = cluster.admin().await.unwrap();
    let kubeconfig = cluster
        .service_account_kubeconfig(SYSTEM_NAMESPACE, OPERATOR_ACCOUNT)
        .await;
    let operator = client::connect(&kubeconfig.unwrap()).await.unwrap();
    patch(
        &admin,
        &json!({"metadata": {"annotations": many(50_000)}}),
        &json!({"data": many(60_000)}),
    )
    .await;

    let (mut theirs, mut ours) = (Vec::new(), Vec::new());
    for round in 0..3 {
        for (client, times) in [(&admin, &mut theirs), (&operator, &mut ours)] {
            let name = format!("n{round}{}", times.len());
            let account = json!({"metadata": {"annotations": {"pullsecrets.dev/attached": name}},
                "imagePullSecrets": [{"name": name}]});
            let login = if round % 2 == 0 { "eyJhIjoxfQ==" } else { "eyJhIjoyfQ==" };
            times.push(patch(client, &account, &json!({"data": {".dockerconfigjson": login}})).await);
        }
    }
    let (theirs, ours) = (theirs.iter().min().unwrap(), ours.iter().min().unwrap());
    // 9 and 19 s while each step of the policies cost more than the one before it.
    assert!(
        *ours < *theirs * 3 + Duration::from_secs(1),
        "{ours:?}, an administrator {theirs:?}"
    );
}

/// Patches the crowded account and the crowded copy. Returns the time that both took.
async fn patch(client: &Client, account: &Value, copy: &Value) -> Duration {
    let accounts: Api<ServiceAccount> = Api::namespaced(client.clone(), "default");
    let secrets: Api<Secret> = Api::namespaced(client.clone(), "default");
    let params = PatchParams::default();
    let began = Instant::now();
    accounts
        .patch("crowded", &params, &Patch::Merge(account))
        .await
        .unwrap();
    secrets.patch("crowded", &params, &Patch::Merge(copy)).await.unwrap();
    began.elapsed()
}

/// Waits until the condition names the policy of the operator, the key, the cause and the remedy.
async fn names_the_remedy(scenario: &Scenario, condition: &str, policy: &str, key: &str) {
    eventually("the status names policy, key, cause and remedy", SOON, async || {
        let seen = scenario.condition(condition).await.map(|seen| seen.message);
        let seen = seen.unwrap_or_default();
        let named = [policy, key, "a mutating webhook or policy", "allowedKeys"];
        named.iter().all(|word| seen.contains(word)).then_some(()).ok_or(seen)
    })
    .await;
}

/// Sets the first variable of a policy.
async fn allow(scenario: &Scenario, policy: &str, keys: &str) {
    let change = json!([{"op": "test", "path": "/spec/variables/0/name", "value": "allowedKeys"},
        {"op": "replace", "path": "/spec/variables/0/expression", "value": keys}]);
    let change = change.to_string();
    let arguments = [
        "patch",
        "validatingadmissionpolicy",
        policy,
        "--type=json",
        "-p",
        &change,
    ];
    scenario.kubectl(&arguments).await;
}

/// Waits until the server mutates Secrets and accounts.
async fn is_mutated(scenario: &Scenario) {
    let namespace = &scenario.in_scenario(&["a"])[0];
    eventually("the mutating policies are in force", SOON, async || {
        let touch = [
            "annotate",
            "--dry-run=server",
            "--overwrite",
            "-o",
            "json",
            "-n",
            namespace,
        ];
        let account = scenario
            .kubectl(&[&touch[..], &["serviceaccount", "default", "touched=a"]].concat())
            .await;
        let create = [
            "create",
            "secret",
            "generic",
            "probe",
            "--dry-run=server",
            "-o",
            "json",
            "-n",
            namespace,
        ];
        let secret = scenario.kubectl(&create).await;
        let mutated = account.contains("example.com/modified-by") && secret.contains("cost-center");
        mutated.then_some(()).ok_or_else(|| format!("{account} {secret}"))
    })
    .await;
}

/// Returns a mutating policy that every write of the resource passes, and its binding.
fn mutator(name: &str, group: &str, resource: &str, expression: &str) -> [Value; 2] {
    let api = "admissionregistration.k8s.io/v1";
    let rule = json!({"apiGroups": [group], "apiVersions": ["*"], "resources": [resource],
        "operations": ["CREATE", "UPDATE"]});
    let mutation = json!({"patchType": "ApplyConfiguration", "applyConfiguration": {"expression": expression}});
    [
        json!({"apiVersion": api, "kind": "MutatingAdmissionPolicy", "metadata": {"name": name}, "spec": {
            "failurePolicy": "Fail", "reinvocationPolicy": "Never", "matchConstraints": {"resourceRules": [rule]},
            "mutations": [mutation]}}),
        json!({"apiVersion": api, "kind": "MutatingAdmissionPolicyBinding", "metadata": {"name": name},
            "spec": {"policyName": name}}),
    ]
}
