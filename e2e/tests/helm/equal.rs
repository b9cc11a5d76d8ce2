//! The chart and the kustomizations say the same, and all names follow those of the release.

use e2e::folder::Folder;
use serde_json::{Value, json};

use crate::helm::chart::{BOTH, Helm, Objects, USUAL, differences, everything, kustomized, without_marks_of_helm};

/// Checks that these values render the same as these folders together, object by object.
fn same(values: &Value, folders: &[&str]) {
    let wanted: Objects = folders.iter().flat_map(|folder| kustomized(folder).unwrap()).collect();
    assert!(wanted.len() > 15, "{} objects", wanted.len());
    for helm in BOTH {
        let rendered = without_marks_of_helm(helm.render(USUAL, values).unwrap());
        let found = differences(&wanted, &rendered);
        assert!(found.is_empty(), "{helm:?}, {values}: {found:#?}");
    }
}

#[test]
fn default_values_render_config_default() {
    same(&json!({}), &["config/default"]);
}

#[test]
fn mode_named_renders_config_named() {
    same(&json!({"mode": "named"}), &["config/named"]);
}

/// Each optional part renders what its folder in `config` has.
#[test]
fn optional_parts_render_their_config_folders() {
    for policy in ["authors", "accounts", "pods"] {
        let folder = format!("config/admission/{policy}");
        same(&json!({"admission": {policy: true}}), &["config/default", &folder]);
    }
    let on = json!({"enabled": true});
    let monitoring = json!({
        "monitoring": {"serviceMonitor": on, "rules": on, "dashboard": on},
        "networkPolicy": on,
    });
    same(&monitoring, &["config/default", "config/monitoring"]);
}

/// The value for recovery renders what the component adds to both installations.
#[test]
fn recovery_value_renders_its_config_component() {
    for mode in ["default", "named"] {
        let folder = Folder::new("pullsecrets-recovery").unwrap();
        let config = std::iter::repeat_n("..", folder.path().components().count() - 1);
        let config = config.collect::<Vec<_>>().join("/") + e2e::workspace().join("config").to_str().unwrap();
        let overlay = json!({
            "resources": [format!("{config}/{mode}")], "components": [format!("{config}/recovery")],
        });
        std::fs::write(folder.path().join("kustomization.yaml"), overlay.to_string()).unwrap();
        let values = json!({"mode": mode, "recoverPods": true});
        same(&values, &[folder.path().to_str().unwrap()]);
    }
}

/// Another name and another namespace reach each place that names the operator, and no other place.
#[test]
fn names_follow_release_name_and_namespace() {
    for helm in BOTH {
        let usual = helm.render(USUAL, &everything()).unwrap();
        let expected: Objects = usual.into_values().map(|object| renamed(&object)).collect();
        for namespace in ["tools", "pullsecrets-system-2"] {
            let rendered = helm.render(("other", namespace), &everything()).unwrap();
            let text = json!(rendered).to_string().replace(namespace, "tools");
            let found = differences(&expected, &serde_json::from_str(&text).unwrap());
            assert!(found.is_empty(), "{helm:?}: {found:#?}");
        }
    }
}

/// Returns an object of the usual release as the release `other` in `tools` should have it.
fn renamed(object: &Value) -> (String, Value) {
    let text = object.to_string();
    let text = text
        .replace("pullsecrets-system", "tools")
        .replace(
            "system:serviceaccount:tools:pullsecrets'",
            "system:serviceaccount:tools:other-pullsecrets'",
        )
        .replace("(.*/)?pullsecrets.*", "(.*/)?other-pullsecrets.*");
    let mut object: Value = serde_json::from_str(&text).unwrap();
    object["metadata"]["labels"]["app.kubernetes.io/instance"] = json!("other");
    let places = [
        "/metadata/name",
        "/roleRef/name",
        "/subjects/0/name",
        "/spec/policyName",
        "/spec/template/spec/serviceAccountName",
    ];
    for place in places {
        if let Some(name) = object.pointer_mut(place)
            && let Some(rest) = name.as_str().unwrap().strip_prefix("pullsecrets")
        {
            *name = json!(format!("other-pullsecrets{rest}"));
        }
    }
    if let Some(Value::Array(variables)) = object.pointer_mut("/spec/template/spec/containers/0/env") {
        // The operator recognises its policies by their names.
        variables.push(json!({"name": "PULLSECRETS_RESTRAINT_PREFIX", "value": "other-pullsecrets-operator-"}));
    }
    let key = format!(
        "{} {}",
        object["kind"].as_str().unwrap(),
        object["metadata"]["name"].as_str().unwrap()
    );
    (key, object)
}

