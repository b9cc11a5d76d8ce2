//! `--require-restraint`: the operator proves the policies of `config/admission/operator` before it writes, and goes on
//! proving them.

use std::path::PathBuf;
use std::time::{Duration, Instant};

use e2e::audit::Mark;
use e2e::operator::{Operator, Options};
use e2e::scenario::{SOON, Scenario};
use e2e::wait::{blocking, eventually, quiet};
use e2e::{OPERATOR_ACCOUNT, OPERATOR_USER, SYSTEM_NAMESPACE, binaries, client, cluster, loopback, workspace};
use serde_json::{Value, json};

/// The operator tries the policies once a minute, and a round without an answer costs another. The rest is for a slow
/// machine.
const NEXT_ROUND: Duration = Duration::from_secs(180);
/// Long enough for several rounds that prove nothing.
const A_WHILE: Duration = Duration::from_secs(12);

/// Long enough for the round that comes once a minute, and too short for three of them.
const A_MINUTE: Duration = Duration::from_secs(65);

const POLICY: &str = "pullsecrets-operator-secrets";

fn restrained() -> Options {
    Options {
        flags: vec!["--require-restraint".to_owned()],
        ..Options::default()
    }
}

/// Starts the operator without waiting until it is ready, which it may never be.
async fn launch(scenario: &Scenario) -> Operator {
    let binary = blocking(binaries::operator).await.unwrap();
    let kubeconfig = kubeconfig(scenario).await;
    Operator::launch(scenario.cluster(), &restrained(), &binary, &kubeconfig).unwrap()
}

async fn kubeconfig(scenario: &Scenario) -> PathBuf {
    let cluster = scenario.cluster();
    cluster
        .service_account_kubeconfig(SYSTEM_NAMESPACE, OPERATOR_ACCOUNT)
        .await
        .unwrap()
}

/// Waits until `/readyz` answers with this code, and returns what it says.
async fn readiness(operator: &Operator, code: u16, words: &str) -> String {
    let what = format!("/readyz answers {code} {words}");
    eventually(&what, SOON, async || {
        match loopback::get(operator.health_address(), "/readyz", None).await {
            Ok((seen, body)) if seen == code && body.contains(words) => Ok(body),
            seen => Err(format!("{seen:?}")),
        }
    })
    .await
}

async fn unbind(scenario: &Scenario, policy: &str) {
    scenario
        .kubectl(&["delete", "validatingadmissionpolicybinding", policy])
        .await;
    eventually(&format!("{policy} is no longer in force"), SOON, async || {
        allows_a_foreign_secret(scenario, SYSTEM_NAMESPACE)
            .await
            .then_some(())
            .ok_or_else(String::new)
    })
    .await;
}

/// Limits the binding of a policy to the operator's own namespace, or no longer.
async fn limit(scenario: &Scenario, policy: &str, is_limited: bool) {
    let own = json!({"namespaceSelector": {"matchLabels": {"kubernetes.io/metadata.name": SYSTEM_NAMESPACE}}});
    let limits = json!({"spec": {"matchResources": is_limited.then_some(own)}}).to_string();
    let patch = [
        "patch",
        "validatingadmissionpolicybinding",
        policy,
        "--type=merge",
        "-p",
        &limits,
    ];
    scenario.kubectl(&patch).await;
}

/// Whether the server accepts a dry run of the operator that the policy on Secrets refuses.
async fn allows_a_foreign_secret(scenario: &Scenario, namespace: &str) -> bool {
    let client = client::connect(&kubeconfig(scenario).await).await.unwrap();
    let secrets: kube::Api<k8s_openapi::api::core::v1::Secret> = kube::Api::namespaced(client, namespace);
    let secret = json!({"metadata": {"name": "probe"}, "type": "Opaque"});
    let dry = kube::api::PostParams {
        dry_run: true,
        ..kube::api::PostParams::default()
    };
    secrets
        .create(&dry, &serde_json::from_value(secret).unwrap())
        .await
        .is_ok()
}

async fn bind(scenario: &Scenario) {
    let folder = workspace().join("config/admission/operator");
    scenario.kubectl(&["apply", "-k", folder.to_str().unwrap()]).await;
}

