//! What a user writes, as the operator reads it.

use crd::{AttachMode, ClusterPullSecret, ClusterPullSecretSpec, ConflictPolicy, DeletionPolicy};
use serde_json::{Value, json};

const SAMPLES: [&str; 3] = [
    include_str!("../../config/samples/one-registry.yaml"),
    include_str!("../../config/samples/selected-teams.yaml"),
    include_str!("../../config/samples/whole-docker-config.yaml"),
];

fn smallest() -> Value {
    json!({
        "apiVersion": "pullsecrets.dev/v1alpha1",
        "kind": "ClusterPullSecret",
        "metadata": { "name": "company" },
        "spec": {
            "registries": [{
                "server": "r.example.com",
                "credentials": { "basicAuth": { "secretRef": { "name": "robot" } } },
            }],
            "namespaces": { "names": ["a"] },
        },
    })
}

fn read(object: Value) -> ClusterPullSecret {
    serde_json::from_value(object).expect("the object can be read")
}

/// Every value of `written`, nulls and empty lists aside, that is not in `read`.
fn lost(path: &str, written: &Value, read: &Value) -> Vec<String> {
    match written {
        Value::Null => Vec::new(),
        Value::Array(list) if list.is_empty() => Vec::new(),
        Value::Object(fields) => fields
            .iter()
            .flat_map(|(name, value)| lost(&format!("{path}.{name}"), value, &read[name]))
            .collect(),
        Value::Array(list) => list
            .iter()
            .enumerate()
            .flat_map(|(at, value)| lost(&format!("{path}[{at}]"), value, &read[at]))
            .collect(),
        scalar if scalar == read => Vec::new(),
        _ => vec![path.to_owned()],
    }
}

#[test]
fn what_is_left_out_has_its_documented_default() {
    let spec = read(smallest()).spec;
    assert_eq!(spec.service_accounts.mode, AttachMode::Attach);
    assert!(
        spec.service_accounts.names.is_empty(),
        "the account `default` is chosen by the plan, not stored"
    );
    assert_eq!(spec.secret.conflict_policy, ConflictPolicy::Fail);
    assert_eq!(spec.deletion_policy, DeletionPolicy::Delete);
    assert!(!spec.suspend);
    let basic = spec.registries[0]
        .credentials
        .basic_auth
        .as_ref()
        .expect("the source is there");
    assert_eq!(
        (basic.username_key.as_str(), basic.password_key.as_str()),
        ("username", "password")
    );
}

#[test]
fn a_docker_config_without_key_stays_without() {
    let mut object = smallest();
    let source = json!({ "dockerConfig": { "secretRef": { "name": "logins" } } });
    object["spec"]["registries"][0]["credentials"] = source.clone();
    let credentials = &read(object).spec.registries[0].credentials;
    assert_eq!(
        credentials
            .docker_config
            .as_ref()
            .and_then(|docker| docker.key.as_ref()),
        None
    );
    assert_eq!(serde_json::to_value(credentials).expect("credentials are JSON"), source);
}

#[test]
fn copies_are_named_after_object_or_spec() {
    let mut object = read(smallest());
    assert_eq!(object.effective_secret_name(), "company");
    object.spec.secret.name = Some("pull".to_owned());
    assert_eq!(object.effective_secret_name(), "pull");
}

#[test]
fn nothing_absent_is_written_as_null() {
    let written = serde_json::to_string(&read(smallest())).expect("an object is JSON");
    assert!(!written.contains("null"), "{written}");
}

#[test]
fn every_sample_is_read_without_loss() {
    for sample in SAMPLES {
        let written: Value = serde_saphyr::from_str(sample).expect("a sample is YAML");
        let read = serde_json::to_value(read(written.clone())).expect("an object is JSON");
        assert_eq!(lost("", &written, &read), Vec::<String>::new());
    }
}

#[test]
fn every_accepted_spec_is_read_without_loss() {
    let cases: Vec<Value> = serde_saphyr::from_str(include_str!("accepted.yaml")).expect("the cases can be read");
    for written in cases {
        // The API server drops nulls and fills defaults in before anybody reads the object.
        let stored = without_nulls(written.clone());
        let read: ClusterPullSecretSpec = serde_json::from_value(stored).expect("an accepted spec can be read");
        let read = serde_json::to_value(read).expect("a spec is JSON");
        assert_eq!(lost("spec", &written, &read), Vec::<String>::new());
    }
}

fn without_nulls(value: Value) -> Value {
    match value {
        Value::Object(fields) => fields
            .into_iter()
            .filter(|(_, value)| !value.is_null())
            .map(|(name, value)| (name, without_nulls(value)))
            .collect(),
        Value::Array(list) => list.into_iter().map(without_nulls).collect(),
        scalar => scalar,
    }
}
