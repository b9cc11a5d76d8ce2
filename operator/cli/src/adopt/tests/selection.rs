//! The namespaces and accounts of a proposed object.

use crd::{AttachMode, ClusterPullSecretSpec};
use serde_json::{Value, json};

use super::{Asked, OPERATOR, account, login, namespaces, only, plan, secret, seen};

fn spec(objects: &[Value]) -> ClusterPullSecretSpec {
    let (group, proposal) = only(plan(&seen(objects), &Asked::default()));
    proposal.unwrap_or_else(|| panic!("{group:#?}")).object.spec
}

fn copies(names: &[&str]) -> Vec<Value> {
    names
        .iter()
        .map(|name| secret(name, "regcred", &json!({}), &login("r.example.com", "a")))
        .collect()
}

/// A new namespace gets a copy if all have one now.
#[test]
fn an_object_for_all_namespaces_selects_all() {
    let names = ["a", "b", "c", "kube-system"];
    let mut objects = namespaces(&[&names[..], &[OPERATOR]].concat());
    objects.extend(copies(&names));
    objects.extend(namespaces(&["odd"]));
    objects.push(secret("odd", "regcred", &json!({}), &login("r.example.com", "b")));
    let found = spec(&objects).namespaces;
    assert_eq!(
        (found.selectors.len(), found.names, found.excluded),
        (1, vec!["kube-system".to_owned()], vec!["odd".to_owned()])
    );
    objects.extend(namespaces(&["without"]));
    let found = spec(&objects).namespaces;
    assert_eq!(
        (found.selectors.len(), found.names, found.excluded.len()),
        (0, names.map(str::to_owned).to_vec(), 0)
    );
}

#[test]
fn chosen_namespaces_are_selected_by_name() {
    let names = ["a", "b", "c"];
    let mut objects = namespaces(&[&names[..], &[OPERATOR]].concat());
    objects.extend(copies(&names));
    let asked = Asked {
        only: Some("a,b"),
        ..Asked::default()
    };
    let (group, _) = only(plan(&seen(&objects), &asked));
    let found = group.object.expect("an object").spec.namespaces;
    assert_eq!(
        (found.selectors.len(), found.names),
        (0, vec!["a".to_owned(), "b".to_owned()])
    );
}

/// The lists of the schema have 64 entries.
#[test]
fn many_namespaces_are_selected_by_their_label() {
    let names: Vec<String> = (0..130).map(|number| format!("n{number:03}")).collect();
    let names: Vec<&str> = names.iter().map(String::as_str).collect();
    let mut objects = namespaces(&[&names[..], &["kube-system", "without", OPERATOR]].concat());
    objects.extend(copies(&names));
    objects.extend(copies(&["kube-system"]));
    let found = spec(&objects).namespaces;
    assert_eq!(
        (found.selectors.len(), found.names),
        (3, vec!["kube-system".to_owned()])
    );
    let values = |at: usize| {
        let expressions = found.selectors[at].match_expressions.clone().unwrap_or_default();
        expressions[0].values.clone().unwrap_or_default().len()
    };
    assert_eq!((values(0), values(1), values(2)), (64, 64, 2));
}

#[test]
fn accounts_that_refer_to_it_are_selected() {
    let all = || {
        let mut objects = namespaces(&["a", "b", "without", OPERATOR]);
        objects.extend(copies(&["a", "b"]));
        objects
    };
    let refers = |namespace: &str, name: &str| account(namespace, name, &["x", "regcred"]);
    assert_eq!(spec(&all()).service_accounts.mode, AttachMode::None);
    for (accounts, expected) in [
        (vec![refers("a", "default"), refers("b", "default")], vec![]),
        (
            vec![refers("a", "build"), refers("b", "default")],
            vec!["build", "default"],
        ),
        (
            vec![refers("a", "build"), refers("a", "default"), refers("b", "default")],
            vec!["*"],
        ),
        (vec![refers("a", "build"), account("b", "build", &[])], vec!["build"]),
    ] {
        let found = spec(&[all(), accounts].concat()).service_accounts;
        assert_eq!(
            (found.mode, found.names),
            (
                AttachMode::Attach,
                expected.iter().map(|name| (*name).to_owned()).collect()
            )
        );
    }
    let (group, _) = only(plan(
        &seen(&[all(), vec![refers("a", "build"), account("b", "build", &[])]].concat()),
        &Asked::default(),
    ));
    assert!(
        group.notes[0].starts_with("1 accounts without the entry get it"),
        "{:?}",
        group.notes
    );
}

/// What the API server would refuse is no proposal.
#[test]
fn long_names_become_names_of_objects() {
    let name = format!("{}.pull", "x".repeat(70));
    let config = login("r.example.com", "a");
    let mut objects = namespaces(&["a", "b", OPERATOR]);
    objects.extend(["a", "b"].map(|namespace| secret(namespace, &name, &json!({}), &config)));
    let (group, _) = only(plan(&seen(&objects), &Asked::default()));
    let object = group.object.expect("an object");
    assert_eq!(object.metadata.name.as_deref(), Some("x".repeat(63).as_str()));
    assert_eq!(object.effective_secret_name(), name);
}
