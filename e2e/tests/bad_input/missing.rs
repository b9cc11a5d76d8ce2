//! Missing sources: the object reports them, good copies stay, and the operator takes each source once it exists.

use e2e::SYSTEM_NAMESPACE;
use e2e::oracle::Login;
use e2e::scenario::Scenario;
use serde_json::{Value, json};

/// A good source that breaks.
struct Broken {
    scenario: &'static str,
    /// The source afterwards, without its name; `None` if it is deleted.
    source: Option<Value>,
    reason: &'static str,
    /// Words that the message must contain besides the name of the Secret.
    names: &'static [&'static str],
}

/// A broken source is named and the copies stay.
#[tokio::test]
async fn broken_source_is_named_and_copies_stay() {
    let rows = [
        Broken {
            scenario: "source-gone",
            source: None,
            reason: "SourceNotFound",
            names: &[],
        },
        Broken {
            scenario: "source-without-key",
            source: Some(json!({"type": "Opaque", "stringData": {"username": "robot"}})),
            reason: "SourceInvalid",
            names: &["password"],
        },
        Broken {
            scenario: "source-empty",
            source: Some(json!({
                "type": "kubernetes.io/basic-auth", "stringData": {"username": "robot", "password": ""},
            })),
            reason: "SourceInvalid",
            names: &["password"],
        },
        Broken {
            scenario: "source-of-ours",
            source: Some(json!({
                "type": "pullsecrets.dev/state", "stringData": {"username": "robot", "password": "any"},
            })),
            reason: "SourceInvalid",
            names: &["managed by pullsecrets"],
        },
    ];
    futures::future::join_all(rows.map(|row| async move {
        let scenario = Scenario::shared(row.scenario).await;
        let login = scenario.login("first");
        scenario.set_up(&["a"], &login).await;
        replace_source(&scenario, row.source).await;
        let message = scenario.says("CredentialsReady", "False", row.reason).await;
        for word in row.names.iter().chain([&row.scenario]) {
            assert!(
                message.contains(word),
                "{}: {word} is not named: {message}",
                row.scenario
            );
        }
        scenario.says("Ready", "False", "CredentialsNotReady").await;
        scenario
            .holds("the copy stays as it was", &scenario.expected(&["a"], &login))
            .await;

        let second = scenario.login("second");
        replace_source(&scenario, Some(basic_auth(&second))).await;
        scenario
            .holds("a mended source is taken", &scenario.expected(&["a"], &second))
            .await;
        scenario.says("Ready", "True", "Synced").await;
    }))
    .await;
}

/// The operator takes a source that is created after its object.
#[tokio::test]
async fn late_source_is_taken_when_it_comes() {
    let scenario = Scenario::shared("source-late").await;
    scenario.namespaces(&["a"]).await;
    scenario.apply(&scenario.object()).await;
    let message = scenario.says("CredentialsReady", "False", "SourceNotFound").await;
    assert!(message.contains("source-late"), "{message}");
    scenario.says("Ready", "False", "CredentialsNotReady").await;
    let login = scenario.login("first");
    scenario.source(&login).await;
    scenario
        .holds("the source is taken", &scenario.expected(&["a"], &login))
        .await;
    scenario.says("Ready", "True", "Synced").await;
}

/// A source in a namespace that is not allowed is refused.
#[tokio::test]
async fn source_outside_allowed_namespaces_is_refused() {
    let scenario = Scenario::shared("source-elsewhere").await;
    scenario.namespaces(&["a"]).await;
    let mut object = scenario.object();
    object["spec"]["registries"][0]["credentials"]["basicAuth"]["secretRef"] =
        json!({"name": "any", "namespace": format!("{}-a", scenario.name())});
    scenario.apply(&object).await;
    let message = scenario
        .says("CredentialsReady", "False", "SourceNamespaceNotAllowed")
        .await;
    assert!(message.contains(&format!("{}-a", scenario.name())), "{message}");
}

/// One registry without a login does not hold back the other.
#[tokio::test]
async fn missing_login_does_not_block_other_registry() {
    let scenario = Scenario::shared("one-of-two").await;
    scenario.namespaces(&["a"]).await;
    let login = scenario.login("first");
    scenario.source(&login).await;
    let mut object = scenario.object();
    let other = json!({"server": "other.example.com", "credentials": {"basicAuth": {"secretRef": {"name": "absent"}}}});
    object["spec"]["registries"].as_array_mut().unwrap().push(other);
    scenario.apply(&object).await;
    scenario
        .holds("the good one is served", &scenario.expected(&["a"], &login))
        .await;
    let message = scenario.says("CredentialsReady", "False", "SourceNotFound").await;
    assert!(message.contains("absent"), "{message}");
}

fn basic_auth(login: &Login) -> Value {
    let Login { username, password } = login;
    json!({"type": "kubernetes.io/basic-auth", "stringData": {"username": username, "password": password}})
}

/// Replaces the source. The type of a Secret is immutable, so its users delete and create it too.
async fn replace_source(scenario: &Scenario, source: Option<Value>) {
    let name = scenario.name();
    scenario
        .kubectl(&["delete", "secret", name, "-n", SYSTEM_NAMESPACE, "--ignore-not-found"])
        .await;
    if let Some(mut source) = source {
        source["apiVersion"] = json!("v1");
        source["kind"] = json!("Secret");
        source["metadata"] = json!({"name": name, "namespace": SYSTEM_NAMESPACE});
        scenario.apply(&source).await;
    }
}
