//! What is kept of a `ServiceAccount`.

use crd::names::ANNOTATION_ATTACHED;
use plan::observed::MAX_STALE_RECORDS;
use serde_json::{Value, json};

use super::*;

fn listed(elements: &[Value], attached: &str) -> Account {
    let account = json!({"metadata": {"name": "a", "annotations": {ANNOTATION_ATTACHED: attached}},
        "imagePullSecrets": elements});
    serde_json::from_value::<PartialServiceAccount>(account)
        .unwrap()
        .facts()
}

#[test]
fn elements_of_image_pull_secrets_keep_unknown_fields() {
    let account: PartialServiceAccount = serde_json::from_value(json!({
        "metadata": {"name": "a", "uid": "u", "resourceVersion": "7", "managedFields": [{"manager": "x"}],
            "annotations": {"pullsecrets.dev/attached": "ours", "other": "kept out"}},
        "imagePullSecrets": [{"name": "x"}, {}, {"name": "y", "future": 1}],
    }))
    .unwrap();
    let facts = account.facts();
    assert_eq!(facts.entries[0], Entry::named("x"));
    assert_eq!(facts.entries[1], Entry::raw("", "{}"));
    assert_eq!(facts.entries[2].name(), "y");
    assert_eq!(facts.entries[2].raw_json(), Some(r#"{"future":1,"name":"y"}"#));
    assert_eq!(*facts.attached, ["ours".into()]);
}

#[test]
fn a_list_beyond_its_bound_is_not_held() {
    let named = |number: usize| json!({"name": format!("n{number}")});
    let most: Vec<_> = (0..MAX_ENTRIES).map(named).collect();
    let held = listed(&most, "n255,n7");
    assert_eq!(
        (held.entries.len(), held.attached.len(), held.too_large),
        (MAX_ENTRIES, 2, false)
    );
    let more: Vec<_> = (0..=MAX_ENTRIES).map(named).collect();
    let empty = vec![json!({}); 100_000];
    let long = [json!({"name": "x".repeat(MAX_ENTRIES_BYTES + 1)})];
    let record: Vec<String> = (0..2 * MAX_STALE_RECORDS).map(|number| format!("n{number}")).collect();
    for beyond in [&more[..], &empty, &long] {
        let held = listed(beyond, &record.join(","));
        assert_eq!(
            (held.entries.len(), held.attached.len(), held.too_large),
            (0, MAX_STALE_RECORDS, true)
        );
    }
}

/// The largest account that a tenant can make just below the bounds.
#[test]
fn the_largest_account_takes_few_bytes() {
    let names: Vec<String> = (0..MAX_ENTRIES).map(|number| format!("{number:0>62}")).collect();
    let stale = (0..64).map(|number| format!("{number:0>253}"));
    let attached: Vec<String> = names.iter().cloned().chain(stale).collect();
    let entries: Vec<_> = names.iter().map(|name| json!({"name": name})).collect();
    let metadata = json!({"name": "a", "annotations": {ANNOTATION_ATTACHED: attached.join(",")}});
    let account = json!({"metadata": metadata, "imagePullSecrets": entries});
    let mut account: PartialServiceAccount = serde_json::from_value(account).unwrap();
    account.prune(&Wanted::new(&[]), &Wanted::new(&["company", &names[0]]));
    let held = account.facts();
    let text = |name: &str| name.len() + 48;
    let bytes: usize = held.entries.iter().map(|entry| text(entry.name())).sum::<usize>()
        + held.attached.iter().map(|name| text(name)).sum::<usize>();
    assert_eq!((held.entries.len(), held.attached.len(), held.too_large), (1, 1, false));
    assert!(bytes < 256, "{bytes} bytes");
}

#[test]
fn our_field_manager_replaces_a_missing_record() {
    let proves = |manager: &str, field: &str, annotations: Value| {
        let entry = json!({"manager": manager, "operation": "Update", "fieldsV1": {field: {}}});
        let metadata = json!({"name": "a", "annotations": annotations, "managedFields": [entry]});
        let account = json!({"metadata": metadata, "imagePullSecrets": [{"name": "x"}]});
        serde_json::from_value::<PartialServiceAccount>(account)
            .unwrap()
            .facts()
            .listed_by_us
    };
    let (list, none) = ("f:imagePullSecrets", json!({}));
    assert!(proves("pullsecrets", list, none.clone()));
    assert!(!proves("pullsecrets-unproven", list, none.clone()));
    assert!(!proves("kubectl", list, none.clone()));
    assert!(!proves("pullsecrets", "f:metadata", none));
    assert!(!proves("pullsecrets", list, json!({ANNOTATION_ATTACHED: "x"})));
}
