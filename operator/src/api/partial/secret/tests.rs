//! What is kept of a Secret.

use std::collections::BTreeMap;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use crd::names::ANNOTATION_DECLARED;
use plan::observed::Owner;
use serde_json::{Value, json};

use super::*;

fn seen(secret: Value) -> Secret {
    serde_json::from_value::<PartialSecret>(secret).unwrap().facts()
}

#[test]
fn watch_and_reply_give_the_same_facts() {
    let metadata = json!({"name": "a", "uid": "u", "resourceVersion": "7",
        "labels": {LABEL_OBJECT: "a", "l": "v", "theirs": "x"},
        "annotations": {"a": "b", "theirs": "x", ANNOTATION_DECLARED: "l,a"}});
    let watched = seen(json!({"metadata": metadata, "type": "kubernetes.io/dockerconfigjson",
        "data": {".dockerconfigjson": "e30=", "other": "Zm9v"}}));
    let written: SecretMeta = serde_json::from_value(json!({"metadata": metadata})).unwrap();
    assert_eq!(watched, written.facts(Some(Arc::new(DIGEST_KEY.digest("e30=")))));
    assert_eq!(watched.traits.labels.get("l"), Some("v"));
    assert_eq!(watched.traits.annotations.get("a"), Some("b"));
    assert_eq!(watched.traits.labels.get("theirs"), None);
    assert_eq!(watched.traits.annotations.get("theirs"), None);
}

/// Bytes that the traits take on the heap.
fn bytes(traits: &SecretTraits) -> usize {
    let words = traits.labels.iter().chain(traits.annotations.iter());
    let words: usize = words.map(|(key, value)| key.len() + value.len() + 64).sum();
    let owner = |owner: &Owner| {
        let other = owner.uid.to_string();
        owner.name.len() + other.len() + 16
    };
    words + traits.owners.capacity() * size_of::<Owner>() + traits.owners.iter().map(owner).sum::<usize>()
}

/// The largest metadata that a tenant can give a Secret with our label.
fn hostile(number: usize) -> PartialSecret {
    let keys: Vec<String> = (0..64)
        .map(|key| format!("pull-secret.{}/{key}", "x".repeat(230)))
        .collect();
    let value = |key: &String| (key.clone(), format!("{number}{}", "v".repeat(12_000)));
    let mut annotations: BTreeMap<String, String> = keys.iter().map(value).collect();
    annotations.insert(ANNOTATION_DECLARED.to_owned(), keys.join(","));
    annotations.insert(ANNOTATION_RETAINED.to_owned(), "r".repeat(200_000));
    let mut labels: BTreeMap<&str, String> = keys.iter().map(|key| (key.as_str(), "l".repeat(63))).collect();
    labels.insert(LABEL_OBJECT, "x".repeat(63));
    let owner = |n: usize| {
        let (name, uid) = if n == 0 { (1_000_000, 1_000_000) } else { (253, 64) };
        json!({"apiVersion": "pullsecrets.dev/v1", "kind": "ClusterPullSecret",
            "name": "o".repeat(name), "uid": format!("{n:04}{}", "u".repeat(uid - 4))})
    };
    let owners: Vec<_> = (0..1_000).map(owner).collect();
    let metadata = json!({"name": "a", "labels": labels, "annotations": annotations,
        "ownerReferences": owners});
    serde_json::from_value(json!({"metadata": metadata})).unwrap()
}

#[test]
fn the_largest_copy_takes_few_bytes() {
    let mut copy = hostile(1);
    let held = bytes(&copy.facts.traits);
    assert!(held < 24 * 1024, "{held} bytes under the name of an object's copies");
    let asked = Wanted::new(&["a"]);
    copy.prune(&asked);
    assert_eq!(bytes(&copy.facts.traits), held);
    copy.prune(&Wanted::new(&["other"]));
    let held = bytes(&copy.facts.traits);
    assert!(
        held < 1536 && copy.facts.traits.partial,
        "{held} bytes under the name of none"
    );
    assert_eq!(copy.facts.traits.labels.get(LABEL_OBJECT).map(str::len), Some(63));
}