/// The reasons of the Events about the operator's Lease.
async fn events(scenario: &Scenario) -> Vec<String> {
    let listed = scenario
        .kubectl(&["get", "events.events.k8s.io", "-n", SYSTEM_NAMESPACE, "-o", "json"])
        .await;
    let listed: Value = serde_json::from_str(&listed).unwrap();
    let events = listed["items"].as_array().unwrap().iter();
    let mut reasons: Vec<String> = events
        .filter(|event| event["regarding"]["kind"] == "Lease")
        .map(|event| event["reason"].as_str().unwrap_or_default().to_owned())
        .collect();
    reasons.sort();
    reasons
}

/// The number of dry runs of the operator.
async fn dry_runs(scenario: &Scenario, mark: Mark) -> usize {
    let audit = scenario.cluster().audit();
    audit.settle(scenario.client()).await.unwrap();
    let records = audit.since(mark).unwrap();
    let ours = records.iter().filter(|record| record.user == OPERATOR_USER);
    ours.filter(|record| record.is_dry_run()).count()
}

/// Without the policies the operator writes its Lease and one Event, and says why; with them it serves.
#[tokio::test]
async fn unproven_restraint_allows_only_the_lease() {
    let scenario = Scenario::without_operator("unproven", cluster::Options::default()).await;
    unbind(&scenario, POLICY).await;
    let login = scenario.login("first");
    scenario.namespaces(&["a"]).await;
    scenario.source(&login).await;
    scenario.apply(&scenario.object()).await;
    let mark = scenario.mark().await;
    let began = Instant::now();
    let operator = launch(&scenario).await;

    let why = readiness(&operator, 503, POLICY).await;
    assert!(
        why.contains("accepted a dry run that creates an Opaque Secret"),
        "{why}"
    );
    let audit = scenario.cluster().audit();
    quiet("it writes nothing but its Lease", A_WHILE, async || {
        audit
            .settle(scenario.client())
            .await
            .map_err(|error| format!("{error:#}"))?;
        let written = audit.writes_since(mark, OPERATOR_USER).unwrap().summary();
        written.is_empty().then_some(()).ok_or(written)
    })
    .await;
    let writes = audit.writes_since(mark, OPERATOR_USER).unwrap();
    assert!(!writes.leases.is_empty() && writes.events.len() <= 1, "{writes:#?}");
    assert_eq!(events(&scenario).await, ["RestraintNotProven"]);
    // After 0, 1, 3 and 7 s, then every 15 s.
    let tried = dry_runs(&scenario, mark).await;
    let rounds = 5 + began.elapsed().as_secs() / 15;
    assert!(u64::try_from(tried).unwrap() <= rounds, "{tried} of {rounds}");

    bind(&scenario).await;
    readiness(&operator, 200, "ok").await;
    scenario
        .holds(
            "it serves as soon as the policies are in force",
            &scenario.expected(&["a"], &login),
        )
        .await;
    scenario.says("Ready", "True", "Synced").await;
    operator.stop().await.unwrap();
}

/// A refusal by RBAC or by a webhook is no proof, and the operator names what refused.
#[tokio::test]
async fn refusals_by_others_prove_nothing() {
    let scenario = Scenario::without_operator("others", cluster::Options::default()).await;
    let seeing = r#"[{"op":"replace","path":"/rules/1/verbs","value":["get","list","watch"]}]"#;
    scenario
        .kubectl(&["patch", "clusterrole", "pullsecrets", "--type=json", "-p", seeing])
        .await;
    let mark = scenario.mark().await;
    let operator = launch(&scenario).await;
    let why = readiness(&operator, 503, "annotates ServiceAccount default proved nothing").await;
    assert!(why.contains("RBAC"), "{why}");
    operator.kill().unwrap();

    let hook = json!({
        "apiVersion": "admissionregistration.k8s.io/v1", "kind": "MutatingWebhookConfiguration",
        "metadata": {"name": "others"},
        "webhooks": [{
            "name": "hook.example.com", "sideEffects": "None", "admissionReviewVersions": ["v1"],
            "clientConfig": {"url": "https://127.0.0.1:1/"},
            "rules": [{"apiGroups": [""], "apiVersions": ["v1"], "resources": ["secrets"], "operations": ["CREATE"]}],
        }],
    });
    scenario.apply(&hook).await;
    let operator = launch(&scenario).await;
    readiness(
        &operator,
        503,
        r#"admission webhook "hook.example.com" cannot be called"#,
    )
    .await;
    let audit = scenario.cluster().audit();
    audit.settle(scenario.client()).await.unwrap();
    assert_eq!(audit.writes_since(mark, OPERATOR_USER).unwrap().summary(), "");
    operator.kill().unwrap();
}

