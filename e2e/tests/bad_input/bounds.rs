//! Violations of every bound of the schema, one at a time. The cases come from the installed definition, so that none
//! is missing.

use std::collections::BTreeSet;

use e2e::workspace;
use serde_json::{Value, json};

use crate::bad_input::cases::Refused;

/// Returns a valid spec with every field.
fn full() -> Value {
    let reference = json!({"name": "s", "namespace": "n"});
    let selectors = json!([{
        "matchLabels": {"a": "b"},
        "matchExpressions": [{"key": "a", "operator": "In", "values": ["b"]}],
    }]);
    json!({
        "registries": [
            {
                "server": "r.example.com",
                "credentials": {"basicAuth": {"secretRef": reference, "usernameKey": "u", "passwordKey": "p"}},
            },
            {"credentials": {"dockerConfig": {"secretRef": reference, "key": "k"}}},
        ],
        "namespaces": {"selectors": selectors, "names": ["a"], "excluded": ["b"]},
        "serviceAccounts": {"mode": "Attach", "selectors": selectors, "names": ["a"], "excluded": ["b"]},
        "secret": {"name": "s", "labels": {"pull-secret.a/b": "c"}, "annotations": {"pull-secret.a/b": "c"}, "conflictPolicy": "Fail"},
        "deletionPolicy": "Delete",
        "suspend": false,
    })
}

/// Returns one case for each bound, each type, each required field, and one unknown field for each object.
pub(crate) fn cases() -> Vec<Refused> {
    let text = std::fs::read_to_string(workspace().join("config/crd/clusterpullsecrets.yaml")).unwrap();
    let definition: Value = serde_saphyr::from_str(&text).unwrap();
    let schema = &definition["spec"]["versions"][0]["schema"]["openAPIV3Schema"]["properties"]["spec"];
    let mut walk = Walk {
        full: full(),
        cases: Vec::new(),
        seen: BTreeSet::new(),
    };
    walk.node(schema, "", "");
    let missing: Vec<String> = paths(schema, "")
        .into_iter()
        .filter(|path| !walk.seen.contains(path))
        .collect();
    assert_eq!(
        missing,
        Vec::<String>::new(),
        "fields that no case is about: add them to `full`"
    );
    walk.cases
}

/// Returns every path of a schema.
fn paths(schema: &Value, path: &str) -> Vec<String> {
    let mut all = vec![path.to_owned()];
    for (name, field) in schema["properties"].as_object().into_iter().flatten() {
        all.extend(paths(field, &format!("{path}.{name}")));
    }
    for (key, suffix) in [("items", "[]"), ("additionalProperties", "{}")] {
        if let Some(part) = schema.get(key) {
            all.extend(paths(part, &format!("{path}{suffix}")));
        }
    }
    all
}

struct Walk {
    full: Value,
    cases: Vec<Refused>,
    /// Visited paths of the schema.
    seen: BTreeSet<String>,
}

impl Walk {
    /// Adds the cases of `schema` at `path`; `pointer` is its value in the full spec.
    fn node(&mut self, schema: &Value, path: &str, pointer: &str) {
        let Some(value) = self.full.pointer(pointer).cloned() else {
            return;
        };
        if self.seen.insert(path.to_owned()) {
            self.breaks(schema, pointer, &value);
        }
        for (name, field) in schema["properties"].as_object().into_iter().flatten() {
            self.node(field, &format!("{path}.{name}"), &format!("{pointer}/{name}"));
        }
        if let Some(items) = schema.get("items") {
            for at in 0..value.as_array().map_or(0, Vec::len) {
                self.node(items, &format!("{path}[]"), &format!("{pointer}/{at}"));
            }
        }
        if let Some(values) = schema.get("additionalProperties") {
            for key in value.as_object().into_iter().flatten().map(|(key, _)| key) {
                let key = key.replace('/', "~1");
                self.node(values, &format!("{path}{{}}"), &format!("{pointer}/{key}"));
            }
        }
    }

    fn breaks(&mut self, schema: &Value, pointer: &str, value: &Value) {
        let bound = |name: &str| schema[name].as_u64().and_then(|bound| usize::try_from(bound).ok());
        if let Some(max) = bound("maxLength") {
            let says = format!("Too long: may not be more than {max} bytes");
            self.case(pointer, &says, json!("a".repeat(max + 1)));
        }
        if let Some(min) = bound("minLength") {
            self.case(pointer, &format!("should be at least {min} chars long"), json!(""));
        }
        if let Some(max) = bound("maxItems") {
            let item = |at: usize| {
                if value[0].is_string() {
                    json!(format!("a{at}"))
                } else {
                    value[0].clone()
                }
            };
            let items: Vec<Value> = (0..=max).map(item).collect();
            self.case(pointer, &format!("must have at most {max} items"), json!(items));
        }
        if let Some(min) = bound("minItems") {
            self.case(pointer, &format!("should have at least {min} items"), json!([]));
        }
        if let Some(max) = bound("maxProperties") {
            let labels = (0..=max).map(|at| (format!("a{at}"), json!("b"))).collect();
            self.case(
                pointer,
                &format!("must have at most {max} items"),
                Value::Object(labels),
            );
        }
        if schema.get("enum").is_some() {
            self.case(pointer, "Unsupported value: \"Nonsense\"", json!("Nonsense"));
        }
        if let Some(kind) = schema["type"].as_str() {
            let says = format!("must be of type {kind}: \"integer\"");
            self.case(pointer, &says, json!(7));
        }
        for field in schema["required"]
            .as_array()
            .into_iter()
            .flatten()
            .filter_map(Value::as_str)
        {
            let mut without = value.clone();
            without.as_object_mut().unwrap().remove(field);
            let field = format!("{}.{field}", field_at(pointer));
            self.case_at(pointer, "Required value", &field, without);
        }
        if schema.get("properties").is_some() {
            let mut with = value.clone();
            with["typo"] = json!(true);
            let field = format!("{}.typo", field_at(pointer));
            self.case_at(pointer, "unknown field", &field, with);
        }
    }

    fn case(&mut self, pointer: &str, says: &str, value: Value) {
        self.case_at(pointer, says, &field_at(pointer), value);
    }

    fn case_at(&mut self, pointer: &str, says: &str, field: &str, value: Value) {
        let mut spec = self.full.clone();
        *spec.pointer_mut(pointer).unwrap() = value;
        self.cases.push(Refused::new(says, field, spec));
    }
}

/// Returns `/registries/0/server` as the API server prints it: `spec.registries[0].server`.
fn field_at(pointer: &str) -> String {
    let steps = pointer.split('/').skip(1);
    steps.fold("spec".to_owned(), |path, step| {
        if step.bytes().all(|byte| byte.is_ascii_digit()) {
            format!("{path}[{step}]")
        } else {
            format!("{path}.{}", step.replace("~1", "/"))
        }
    })
}