/// A tenant may make any number of Secrets with our label, each with thousands of logins.
#[test]
fn logins_under_unused_names_are_dropped() {
    let entries: Vec<String> = (0..16_384).map(|entry| format!(r#""{entry}":{{}}"#)).collect();
    let config = format!(r#"{{"auths":{{{}}}}}"#, entries.join(","));
    let data = json!({".dockerconfigjson": STANDARD.encode(config)});
    let secret = json!({"metadata": {"name": "a", "labels": {LABEL_OBJECT: "a"}}, "data": data});
    let mut copy: PartialSecret = serde_json::from_value(secret).unwrap();
    copy.prune(&Wanted::new(&["a"]));
    assert_eq!(copy.facts.digest.as_ref().map(|digest| digest.logins()), Some(16_384));
    copy.prune(&Wanted::new(&["other"]));
    let held = copy.facts.digest.unwrap();
    assert!(held.logins() == 0 && held != Arc::new(DIGEST_KEY.digest("e30=")));
    let emptied = json!({"metadata": {"name": "a"}, "data": {".dockerconfigjson": NO_LOGIN}});
    let mut emptied: PartialSecret = serde_json::from_value(emptied).unwrap();
    emptied.prune(&Wanted::new(&["other"]));
    assert_eq!(emptied.facts.digest, None, "it is known that there is none");
}

#[test]
fn owners_of_another_form_are_noticed() {
    let bent = |change: Value| {
        let mut owner = json!({"apiVersion": "pullsecrets.dev/v1alpha1", "kind": "ClusterPullSecret",
            "name": "company", "uid": "u"});
        owner
            .as_object_mut()
            .unwrap()
            .extend(change.as_object().unwrap().clone());
        let theirs = json!({"apiVersion": "v1", "kind": "ConfigMap", "name": "c", "uid": "c", "controller": true});
        let metadata = json!({"labels": {LABEL_OBJECT: "company"}, "ownerReferences": [owner, theirs]});
        seen(json!({ "metadata": metadata })).traits.bent_owners
    };
    assert!(!bent(json!({})), "the reference of another kind is not ours");
    assert!(!bent(json!({"controller": false, "blockOwnerDeletion": false})));
    for change in [
        json!({"controller": true}),
        json!({"blockOwnerDeletion": true}),
        json!({"apiVersion": "pullsecrets.dev/v1"}),
    ] {
        assert!(bent(change.clone()), "{change}");
    }
}

#[test]
fn values_that_are_too_long_still_differ() {
    let with = |value: &str| {
        let metadata = json!({"name": "a", "labels": {LABEL_OBJECT: "a"},
            "annotations": {"k": value, ANNOTATION_DECLARED: "k"}});
        seen(json!({"metadata": metadata})).traits
    };
    let declared = "v".repeat(1024);
    assert_eq!(with(&declared), with(&declared));
    for other in [format!("{declared}x"), "v".repeat(100_000), "v".to_owned()] {
        assert_ne!(with(&declared), with(&other));
    }
}

#[test]
fn foreign_secrets_have_the_same_traits() {
    let theirs = |word: &str| {
        let marks = json!({"theirs": word, "app.kubernetes.io/managed-by": word});
        seen(json!({"metadata": {"name": "a", "labels": marks, "annotations": marks}, "type": word}))
    };
    assert_eq!(theirs("x").traits, theirs("y").traits);
    assert_eq!(*theirs("x").traits, SecretTraits::default());
    let annotations = json!({ANNOTATION_RETAINED: "company", ANNOTATION_DECLARED: "l", "a": "b"});
    let retained = seen(json!({"metadata": {"annotations": annotations}}));
    assert_eq!(retained.traits.annotations.iter().count(), 2);
}

#[test]
fn only_our_apply_of_the_data_is_evidence() {
    let is_evidence = |labels: Value, manager: &str, operation: &str, fields: Value| {
        let entry = json!({"manager": manager, "operation": operation, "time": "2026-01-01T00:00:00Z",
            "apiVersion": "v1", "fieldsType": "FieldsV1", "fieldsV1": fields});
        let fields = [json!({"manager": "kubectl", "operation": "Update"}), entry];
        let secret = json!({"metadata": {"labels": labels, "managedFields": fields}});
        seen(secret).traits.applied_by_us
    };
    let applied = |manager: &str, operation: &str, fields| is_evidence(json!({}), manager, operation, fields);
    let data = json!({"f:data": {".": {}, "f:.dockerconfigjson": {}}, "f:type": {}});
    assert!(applied("pullsecrets", "Apply", data.clone()));
    let labelled = json!({LABEL_OBJECT: "a"});
    assert!(
        !is_evidence(labelled, "pullsecrets", "Apply", data.clone()),
        "the label says it"
    );
    assert!(!applied("pullsecrets", "Update", data.clone()));
    assert!(!applied("kubectl", "Apply", data));
    assert!(!applied("pullsecrets", "Apply", json!({"f:metadata": {}})));
    assert!(!applied("pullsecrets", "Apply", json!({"f:data": {"f:other": {}}})));
}
