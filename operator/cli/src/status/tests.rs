use serde_json::json;

use super::*;
use crate::output::{Table, Terminal};

fn object(status: &serde_json::Value, deleting: bool) -> ClusterPullSecret {
    let mut object = json!({
        "apiVersion": "pullsecrets.dev/v1alpha1", "kind": "ClusterPullSecret",
        "metadata": {"name": "company", "generation": 7},
        "spec": {
            "registries": [
                {"server": "harbor.example.com", "credentials": {"basicAuth": {"secretRef": {"name": "harbor-robot"}}}},
                {"server": "quay.example.com", "credentials": {"dockerConfig": {"secretRef": {"name": "quay", "namespace": "a"}}}},
            ],
            "namespaces": {"names": ["*"]},
        },
        "status": status,
    });
    if deleting {
        object["metadata"]["deletionTimestamp"] = json!("2026-03-01T10:00:00Z");
        object["metadata"]["finalizers"] = json!(["pullsecrets.dev/cleanup"]);
    }
    serde_json::from_value(object).unwrap()
}

fn failing() -> serde_json::Value {
    let condition = |status: &str, reason: &str, message: &str| {
        json!({"type": "Ready", "status": status, "reason": reason, "message": message,
            "lastTransitionTime": "2026-03-01T09:00:00Z"})
    };
    json!({
        "observedGeneration": 7,
        "conditions": [condition("False", "NamespacesFailed", "1 of 4 namespaces failed")],
        "namespaces": {"selected": 4, "ready": 3, "failed": 1, "summary": "3/4"},
        "serviceAccounts": {"selected": 3, "ready": 3, "failed": 0, "summary": "3/3"},
        "failures": [{"namespace": "payments", "reason": "SecretConflict", "message": "secret \"company\" exists"}],
        "registries": [
            {"server": "harbor.example.com", "state": "Ready", "reason": "Resolved"},
            {"server": "quay.example.com", "state": "NotReady", "reason": "Superseded", "message": "declared twice"},
        ],
    })
}

fn state(deletion: Option<Deletion>) -> ObjectState {
    ObjectState {
        context: "prod".to_owned(),
        object: object(&failing(), deletion.is_some()),
        deletion,
    }
}

fn shows(width: Option<usize>) -> Terminal {
    Terminal { width, unicode: true }
}

#[test]
fn the_tree_shows_registries_namespaces_and_failures() {
    assert_eq!(
        tree_of(&state(None), shows(None)),
        "company   Ready=False NamespacesFailed, generation 7 seen, context prod\n\
         ├─ 1 of 4 namespaces failed\n\
         ├─ registries\n\
         │  ├─ harbor.example.com   Resolved     harbor-robot\n\
         │  └─ quay.example.com     Superseded   declared twice\n\
         ├─ namespaces 3 of 4\n\
         │  └─ payments   SecretConflict   secret \"company\" exists\n\
         └─ accounts 3 of 3\n"
    );
    assert!(
        tree_of(
            &state(None),
            Terminal {
                unicode: false,
                ..shows(None)
            }
        )
        .is_ascii()
    );
}

#[test]
fn long_lines_of_the_tree_are_broken() {
    let lines = tree_of(&state(None), shows(Some(40)));
    let expected = "├─ namespaces 3 of 4\n│  └─ payments   SecretConflict\n│       secret \"company\" exists\n";
    assert!(lines.contains(expected), "{lines}");
    assert!(lines.lines().all(|line| line.chars().count() <= 40), "{lines}");
}

#[test]
fn what_is_not_known_yet_has_no_row() {
    let mut unseen = state(None);
    unseen.object = object(&json!({"conditions": []}), false);
    let tree = tree_of(&unseen, shows(None));
    for unknown in ["registries", "namespaces", "accounts"] {
        assert!(!tree.contains(unknown), "{tree}");
    }
}

#[test]
fn a_deletion_says_what_it_waits_for() {
    let deletion = Deletion {
        since: "2026-03-01T10:00:00Z".to_owned(),
        finalizers: vec!["pullsecrets.dev/cleanup".to_owned()],
        copies: (0..25).map(|number| format!("n{number:02}/company")).collect(),
        copies_unseen: None,
    };
    let tree = tree_of(&state(Some(deletion)), shows(None));
    for expected in [
        "└─ deletion since 2026-03-01T10:00:00Z waits for: the operator removes 25 copies, then its finalizer\n",
        "   ├─ finalizer pullsecrets.dev/cleanup\n",
        "   ├─ copy n19/company\n   └─ and 5 more copies\n",
    ] {
        assert!(tree.contains(expected), "{tree}");
    }
    let foreign = Deletion {
        finalizers: vec!["example.com/mine".to_owned()],
        ..Deletion::default()
    };
    assert_eq!(foreign.advice(), "the finalizers of others: example.com/mine");
}

#[test]
fn the_table_has_a_row_for_each_object_and_context() {
    let mut states = States {
        objects: vec![state(None)],
        unread: vec![Unread {
            context: "far".to_owned(),
            why: "far.example cannot be reached".to_owned(),
        }],
        ..States::default()
    };
    let mut fresh = state(None);
    fresh.object.metadata.name = Some("bare".to_owned());
    fresh.object.status = None;
    states.objects.push(fresh);
    states.finish();
    assert!(!states.complete && states.has_findings());
    let table: Table = overview(&states, false);
    assert_eq!(
        anstream::adapter::strip_str(&table.text(None)).to_string(),
        "CONTEXT   NAME      READY     REASON             NAMESPACES   ACCOUNTS   MESSAGE\n\
         prod      bare      Unknown   NoStatus           -            -          the operator has not reported on it yet: is it running?\n\
         prod      company   False     NamespacesFailed   3/4          3/3        1 of 4 namespaces failed\n\
         far       -         -         NotSeen            -            -          far.example cannot be reached\n"
    );
}
