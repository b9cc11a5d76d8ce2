//! No run of `rollout` shows a login.

use e2e::SYSTEM_NAMESPACE;
use e2e::scenario::{SERVER, Scenario};
use serde_json::Value;

use super::file;
use crate::cli::tool::{Ran, Tool};

/// Files that are refused, each with the canary in another place.
fn broken(canary: &str, name: &str) -> Vec<String> {
    let secret = |type_: &str, data: &str| {
        format!(
            "apiVersion: v1\nkind: Secret\nmetadata: {{name: {name}, namespace: {SYSTEM_NAMESPACE}}}\ntype: {type_}\n{data}\n"
        )
    };
    let object = |server: &str| {
        format!(
            "---\napiVersion: pullsecrets.dev/v1alpha1\nkind: ClusterPullSecret\nmetadata: {{name: {name}}}\nspec:\n  registries:\n  \
             - server: {server}\n    credentials: {{basicAuth: {{secretRef: {{name: {name}}}}}}}\n  namespaces: {{names: [none]}}\n"
        )
    };
    let good = object(SERVER);
    vec![
        format!("a: [{canary}\n{canary}"),
        secret("kubernetes.io/basic-auth", &format!("data: {{password: '{canary}!'}}")) + &good,
        secret("kubernetes.io/basic-auth", &format!("data: {{1{canary}: YQ==}}")) + &good,
        secret(
            "kubernetes.io/basic-auth",
            &format!("stringData: {{username: 'a:{canary}', password: {canary}}}"),
        ) + &good,
        secret("kubernetes.io/basic-auth", &format!("stringData: [{canary}]")) + &good,
        secret("kubernetes.io/tls", &format!("stringData: {{tls.key: {canary}}}")) + &good,
        secret(
            canary,
            &format!("stringData: {{username: a, password: ''}}\n{canary}: 1"),
        ) + &good,
        object(&format!("https://robot:{canary}@{SERVER}")),
        object(&format!("{SERVER}/?token={canary}")),
        good.replace("namespaces:", &format!("{canary}:")),
        good.replace(
            "names: [none]",
            &format!("selectors: [{{matchLabels: {{a: [{canary}]}}}}]"),
        ),
        format!("{good}---\napiVersion: v1\nkind: ConfigMap\nmetadata: {{name: x}}\ndata: {{a: {canary}}}\n"),
    ]
}

/// Every format, with logs at trace, good and bad input: the canary is in no output and in no annotation.
#[tokio::test]
async fn no_rollout_shows_a_login() {
    let scenario = Scenario::shared("unseen").await;
    scenario.namespaces(&["a"]).await;
    let login = scenario.login("first");
    let tool = Tool::new(scenario.cluster().kubeconfig_path())
        .await
        .with("RUST_LOG", "trace");
    let silent = |what: &str, ran: &Ran| {
        for (name, text) in [("stdout", &ran.out), ("stderr", &ran.err)] {
            let found = scenario.canary().found_in(text);
            assert!(found.is_none(), "{what}: {found:?} in {name}:\n{text}");
        }
    };
    let path = file(&scenario, &login).display().to_string();
    for format in ["table", "json", "yaml", "name"] {
        for more in [&["--dry-run=server"][..], &[], &["--force-conflicts"], &["--timeout=0"]] {
            let ran = tool
                .run(&[&["rollout", "-f", &path, "--yes", "-o", format], more].concat())
                .await;
            silent(format, &ran);
            assert_ne!(ran.code, Some(2), "{ran:#?}");
        }
    }
    let source = [
        "get",
        "secret",
        scenario.name(),
        "-n",
        SYSTEM_NAMESPACE,
        "-o",
        "json",
        "--show-managed-fields",
    ];
    let mut source: Value = serde_json::from_str(&scenario.kubectl(&source).await).unwrap();
    source["data"].take();
    assert!(scenario.canary().found_in(&source.to_string()).is_none(), "{source:#}");

    for ran in refused(&scenario, &tool).await {
        assert_eq!(ran.code, Some(2), "{ran:#?}");
        silent("bad input", &ran);
    }
    let removed = tool.run(&["rollout", "-f", &path, "--delete", "--yes"]).await;
    assert_eq!(removed.code, Some(0), "{removed:#?}");
    silent("a removal", &removed);
}

/// Runs that are refused before a cluster is asked.
async fn refused(scenario: &Scenario, tool: &Tool) -> Vec<Ran> {
    let canary = scenario.canary().core();
    let mut all = Vec::new();
    let other = scenario.cluster().folder().join(format!("{}.broken", scenario.name()));
    let path = other.display().to_string();
    for text in broken(canary, scenario.name()) {
        std::fs::write(&other, &text).unwrap();
        all.push(tool.run(&["rollout", "-f", &path, "--yes", "--dry-run=server"]).await);
    }
    let server = format!("https://robot:{canary}@{SERVER}");
    let value = format!("--password-stdin={canary}");
    for (server, password, input) in [
        (server.as_str(), "--password-stdin", canary),
        (SERVER, value.as_str(), canary),
        (SERVER, "--password-stdin", ""),
        (SERVER, "--password-stdin", &format!("{canary}\n\n")),
    ] {
        let given = ["rollout", "--server", server, "--username", "robot", password, "--yes"];
        all.push(tool.run_with(&given, input).await);
    }
    all
}
