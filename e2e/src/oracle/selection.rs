//! Selection of an object, read from its JSON. This second implementation of the API's text shares no code with the
//! first.

use std::collections::{BTreeMap, BTreeSet};

use serde_json::Value;

use crate::SYSTEM_NAMESPACE;

type Labels = BTreeMap<String, String>;

const EXCLUDE: &str = "pullsecrets.dev/exclude";

/// Namespaces that only an exact name selects.
const PROTECTED: [&str; 4] = ["kube-system", "kube-public", "kube-node-lease", SYSTEM_NAMESPACE];

/// Returns whether `spec` selects the namespace. `sources` are additional source namespaces.
pub(crate) fn namespace(spec: &Value, name: &str, labels: &Labels, sources: &BTreeSet<String>) -> bool {
    let wanted = &spec["namespaces"];
    if is_excluded(labels) || globs(&wanted["excluded"]).any(|glob| matches(glob, name)) {
        return false;
    }
    if PROTECTED.contains(&name) || sources.contains(name) {
        return globs(&wanted["names"]).any(|glob| glob == name);
    }
    any_of(wanted, name, labels)
}

/// Returns whether `spec` selects the account, in a selected namespace.
pub(crate) fn account(spec: &Value, name: &str, labels: &Labels) -> bool {
    let wanted = &spec["serviceAccounts"];
    if wanted["mode"] == "None" || is_excluded(labels) || globs(&wanted["excluded"]).any(|glob| matches(glob, name)) {
        return false;
    }
    let given = |key: &str| wanted[key].as_array().is_some_and(|list| !list.is_empty());
    if given("names") || given("selectors") {
        any_of(wanted, name, labels)
    } else {
        name == "default"
    }
}

fn is_excluded(labels: &Labels) -> bool {
    labels.get(EXCLUDE).is_some_and(|value| value == "true")
}

fn any_of(wanted: &Value, name: &str, labels: &Labels) -> bool {
    let mut selectors = wanted["selectors"].as_array().into_iter().flatten();
    globs(&wanted["names"]).any(|glob| matches(glob, name)) || selectors.any(|selector| selects(selector, labels))
}

fn globs(list: &Value) -> impl Iterator<Item = &str> {
    list.as_array().into_iter().flatten().filter_map(Value::as_str)
}

fn selects(selector: &Value, labels: &Labels) -> bool {
    let mut pairs = selector["matchLabels"].as_object().into_iter().flatten();
    let mut expressions = selector["matchExpressions"].as_array().into_iter().flatten();
    pairs.all(|(key, value)| labels.get(key).map(String::as_str) == value.as_str())
        && expressions.all(|expression| holds(expression, labels))
}

fn holds(expression: &Value, labels: &Labels) -> bool {
    let value = expression["key"].as_str().and_then(|key| labels.get(key));
    let listed = value.is_some_and(|value| globs(&expression["values"]).any(|one| one == value));
    match expression["operator"].as_str() {
        Some("In") => listed,
        Some("NotIn") => !listed,
        Some("Exists") => value.is_some(),
        Some("DoesNotExist") => value.is_none(),
        _ => false,
    }
}

/// Matches a glob: `*` stands for any characters, `?` for one.
fn matches(glob: &str, name: &str) -> bool {
    fn rest(glob: &[u8], name: &[u8]) -> bool {
        match (glob.split_first(), name.split_first()) {
            (None, None) => true,
            (Some((b'*', after)), _) => (0..=name.len()).any(|cut| rest(after, &name[cut..])),
            (Some((b'?', after)), Some((_, others))) => rest(after, others),
            (Some((one, after)), Some((other, others))) => one == other && rest(after, others),
            _ => false,
        }
    }
    rest(glob.as_bytes(), name.as_bytes())
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn namespaces_are_selected_as_the_api_says() {
        let spec = json!({"namespaces": {
            "selectors": [{"matchLabels": {"team": "a"}, "matchExpressions": [{"key": "stage", "operator": "Exists"}]}],
            "names": ["ci-*", "kube-system", "kube-*"], "excluded": ["*-old"],
        }});
        let labels = |pairs: &[(&str, &str)]| -> Labels {
            pairs
                .iter()
                .map(|&(key, value)| (key.to_owned(), value.to_owned()))
                .collect()
        };
        for (name, pairs, expected) in [
            ("shop", &[("team", "a"), ("stage", "")][..], true),
            ("shop", &[("team", "a")], false),
            ("shop-old", &[("team", "a"), ("stage", "")], false),
            ("ci-1", &[], true),
            ("ci-1", &[(EXCLUDE, "true")], false),
            ("kube-system", &[], true),
            ("kube-public", &[("team", "a"), ("stage", "")], false),
            ("sources", &[("team", "a"), ("stage", "")], false),
        ] {
            let sources = BTreeSet::from(["sources".to_owned()]);
            assert_eq!(
                namespace(&spec, name, &labels(pairs), &sources),
                expected,
                "{name} {pairs:?}"
            );
        }
    }

    #[test]
    fn accounts_are_selected_as_the_api_says() {
        let none = Labels::new();
        assert!(account(&json!({}), "default", &none));
        assert!(!account(&json!({}), "build", &none));
        let named = json!({"serviceAccounts": {"names": ["b?ild*"]}});
        assert!(account(&named, "build-1", &none) && !account(&named, "default", &none));
        assert!(!account(
            &json!({"serviceAccounts": {"mode": "None"}}),
            "default",
            &none
        ));
    }
}
