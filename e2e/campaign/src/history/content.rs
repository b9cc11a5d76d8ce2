//! Content of Secrets and accounts, as far as the rules speak of it.

use std::collections::BTreeSet;

use k8s_openapi::api::core::v1::{Secret, ServiceAccount};
use kube::ResourceExt;
use serde_json::Value;

use e2e::oracle::{ATTACHED, DATA_KEY, Login};

/// The last content of a copy: the index of one of the logins, or none for any other content.
pub(super) type Held = Option<usize>;

/// Returns the foreign entries and annotations.
pub(super) fn theirs(account: &ServiceAccount, names: &[&str]) -> BTreeSet<String> {
    let entries = account.image_pull_secrets.iter().flatten();
    let entries = entries.filter(|entry| !names.contains(&entry.name.as_str()));
    let annotations = account.annotations().keys().filter(|key| *key != ATTACHED);
    entries
        .map(|entry| format!("the entry {}", entry.name))
        .chain(annotations.map(|key| format!("the annotation {key}")))
        .collect()
}

pub(super) fn refers(account: &ServiceAccount, secret: &str) -> bool {
    account
        .image_pull_secrets
        .iter()
        .flatten()
        .any(|entry| entry.name == secret)
}

pub(super) fn records(account: &ServiceAccount, secret: &str) -> bool {
    let names = account.annotations().get(ATTACHED).map_or("", String::as_str);
    names.split(',').any(|name| name == secret)
}

pub(super) fn held(secret: &Secret, logins: &[Login]) -> Held {
    let bytes = &secret.data.as_ref()?.get(DATA_KEY)?.0;
    let config: Value = serde_json::from_slice(bytes).ok()?;
    place_of(passwords(&config).first()?, logins)
}

pub(super) fn place_of(password: &str, logins: &[Login]) -> Held {
    logins.iter().position(|login| login.password == password)
}

/// Returns the values of every field `password`, at any depth.
pub(super) fn passwords(value: &Value) -> Vec<String> {
    match value {
        Value::Object(fields) => {
            let own = fields.get("password").and_then(Value::as_str).map(str::to_owned);
            own.into_iter().chain(fields.values().flat_map(passwords)).collect()
        }
        Value::Array(elements) => elements.iter().flat_map(passwords).collect(),
        _ => Vec::new(),
    }
}
