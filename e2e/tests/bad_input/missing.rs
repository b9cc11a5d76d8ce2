//! Sources that are missing: the object says so, nothing good goes away, and once they are there they are taken.

use e2e::SYSTEM_NAMESPACE;
use e2e::oracle::Login;
use e2e::scene::Scene;
use serde_json::{Value, json};

/// A source that was good and then is not.
struct Broken {
    scene: &'static str,
    /// The source afterwards, less its name; `None`: there is none any more.
    source: Option<Value>,
    reason: &'static str,
    /// Words that the message must have besides the name of the Secret.
    names: &'static [&'static str],
}

#[tokio::test]
async fn a_broken_source_is_named_and_the_copies_stay() {
    let rows = [
        Broken {
            scene: "source-gone",
            source: None,
            reason: "SourceNotFound",
            names: &[],
        },
        Broken {
            scene: "source-without-key",
            source: Some(json!({"type": "Opaque", "stringData": {"username": "robot"}})),
            reason: "SourceInvalid",
            names: &["password"],
        },
        Broken {
            scene: "source-empty",
            source: Some(json!({
                "type": "kubernetes.io/basic-auth", "stringData": {"username": "robot", "password": ""},
            })),
            reason: "SourceInvalid",
            names: &["password"],
        },
        Broken {
            scene: "source-of-ours",
            source: Some(json!({
                "type": "pullsecrets.dev/state", "stringData": {"username": "robot", "password": "any"},
            })),
            reason: "SourceInvalid",
            names: &["managed by pullsecrets"],
        },
    ];
    futures::future::join_all(rows.map(|row| async move {
        let scene = Scene::shared(row.scene).await;
        let login = scene.login("first");
        scene.set_up(&["a"], &login).await;
        replace_source(&scene, row.source).await;
        let message = scene.says("CredentialsReady", "False", row.reason).await;
        for word in row.names.iter().chain([&row.scene]) {
            assert!(message.contains(word), "{}: {word} is not named: {message}", row.scene);
        }
        scene.says("Ready", "False", "CredentialsNotReady").await;
        scene
            .holds("the copy stays as it was", &scene.expected(&["a"], &login))
            .await;

        let second = scene.login("second");
        replace_source(&scene, Some(basic_auth(&second))).await;
        scene
            .holds("a mended source is taken", &scene.expected(&["a"], &second))
            .await;
        scene.says("Ready", "True", "Synced").await;
    }))
    .await;
}

#[tokio::test]
async fn a_source_that_comes_after_its_object_is_taken_when_it_comes() {
    let scene = Scene::shared("source-late").await;
    scene.namespaces(&["a"]).await;
    scene.apply(&scene.object()).await;
    let message = scene.says("CredentialsReady", "False", "SourceNotFound").await;
    assert!(message.contains("source-late"), "{message}");
    scene.says("Ready", "False", "CredentialsNotReady").await;
    let login = scene.login("first");
    scene.source(&login).await;
    scene
        .holds("the source is taken", &scene.expected(&["a"], &login))
        .await;
    scene.says("Ready", "True", "Synced").await;
}

#[tokio::test]
async fn a_source_in_a_namespace_that_is_not_allowed_is_refused() {
    let scene = Scene::shared("source-elsewhere").await;
    scene.namespaces(&["a"]).await;
    let mut object = scene.object();
    object["spec"]["registries"][0]["credentials"]["basicAuth"]["secretRef"] =
        json!({"name": "any", "namespace": format!("{}-a", scene.name())});
    scene.apply(&object).await;
    let message = scene
        .says("CredentialsReady", "False", "SourceNamespaceNotAllowed")
        .await;
    assert!(message.contains(&format!("{}-a", scene.name())), "{message}");
}

#[tokio::test]
async fn one_registry_without_a_login_does_not_hold_back_the_other() {
    let scene = Scene::shared("one-of-two").await;
    scene.namespaces(&["a"]).await;
    let login = scene.login("first");
    scene.source(&login).await;
    let mut object = scene.object();
    let other = json!({"server": "other.example.com", "credentials": {"basicAuth": {"secretRef": {"name": "absent"}}}});
    object["spec"]["registries"].as_array_mut().unwrap().push(other);
    scene.apply(&object).await;
    scene
        .holds("the good one is served", &scene.expected(&["a"], &login))
        .await;
    let message = scene.says("CredentialsReady", "False", "SourceNotFound").await;
    assert!(message.contains("absent"), "{message}");
}

fn basic_auth(login: &Login) -> Value {
    let Login { username, password } = login;
    json!({"type": "kubernetes.io/basic-auth", "stringData": {"username": username, "password": password}})
}

/// The type of a Secret cannot be changed, so the source is made anew, as its users have to.
async fn replace_source(scene: &Scene, source: Option<Value>) {
    let name = scene.name();
    scene
        .kubectl(&["delete", "secret", name, "-n", SYSTEM_NAMESPACE, "--ignore-not-found"])
        .await;
    if let Some(mut source) = source {
        source["apiVersion"] = json!("v1");
        source["kind"] = json!("Secret");
        source["metadata"] = json!({"name": name, "namespace": SYSTEM_NAMESPACE});
        scene.apply(&source).await;
    }
}
