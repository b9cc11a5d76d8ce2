//! What is kept, and dropped, of more than one kind.

use std::collections::BTreeMap;

use crd::names::{ANNOTATION_DECLARED, LABEL_OBJECT};
use k8s_openapi::apimachinery::pkg::apis::meta::v1::ObjectMeta;
use kube::Resource as _;
use plan::observed::MAX_OWNERS;
use serde_json::{Value, json};

use super::secret::traits::DECLARED;
use super::*;

#[test]
fn metadata_of_other_writers_is_dropped() {
    let many: BTreeMap<String, String> = (0..10_000).map(|n| (format!("k{n}"), "v".repeat(60))).collect();
    let owner = |n| {
        json!({"apiVersion": "pullsecrets.dev/v1", "kind": "ClusterPullSecret",
        "name": "o", "uid": format!("u{n}")})
    };
    let owners: Vec<_> = (0..10_000).map(owner).collect();
    let mut labels = many.clone();
    labels.insert(LABEL_OBJECT.to_owned(), "a".to_owned());
    let mut annotations = many;
    let keys: Vec<&str> = annotations.keys().map(String::as_str).collect();
    let declared = keys.join(",");
    annotations.insert(ANNOTATION_DECLARED.to_owned(), declared);
    let metadata = json!({"name": "a", "labels": labels, "annotations": annotations,
        "ownerReferences": owners});
    let copy: PartialSecret = serde_json::from_value(json!({"metadata": metadata})).unwrap();
    assert_eq!(
        *copy.meta(),
        ObjectMeta {
            name: Some("a".to_owned()),
            ..ObjectMeta::default()
        }
    );
    let traits = copy.facts().traits;
    assert_eq!(traits.owners.len(), MAX_OWNERS);
    assert_eq!(traits.labels.iter().count(), DECLARED + 1);
    assert_eq!(traits.annotations.iter().count(), DECLARED + 1);
    let account: PartialServiceAccount = serde_json::from_value(json!({"metadata": metadata})).unwrap();
    assert_eq!(
        *account.meta(),
        ObjectMeta {
            name: Some("a".to_owned()),
            ..ObjectMeta::default()
        }
    );
}

#[test]
fn a_source_changed_at_its_last_write() {
    let changed_at = |times: &[&str]| {
        let writes: Vec<_> = times.iter().map(|time| json!({"time": time})).collect();
        let metadata = json!({"creationTimestamp": "1970-01-01T00:00:07Z", "managedFields": writes});
        let source: SourceSecret = serde_json::from_value(json!({"metadata": metadata})).unwrap();
        source.changed_at()
    };
    assert_eq!(changed_at(&[]), Some(7));
    assert_eq!(changed_at(&["1970-01-01T00:01:00Z", "1970-01-01T00:00:30Z"]), Some(60));
    // The server keeps it, and no timestamp of ours can hold it.
    assert_eq!(changed_at(&["9999-12-31T23:59:59Z", "1970-01-01T00:00:30Z"]), Some(30));
    assert_eq!(changed_at(&["9999-12-31T23:59:59Z"]), Some(7));
}

#[test]
fn the_last_writer_is_the_latest_other_manager() {
    let entry = |manager: &str, minute: u32, field: &str| {
        json!({"manager": manager, "operation": "Update", "time": format!("2026-01-01T00:0{minute}:00Z"),
            "fieldsType": "FieldsV1", "fieldsV1": {field: {}}})
    };
    let writer = |entries: &[Value]| {
        let object: Managed = serde_json::from_value(json!({"metadata": {"managedFields": entries}})).unwrap();
        object.last_writer(|fields| fields.get("f:imagePullSecrets").is_some())
    };
    let (list, other) = ("f:imagePullSecrets", "f:metadata");
    assert_eq!(writer(&[]), None);
    assert_eq!(
        writer(&[entry("pullsecrets", 5, list), entry("kubectl", 4, other)]),
        None
    );
    let both = [
        entry("early", 1, list),
        entry("late", 2, list),
        entry("later", 3, other),
    ];
    assert_eq!(writer(&both).as_deref(), Some("late"));
}
