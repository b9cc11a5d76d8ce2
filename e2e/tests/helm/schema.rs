//! `values.schema.json` refuses what the chart does not know, and the chart is as its sources say.

use std::collections::BTreeSet;
use std::process::Command;

use e2e::workspace;
use serde::Deserialize;
use serde_json::{Value, json};

use crate::helm::chart::{BOTH, CHART, Helm, USUAL, said};
use crate::helm::values::documented;

/// A key that no schema knows.
const UNKNOWN: &str = "unknownKey";

fn schema() -> Value {
    let text = std::fs::read_to_string(workspace().join(CHART).join("values.schema.json")).unwrap();
    serde_json::from_str(&text).unwrap()
}

/// Follows a reference to a definition.
fn resolved<'a>(root: &'a Value, schema: &'a Value) -> &'a Value {
    match schema["$ref"].as_str() {
        Some(reference) => root.pointer(reference.strip_prefix('#').unwrap()).unwrap(),
        None => schema,
    }
}

/// Calls `visit` with each schema of an object, and values that have `inner` there and nothing else.
fn objects(
    root: &Value,
    schema: &Value,
    outer: &dyn Fn(Value) -> Value,
    visit: &mut impl FnMut(&Value, &dyn Fn(Value) -> Value),
) {
    let schema = resolved(root, schema);
    if schema["type"] == "object" {
        visit(schema, outer);
    }
    for (name, field) in schema["properties"].as_object().into_iter().flatten() {
        objects(root, field, &|inner| outer(json!({name.clone(): inner})), visit);
    }
    if schema.get("items").is_some() {
        objects(root, &schema["items"], &|inner| outer(json!([inner])), visit);
    }
}

/// Each object of the schema refuses keys that it does not name, and Helm names the key.
#[test]
fn every_unknown_key_is_refused_by_name() {
    let root = schema();
    let (mut closed, mut open) = (Vec::new(), Vec::new());
    objects(&root, &root, &|inner| inner, &mut |schema, outer| {
        let values = outer(json!({UNKNOWN: "value"}));
        match &schema["additionalProperties"] {
            Value::Bool(false) => closed.push(values),
            // A map: its keys are the user's.
            Value::Object(_) => {}
            _ => open.push(values),
        }
    });
    // What a chart around this one hands down.
    assert_eq!(open, [json!({"global": {UNKNOWN: "value"}})]);
    assert!(closed.len() > 40, "{} objects", closed.len());
    for (at, values) in closed.iter().enumerate() {
        // Both read the same schema with the same library: one of them looks at each object, the other at a sample.
        for helm in if at % 5 == 0 { &BOTH[..] } else { &BOTH[1..] } {
            let refused = helm.render(USUAL, values).unwrap_err().to_string();
            assert!(refused.contains(UNKNOWN), "{helm:?}, {values}: {refused}");
        }
    }
}

#[derive(Deserialize)]
struct Refused {
    set: Value,
    says: String,
}

#[test]
fn wrong_values_are_refused_by_name() {
    let rows: Vec<Refused> = serde_saphyr::from_str(include_str!("refused.yaml")).unwrap();
    for Refused { set, says } in rows {
        for helm in BOTH {
            let refused = helm.render(USUAL, &set).map(drop).unwrap_err().to_string();
            // One of them writes a.b, the other a/b.
            assert!(refused.replace('.', "/").contains(&says), "{helm:?}, {set}: {refused}");
        }
    }
}

/// A policy that the server cannot have is refused, with the version that has it.
#[test]
fn older_kubernetes_is_refused_with_reason() {
    for helm in BOTH {
        let template = |version: &str, more: &[&str]| {
            let usual = ["template", "pullsecrets", CHART, "--kube-version", version];
            let output = helm.command(&[&usual, more].concat()).unwrap().output().unwrap();
            said("helm template", output).map_err(|error| error.to_string())
        };
        assert!(template("v1.33.2-eks-1234", &[]).is_ok());
        assert!(
            template("1.32.0", &[])
                .unwrap_err()
                .contains("kubeVersion: >= 1.33.0-0")
        );
        for policy in ["accounts", "pods"] {
            let set = format!("admission.{policy}=true");
            assert!(template("1.36.0", &["--set", &set]).is_ok());
            let refused = template("1.35.4", &["--set", &set]).unwrap_err();
            assert!(
                refused.contains(&format!("admission.{policy} needs Kubernetes 1.36")),
                "{refused}"
            );
        }
    }
}

/// The tables of the README, made from `values.yaml`, have each value of the schema and no other.
#[test]
fn schema_and_readme_have_the_same_values() {
    fn leaves(path: &str, root: &Value, schema: &Value, documented: &BTreeSet<String>, found: &mut BTreeSet<String>) {
        for (name, field) in resolved(root, schema)["properties"].as_object().unwrap() {
            let path = format!("{path}{name}");
            if documented.contains(&path) || resolved(root, field)["properties"].is_null() {
                found.insert(path);
            } else {
                leaves(&format!("{path}."), root, field, documented, found);
            }
        }
    }
    let (root, documented, mut found) = (schema(), documented(), BTreeSet::new());
    leaves("", &root, &root, &documented, &mut found);
    assert!(found.remove("global"));
    assert_eq!(found, documented);
}

#[test]
fn chart_passes_strict_lint_in_both() {
    for helm in BOTH {
        for values in [
            "mode=default",
            "mode=named,admission.authors=true,monitoring.rules.enabled=true",
        ] {
            let output = helm
                .command(&["lint", "--strict", CHART, "--set", values])
                .unwrap()
                .output();
            said("helm lint", output.unwrap()).unwrap();
        }
    }
}

/// The copies in the chart, its README, its version and its annotations are current.
#[test]
fn chart_is_as_its_sources_say() {
    let output = Command::new(workspace().join(".ci/chart"))
        .arg("--check")
        .output()
        .unwrap();
    said(".ci/chart --check", output).unwrap();
}

/// The annotations for Artifact Hub can be read, and say what the chart installs.
#[test]
fn artifact_hub_reads_the_charts_annotations() {
    let text = std::fs::read_to_string(workspace().join(CHART).join("Chart.yaml")).unwrap();
    let chart: Value = serde_saphyr::from_str(&text).unwrap();
    let list = |name: &str| -> Vec<Value> {
        let annotation = chart["annotations"][format!("artifacthub.io/{name}")].as_str();
        serde_saphyr::from_str(annotation.unwrap()).unwrap()
    };
    let rendered = Helm::Four.render(USUAL, &json!({})).unwrap();
    let deployment = &rendered["Deployment pullsecrets"];
    let images = list("images");
    assert_eq!(images.len(), 1);
    assert_eq!(
        images[0]["image"],
        deployment["spec"]["template"]["spec"]["containers"][0]["image"]
    );
    let [definition] = <[Value; 1]>::try_from(list("crds")).unwrap();
    let installed = &rendered["CustomResourceDefinition clusterpullsecrets.pullsecrets.dev"];
    assert_eq!(definition["name"], installed["metadata"]["name"]);
    assert_eq!(definition["kind"], installed["spec"]["names"]["kind"]);
    assert_eq!(definition["version"], installed["spec"]["versions"][0]["name"]);
    for example in list("crdsExamples") {
        assert_eq!(example["kind"], definition["kind"]);
    }
    for name in ["links", "changes"] {
        assert!(!list(name).is_empty(), "{name}");
    }
}
