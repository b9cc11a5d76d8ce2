//! The health script in the form of Argo CD's sources, with its tests.

use std::collections::BTreeSet;
use std::path::PathBuf;

use serde::Deserialize;
use serde_json::Value;

use crate::gitops::judges::{HEALTH_SCRIPT, ask};

/// `health_test.yaml`, as Argo CD's test reads it.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Tests {
    tests: Vec<Test>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields, rename_all = "camelCase")]
struct Test {
    input_path: String,
    health_status: Value,
}

/// Returns the folder of the script.
fn folder() -> PathBuf {
    let script = e2e::workspace().join(HEALTH_SCRIPT);
    script.parent().unwrap().to_owned()
}

/// Returns an object of `testdata`.
pub(super) fn testdata(file: &str) -> Value {
    let text = std::fs::read_to_string(folder().join("testdata").join(file)).unwrap();
    serde_saphyr::from_str(&text).unwrap()
}

/// Each object of `testdata` has the health and the message of its test, and each has a test.
#[tokio::test]
async fn health_script_passes_argo_cds_tests() {
    let text = std::fs::read_to_string(folder().join("health_test.yaml")).unwrap();
    let Tests { tests } = serde_saphyr::from_str(&text).unwrap();
    let name = |test: &Test| test.input_path.strip_prefix("testdata/").unwrap().to_owned();
    let files = std::fs::read_dir(folder().join("testdata")).unwrap();
    let files: BTreeSet<String> = files
        .map(|file| file.unwrap().file_name().into_string().unwrap())
        .collect();
    assert_eq!(tests.iter().map(name).collect::<BTreeSet<_>>(), files);

    let objects: Vec<Value> = tests.iter().map(|test| testdata(&name(test))).collect();
    let found = ask(&["argo-cd", HEALTH_SCRIPT], &objects).await;
    for (test, found) in tests.iter().zip(&found) {
        assert_eq!(&test.health_status, found, "{}", test.input_path);
    }
}

/// Argo CD runs the same script from its sources and from `argocd-cm`.
#[test]
fn both_forms_have_the_same_script() {
    let text = std::fs::read_to_string(e2e::workspace().join("config/argocd/health.yaml")).unwrap();
    let config: Value = serde_saphyr::from_str(&text).unwrap();
    let script = std::fs::read_to_string(e2e::workspace().join(HEALTH_SCRIPT)).unwrap();
    let key = "resource.customizations.health.pullsecrets.dev_ClusterPullSecret";
    assert_eq!(config["data"][key], script);
}
