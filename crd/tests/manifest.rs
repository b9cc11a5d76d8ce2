//! The generated definition: that the file in `config` is current, and that the schema keeps its promises.

use serde_json::Value;

fn schema() -> Value {
    let crd = serde_json::to_value(crd::manifest::crd()).expect("a definition is JSON");
    crd["spec"]["versions"][0]["schema"]["openAPIV3Schema"].clone()
}

/// Visits a schema and every schema inside it, with the path of each.
fn walk(path: &str, schema: &Value, visit: &mut impl FnMut(&str, &Value)) {
    visit(path, schema);
    for (name, field) in schema["properties"].as_object().into_iter().flatten() {
        walk(&format!("{path}.{name}"), field, visit);
    }
    for (key, suffix) in [("items", "[]"), ("additionalProperties", "{}")] {
        if let Some(part) = schema.get(key) {
            walk(&format!("{path}{suffix}"), part, visit);
        }
    }
}

fn offenders(is_bad: impl Fn(&Value) -> bool) -> Vec<String> {
    let mut found = Vec::new();
    walk("", &schema(), &mut |path, part| {
        if is_bad(part) {
            found.push(path.to_owned());
        }
    });
    found
}

#[test]
fn the_definition_in_config_is_current() {
    let stored = include_str!("../../config/crd/clusterpullsecrets.yaml");
    let current = crd::manifest::yaml().expect("the definition is YAML");
    assert!(
        stored == current,
        "the definition is stale, run: cargo crdgen > config/crd/clusterpullsecrets.yaml"
    );
}

#[test]
fn the_yaml_says_what_the_types_say() {
    let yaml = crd::manifest::yaml().expect("the definition is YAML");
    let read: Value = serde_saphyr::from_str(&yaml).expect("what was written can be read");
    assert_eq!(
        read,
        serde_json::to_value(crd::manifest::crd()).expect("a definition is JSON")
    );
}

#[test]
fn every_string_list_and_map_is_bounded() {
    let unbounded = offenders(|part| match part["type"].as_str() {
        Some("string") => part.get("maxLength").is_none() && part.get("enum").is_none(),
        Some("array") => part.get("maxItems").is_none(),
        Some("object") => part.get("properties").is_none() && part.get("maxProperties").is_none(),
        Some("boolean" | "integer") => false,
        _ => true,
    });
    assert_eq!(unbounded, Vec::<String>::new());
}

#[test]
fn no_field_is_nullable() {
    assert_eq!(offenders(|part| part.get("nullable").is_some()), Vec::<String>::new());
}

#[test]
fn the_server_knows_all_number_formats() {
    let unknown = offenders(|part| !matches!(part["format"].as_str(), None | Some("int64" | "date-time")));
    assert_eq!(unknown, Vec::<String>::new());
}

#[test]
fn every_list_says_how_it_is_merged() {
    let silent = offenders(|part| part["type"] == "array" && part.get("x-kubernetes-list-type").is_none());
    assert_eq!(silent, Vec::<String>::new());
}

#[test]
fn every_field_is_explained() {
    let mut silent = Vec::new();
    walk("", &schema(), &mut |path, part| {
        for (name, field) in part["properties"].as_object().into_iter().flatten() {
            if field["description"].as_str().is_none_or(str::is_empty) {
                silent.push(format!("{path}.{name}"));
            }
        }
    });
    assert_eq!(silent, Vec::<String>::new());
}

#[test]
fn new_objects_are_not_yet_observed() {
    assert_eq!(schema()["properties"]["status"]["default"]["observedGeneration"], -1);
}

#[test]
fn objects_are_cluster_wide_outside_category_all() {
    let spec = crd::manifest::crd().spec;
    assert_eq!(spec.scope, "Cluster");
    assert_eq!(spec.group, crd::names::GROUP);
    assert_eq!(spec.names.plural, "clusterpullsecrets");
    assert_eq!(spec.names.short_names, Some(vec!["cps".to_owned()]));
    assert_eq!(spec.names.categories, None);
}

/// The rule over the keys of `spec.secret.labels`.
fn keys_of_copies() -> String {
    let rules =
        &schema()["properties"]["spec"]["properties"]["secret"]["properties"]["labels"]["x-kubernetes-validations"];
    let rules = rules.as_array().expect("labels have rules").iter();
    let mut texts = rules.filter_map(|rule| rule["rule"].as_str());
    let rule = texts
        .find(|rule| rule.contains("pull-secret."))
        .expect("one is about keys");
    rule.to_owned()
}

