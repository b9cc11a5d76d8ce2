//! No run prints what came from a Secret, a kubeconfig or a plugin.

use std::path::PathBuf;

use e2e::registry::Registry;
use e2e::scenario::Scenario;
use serde_json::{Value, json};

use crate::cli::tool::Tool;
use crate::cli::verdicts::{account, config, deployment, secret, template};

const SERVER: &str = "r.example.com";

/// Secrets whose keys and values hold the canary, in forms that are read, ignored and broken.
async fn secrets(scenario: &Scenario, namespace: &str, registry: &str) {
    let canary = scenario.canary().core();
    secret(scenario, namespace, "right", &config(scenario, SERVER)).await;
    for (name, key) in [
        ("in-key", format!("https://user:{canary}@{SERVER}")),
        ("in-path", format!("{SERVER}/?token={canary}")),
        // Its path is not that of the image, so the tool names it as the nearest entry.
        ("near", format!("{SERVER}/other?token={canary}")),
        ("odd", format!("not a server {canary}")),
    ] {
        secret(scenario, namespace, name, &config(scenario, &key)).await;
    }
    let odd = json!({"auths": {SERVER: {"auth": format!("{canary}!")}}});
    secret(scenario, namespace, "no-base64", &odd).await;
    let odd = json!({"auths": {format!("{canary}@{SERVER}"): {"auth": [canary]}}});
    secret(scenario, namespace, "no-text", &odd).await;
    scenario
        .apply(&json!({
            "apiVersion": "v1", "kind": "Secret", "metadata": {"name": "opaque", "namespace": namespace},
            "stringData": {"password": canary},
        }))
        .await;
    // The login of this one reaches a registry, which refuses it.
    secret(scenario, namespace, "sent", &config(scenario, registry)).await;
    account(scenario, namespace, "sent", &["sent"]).await;
    deployment(
        scenario,
        namespace,
        "sent",
        &template("sent", &format!("{registry}/app")),
    )
    .await;
    for name in [
        "right",
        "in-key",
        "in-path",
        "near",
        "odd",
        "no-base64",
        "no-text",
        "opaque",
    ] {
        account(scenario, namespace, name, &[name]).await;
        deployment(scenario, namespace, name, &template(name, &format!("{SERVER}/app"))).await;
    }
}

/// A kubeconfig with contexts whose credentials fail, each after showing the canary to the tool.
fn kubeconfig(scenario: &Scenario) -> Value {
    let canary = scenario.canary().core();
    let admin = std::fs::read(scenario.cluster().kubeconfig_path()).unwrap();
    let mut kubeconfig: Value = serde_json::from_slice(&admin).unwrap();
    let plugin = |script: String| {
        json!({"exec": {"apiVersion": "client.authentication.k8s.io/v1", "command": "sh",
            "args": ["-c", script], "interactiveMode": "IfAvailable"}})
    };
    let users = [
        ("token", json!({"token": canary})),
        ("basic", json!({"username": canary, "password": canary})),
        (
            "fails",
            plugin(format!(
                "echo '{{\"status\":{{\"token\":\"{canary}\"}}}}'; echo {canary} >&2; exit 1"
            )),
        ),
        ("garbage", plugin(format!("echo '{{\"status\": {canary}'"))),
        (
            "plugin-token",
            plugin(format!("echo '{{\"status\":{{\"token\":\"{canary}\"}}}}'")),
        ),
        ("newline", json!({"token": format!("{canary}\n")})),
        (
            "provider",
            json!({"auth-provider": {"name": "gcp", "config": {
            "cmd-path": "sh", "cmd-args": format!("-c echo${{IFS}}{canary};exit${{IFS}}1")}}}),
        ),
        (
            "oidc",
            json!({"auth-provider": {"name": "oidc", "config": {"id-token": canary, "refresh-token": canary,
            "client-id": canary, "client-secret": canary, "idp-issuer-url": "https://127.0.0.1:1"}}}),
        ),
        (
            "key",
            json!({"client-certificate-data": canary, "client-key-data": canary}),
        ),
    ];
    for (name, user) in users {
        kubeconfig["users"]
            .as_array_mut()
            .unwrap()
            .push(json!({"name": name, "user": user}));
        let context = json!({"name": name, "context": {"cluster": "e2e", "user": name}});
        kubeconfig["contexts"].as_array_mut().unwrap().push(context);
    }
    let proxy = json!({"name": "proxy", "cluster": {"server": "https://127.0.0.1:1",
        "proxy-url": format!("http://user:{canary}@127.0.0.1:1")}});
    kubeconfig["clusters"].as_array_mut().unwrap().push(proxy);
    let context = json!({"name": "proxy", "context": {"cluster": "proxy", "user": "e2e"}});
    kubeconfig["contexts"].as_array_mut().unwrap().push(context);
    kubeconfig
}

