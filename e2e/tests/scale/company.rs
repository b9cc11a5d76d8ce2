//! Another writer of the same lists, at the same time.

use std::collections::{BTreeMap, BTreeSet};

use e2e::scenario::{LABEL, Scenario};
use futures::{StreamExt, stream};
use k8s_openapi::api::core::v1::ServiceAccount;
use kube::Api;
use kube::api::{Patch, PatchParams};
use serde_json::{Value, json};

use crate::MACHINE;

const ACCOUNTS: usize = 200;

/// The other writer's entries in each list, one after the other.
const THEIRS: [&str; 3] = ["theirs-1", "theirs-2", "theirs-3"];

/// Attempts of the other writer for one entry, which sometimes loses a race, as the operator does.
const TRIES: usize = 100;

/// No entry is lost while another writer adds its own.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn concurrent_writers_lose_no_entry() {
    let _alone = MACHINE.write().await;
    let scenario = Scenario::own("company").await;
    let login = scenario.login("first");
    let parts: Vec<String> = (0..ACCOUNTS).map(|number| format!("{number:03}")).collect();
    let parts: Vec<&str> = parts.iter().map(String::as_str).collect();
    let names = scenario.in_scenario(&parts);
    let labels = BTreeMap::from([(LABEL.to_owned(), "company".to_owned())]);
    scenario.make_namespaces(names.clone(), &labels).await;
    scenario.wait_for_accounts(&names).await;
    scenario.source(&login).await;

    let theirs = async {
        let all = stream::iter(&names).for_each_concurrent(16, |namespace| add_all(&scenario, namespace));
        all.await;
    };
    let object = scenario.object();
    tokio::join!(theirs, scenario.apply(&object));

    scenario
        .holds("all namespaces are served", &scenario.expected(&parts, &login))
        .await;
    for namespace in &names {
        let accounts: Api<ServiceAccount> = Api::namespaced(scenario.client().clone(), namespace);
        let account = accounts.get("default").await.unwrap();
        let entries: Vec<String> = account
            .image_pull_secrets
            .into_iter()
            .flatten()
            .map(|entry| entry.name)
            .collect();
        let foreign: Vec<&str> = entries
            .iter()
            .map(String::as_str)
            .filter(|name| *name != "company")
            .collect();
        assert_eq!(foreign, THEIRS, "{namespace}: {entries:?}");
        assert_eq!(
            entries.iter().collect::<BTreeSet<_>>().len(),
            4,
            "{namespace}: {entries:?}"
        );
    }
}

async fn add_all(scenario: &Scenario, namespace: &str) {
    let accounts: Api<ServiceAccount> = Api::namespaced(scenario.client().clone(), namespace);
    for entry in THEIRS {
        let mut added = false;
        for _ in 0..TRIES {
            if add(&accounts, entry).await {
                added = true;
                break;
            }
        }
        assert!(added, "the other writer cannot add {entry} in {namespace}");
    }
}

/// Sends one JSON patch without a resourceVersion. It appends to the list, or creates it if it does not exist.
async fn add(accounts: &Api<ServiceAccount>, entry: &str) -> bool {
    let account = accounts.get("default").await.unwrap();
    let patch: Value = if account.image_pull_secrets.is_some() {
        json!([{"op": "add", "path": "/imagePullSecrets/-", "value": {"name": entry}}])
    } else {
        json!([
            {"op": "test", "path": "/imagePullSecrets", "value": null},
            {"op": "add", "path": "/imagePullSecrets", "value": [{"name": entry}]},
        ])
    };
    let patch = Patch::Json::<()>(serde_json::from_value(patch).unwrap());
    match accounts.patch("default", &PatchParams::default(), &patch).await {
        Ok(_) => true,
        Err(kube::Error::Api(status)) if status.code == 409 || status.code == 422 => false,
        Err(error) => panic!("{error}"),
    }
}
