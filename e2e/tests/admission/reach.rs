//! Ways in which an author can try to get a login that she may not read, with the policy `authors` and without it.
//!
//! Alice may write objects, has all rights in her namespaces, and may get one Secret of the operator's namespace, which
//! does not exist. The login of each object belongs to another party.

use e2e::SYSTEM_NAMESPACE;
use e2e::oracle::Login;
use e2e::scenario::{SERVER, SOON, Scenario};
use e2e::wait::eventually;
use futures::future::join_all;
use k8s_openapi::api::core::v1::Secret;
use kube::Api;
use kube::api::ListParams;
use serde_json::{Value, json};

use super::bare;

/// One attempt.
struct Way {
    /// Name of its objects and namespaces.
    name: &'static str,
    /// Returns the new `registries`, from the name of the object and of its state Secret; none keeps the old ones.
    registries: fn(&str, &str) -> Option<Value>,
    /// Alice's Secret in her namespace under the name of the copies.
    squatter: Option<fn(&str) -> Value>,
    /// Whether the policy refuses it.
    refused: bool,
    /// Whether the login reaches her without the policy.
    open: bool,
}

const OWN: &str = "alice-own";

fn basic(reference: &Value) -> Value {
    json!([{"server": SERVER, "credentials": {"basicAuth": {"secretRef": reference}}}])
}

fn config(reference: &Value) -> Value {
    json!([{"server": SERVER, "credentials": {"dockerConfig": {"secretRef": reference}}}])
}

fn way(name: &'static str, registries: fn(&str, &str) -> Option<Value>) -> Way {
    Way {
        name,
        registries,
        squatter: None,
        refused: false,
        open: false,
    }
}

fn ways() -> [Way; 9] {
    let own: fn(&str, &str) -> Option<Value> = |_, _| Some(basic(&json!({"name": OWN})));
    [
        way("name", own),
        way("namespace", |_, _| {
            Some(basic(&json!({"name": OWN, "namespace": SYSTEM_NAMESPACE})))
        }),
        way("kind", |_, _| Some(config(&json!({"name": OWN})))),
        Way {
            squatter: Some(|object| pull_secret(&json!({"pullsecrets.dev/cluster-pull-secret": object}))),
            ..way("labelled", own)
        },
        Way {
            squatter: Some(|_| pull_secret(&json!({}))),
            ..way("adopted", own)
        },
        Way {
            refused: true,
            ..way("key", |object, _| {
                let basic = json!({"secretRef": {"name": object}, "passwordKey": "missing"});
                Some(json!([{"server": SERVER, "credentials": {"basicAuth": basic}}]))
            })
        },
        Way {
            refused: true,
            ..way("state", |_, state| Some(config(&json!({"name": state}))))
        },
        Way {
            refused: true,
            ..way("copy", |object, _| {
                Some(config(&json!({"name": object, "namespace": format!("{object}-a")})))
            })
        },
        Way {
            refused: true,
            open: true,
            ..way("as-it-is", |_, _| None)
        },
    ]
}

