//! Docker configs as people really have them: some entries of use and others not, keys of several lines, and more than
//! fits into a Secret.

use std::collections::BTreeMap;

use e2e::SYSTEM_NAMESPACE;
use e2e::oracle::{Expected, Login};
use e2e::scene::{SERVER, Scene};
use serde_json::{Value, json};

const SECOND: &str = "second.example.com";

/// Of a config taken whole each usable entry is served and each other one named, never by a key that is no server; one
/// that breaks keeps its last good login, and the rest moves on.
#[tokio::test]
async fn a_config_taken_whole_serves_what_can_be_used() {
    let scene = Scene::shared("whole-config").await;
    scene.namespaces(&["a"]).await;
    let (first, second) = (scene.login("first"), scene.login("second"));
    let keyed = format!("https://robot:{}@{SECOND}", scene.canary().core());
    let auths = |mine: Value, theirs: &Login| {
        json!({
            SERVER: mine, &keyed: entry(theirs), "empty.example.com": {}, "mail.example.com": {"email": "a@example.com"},
            "token.example.com": {"identitytoken": "any", "auth": "MDAwMDo="}, "broken.example.com": {"auth": "%%%"},
        })
    };
    put_config(&scene, &auths(entry(&first), &first)).await;
    let mut object = scene.object();
    object["spec"]["registries"] = json!([{"credentials": {"dockerConfig": {"secretRef": {"name": scene.name()}}}}]);
    scene.apply(&object).await;
    let holds = |mine: &Login, theirs: &Login| {
        let logins = [
            (SERVER.to_owned(), mine.clone()),
            (format!("https://{SECOND}"), theirs.clone()),
        ];
        Expected {
            logins: BTreeMap::from(logins),
            ..scene.expected(&["a"], mine)
        }
    };
    scene.holds("what can be used is served", &holds(&first, &first)).await;
    scene.says("Ready", "True", "Synced").await;
    let registry = scene.current().await["status"]["registries"][0].clone();
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
    assert!(message.contains("entry 3 is used as kubelets read it"), "{message}");

    put_config(&scene, &auths(json!({"auth": "%%%"}), &second)).await;
    scene.holds("the rest moves on", &holds(&first, &second)).await;
    let message = scene.says("CredentialsReady", "False", "SourceInvalid").await;
    let stays = format!("the last good credentials stay for {SERVER}: ");
    assert!(message.starts_with(&stays), "{message}");
}

/// `kubectl create secret docker-registry` with the key of a service account, as registries of clouds ask for.
#[tokio::test]
async fn a_password_of_several_lines_is_served() {
    let scene = Scene::shared("several-lines").await;
    scene.namespaces(&["a"]).await;
    let login = Login {
        username: "_json_key".to_owned(),
        password: format!("{{\n  \"private_key\": \"{}\"\n}}", scene.login("key").password),
    };
    let (server, password) = (
        format!("--docker-server={SERVER}"),
        format!("--docker-password={}", login.password),
    );
    let create = [
        "create",
        "secret",
        "docker-registry",
        scene.name(),
        "-n",
        SYSTEM_NAMESPACE,
    ];
    let login_flags = [server.as_str(), "--docker-username=_json_key", &password];
    scene.kubectl(&[&create[..], &login_flags].concat()).await;
    let mut object = scene.object();
    object["spec"]["registries"][0]["credentials"] = json!({"dockerConfig": {"secretRef": {"name": scene.name()}}});
    scene.apply(&object).await;
    scene.holds("it is served", &scene.expected(&["a"], &login)).await;
    scene.says("Ready", "True", "Synced").await;
}

/// The status says at once by how much and because of which sources; what fits is served, and no good login goes.
#[tokio::test]
async fn what_is_too_large_is_reported_at_once() {
    let scene = Scene::shared("too-large").await;
    let login = scene.login("first");
    let other = format!("{}-2", scene.name());
    scene.source_named(&other, &login).await;
    scene.namespaces(&["a"]).await;
    scene.source(&login).await;
    let mut object = scene.object();
    let second = json!({"server": SECOND, "credentials": {"basicAuth": {"secretRef": {"name": &other}}}});
    object["spec"]["registries"].as_array_mut().unwrap().push(second);
    scene.apply(&object).await;
    let large = Login {
        password: format!("{}{}", login.password, "x".repeat(250_000)),
        ..login.clone()
    };
    let holds = |first: &Login| Expected {
        logins: BTreeMap::from([(SERVER.to_owned(), first.clone()), (SECOND.to_owned(), login.clone())]),
        ..scene.expected(&["a"], first)
    };
    scene.holds("both are served", &holds(&login)).await;
    scene.source(&large).await;
    scene.holds("one of that size fits", &holds(&large)).await;
    scene.source_named(&other, &large).await;
    let message = scene.says("CredentialsReady", "False", "SourceInvalid").await;
    assert!(message.contains("bytes too large for a Secret (1 MiB)"), "{message}");
    for source in [scene.name(), &other] {
        let named = format!("secret \"{SYSTEM_NAMESPACE}/{source}\" needs ");
        assert!(message.contains(&named), "{message}");
    }
    scene.says("Ready", "False", "CredentialsNotReady").await;
    scene.holds("the good login stays", &holds(&large)).await;
}

fn entry(Login { username, password }: &Login) -> Value {
    json!({"username": username, "password": password})
}

async fn put_config(scene: &Scene, auths: &Value) {
    scene
        .apply(&json!({
            "apiVersion": "v1", "kind": "Secret", "type": "kubernetes.io/dockerconfigjson",
            "metadata": {"name": scene.name(), "namespace": SYSTEM_NAMESPACE},
            "stringData": {".dockerconfigjson": json!({"auths": auths}).to_string()},
        }))
        .await;
}
