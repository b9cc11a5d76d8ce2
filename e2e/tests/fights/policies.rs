//! Admission policies that refuse or revert the operator's writes.

use std::time::Duration;

use e2e::OPERATOR_USER;
use e2e::scenario::{LABEL, SOON, Scenario};
use e2e::wait::eventually;
use serde_json::{Value, json};

/// The operator retries refused writes after 1, 2, 4, ... s.
const A_WHILE: Duration = Duration::from_secs(8);

/// A policy that refuses the reference is named and slows the operator; the reference comes when the policy goes.
#[tokio::test]
async fn refusing_policy_is_named_and_backs_off() {
    let scenario = Scenario::shared("refusing").await;
    let login = scenario.login("first");
    let theirs = policy(
        &scenario,
        "ValidatingAdmissionPolicy",
        "serviceaccounts",
        "UPDATE",
        &json!({
            "matchConditions": [{"name": "operator", "expression": format!("request.userInfo.username == '{OPERATOR_USER}'")}],
            "validations": [{"expression": "false", "message": "not here"}],
        }),
    );
    enforce(&scenario, &theirs, "ValidatingAdmissionPolicy").await;
    scenario.namespaces(&["a", "b"]).await;
    scenario.wait_for_accounts(&scenario.in_scenario(&["a", "b"])).await;
    scenario.source(&login).await;
    let mark = scenario.mark().await;
    scenario.apply(&scenario.object()).await;

    let message = scenario
        .says("ServiceAccountsSynced", "False", "ServiceAccountsFailed")
        .await;
    assert!(
        message.contains(&format!("policy \"{}\"", scenario.name())),
        "{message}"
    );
    let failures = scenario.current().await["status"]["failures"].clone();
    assert_eq!(failures[0]["reason"], "AdmissionDenied", "{failures}");
    scenario.says("Ready", "False", "ServiceAccountsFailed").await;
    scenario.reaches("Stalled", "True").await;
    scenario.reaches("SecretsSynced", "True").await;
    let began = tokio::time::Instant::now();
    eventually("it was tried for a while", SOON, async || {
        (began.elapsed() >= A_WHILE).then_some(()).ok_or_else(String::new)
    })
    .await;
    let tried = scenario.writes_since(mark).await;
    let tried = tried.iter().filter(|write| write.resource == "serviceaccounts").count();
    assert!((2..=14).contains(&tried), "{tried} attempts at two accounts");

    withdraw(&scenario, "ValidatingAdmissionPolicy").await;
    scenario
        .holds("the references come", &scenario.expected(&["a", "b"], &login))
        .await;
    scenario.says("Ready", "True", "Synced").await;
}

/// A policy that reverts the reference is a contention, which is over when the policy goes.
#[tokio::test]
async fn reverting_policy_is_a_contention() {
    let scenario = Scenario::shared("reverting").await;
    let login = scenario.login("first");
    let theirs = policy(
        &scenario,
        "MutatingAdmissionPolicy",
        "serviceaccounts",
        "UPDATE",
        &json!({
            "reinvocationPolicy": "Never",
            "matchConditions": [{"name": "listed", "expression": "has(object.imagePullSecrets)"}],
            "mutations": [{"patchType": "JSONPatch", "jsonPatch": {"expression":
                "[JSONPatch{op: 'remove', path: '/imagePullSecrets'}]"}}],
        }),
    );
    enforce(&scenario, &theirs, "MutatingAdmissionPolicy").await;
    scenario.namespaces(&["a"]).await;
    scenario.wait_for_accounts(&scenario.in_scenario(&["a"])).await;
    scenario.source(&login).await;
    let mark = scenario.mark().await;
    scenario.apply(&scenario.object()).await;

    eventually(
        "it says where to look, because managedFields name no writer",
        SOON,
        async || match scenario.condition("ServiceAccountsSynced").await {
            Some(seen) if seen.reason == "Contended" && seen.message.contains("the audit log") => Ok(()),
            seen => Err(format!("{seen:?}")),
        },
    )
    .await;
    let began = tokio::time::Instant::now();
    eventually("it was tried for a while", SOON, async || {
        (began.elapsed() >= A_WHILE).then_some(()).ok_or_else(String::new)
    })
    .await;
    let writes = scenario.writes_since(mark).await;
    let made = writes
        .iter()
        .filter(|write| write.resource == "serviceaccounts")
        .count();
    assert!((4..=9).contains(&made), "{made} writes of one account");

    withdraw(&scenario, "MutatingAdmissionPolicy").await;
    scenario
        .holds("the reference comes", &scenario.expected(&["a"], &login))
        .await;
    scenario.says("Ready", "True", "Synced").await;
}

/// The logins cannot be saved, so none is rotated; a namespace that is no longer selected still loses its copy.
#[tokio::test]
async fn denied_state_stops_no_removal() {
    let scenario = Scenario::own("state-denied").await;
    let (first, second) = (scenario.login("first"), scenario.login("second"));
    scenario.namespaces(&["a", "b"]).await;
    scenario.source(&first).await;
    scenario.apply(&scenario.object()).await;
    scenario
        .holds("both are served", &scenario.expected(&["a", "b"], &first))
        .await;
    scenario.says("Ready", "True", "Synced").await;
    let denied = "object.kind == 'ServiceAccount' && object.metadata.namespace.endsWith('-probe') || \
                  object.metadata.name.startsWith('pullsecrets-state-')";
    enforce(
        &scenario,
        &denying(&scenario, &["serviceaccounts", "secrets"], denied),
        "ValidatingAdmissionPolicy",
    )
    .await;
    scenario.source(&second).await;
    scenario.says("CredentialsReady", "False", "StateNotWritten").await;
    label_out(&scenario, "b").await;
    scenario
        .holds("the copy goes", &scenario.expected(&["a"], &first))
        .await;
    withdraw(&scenario, "ValidatingAdmissionPolicy").await;
    scenario
        .holds("the login is rotated", &scenario.expected(&["a"], &second))
        .await;
    scenario.says("Ready", "True", "Synced").await;
}