fn pull_secret(labels: &Value) -> Value {
    json!({"type": "kubernetes.io/dockerconfigjson", "metadata": {"labels": labels},
        "stringData": {".dockerconfigjson": r#"{"auths":{}}"#}})
}

#[tokio::test]
async fn a_login_reaches_only_whom_its_reader_chose() {
    let scenario = Scenario::own("reach").await;
    people(&scenario).await;
    for policy in [false, true] {
        if policy {
            scenario
                .cluster()
                .kubectl()
                .apply(&bare::manifest("authors"))
                .await
                .unwrap();
            in_force(&scenario).await;
        }
        let column = if policy { "with" } else { "without" };
        let attempts = ways().map(async |way| {
            let part = scenario.part(&format!("{column}-{}", way.name)).await;
            let login = attempt(&part, &way, policy).await;
            (part, way, login)
        });
        let tried = join_all(attempts).await;
        for (part, way, login) in &tried {
            check(part, way, login, policy).await;
        }
        // The stored state must agree.
        scenario.kill_operator();
        scenario.start_operator().await;
        for (part, way, login) in &tried {
            check(part, way, login, policy).await;
        }
    }
}

async fn people(scenario: &Scenario) {
    let allowed = |group: &str, resource: &str, verbs: &[&str], names: &[&str]| json!({"apiGroups": [group], "resources": [resource], "verbs": verbs, "resourceNames": names});
    let group = "rbac.authorization.k8s.io";
    for (kind, namespace, rule) in [
        (
            "ClusterRole",
            None,
            allowed("pullsecrets.dev", "clusterpullsecrets", &["*"], &[]),
        ),
        ("Role", Some(SYSTEM_NAMESPACE), allowed("", "secrets", &["get"], &[OWN])),
    ] {
        let metadata = json!({"name": "alice", "namespace": namespace});
        let role = json!({"apiVersion": format!("{group}/v1"), "kind": kind, "metadata": metadata, "rules": [rule]});
        scenario.apply(&role).await;
        let binding = json!({"apiVersion": format!("{group}/v1"), "kind": format!("{kind}Binding"), "metadata": metadata,
            "roleRef": {"apiGroup": group, "kind": kind, "name": "alice"},
            "subjects": [{"apiGroup": group, "kind": "User", "name": "alice"}]});
        scenario.apply(&binding).await;
    }
}

async fn in_force(scenario: &Scenario) {
    let mut probe = scenario.object();
    probe["metadata"]["name"] = json!("probe");
    eventually("the policy is in force", SOON, async || {
        let arguments = ["create", "--as=alice", "--dry-run=server", "-f", "-"];
        let output = scenario
            .cluster()
            .kubectl()
            .output(&arguments, &probe.to_string())
            .await;
        let told = String::from_utf8(output.unwrap().stderr).unwrap();
        told.contains("may not get").then_some(()).ok_or(told)
    })
    .await;
}

/// Alice changes the object so that it selects her namespace, and makes the attempt. Returns the object's earlier
/// login.
async fn attempt(part: &Scenario, way: &Way, policy: bool) -> Login {
    let (name, login) = (part.name(), part.login(part.name()));
    part.namespaces(&["a"]).await;
    part.unselected_namespaces(&["alice"]).await;
    part.source(&login).await;
    let namespace = &part.in_scenario(&["alice"])[0];
    if let Some(squatter) = way.squatter {
        let mut squatter = squatter(name);
        squatter["apiVersion"] = json!("v1");
        squatter["kind"] = json!("Secret");
        squatter["metadata"]["name"] = json!(name);
        squatter["metadata"]["namespace"] = json!(namespace);
        part.apply(&squatter).await;
    }
    let mut object = part.object();
    object["spec"]["secret"] = json!({"conflictPolicy": "Adopt"});
    part.apply(&object).await;
    part.says("Ready", "True", "Synced").await;

    let uid = part.current().await["metadata"]["uid"].as_str().unwrap().to_owned();
    let mut change = json!({"namespaces": {"names": [namespace]}});
    if let Some(registries) = (way.registries)(name, &format!("pullsecrets-state-{uid}")) {
        change["registries"] = registries;
    }
    let change = json!({"spec": change}).to_string();
    let arguments = ["patch", "cps", name, "--as=alice", "--type=merge", "-p", &change];
    let output = part.cluster().kubectl().output(&arguments, "").await.unwrap();
    let told = String::from_utf8(output.stderr).unwrap();
    assert_eq!(output.status.success(), !(policy && way.refused), "{name}: {told}");
    login
}

async fn check(part: &Scenario, way: &Way, login: &Login, policy: bool) {
    eventually("the object is carried out", SOON, async || {
        let object = part.current().await;
        let (status, name) = (&object["status"], part.name());
        let seen = status["observedGeneration"] == object["metadata"]["generation"];
        let reaches = holds(part, "alice", login).await;
        let expected = way.open && !policy;
        let stays = holds(part, "a", login).await;
        assert!(expected || !reaches, "{name}: the login has reached another place");
        let right = seen && stays && reaches == expected;
        right
            .then_some(())
            .ok_or_else(|| format!("{name}: in place {stays}, reaches {reaches}: {status}"))
    })
    .await;
}

/// Returns whether any Secret of the namespace holds the login.
async fn holds(part: &Scenario, namespace: &str, login: &Login) -> bool {
    let api: Api<Secret> = Api::namespaced(part.client().clone(), &part.in_scenario(&[namespace])[0]);
    let secrets = api.list(&ListParams::default()).await.unwrap().items;
    let values = secrets.iter().flat_map(|secret| secret.data.iter().flatten());
    // Plain, and as quoted in JSON.
    let quoted = json!(login.password).to_string();
    let forms = [login.password.as_bytes(), quoted.trim_matches('"').as_bytes()];
    let has = |value: &[u8]| {
        forms
            .iter()
            .any(|form| value.windows(form.len()).any(|part| part == *form))
    };
    values.map(|(_, value)| &value.0).any(|value| has(value))
}
