//! A server accepts every shipped manifest.

use std::path::{Component, Path, PathBuf};

use e2e::folder::Folder;
use e2e::scenario::Scenario;
use e2e::wait::eventually;
use serde_json::{Value, json};

use crate::admission::bare::{self, SOON};

/// Every manifest is accepted, and every folder can be applied.
#[tokio::test]
async fn every_manifest_and_folder_can_be_applied() {
    let cluster = bare::shared().await;
    let mut folders = 0;
    for file in files(&e2e::workspace().join("config")) {
        // A component for another kustomization, objects of kinds that this cluster lacks, and a chart: see e2e/tests/fleets,
        // e2e/tests/gitops, e2e/tests/metrics and e2e/tests/helm.
        let elsewhere = |part: Component| {
            ["argocd", "fleet", "helm", "monitoring"]
                .iter()
                .any(|folder| part.as_os_str() == *folder)
        };
        if file.components().any(elsewhere) || file.ends_with("flux-kustomization.yaml") {
            continue;
        }
        // Some files are only for kustomize.
        if std::fs::read_to_string(&file)
            .unwrap()
            .contains("config.kubernetes.io/local-config")
        {
            continue;
        }
        let folder = file.parent().unwrap().to_str().unwrap();
        let what = if file.ends_with("kustomization.yaml") {
            folders += 1;
            ["-k", folder]
        } else {
            ["-f", file.to_str().unwrap()]
        };
        let applied = cluster
            .kubectl()
            .run(&["apply", "--dry-run=server", what[0], what[1]], "")
            .await;
        assert!(applied.is_ok(), "{applied:?}");
    }
    assert!(folders > 5, "{folders} folders");
}

fn files(folder: &Path) -> Vec<PathBuf> {
    let entries = std::fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path());
    let mut found: Vec<PathBuf> = entries
        .flat_map(|path| if path.is_dir() { files(&path) } else { vec![path] })
        .collect();
    found.retain(|path| path.extension().is_some_and(|extension| extension == "yaml"));
    found.sort();
    found
}

/// The samples become ready, and no expression of a policy has type warnings.
#[tokio::test]
async fn samples_come_true_and_policies_type_check() {
    let scenario = Scenario::own("samples").await;
    scenario.kubectl(&["apply", "-k", "config/admission/authors"]).await;
    scenario
        .make_namespaces(
            vec!["shop".to_owned(), "ci-1".to_owned()],
            &std::collections::BTreeMap::new(),
        )
        .await;
    let samples = make_their_sources(&scenario).await;
    scenario.kubectl(&["apply", "-k", "config/samples"]).await;
    let wait = ["wait", "cps", "--all", "--for=condition=Ready", "--timeout=120s"];
    let ready = scenario.kubectl(&wait).await;
    assert_eq!(
        ready.lines().count(),
        samples,
        "every sample is in the kustomization: {ready}"
    );

    eventually("every policy was type-checked without a warning", SOON, async || {
        let listed = scenario
            .kubectl(&["get", "validatingadmissionpolicies", "-o", "json"])
            .await;
        let policies: Value = serde_json::from_str(&listed).unwrap();
        let looked_through = |policy: &Value| policy["status"]["typeChecking"] == json!({});
        let policies = policies["items"].as_array().unwrap();
        let doubtful: Vec<&Value> = policies.iter().filter(|policy| !looked_through(policy)).collect();
        (policies.len() == 7 && doubtful.is_empty())
            .then_some(())
            .ok_or_else(|| format!("{doubtful:?}"))
    })
    .await;
}

/// Runs the commands in the head of each sample, as a user who is logged in to a registry. Returns the number of
/// samples.
async fn make_their_sources(scenario: &Scenario) -> usize {
    let home = Folder::new("pullsecrets-home").unwrap();
    std::fs::create_dir(home.join(".docker")).unwrap();
    let login = r#"{"auths":{"registry.example.com":{"auth":"dXNlcjpwYXNzd29yZA=="}}}"#;
    std::fs::write(home.join(".docker/config.json"), login).unwrap();
    let mut samples = 0;
    for file in files(&e2e::workspace().join("config/samples")) {
        let text = std::fs::read_to_string(&file).unwrap();
        if !text.contains("kind: ClusterPullSecret\nmetadata") {
            continue;
        }
        samples += 1;
        let commands: Vec<&str> = text.lines().filter_map(|line| line.strip_prefix("#   ")).collect();
        assert!(!commands.is_empty(), "{}: how is its source made?", file.display());
        let script = format!("export HOME={}\n{}", home.path().display(), commands.join("\n"));
        let output = scenario
            .cluster()
            .kubectl()
            .script(&script, home.path(), SOON)
            .await
            .unwrap();
        assert!(output.status.success(), "{script}\n{output:?}");
    }
    samples
}
