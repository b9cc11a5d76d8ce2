//! What a tool still writes after the step that must come first. A tool that was stopped writes nothing.

use serde_json::{Value, json};

use crate::adopt::Tool;
use crate::adopt::tests::rows::Row;
use crate::cluster::fake::{Actor, Store, key};

use super::PLACES;

/// Returns the writer of a tool that may run during an adoption. `like` is a copy as the tool makes it.
pub(super) fn of(row: &Row, like: &Value) -> Option<Actor> {
    let (name, like) = (row.secret.to_owned(), like.clone());
    match row.tool {
        // They create what is missing, and never update.
        Tool::RegistryCreds | Tool::KyvernoGenerate | Tool::KyvernoGeneratingPolicy => {
            Some(Box::new(move |store| create_missing(store, &like)))
        }
        // A Secret with the annotation is written again on each event.
        Tool::CarvelPlaceholder => Some(Box::new(move |store| {
            each(store, &name, |copy| {
                let is_asked = copy["metadata"]["annotations"]["secretgen.carvel.dev/image-pull-secret"].is_string();
                is_asked.then(|| {
                    let mut copy = copy.clone();
                    copy["data"] = like["data"].clone();
                    copy["metadata"]["annotations"]["secretgen.carvel.dev/status"] = "{}".into();
                    copy
                })
            });
        })),
        // A living ExternalSecret puts its label back, and with CreatedOnce it writes no data.
        Tool::ExternalSecrets => Some(Box::new(move |store| {
            each(store, &name, |copy| {
                let label = "reconcile.external-secrets.io/managed";
                let lacks = copy["metadata"]["labels"][label].is_null();
                lacks.then(|| {
                    let mut copy = copy.clone();
                    copy["metadata"]["labels"][label] = json!("true");
                    copy
                })
            });
        })),
        _ => None,
    }
}

fn create_missing(store: &mut Store, like: &Value) {
    for namespace in PLACES {
        let mut copy = like.clone();
        copy["metadata"]["namespace"] = namespace.into();
        copy["metadata"]["uid"] = "created-again".into();
        if store.get(&key(&copy)).is_none() {
            store.put(copy);
        }
    }
}

fn each(store: &mut Store, name: &str, change: impl Fn(&Value) -> Option<Value>) {
    for copy in store.all("secrets") {
        let is_copy = copy["metadata"]["name"] == name;
        if let Some(after) = change(&copy).filter(|after| is_copy && *after != copy) {
            store.put(after);
        }
    }
}
