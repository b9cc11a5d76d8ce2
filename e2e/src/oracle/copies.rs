//! Oracle of the copies: each expected namespace has one, correct in every field, and no other namespace has one.

use std::collections::{BTreeMap, BTreeSet};

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use k8s_openapi::api::core::v1::Secret;
use kube::api::ListParams;
use kube::{Api, Client, ResourceExt};
use serde_json::{Value, json};

use super::logins::place_of;
use super::{DATA_KEY, Expected, LABEL, Login, list};

/// Returns all Secrets with the object's label.
pub(super) async fn of(client: &Client, object: &str) -> Result<Vec<Secret>, String> {
    list(
        &Api::all(client.clone()),
        &ListParams::default().labels(&format!("{LABEL}={object}")),
    )
    .await
}

/// Checks the copies. `owners` are the objects that own each copy, with their uids. A copy is a Secret in an expected
/// place, or one with the mark of a copy.
pub(super) fn check(secrets: &[Value], expected: &Expected, owners: &BTreeMap<String, String>) -> Result<(), String> {
    let is_copy = |secret: &&Value| {
        let (namespace, name) = place_of(secret);
        let says_so = secret["metadata"]["labels"][LABEL] == *expected.object;
        says_so || (name == expected.secret && expected.holders.contains_key(&namespace))
    };
    let copies = secrets.iter().filter(is_copy).cloned().map(serde_json::from_value);
    let copies = copies
        .collect::<Result<Vec<Secret>, _>>()
        .map_err(|_| "a copy cannot be read")?;
    let found: BTreeSet<String> = copies.iter().filter_map(ResourceExt::namespace).collect();
    let wanted: BTreeSet<String> = expected.holders.keys().cloned().collect();
    if found != wanted {
        let missing: Vec<_> = wanted.difference(&found).take(5).collect();
        let surplus: Vec<_> = found.difference(&wanted).take(5).collect();
        return Err(format!(
            "copies are missing in {missing:?} and should not be in {surplus:?}"
        ));
    }
    if copies.len() != wanted.len() {
        return Err(format!("{} copies in {} namespaces", copies.len(), wanted.len()));
    }
    let wanted = docker_config(expected);
    for copy in &copies {
        let place = format!("secret {}/{}", copy.namespace().unwrap_or_default(), copy.name_any());
        fields(copy, expected, owners).map_err(|what| format!("{place}: {what}"))?;
        data(copy, &wanted).map_err(|what| format!("{place}: {what}"))?;
    }
    same_bytes(&copies)
}

/// Checks all fields except the data.
fn fields(copy: &Secret, expected: &Expected, owners: &BTreeMap<String, String>) -> Result<(), String> {
    if copy.name_any() != expected.secret {
        return Err(format!("is not called {}", expected.secret));
    }
    if copy.type_.as_deref() != Some("kubernetes.io/dockerconfigjson") {
        return Err(format!("has the type {:?}", copy.type_));
    }
    if copy.immutable.is_some() {
        return Err("says whether it is immutable".to_owned());
    }
    if copy.labels().get(LABEL) != Some(&expected.object) {
        return Err("has no label that names its object".to_owned());
    }
    if copy.labels().get("app.kubernetes.io/managed-by").map(String::as_str) != Some("pullsecrets") {
        return Err("has no label that names its keeper".to_owned());
    }
    if copy.owner_references().len() != owners.len() {
        return Err(format!("has {} owners", copy.owner_references().len()));
    }
    for owner in copy.owner_references() {
        if owner.kind != "ClusterPullSecret" || owners.get(&owner.name) != Some(&owner.uid) {
            return Err(format!("is owned by {} {} {}", owner.kind, owner.name, owner.uid));
        }
        if owner.controller.is_some() || owner.block_owner_deletion.is_some() {
            return Err("its owner is more than an owner".to_owned());
        }
    }
    Ok(())
}

/// Checks for exactly the expected logins, compared as values. An error names the server, never a value.
pub(super) fn data(copy: &Secret, wanted: &Value) -> Result<(), String> {
    let data = copy.data.as_ref().ok_or("has no data")?;
    // Other writers own the keys that they added, and no kubelet reads them.
    let bytes = data.get(DATA_KEY).ok_or("has no docker config")?;
    let found: Value = serde_json::from_slice(&bytes.0).map_err(|_| "its docker config is no JSON")?;
    if &found == wanted {
        return Ok(());
    }
    let servers = |config: &Value| -> BTreeSet<String> {
        config["auths"]
            .as_object()
            .into_iter()
            .flatten()
            .map(|(server, _)| server.clone())
            .collect()
    };
    let (have, want) = (servers(&found), servers(wanted));
    if have != want {
        return Err(format!("has logins for {have:?}, not for {want:?}"));
    }
    let differ: Vec<_> = want
        .iter()
        .filter(|server| found["auths"][*server] != wanted["auths"][*server])
        .collect();
    Err(format!("has another login than expected for {differ:?}"))
}

pub(super) fn docker_config(expected: &Expected) -> Value {
    let auths: serde_json::Map<String, Value> = expected
        .logins
        .iter()
        .map(|(server, login)| (server.clone(), entry(login)))
        .collect();
    json!({"auths": auths})
}

fn entry(login: &Login) -> Value {
    let Login { username, password } = login;
    let auth = STANDARD.encode(format!("{username}:{password}"));
    json!({"username": username, "password": password, "auth": auth})
}

/// Checks that all copies of an object have the same bytes, because kubelets remember a verified login by the bytes of
/// its Secret.
fn same_bytes(copies: &[Secret]) -> Result<(), String> {
    let distinct: BTreeSet<_> = copies
        .iter()
        .filter_map(|copy| copy.data.as_ref()?.get(DATA_KEY))
        .map(|bytes| &bytes.0)
        .collect();
    if distinct.len() > 1 {
        return Err(format!("{} different docker configs among the copies", distinct.len()));
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use k8s_openapi::ByteString;

    use super::*;

    fn expected() -> Expected {
        Expected {
            object: "company".to_owned(),
            secret: "company".to_owned(),
            logins: BTreeMap::from([("r.example.com".to_owned(), Login::new("robot", "hunter2"))]),
            holders: BTreeMap::new(),
        }
    }

    fn holding(config: &Value) -> Secret {
        let bytes = ByteString(config.to_string().into_bytes());
        Secret {
            data: Some(BTreeMap::from([(DATA_KEY.to_owned(), bytes)])),
            ..Secret::default()
        }
    }

    /// A wrong password is reported by its server and never by its value.
    #[test]
    fn wrong_password_is_reported_by_server() {
        let mut other = expected();
        other
            .logins
            .insert("r.example.com".to_owned(), Login::new("robot", "hunter3"));
        let told = data(&holding(&docker_config(&other)), &docker_config(&expected())).unwrap_err();
        assert!(told.contains("r.example.com"), "{told}");
        assert!(!told.contains("hunter"), "{told}");
    }

    #[test]
    fn an_entry_too_many_is_noticed() {
        let mut config = docker_config(&expected());
        config["auths"]["other.example.com"] = entry(&Login::new("a", "b"));
        let told = data(&holding(&config), &docker_config(&expected())).unwrap_err();
        assert!(told.contains("other.example.com"), "{told}");
    }

    #[test]
    fn the_right_docker_config_passes() {
        let wanted = docker_config(&expected());
        assert_eq!(data(&holding(&wanted), &wanted), Ok(()));
    }
}
