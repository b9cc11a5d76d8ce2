//! What an object reads.

use super::*;

#[test]
fn a_changed_spec_is_parsed_again() {
    let seen = |version: u64, label: &str| -> RawClusterPullSecret {
        let selector = json!([{"matchLabels": {label: "yes"}}]);
        serde_json::from_value(json!({
            "metadata": {"name": "company", "uid": "u", "resourceVersion": version.to_string()},
            "spec": {"registries": [], "namespaces": {"selectors": selector}},
        }))
        .unwrap()
    };
    let mut object = ObjectState::new(seen(1, "first"), OWN);
    let keys = |object: &ObjectState| -> Vec<String> {
        let keys = object.selection().unwrap().namespace_keys();
        keys.map(str::to_owned).collect()
    };
    assert_eq!(keys(&object), ["first"]);
    object.see(seen(2, "second"));
    assert_eq!(keys(&object), ["second"]);
}

#[test]
fn an_object_reads_sources_and_state() {
    let source = |namespace: Option<&str>, name: &str| {
        let reference = namespace.map_or_else(
            || json!({"name": name}),
            |namespace| json!({"name": name, "namespace": namespace}),
        );
        json!({"server": format!("{name}.example.com"), "credentials": {"basicAuth": {"secretRef": reference}}})
    };
    let seen = serde_json::from_value(json!({
        "metadata": {"name": "company", "uid": "u-company"},
        "spec": {
            "registries": [source(None, "robot"), source(Some("logins"), "ghcr")],
            "namespaces": {"selectors": [{}]},
        },
    }));
    let object = ObjectState::new(seen.unwrap(), OWN);
    for (namespace, secret, reads) in [
        ("pullsecrets-system", "robot", true),
        ("logins", "ghcr", true),
        ("logins", "robot", false),
        ("pullsecrets-system", "ghcr", false),
        ("pullsecrets-system", "another", false),
        ("pullsecrets-system", "pullsecrets-state-u-company", true),
        ("pullsecrets-system", "pullsecrets-state-u-another", false),
    ] {
        assert_eq!(object.reads(namespace, secret), reads, "{namespace}/{secret}");
    }
}
