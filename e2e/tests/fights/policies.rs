//! Admission that refuses or reverts what the operator writes.

use std::time::Duration;

use e2e::OPERATOR_USER;
use e2e::scene::{LABEL, SOON, Scene};
use e2e::wait::eventually;
use serde_json::{Value, json};

/// Refused writes are tried again after 1, 2, 4, ... s.
const A_WHILE: Duration = Duration::from_secs(8);

#[tokio::test]
async fn a_policy_that_refuses_the_reference_is_named_slows_and_the_reference_comes_when_it_goes() {
    let scene = Scene::shared("refusing").await;
    let login = scene.login("first");
    let theirs = policy(
        &scene,
        "ValidatingAdmissionPolicy",
        "serviceaccounts",
        "UPDATE",
        &json!({
            "matchConditions": [{"name": "operator", "expression": format!("request.userInfo.username == '{OPERATOR_USER}'")}],
            "validations": [{"expression": "false", "message": "not here"}],
        }),
    );
    enforce(&scene, &theirs, "ValidatingAdmissionPolicy").await;
    scene.namespaces(&["a", "b"]).await;
    scene.wait_for_accounts(&scene.in_scene(&["a", "b"])).await;
    scene.source(&login).await;
    let mark = scene.mark().await;
    scene.apply(&scene.object()).await;

    let message = scene
        .says("ServiceAccountsSynced", "False", "ServiceAccountsFailed")
        .await;
    assert!(message.contains(&format!("policy \"{}\"", scene.name())), "{message}");
    let failures = scene.current().await["status"]["failures"].clone();
    assert_eq!(failures[0]["reason"], "AdmissionDenied", "{failures}");
    scene.says("Ready", "False", "ServiceAccountsFailed").await;
    scene.reaches("Stalled", "True").await;
    scene.reaches("SecretsSynced", "True").await;
    let began = tokio::time::Instant::now();
    eventually("it was tried for a while", SOON, async || {
        (began.elapsed() >= A_WHILE).then_some(()).ok_or_else(String::new)
    })
    .await;
    let tried = scene.writes_since(mark).await;
    let tried = tried.iter().filter(|write| write.resource == "serviceaccounts").count();
    assert!((2..=14).contains(&tried), "{tried} attempts at two accounts");

    withdraw(&scene, "ValidatingAdmissionPolicy").await;
    scene
        .holds("the references come", &scene.expected(&["a", "b"], &login))
        .await;
    scene.says("Ready", "True", "Synced").await;
}

#[tokio::test]
async fn a_policy_that_reverts_the_reference_is_a_fight_and_over_when_it_goes() {
    let scene = Scene::shared("reverting").await;
    let login = scene.login("first");
    let theirs = policy(
        &scene,
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
    enforce(&scene, &theirs, "MutatingAdmissionPolicy").await;
    scene.namespaces(&["a"]).await;
    scene.wait_for_accounts(&scene.in_scene(&["a"])).await;
    scene.source(&login).await;
    let mark = scene.mark().await;
    scene.apply(&scene.object()).await;

    eventually(
        "it says where to look, since managedFields name nobody",
        SOON,
        async || match scene.condition("ServiceAccountsSynced").await {
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
    let writes = scene.writes_since(mark).await;
    let made = writes
        .iter()
        .filter(|write| write.resource == "serviceaccounts")
        .count();
    assert!((4..=9).contains(&made), "{made} writes of one account");

    withdraw(&scene, "MutatingAdmissionPolicy").await;
    scene
        .holds("the reference comes", &scene.expected(&["a"], &login))
        .await;
    scene.says("Ready", "True", "Synced").await;
}

fn policy(scene: &Scene, kind: &str, resource: &str, operation: &str, spec: &Value) -> Value {
    let mut policy = json!({
        "apiVersion": "admissionregistration.k8s.io/v1", "kind": kind,
        "metadata": {"name": scene.name()},
        "spec": {
            "failurePolicy": "Fail",
            "matchConstraints": {
                "namespaceSelector": {"matchLabels": {LABEL: scene.name()}},
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

/// Applies the policy and waits until the server enforces it, on an account of a namespace of its own.
async fn enforce(scene: &Scene, policy: &Value, kind: &str) {
    let mut binding = json!({
        "apiVersion": "admissionregistration.k8s.io/v1", "kind": format!("{kind}Binding"),
        "metadata": {"name": scene.name()},
        "spec": {"policyName": scene.name()},
    });
    if kind == "ValidatingAdmissionPolicy" {
        binding["spec"]["validationActions"] = json!(["Deny"]);
    }
    scene.apply(policy).await;
    scene.apply(&binding).await;
    let probe = format!("{}-probe", scene.name());
    let labels = std::collections::BTreeMap::from([(LABEL.to_owned(), scene.name().to_owned())]);
    scene.make_namespaces(vec![probe.clone()], &labels).await;
    scene.wait_for_accounts(std::slice::from_ref(&probe)).await;
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
        let kubectl = scene.cluster().kubectl();
        match kubectl.run(&[&arguments[..], &list[..]].concat(), "").await {
            Ok(seen) if seen.contains("probe") => Err("not yet".to_owned()),
            Ok(_) | Err(_) => Ok(()),
        }
    })
    .await;
    scene.kubectl(&["delete", "namespace", &probe, "--wait=false"]).await;
}

async fn withdraw(scene: &Scene, kind: &str) {
    for kind in [format!("{kind}Binding"), kind.to_owned()] {
        scene.kubectl(&["delete", &kind, scene.name()]).await;
    }
}