/// A file that is no kubeconfig, with the canary at the place of the error.
fn broken(scenario: &Scenario, namespace: &str) -> PathBuf {
    let path = scenario.cluster().folder().join(format!("{namespace}.broken"));
    let canary = scenario.canary().core();
    let text = format!("users:\n- name: x\n  user:\n    token: [{canary}\n{canary}");
    std::fs::write(&path, text).unwrap();
    path
}

/// Every verb, in every format, with logs at trace: the canary is in no output.
#[tokio::test]
async fn no_output_holds_a_credential() {
    let scenario = Scenario::shared("hidden").await;
    scenario.unselected_namespaces(&["a"]).await;
    let namespace = scenario.in_scenario(&["a"]).remove(0);
    let registry = Registry::start().await.unwrap();
    secrets(&scenario, &namespace, registry.address()).await;
    scenario.source(&scenario.login("first")).await;
    scenario.apply(&scenario.object()).await;
    let path = scenario.cluster().folder().join(format!("{namespace}.kubeconfig"));
    std::fs::write(&path, kubeconfig(&scenario).to_string()).unwrap();

    let tool = Tool::new(&path).await.with("RUST_LOG", "trace");
    let login = format!("{namespace}/in-key");
    let sent = format!("{namespace}/sent");
    let object = format!("cps/{}", scenario.name());
    let mut runs = 0;
    for arguments in [
        &["audit"][..],
        &["audit", SERVER, "--plan"],
        &["audit", "--login", &login, "--probe", "--yes"],
        &["audit", registry.address(), "--login", &sent, "--probe", "--yes"],
        &["audit", "--login", &object],
        &["status"],
        &["status", scenario.name()],
        &["explain", "deployment/in-key", "-n", &namespace],
        &["explain", "deployment/no-base64", "-n", &namespace],
        &["explain", "deployment/no-text", "-n", &namespace],
    ] {
        let all_formats = ["table", "wide", "json", "yaml", "junit", "name"].map(|format| ("--context=e2e", format));
        let far = ["table", "json"].map(|format| ("--all-contexts", format));
        for (context, format) in all_formats.into_iter().chain(far) {
            let namespaces: &[&str] = if arguments[0] == "audit" {
                &["-n", &namespace]
            } else {
                &[]
            };
            let ran = tool
                .run(&[arguments, namespaces, &[context, "-o", format]].concat())
                .await;
            for (name, text) in [("stdout", &ran.out), ("stderr", &ran.err)] {
                let found = scenario.canary().found_in(text);
                assert!(
                    found.is_none(),
                    "{arguments:?} {format} {context}: {found:?} in {name}:\n{text}"
                );
            }
            runs += usize::from(ran.code != Some(2));
        }
    }
    assert!(runs > 20, "{runs} runs gave an answer");
    let broken = broken(&scenario, &namespace);
    let ran = tool.with_kubeconfig(broken.display().to_string()).run(&["audit"]).await;
    assert_eq!(ran.code, Some(2));
    assert!(scenario.canary().found_in(&format!("{ran:?}")).is_none(), "{ran:#?}");
    assert!(ran.err.contains("is no kubeconfig"), "{ran:#?}");
}