/// Without the policies a running operator neither adds nor rotates; it removes, and reports. It recovers by itself.
#[tokio::test]
async fn lost_restraint_stops_additions_alone() {
    let scenario = Scenario::own_with("lost", restrained()).await;
    let (first, second) = (scenario.login("first"), scenario.login("second"));
    scenario.set_up(&["a", "b"], &first).await;
    scenario.says("Ready", "True", "Synced").await;

    // Of an object too: the policy on its spec is tried as soon as there is one.
    scenario
        .kubectl(&[
            "delete",
            "validatingadmissionpolicybinding",
            "pullsecrets-operator-objects",
        ])
        .await;
    let mark = scenario.mark().await;
    eventually("the loss is an Event", NEXT_ROUND, async || {
        let events = events(&scenario).await;
        (events == ["RestraintLost"])
            .then_some(())
            .ok_or_else(|| format!("{events:?}"))
    })
    .await;
    assert!(dry_runs(&scenario, mark).await <= 8);
    assert!(scenario.metrics().await.contains("pullsecrets_restraint_missing 1"));

    scenario.source(&second).await;
    scenario.namespaces(&["c"]).await;
    scenario
        .kubectl(&["label", "namespace", "lost-b", "pullsecrets.dev/exclude=true"])
        .await;
    scenario.says("Ready", "False", "NamespacesFailed").await;
    scenario
        .holds(
            "the old login stays, the excluded namespace is rid of it, the new one gets none",
            &scenario.expected(&["a"], &first),
        )
        .await;
    let failures = scenario.current().await["status"]["failures"].clone();
    let failed: Vec<_> = failures
        .as_array()
        .unwrap()
        .iter()
        .map(|failure| &failure["reason"])
        .collect();
    assert!(
        !failed.is_empty() && failed.iter().all(|reason| *reason == "NotRestrained"),
        "{failures}"
    );

    bind(&scenario).await;
    scenario
        .holds(
            "both come when the policies are back",
            &scenario.expected(&["a", "c"], &second),
        )
        .await;
    scenario.says("Ready", "True", "Synced").await;
    assert_eq!(events(&scenario).await, ["RestraintLost", "RestraintProven"]);
    assert!(scenario.metrics().await.contains("pullsecrets_restraint_missing 0"));
}

/// A binding that covers only the operator's own namespace is no proof at the start, and counts as a loss later.
#[tokio::test]
async fn binding_of_one_namespace_proves_nothing() {
    let scenario = Scenario::without_operator("limited", cluster::Options::default()).await;
    limit(&scenario, POLICY, true).await;
    eventually("other namespaces are left out", SOON, async || {
        let is_open = allows_a_foreign_secret(&scenario, "default").await;
        is_open.then_some(()).ok_or_else(String::new)
    })
    .await;
    let mark = scenario.mark().await;
    let operator = launch(&scenario).await;
    let why = readiness(
        &operator,
        503,
        "accepted a dry run that creates an Opaque Secret in namespace",
    )
    .await;
    assert!(why.contains(POLICY), "{why}");
    let audit = scenario.cluster().audit();
    audit.settle(scenario.client()).await.unwrap();
    assert_eq!(audit.writes_since(mark, OPERATOR_USER).unwrap().summary(), "");

    limit(&scenario, POLICY, false).await;
    readiness(&operator, 200, "ok").await;
    limit(&scenario, "pullsecrets-operator-serviceaccounts", true).await;
    eventually("the loss is an Event", NEXT_ROUND, async || {
        let events = events(&scenario).await;
        let is_lost = events.iter().any(|reason| reason == "RestraintLost");
        is_lost.then_some(()).ok_or_else(|| format!("{events:?}"))
    })
    .await;
    operator.stop().await.unwrap();
}

/// While the policies are in force, the operator tries them at most four times a minute, and writes nothing.
#[tokio::test]
async fn settled_operator_makes_four_dry_runs_a_minute() {
    let scenario = Scenario::own_with("settled", restrained()).await;
    scenario.set_up(&["a"], &scenario.login("first")).await;
    scenario.says("Ready", "True", "Synced").await;
    let mark = scenario.mark().await;
    quiet("it writes nothing", A_MINUTE, async || {
        let written = scenario.writes_since(mark).await;
        written.is_empty().then_some(()).ok_or_else(|| format!("{written:#?}"))
    })
    .await;
    // Of one round, or of two.
    let tried = dry_runs(&scenario, mark).await;
    assert!((4..=8).contains(&tried), "{tried} dry runs in {A_MINUTE:?}");
}