/// What the schema lets through the policy must not refuse, and the other way round.
#[test]
fn the_policy_allows_the_keys_of_the_schema() {
    let rule = keys_of_copies();
    let allowed = rule
        .strip_prefix("self.all(key, ")
        .and_then(|rule| rule.strip_suffix(')'))
        .expect("a rule over every key");
    let policy = include_str!("../../config/admission/operator/secrets.yaml");
    let policy = policy.split_whitespace().collect::<Vec<_>>().join(" ");
    // For labels and annotations; and those that are recorded.
    let prefixed = format!(
        "(key.startsWith('{}') && key.contains('/'))",
        crd::names::COPY_KEY_PREFIX
    );
    assert!(allowed.contains(&prefixed), "{allowed}");
    assert_eq!(policy.matches(&prefixed).count(), 3, "{prefixed}");
    // For labels and annotations, those that come and those that go; and those that are recorded.
    for key in crd::names::COPY_KEYS {
        let key = format!("'{key}'");
        assert!(allowed.contains(&key), "{allowed} lacks {key}");
        assert_eq!(policy.matches(&key).count(), 5, "{key}");
    }
}

#[test]
fn copies_take_no_key_others_act_on() {
    for (key, takes) in [
        ("app.kubernetes.io/name", true),
        ("app.kubernetes.io/component", true),
        ("app.kubernetes.io/version", true),
        ("pull-secret.example.com/team", true),
        ("app.kubernetes.io/part-of", false),
        ("app.kubernetes.io/managed-by", false),
        ("pull-secret.example.com", false),
        ("example.com/pull-secret.team", false),
        ("pullsecrets.dev/retained", false),
        ("owner", false),
        ("", false),
    ] {
        assert_eq!(crd::names::is_copy_key(key), takes, "{key}");
    }
}

#[test]
fn rule_messages_explain_on_one_line() {
    let mut poor = Vec::new();
    walk("", &schema(), &mut |path, part| {
        for rule in part["x-kubernetes-validations"].as_array().into_iter().flatten() {
            if rule["message"]
                .as_str()
                .is_none_or(|message| message.is_empty() || message.contains('\n'))
            {
                poor.push(path.to_owned());
            }
        }
    });
    assert_eq!(poor, Vec::<String>::new());
}

/// One case of `refused.yaml`.
#[derive(serde::Deserialize)]
struct Refused {
    says: String,
}

fn refusals() -> Vec<String> {
    let cases: Vec<Refused> = serde_saphyr::from_str(include_str!("refused.yaml")).expect("the cases can be read");
    cases.into_iter().map(|case| case.says).collect()
}

/// Every message of a rule; a message expression gives one for each of its string literals after `?` or
/// the last `:`.
fn messages() -> Vec<String> {
    let mut found = Vec::new();
    walk("", &schema(), &mut |_, part| {
        for rule in part["x-kubernetes-validations"].as_array().into_iter().flatten() {
            found.extend(rule["message"].as_str().map(str::to_owned));
            let branches = rule["messageExpression"]
                .as_str()
                .into_iter()
                .flat_map(|chain| chain.split(" ? '").skip(1));
            found.extend(
                branches
                    .filter_map(|branch| branch.split_once('\''))
                    .map(|(message, _)| message.to_owned()),
            );
        }
    });
    found
}

#[test]
fn every_rule_has_a_case_that_it_refuses() {
    let refusals = refusals();
    let untried: Vec<_> = messages()
        .into_iter()
        .filter(|message| !refusals.iter().any(|says| message.contains(says)))
        .collect();
    assert_eq!(untried, Vec::<String>::new());
}

#[test]
fn every_case_quotes_rule_or_server() {
    const OF_THE_API_SERVER: [&str; 6] = [
        "in body should have at least",
        "must have at most",
        "should be at least 1 chars long",
        "Duplicate value",
        "supported values: ",
        "should match",
    ];
    let messages = messages();
    let stray: Vec<_> = refusals()
        .into_iter()
        .filter(|says| !OF_THE_API_SERVER.iter().any(|words| says.contains(words)))
        .filter(|says| !says.contains("Required value") && !messages.iter().any(|message| message.contains(says)))
        .collect();
    assert_eq!(stray, Vec::<String>::new());
}