/// A release whose name contains that of the chart has no longer name, and a long one fits a Service.
#[test]
fn release_names_give_valid_object_names() {
    let name = |release: &str, values: &Value| {
        let rendered = Helm::Four.render((release, "tools"), values).unwrap();
        let deployment = rendered.values().find(|object| object["kind"] == "Deployment").unwrap();
        deployment["metadata"]["name"].as_str().unwrap().to_owned()
    };
    assert_eq!(name("my-pullsecrets", &json!({})), "my-pullsecrets");
    assert_eq!(name("a", &json!({"fullnameOverride": "b"})), "b");
    let long = name(&"a".repeat(53), &json!({"monitoring": {"service": {"enabled": true}}}));
    assert!(long.len() + "-metrics".len() <= 63 && !long.ends_with('-'), "{long}");
}

/// Everything that selects the Pods selects those of the Deployment, whatever their labels. So do commands of runbooks.
#[test]
fn each_selector_matches_the_pods_labels() {
    let mut values = everything();
    values["nameOverride"] = json!("other");
    values["podLabels"] = json!({"team": "a", "app.kubernetes.io/name": "not this"});
    for values in [everything(), values] {
        let rendered = Helm::Four.render(("pullsecrets", "tools"), &values).unwrap();
        let deployment = rendered.values().find(|object| object["kind"] == "Deployment").unwrap();
        let spec = &deployment["spec"];
        let labels = &spec["template"]["metadata"]["labels"];
        let mut selectors = vec![&spec["selector"]["matchLabels"]];
        for constraint in spec["template"]["spec"]["topologySpreadConstraints"]
            .as_array()
            .unwrap()
        {
            selectors.push(&constraint["labelSelector"]["matchLabels"]);
        }
        let neighbours = &spec["template"]["spec"]["affinity"]["podAntiAffinity"];
        for preferred in neighbours["preferredDuringSchedulingIgnoredDuringExecution"]
            .as_array()
            .unwrap()
        {
            selectors.push(&preferred["podAffinityTerm"]["labelSelector"]["matchLabels"]);
        }
        for (kind, place) in [
            ("PodDisruptionBudget", "/spec/selector/matchLabels"),
            ("NetworkPolicy", "/spec/podSelector/matchLabels"),
            ("PodMonitor", "/spec/selector/matchLabels"),
            ("Service", "/spec/selector"),
        ] {
            let object = rendered.values().find(|object| object["kind"] == kind).unwrap();
            selectors.push(object.pointer(place).unwrap());
        }
        let name = labels["app.kubernetes.io/name"].as_str().unwrap();
        let rules = rendered.values().find(|object| object["kind"] == "PrometheusRule");
        let runbooks = rules.unwrap().to_string();
        let selected = runbooks.split("app.kubernetes.io/name=").skip(1);
        let wrong: Vec<&str> = selected.filter(|rest| !rest.starts_with(&format!("{name} "))).collect();
        assert!(wrong.is_empty(), "{wrong:?}");
        assert_eq!(selectors.len(), 7);
        for selector in selectors {
            let selector = selector.as_object().unwrap();
            assert!(!selector.is_empty());
            assert!(
                selector.iter().all(|(key, value)| labels[key] == *value),
                "{selector:?}"
            );
        }
    }
}
