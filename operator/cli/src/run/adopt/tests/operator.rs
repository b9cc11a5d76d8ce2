//! A stand-in for the operator: what it does with objects that adopt, by its published rules.

use serde_json::{Value, json};

use super::OPERATOR;
use crate::cluster::fake::{Actor, Store};

const LABEL: &str = "pullsecrets.dev/cluster-pull-secret";
const FINALIZER: &str = "pullsecrets.dev/cleanup";

pub(super) fn stand_in() -> Actor {
    Box::new(|store| {
        for object in store.all("clusterpullsecrets") {
            if object["apiVersion"] == "pullsecrets.dev/v1alpha1" {
                reconcile(store, object);
            }
        }
    })
}

fn reconcile(store: &mut Store, mut object: Value) {
    let name = object["metadata"]["name"].as_str().unwrap_or_default().to_owned();
    let secret = object["spec"]["secret"]["name"].as_str().unwrap_or(&name).to_owned();
    if object["metadata"]["deletionTimestamp"].is_string() {
        assert_eq!(object["spec"]["deletionPolicy"], "Retain", "copies would go");
        for copy in copies(store, &name) {
            store.put(released(copy, &name));
        }
        store.remove(&crate::cluster::fake::key(&object));
        return;
    }
    let source = object["spec"]["registries"][0]["credentials"]["dockerConfig"]["secretRef"]["name"].clone();
    let source = (
        String::new(),
        "secrets".to_owned(),
        OPERATOR.to_owned(),
        source.as_str().unwrap_or_default().to_owned(),
    );
    let login = store.get(&source).map(|source| source["data"].clone());
    let (mut ready, active) = (login.is_some(), object["spec"]["suspend"] != json!(true));
    for namespace in store.all("namespaces") {
        let namespace = namespace["metadata"]["name"].as_str().unwrap_or_default().to_owned();
        if !selects(&object, &namespace) {
            continue;
        }
        let key = (String::new(), "secrets".to_owned(), namespace, secret.clone());
        let Some(seen) = store.get(&key).cloned() else {
            ready = false;
            continue;
        };
        let takes = active && object["spec"]["secret"]["conflictPolicy"] == "Adopt" && !is_controlled(&seen);
        let is_ours = seen["metadata"]["labels"][LABEL] == *name;
        let account = (
            String::new(),
            "serviceaccounts".to_owned(),
            key.2.clone(),
            "default".to_owned(),
        );
        let recorded = store
            .get(&account)
            .is_some_and(|account| account["metadata"]["annotations"]["pullsecrets.dev/attached"].is_string());
        // A recorded entry whose Secret is in conflict would be removed.
        assert!(is_ours || !recorded, "recorded before the copy was taken over: {key:?}");
        match &login {
            Some(login) if takes && !is_ours => store.put(taken(seen, &object, login)),
            _ => ready &= is_ours,
        }
    }
    let status = json!({"observedGeneration": object["metadata"]["generation"], "conditions": [
        {"type": "CredentialsReady", "status": if login.is_some() { "True" } else { "False" }, "reason": "Resolved",
            "message": "", "lastTransitionTime": "2026-03-02T10:00:00Z"},
        {"type": "Ready", "status": if ready { "True" } else { "False" }, "reason": "Synced", "message": "",
            "lastTransitionTime": "2026-03-02T10:00:00Z"}]});
    if object["status"] != status || !object["metadata"]["finalizers"].is_array() {
        object["status"] = status;
        object["metadata"]["finalizers"] = json!([FINALIZER]);
        store.put(object);
    }
}

/// The selections that `adopt` proposes: names, or all but some.
fn selects(object: &Value, namespace: &str) -> bool {
    let has = |list: &str| {
        let names = object["spec"]["namespaces"][list].as_array();
        names.is_some_and(|names| names.iter().any(|name| name == namespace))
    };
    let all = object["spec"]["namespaces"]["selectors"].is_array() && !["kube-system", OPERATOR].contains(&namespace);
    has("names") || all && !has("excluded")
}

fn is_controlled(secret: &Value) -> bool {
    let owners = secret["metadata"]["ownerReferences"].as_array();
    owners.is_some_and(|owners| owners.iter().any(|owner| owner["controller"] == true))
}

/// One forced apply: foreign labels, annotations and owners stay.
fn taken(mut secret: Value, object: &Value, login: &Value) -> Value {
    secret["metadata"]["labels"][LABEL] = object["metadata"]["name"].clone();
    secret["metadata"]["labels"]["app.kubernetes.io/managed-by"] = "pullsecrets".into();
    let owner = json!({"apiVersion": "pullsecrets.dev/v1alpha1", "kind": "ClusterPullSecret",
        "name": object["metadata"]["name"], "uid": object["metadata"]["uid"]});
    match secret["metadata"]["ownerReferences"].as_array_mut() {
        Some(owners) => owners.push(owner),
        None => secret["metadata"]["ownerReferences"] = json!([owner]),
    }
    secret["data"] = login.clone();
    secret
}

fn copies(store: &Store, object: &str) -> Vec<Value> {
    let mut secrets = store.all("secrets");
    secrets.retain(|secret| secret["metadata"]["labels"][LABEL] == object);
    secrets
}

fn released(mut secret: Value, object: &str) -> Value {
    if let Some(labels) = secret["metadata"]["labels"].as_object_mut() {
        labels.remove(LABEL);
    }
    if let Some(owners) = secret["metadata"]["ownerReferences"].as_array_mut() {
        owners.retain(|owner| owner["apiVersion"] != "pullsecrets.dev/v1alpha1");
    }
    secret["metadata"]["annotations"]["pullsecrets.dev/retained"] = object.into();
    secret
}
