//! Which namespaces are selected, and what an object asks for when its spec changes.

use std::time::Duration;

use crd::names::LABEL_EXCLUDE;
use serde_json::{Value, json};

use crate::common::{OPERATOR_NAMESPACE, World, object};
use crate::decided;

/// A namespace: its name, its labels.
type Place<'a> = (&'a str, &'a [(&'a str, &'a str)]);

/// With this `namespaces`, those that get a copy.
fn selected(namespaces: &Value, places: &[Place<'_>]) -> String {
    let mut world = World::of([object("company", &json!({"namespaces": namespaces}))]).protecting(OPERATOR_NAMESPACE);
    for (name, labels) in places {
        world = world.namespace(name, labels);
    }
    let copies: Vec<String> = decided(&world, Duration::ZERO)
        .iter()
        .filter_map(|line| Some(line.strip_prefix("secret ")?.split_once('/')?.0.to_owned()))
        .collect();
    copies.join(" ")
}

/// Globs leave namespaces out.
#[test]
fn globs_and_labels_select_namespaces() {
    let places: [Place<'_>; 4] = [
        ("ci-1", &[]),
        ("ci-2", &[("team", "a")]),
        ("shop", &[("team", "a"), ("stage", "test")]),
        ("wiki", &[("team", "b")]),
    ];
    let team = json!([{"matchLabels": {"team": "a"}}]);
    for (namespaces, expected) in [
        (json!({"names": ["ci-*"]}), "ci-1 ci-2"),
        (json!({"names": ["wiki"]}), "wiki"),
        (json!({"selectors": team}), "ci-2 shop"),
        (json!({"selectors": team, "names": ["wiki"]}), "ci-2 shop wiki"),
        (json!({"selectors": team, "excluded": ["shop"]}), "ci-2"),
        (json!({"names": ["shop"], "excluded": ["s*"]}), ""),
        (json!({"selectors": [{}]}), "ci-1 ci-2 shop wiki"),
        (json!({"names": ["*"], "excluded": ["*i*"]}), "shop"),
        (
            json!({"selectors": [{"matchLabels": {"team": "a", "stage": "test"}}, {"matchLabels": {"team": "b"}}]}),
            "shop wiki",
        ),
        (
            json!({"selectors": [{"matchExpressions": [{"key": "team", "operator": "NotIn", "values": ["a"]}]}]}),
            "ci-1 wiki",
        ),
        (
            json!({"selectors": [{"matchExpressions": [{"key": "stage", "operator": "Exists"}]}]}),
            "shop",
        ),
    ] {
        assert_eq!(selected(&namespaces, &places), expected, "{namespaces}");
    }
}

#[test]
fn protected_namespaces_need_their_exact_name() {
    let places: [Place<'_>; 5] = [
        ("kube-node-lease", &[]),
        ("kube-public", &[]),
        ("kube-system", &[("team", "a")]),
        (OPERATOR_NAMESPACE, &[]),
        ("shop", &[("team", "a")]),
    ];
    for (namespaces, expected) in [
        (json!({"selectors": [{}]}), "shop"),
        (json!({"names": ["*"]}), "shop"),
        (json!({"names": ["kube-*", "pullsecrets-syste?"]}), ""),
        (json!({"selectors": [{"matchLabels": {"team": "a"}}]}), "shop"),
        (json!({"names": ["kube-system"]}), "kube-system"),
        (json!({"names": ["kube-*", "kube-public"]}), "kube-public"),
        (json!({"names": [OPERATOR_NAMESPACE]}), OPERATOR_NAMESPACE),
        (json!({"names": ["kube-system"], "excluded": ["kube-*"]}), ""),
    ] {
        assert_eq!(selected(&namespaces, &places), expected, "{namespaces}");
    }
}

#[test]
fn the_exclusion_label_wins_over_names() {
    let places: [Place<'_>; 4] = [
        ("a", &[(LABEL_EXCLUDE, "true")]),
        ("b", &[(LABEL_EXCLUDE, "True")]),
        ("c", &[]),
        ("kube-system", &[(LABEL_EXCLUDE, "true")]),
    ];
    for (namespaces, expected) in [
        (json!({"selectors": [{}]}), "b c"),
        (json!({"names": ["a", "b", "kube-system"]}), "b"),
    ] {
        assert_eq!(selected(&namespaces, &places), expected, "{namespaces}");
    }
}
