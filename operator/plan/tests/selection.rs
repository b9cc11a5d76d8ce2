//! Tables of accounts that get a reference, and of images that a server serves.
//!
//! The tests in `e2e/tests/admission` check the policies in `config/admission` against the same tables, on a real API
//! server. Two different results for one row are a defect.

#![allow(clippy::unwrap_used, reason = "also in what the tests share")]

mod common;

use std::sync::Arc;

use plan::keyring;
use plan::object::{Lifecycle, Object};
use plan::observed::{Account, Entry};
use plan::server::Server;
use plan::service_account::{Context, decide};
use serde_json::{Value, json};

use common::{OPERATOR_NAMESPACE, World};

const SELECTION: &str = include_str!("selection.json");
const IMAGES: &str = include_str!("images.json");

#[test]
fn accounts_get_references_by_the_table() {
    let table: Value = serde_json::from_str(SELECTION).unwrap();
    for case in table["cases"].as_array().unwrap() {
        let object = object(case);
        let secret = object.spec.secret_name.clone();
        let before = account(&case["account"], &secret);
        let (entries, attached) = decided(&table, case, object, &before);
        let (mut expected, mut recorded) = (before.entries.to_vec(), before.attached.to_vec());
        if case["reference"] == true {
            expected.push(Entry::named(&secret));
            recorded.extend((!recorded.contains(&secret)).then_some(secret));
        }
        assert_eq!((entries, attached), (expected, recorded), "{}", case["says"]);
    }
}

/// The list and the record of the case's account when the plan has had its way.
fn decided(table: &Value, case: &Value, object: Object, before: &Account) -> (Vec<Entry>, Vec<Arc<str>>) {
    let namespace = case["namespace"].as_str().unwrap();
    let mut labels = texts(&table["namespaces"][namespace]);
    // As every API server does.
    labels.push(("kubernetes.io/metadata.name", namespace));
    let world = World::of([object])
        .protecting(OPERATOR_NAMESPACE)
        .namespace(namespace, &labels);
    let cluster = world.cluster();
    let scope = cluster.scope(namespace, &world.namespaces[namespace]);
    let name = case["account"]["name"].as_str().unwrap_or("default");
    match decide(&scope, name, before, Context::default()).action {
        Some(action) => (action.entries, action.attached),
        None => (before.entries.to_vec(), before.attached.to_vec()),
    }
}

fn object(case: &Value) -> Object {
    let fields = ["namespaces", "serviceAccounts", "secret"];
    let spec: serde_json::Map<String, Value> = fields
        .iter()
        .filter_map(|&field| Some((field.to_owned(), case.get(field)?.clone())))
        .collect();
    let lifecycle = match (case["deleting"] == true, case["suspend"] == true) {
        (true, _) => Lifecycle::Deleting,
        (false, true) => Lifecycle::Frozen,
        (false, false) => Lifecycle::Active,
    };
    common::with_lifecycle(lifecycle, common::object("company", &json!(spec)))
}

/// The references of the row. `OURS` is the name of the object's Secret.
fn account(row: &Value, secret: &str) -> Account {
    let names = |field: &str| -> Vec<&str> {
        let listed = row[field].as_array().into_iter().flatten().filter_map(Value::as_str);
        listed.map(|name| if name == "OURS" { secret } else { name }).collect()
    };
    Account {
        labels: texts(&row["labels"]).into_iter().collect(),
        ..common::account(&names("entries"), &names("attached"))
    }
}

fn texts(map: &Value) -> Vec<(&str, &str)> {
    let entries = map.as_object().into_iter().flatten();
    entries
        .filter_map(|(key, value)| Some((key.as_str(), value.as_str()?)))
        .collect()
}

#[test]
fn servers_serve_the_images_of_the_table() {
    let rows: Vec<Value> = serde_json::from_str(IMAGES).unwrap();
    for row in rows {
        let server = Server::parse(row["server"].as_str().unwrap()).unwrap();
        let found = keyring::matches(server.as_str(), row["image"].as_str().unwrap());
        assert_eq!(row["served"], found, "{row}");
    }
}
