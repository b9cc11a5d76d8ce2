//! Sources and objects: creation and breakage.

use std::collections::{BTreeMap, BTreeSet};

use e2e::SYSTEM_NAMESPACE;
use e2e::oracle::{self, Expected, Login};
use e2e::scenario::{SERVER, SOON, Scenario};
use e2e::wait::eventually;
use k8s_openapi::ByteString;
use k8s_openapi::api::core::v1::Secret;
use kube::api::{DeleteParams, ListParams, ObjectMeta, Patch, PatchParams, PostParams};
use kube::{Api, ResourceExt};
use serde_json::{Value, json};

use super::{Bad, CONFIG_KEY, COPIER, Kind, Row, SECOND, Source};

/// Creates the source of the second registry, which every object has.
pub(super) async fn put_second(scenario: &Scenario) {
    let login = scenario.login(SECOND);
    put(scenario, SECOND, Source::good(Kind::Basic, &login)).await.unwrap();
}

/// Creates the one copy among the sources.
pub(super) async fn put_copier(scenario: &Scenario, login: &Login) {
    put(scenario, "copied", Source::good(Kind::Config, login))
        .await
        .unwrap();
    let mut object = object(scenario, COPIER, Kind::Config, &json!({"name": "copied"}));
    object["spec"]["namespaces"] = json!({"names": [SYSTEM_NAMESPACE]});
    scenario.apply(&object).await;
    let copies: Api<Secret> = Api::namespaced(scenario.client().clone(), SYSTEM_NAMESPACE);
    eventually("a copy stands among the sources", SOON, async || {
        copies.get(COPIER).await.map_err(|error| error.to_string())
    })
    .await;
}

fn object(scenario: &Scenario, name: &str, kind: Kind, reference: &Value) -> Value {
    let mut object = scenario.object();
    object["metadata"]["name"] = json!(name);
    object["spec"]["registries"] = kind.registries(reference);
    object["spec"]["serviceAccounts"] = json!({"mode": "None"});
    object
}

/// Creates a source and an object that refers to it.
pub(super) async fn set_up(scenario: &Scenario, name: &str, kind: Kind, source: Source) {
    put(scenario, name, source).await.unwrap();
    let object = serde_json::from_value(object(scenario, name, kind, &json!({"name": name}))).unwrap();
    oracle::objects(scenario.client())
        .create(&PostParams::default(), &object)
        .await
        .unwrap();
}

/// Replaces a source. It deletes an existing one first, because the type of a Secret is immutable.
pub(super) async fn put(scenario: &Scenario, name: &str, Source { type_, data }: Source) -> kube::Result<Secret> {
    let api: Api<Secret> = Api::namespaced(scenario.client().clone(), SYSTEM_NAMESPACE);
    let _ = api.delete(name, &DeleteParams::default()).await;
    let data = data.into_iter().map(|(key, value)| (key, ByteString(value)));
    let secret = Secret {
        metadata: ObjectMeta {
            name: Some(name.to_owned()),
            ..ObjectMeta::default()
        },
        type_: Some(type_),
        data: Some(data.collect()),
        ..Secret::default()
    };
    api.create(&PostParams::default(), &secret).await
}

pub(super) async fn break_it(scenario: &Scenario, row: &Row) {
    let sources: Api<Secret> = Api::namespaced(scenario.client().clone(), SYSTEM_NAMESPACE);
    let objects = oracle::objects(scenario.client());
    let refer = async |reference: &Value| {
        let patch = json!({"spec": {"registries": row.kind.registries(reference)}});
        objects
            .patch(&row.name, &PatchParams::default(), &Patch::Merge(patch))
            .await
            .unwrap();
    };
    match &row.bad {
        Bad::Secret(source) => drop(put(scenario, &row.name, source.clone()).await.unwrap()),
        Bad::Gone => drop(sources.delete(&row.name, &DeleteParams::default()).await.unwrap()),
        Bad::Refers(reference) => refer(reference).await,
        Bad::RefersToState => {
            let uid = objects.get(&row.name).await.unwrap().uid().unwrap();
            refer(&json!({"name": format!("pullsecrets-state-{uid}")})).await;
        }
    }
}

/// Waits until the copy of each of these objects holds exactly the login.
pub(super) async fn all_hold(scenario: &Scenario, names: &[&str], login: &Login) {
    for name in names {
        let expected = Expected {
            object: (*name).to_owned(),
            secret: (*name).to_owned(),
            logins: BTreeMap::from([
                (SERVER.to_owned(), login.clone()),
                (SECOND.to_owned(), scenario.login(SECOND)),
            ]),
            holders: BTreeMap::from([(scenario.in_scenario(&["a"])[0].clone(), BTreeSet::new())]),
        };
        scenario.holds(name, &expected).await;
    }
}

/// Returns every copy in the scenario's namespace: uid, bytes and resourceVersion, which shows even a write without a
/// change.
pub(super) async fn copies(scenario: &Scenario) -> BTreeMap<String, (String, String, Vec<u8>)> {
    let api: Api<Secret> = Api::namespaced(scenario.client().clone(), &scenario.in_scenario(&["a"])[0]);
    let list = api.list(&ListParams::default()).await.unwrap();
    let copy = |copy: Secret| {
        let bytes = copy
            .data
            .as_ref()
            .and_then(|data| data.get(CONFIG_KEY))
            .map(|bytes| bytes.0.clone());
        (
            copy.name_any(),
            (copy.uid().unwrap(), copy.resource_version().unwrap(), bytes.unwrap()),
        )
    };
    list.items.into_iter().map(copy).collect()
}
