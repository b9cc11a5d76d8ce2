//! Realistic docker configs: entries with and without use, keys of several lines, and more than fits into a Secret.

use std::collections::BTreeMap;

use e2e::SYSTEM_NAMESPACE;
use e2e::oracle::{Expected, Login};
use e2e::scenario::{SERVER, Scenario};
use serde_json::{Value, json};

const SECOND: &str = "second.example.com";

/// A config taken whole serves its usable entries. Each usable entry is served, and each other one is reported. An
/// invalid key is never printed. A broken entry keeps its last good login, and the others are updated.
#[tokio::test]
async fn whole_config_serves_its_usable_entries() {
    let scenario = Scenario::shared("whole-config").await;
    scenario.namespaces(&["a"]).await;
    let (first, second) = (scenario.login("first"), scenario.login("second"));
    let keyed = format!("https://robot:{}@{SECOND}", scenario.canary().core());
    let auths = |mine: Value, theirs: &Login| {
        json!({
            SERVER: mine, &keyed: entry(theirs), "empty.example.com": {}, "mail.example.com": {"email": "a@example.com"},
            "token.example.com": {"identitytoken": "any", "auth": "MDAwMDo="}, "broken.example.com": {"auth": "%%%"},
        })
    };
    put_config(&scenario, &auths(entry(&first), &first)).await;
    let mut object = scenario.object();
    object["spec"]["registries"] = json!([{"credentials": {"dockerConfig": {"secretRef": {"name": scenario.name()}}}}]);
    scenario.apply(&object).await;
    let holds = |mine: &Login, theirs: &Login| {
        let logins = [
            (SERVER.to_owned(), mine.clone()),
            (format!("https://{SECOND}"), theirs.clone()),
        ];
        Expected {
            logins: BTreeMap::from(logins),
            ..scenario.expected(&["a"], mine)
        }
    };
    scenario
        .holds("what can be used is served", &holds(&first, &first))
        .await;
    scenario.says("Ready", "True", "Synced").await;
    let registry = scenario.current().await["status"]["registries"][0].clone();
    assert_eq!(
        registry["servers"],
        json!(["entry 3: not a server name", SERVER]),
        "{registry}"
    );
    let message = registry["message"].as_str().unwrap_or_default();
    for name in ["empty", "mail", "token", "broken"] {
        assert!(
            message.contains(&format!("\"{name}.example.com\" is left out")),
            "{message}"
        );
    }
    assert!(
        message.contains("kubelets read entry 3 in another way than it looks"),
        "{message}"
    );

    put_config(&scenario, &auths(json!({"auth": "%%%"}), &second)).await;
    scenario.holds("the rest moves on", &holds(&first, &second)).await;
    let message = scenario.says("CredentialsReady", "False", "SourceInvalid").await;
    let stays = format!("copies keep the last good login for {SERVER}: ");
    assert!(message.starts_with(&stays), "{message}");
}

/// `kubectl create secret docker-registry` with the key of a service account, as cloud registries need it.
#[tokio::test]
async fn a_password_of_several_lines_is_served() {
    let scenario = Scenario::shared("several-lines").await;
    scenario.namespaces(&["a"]).await;
    let login = Login {
        username: "_json_key".to_owned(),
        password: format!("{{\n  \"private_key\": \"{}\"\n}}", scenario.login("key").password),
    };
    let (server, password) = (
        format!("--docker-server={SERVER}"),
        format!("--docker-password={}", login.password),
    );
    let create = [
        "create",
        "secret",
        "docker-registry",
        scenario.name(),
        "-n",
        SYSTEM_NAMESPACE,
    ];
    let login_flags = [server.as_str(), "--docker-username=_json_key", &password];
    scenario.kubectl(&[&create[..], &login_flags].concat()).await;
    let mut object = scenario.object();
    object["spec"]["registries"][0]["credentials"] = json!({"dockerConfig": {"secretRef": {"name": scenario.name()}}});
    scenario.apply(&object).await;
    scenario.holds("it is served", &scenario.expected(&["a"], &login)).await;
    scenario.says("Ready", "True", "Synced").await;
}

/// The status reports at once by how much and because of which sources. The operator serves what fits, and keeps every
/// good login.
#[tokio::test]
async fn what_is_too_large_is_reported_at_once() {
    let scenario = Scenario::shared("too-large").await;
    let login = scenario.login("first");
    let other = format!("{}-2", scenario.name());
    scenario.source_named(&other, &login).await;
    scenario.namespaces(&["a"]).await;
    scenario.source(&login).await;
    let mut object = scenario.object();
    let second = json!({"server": SECOND, "credentials": {"basicAuth": {"secretRef": {"name": &other}}}});
    object["spec"]["registries"].as_array_mut().unwrap().push(second);
    scenario.apply(&object).await;
    let large = Login {
        password: format!("{}{}", login.password, "x".repeat(250_000)),
        ..login.clone()
    };
    let holds = |first: &Login| Expected {
        logins: BTreeMap::from([(SERVER.to_owned(), first.clone()), (SECOND.to_owned(), login.clone())]),
        ..scenario.expected(&["a"], first)
    };
    scenario.holds("both are served", &holds(&login)).await;
    scenario.source(&large).await;
    scenario.holds("one of that size fits", &holds(&large)).await;
    scenario.source_named(&other, &large).await;
    let message = scenario.says("CredentialsReady", "False", "SourceInvalid").await;
    assert!(message.contains("bytes too large for a Secret (1 MiB)"), "{message}");
    for source in [scenario.name(), &other] {
        let named = format!("secret \"{SYSTEM_NAMESPACE}/{source}\" needs ");
        assert!(message.contains(&named), "{message}");
    }
    scenario.says("Ready", "False", "CredentialsNotReady").await;
    scenario.holds("the good login stays", &holds(&large)).await;
}

fn entry(Login { username, password }: &Login) -> Value {
    json!({"username": username, "password": password})
}

async fn put_config(scenario: &Scenario, auths: &Value) {
    scenario
        .apply(&json!({
            "apiVersion": "v1", "kind": "Secret", "type": "kubernetes.io/dockerconfigjson",
            "metadata": {"name": scenario.name(), "namespace": SYSTEM_NAMESPACE},
            "stringData": {".dockerconfigjson": json!({"auths": auths}).to_string()},
        }))
        .await;
}
