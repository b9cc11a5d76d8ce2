use std::collections::BTreeSet;

use serde_json::{Value, json};

use super::rules::STATE;
use super::*;
use crate::verdict::Oracle;
use e2e::oracle::{ATTACHED, DATA_KEY, LABEL, Login};

/// Versions of the store, each of one object.
struct Store(Seen, u64);

impl Store {
    fn new() -> Self {
        Self(Seen::default(), 0)
    }

    fn put(&mut self, object: Value) -> Result<(), Wrong> {
        self.change(object, false)
    }

    fn delete(&mut self, object: Value) -> Result<(), Wrong> {
        self.change(object, true)
    }

    fn change(&mut self, object: Value, gone: bool) -> Result<(), Wrong> {
        self.1 += 1;
        let object = if object["kind"] == "Secret" {
            Object::Secret(serde_json::from_value(object).unwrap())
        } else {
            Object::Account(serde_json::from_value(object).unwrap())
        };
        let change = Change {
            version: self.1,
            at: Instant::now(),
            listed: false,
            gone,
            object,
        };
        self.0.observe(&change, &rules())
    }
}

/// Users act after the third version.
fn rules() -> Rules<'static> {
    let logins = ["one", "two"].map(|password| Login::new("robot", password));
    Rules {
        names: &["company"],
        logins: Box::leak(Box::new(logins)),
        copies: BTreeSet::from([("fault-a".to_owned(), "company".to_owned())]),
        references: BTreeSet::from([("fault-a".to_owned(), "default".to_owned(), "company".to_owned())]),
        begun: (3, Instant::now()),
        edited: false,
        concurrent_edit: false,
        blind: false,
    }
}

fn config(password: &str) -> Value {
    json!({"auths": {"r.example.com": {"username": "robot", "password": password}}})
}

fn encoded(value: &Value) -> Value {
    let bytes = k8s_openapi::ByteString(value.to_string().into_bytes());
    serde_json::to_value(bytes).unwrap()
}

fn state(password: &str) -> Value {
    json!({"kind": "Secret", "type": STATE, "metadata": {"name": "s", "namespace": "x",
        "ownerReferences": [{"apiVersion": "v", "kind": "k", "name": "company", "uid": "u"}]},
        "data": {"k": encoded(&json!({"r.example.com": config(password)}))}})
}

fn copy(password: &str) -> Value {
    json!({"kind": "Secret", "type": "kubernetes.io/dockerconfigjson",
        "metadata": {"name": "company", "namespace": "fault-a", "uid": "c", "labels": {LABEL: "company"}},
        "data": {DATA_KEY: encoded(&config(password))}})
}

fn account(entries: &[&str]) -> Value {
    let attached = if entries.contains(&"company") { "company" } else { "" };
    let entries: Vec<Value> = entries.iter().map(|name| json!({"name": name})).collect();
    json!({"kind": "ServiceAccount", "imagePullSecrets": entries, "metadata": {"name": "default",
        "namespace": "fault-a", "uid": "a", "annotations": {ATTACHED: attached}}})
}

/// Returns a copy with its reference, beside a foreign entry.
fn served() -> Store {
    let mut store = Store::new();
    for object in [state("one"), copy("one"), account(&["theirs", "company"])] {
        store.put(object).unwrap();
    }
    store
}

fn noticed(result: Result<(), Wrong>) -> Option<Oracle> {
    result.err().map(|wrong| wrong.oracle)
}

#[test]
fn a_rotation_in_its_order_is_right() {
    let mut store = served();
    for object in [state("two"), copy("two"), account(&["theirs", "company", "late"])] {
        assert_eq!(store.put(object), Ok(()));
    }
}

#[test]
fn whatever_is_wrong_for_a_moment_is_noticed() {
    assert_eq!(noticed(served().delete(copy("one"))), Some(Oracle::Gap), "deleted");
    assert_eq!(noticed(served().put(copy("bad"))), Some(Oracle::Gap), "no login");
    assert_eq!(
        noticed(served().put(copy("two"))),
        Some(Oracle::Order),
        "not remembered"
    );
    assert_eq!(
        noticed(served().put(account(&["theirs"]))),
        Some(Oracle::Gap),
        "no reference"
    );
    assert_eq!(
        noticed(served().put(account(&["company"]))),
        Some(Oracle::Foreign),
        "theirs"
    );
    let mut rotated = served();
    rotated.put(state("two")).unwrap();
    rotated.put(copy("two")).unwrap();
    assert_eq!(noticed(rotated.put(copy("one"))), Some(Oracle::Gap), "an old login");
}

/// A Secret of others is not written to.
#[test]
fn foreign_secret_is_never_written() {
    let mut store = Store::new();
    let mut theirs = copy("one");
    theirs["metadata"]["labels"] = json!({});
    store.put(theirs.clone()).unwrap();
    assert_eq!(noticed(store.put(copy("one"))), Some(Oracle::Foreign));
    assert_eq!(store.delete(theirs), Ok(()), "its owner may");
}