/// A policy keeps the reference, so the copy waits. A tenant then removes its label, and the operator still deletes it.
#[tokio::test]
async fn copy_without_label_still_goes() {
    let scenario = Scenario::shared("label-lost").await;
    let login = scenario.login("first");
    scenario.namespaces(&["a", "b"]).await;
    scenario.source(&login).await;
    scenario.apply(&scenario.object()).await;
    scenario
        .holds("both are served", &scenario.expected(&["a", "b"], &login))
        .await;
    let denied = format!("object.metadata.namespace.startsWith('{}-')", scenario.name());
    enforce(
        &scenario,
        &denying(&scenario, &["serviceaccounts"], &denied),
        "ValidatingAdmissionPolicy",
    )
    .await;
    label_out(&scenario, "b").await;
    let (namespace, name) = (format!("{}-b", scenario.name()), scenario.name());
    let label = format!("{}-", e2e::oracle::LABEL);
    scenario
        .kubectl(&["label", "secret", name, "-n", &namespace, &label])
        .await;
    eventually("the copy goes", SOON, async || {
        let list = [
            "get",
            "secret",
            name,
            "-n",
            &namespace,
            "--ignore-not-found",
            "-o",
            "name",
        ];
        let found = scenario.kubectl(&list).await;
        found.is_empty().then_some(()).ok_or(found)
    })
    .await;
    withdraw(&scenario, "ValidatingAdmissionPolicy").await;
    scenario
        .holds("the reference goes", &scenario.expected(&["a"], &login))
        .await;
    scenario.says("Ready", "True", "Synced").await;
}

/// Denies the operator's writes of objects for which the expression holds, in any namespace.
fn denying(scenario: &Scenario, resources: &[&str], expression: &str) -> Value {
    let operator = format!("request.userInfo.username == '{OPERATOR_USER}'");
    json!({
        "apiVersion": "admissionregistration.k8s.io/v1", "kind": "ValidatingAdmissionPolicy",
        "metadata": {"name": scenario.name()},
        "spec": {
            "failurePolicy": "Fail",
            "matchConstraints": {
                "resourceRules": [{"apiGroups": [""], "apiVersions": ["v1"], "resources": resources,
                    "operations": ["CREATE", "UPDATE"]}],
            },
            "matchConditions": [
                {"name": "operator", "expression": operator},
                {"name": "denied", "expression": expression},
            ],
            "validations": [{"expression": "false", "message": "not here"}],
        },
    })
}

async fn label_out(scenario: &Scenario, part: &str) {
    let namespace = format!("{}-{part}", scenario.name());
    scenario
        .kubectl(&["label", "namespace", &namespace, &format!("{LABEL}-")])
        .await;
}

fn policy(scenario: &Scenario, kind: &str, resource: &str, operation: &str, spec: &Value) -> Value {
    let mut policy = json!({
        "apiVersion": "admissionregistration.k8s.io/v1", "kind": kind,
        "metadata": {"name": scenario.name()},
        "spec": {
            "failurePolicy": "Fail",
            "matchConstraints": {
                "namespaceSelector": {"matchLabels": {LABEL: scenario.name()}},
                "resourceRules": [{"apiGroups": [""], "apiVersions": ["v1"], "resources": [resource],
                    "operations": [operation]}],
            },
        },
    });
    for (key, value) in spec.as_object().unwrap() {
        policy["spec"][key] = value.clone();
    }
    policy
}

/// Applies the policy and waits until the server enforces it, on an account of a separate namespace.
async fn enforce(scenario: &Scenario, policy: &Value, kind: &str) {
    let mut binding = json!({
        "apiVersion": "admissionregistration.k8s.io/v1", "kind": format!("{kind}Binding"),
        "metadata": {"name": scenario.name()},
        "spec": {"policyName": scenario.name()},
    });
    if kind == "ValidatingAdmissionPolicy" {
        binding["spec"]["validationActions"] = json!(["Deny"]);
    }
    scenario.apply(policy).await;
    scenario.apply(&binding).await;
    let probe = format!("{}-probe", scenario.name());
    let labels = std::collections::BTreeMap::from([(LABEL.to_owned(), scenario.name().to_owned())]);
    scenario.make_namespaces(vec![probe.clone()], &labels).await;
    scenario.wait_for_accounts(std::slice::from_ref(&probe)).await;
    let patch = r#"{"imagePullSecrets":[{"name":"probe"}]}"#;
    let who = format!("--as={OPERATOR_USER}");
    let arguments = [
        "patch",
        "serviceaccount",
        "default",
        "-n",
        &probe,
        "--type=merge",
        "-p",
        patch,
        &who,
    ];
    let list = ["-o", "jsonpath={.imagePullSecrets[*].name}"];
    eventually("the policy is in force", SOON, async || {
        let kubectl = scenario.cluster().kubectl();
        match kubectl.run(&[&arguments[..], &list[..]].concat(), "").await {
            Ok(seen) if seen.contains("probe") => Err("not yet".to_owned()),
            Ok(_) | Err(_) => Ok(()),
        }
    })
    .await;
    scenario.kubectl(&["delete", "namespace", &probe, "--wait=false"]).await;
}

async fn withdraw(scenario: &Scenario, kind: &str) {
    for kind in [format!("{kind}Binding"), kind.to_owned()] {
        scenario.kubectl(&["delete", &kind, scenario.name()]).await;
    }
}
