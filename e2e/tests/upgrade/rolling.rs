//! A rolling update, as the Deployment does it: the new Pod is ready before an old one gets SIGTERM.

use std::collections::{BTreeMap, BTreeSet};

use e2e::SYSTEM_NAMESPACE;
use e2e::audit::Record;
use e2e::cluster::Options;
use e2e::folder::Folder;
use e2e::node::Node;
use e2e::oracle;
use e2e::scenario::{SOON, Scenario};
use e2e::wait::{blocking, eventually};
use k8s_openapi::api::core::v1::{Pod, ServiceAccount};
use kube::api::ListParams;
use kube::{Api, ResourceExt};

use crate::upgrade::version::{NEW, OLD, Version, previous, this, without_a_gap};

impl Version {
    /// Installs the version as README says: the definition, then everything, under the name of its image.
    async fn install(&self, scenario: &Scenario) {
        let kubectl = scenario.cluster().kubectl();
        for part in ["config/crd", "config/default"] {
            let text = kubectl
                .run(&["kustomize", self.tree.join(part).to_str().unwrap()], "")
                .await
                .unwrap();
            let lines = text.lines().map(|line| match line.split_once("image: ") {
                Some((indent, _)) => format!("{indent}image: {}\n", self.image),
                None => format!("{line}\n"),
            });
            kubectl.apply(&lines.collect::<String>()).await.unwrap();
        }
        rolled_out(scenario).await;
    }
}

async fn rolled_out(scenario: &Scenario) {
    let name = "deployment/pullsecrets";
    let wait = ["rollout", "status", name, "-n", SYSTEM_NAMESPACE, "--timeout=120s"];
    scenario.kubectl(&wait).await;
}

/// Checks that the copies are the same objects as before, with any password, and that the accounts refer to them.
async fn served(scenario: &Scenario, uids: &BTreeMap<String, String>) -> Result<(), String> {
    let now = oracle::uids(scenario.client(), scenario.name()).await?;
    let accounts: Api<ServiceAccount> = Api::all(scenario.client().clone());
    let default = ListParams::default().fields("metadata.name=default");
    let accounts = accounts.list(&default).await.map_err(|error| error.to_string())?;
    let refers = |account: &ServiceAccount| {
        let mut entries = account.image_pull_secrets.iter().flatten();
        entries.any(|entry| entry.name == scenario.name())
    };
    let referring: BTreeSet<String> = accounts
        .iter()
        .filter(|account| refers(account))
        .filter_map(ResourceExt::namespace)
        .collect();
    for (namespace, uid) in uids {
        if now.get(namespace) != Some(uid) {
            return Err(format!("the copy in {namespace} is not what it was"));
        }
        if !referring.contains(namespace) {
            return Err(format!("no reference in {namespace}"));
        }
    }
    Ok(())
}

async fn pods(scenario: &Scenario) -> Result<BTreeSet<String>, String> {
    let pods: Api<Pod> = Api::namespaced(scenario.client().clone(), SYSTEM_NAMESPACE);
    let all = pods
        .list(&ListParams::default())
        .await
        .map_err(|error| error.to_string())?;
    let staying = all.into_iter().filter(|pod| pod.metadata.deletion_timestamp.is_none());
    Ok(staying.map(|pod| pod.name_any()).collect())
}

/// Waits until this many of the Pods have been asked to end.
async fn ending(scenario: &Scenario, before: &BTreeSet<String>, count: usize) {
    eventually("another Pod is asked to end", SOON * 3, async || {
        let ended = before.difference(&pods(scenario).await?).count();
        (ended >= count)
            .then_some(())
            .ok_or_else(|| format!("{ended} of {count}"))
    })
    .await;
}

async fn leader(scenario: &Scenario) -> String {
    let holder = "jsonpath={.spec.holderIdentity}";
    scenario
        .kubectl(&["get", "lease", "pullsecrets", "-n", SYSTEM_NAMESPACE, "-o", holder])
        .await
}

/// An update and a rollback write no object that is right, leave no gap and miss no event.
#[tokio::test]
async fn update_and_rollback_leave_no_gap() {
    let options = Options {
        workloads: true,
        ..Options::default()
    };
    let scenario = Scenario::without_operator("rolling", options).await;
    let folder = Folder::new("pullsecrets-previous").unwrap();
    let place = folder.path().to_owned();
    let old = blocking(move || previous(&place)).await.unwrap();
    let image = "jsonpath={.spec.template.spec.containers[0].image}";
    let installed = ["get", "deployment", "pullsecrets", "-n", SYSTEM_NAMESPACE, "-o", image];
    let installed = scenario.kubectl(&installed).await;
    let images = [(OLD, &old), (NEW, &this()), (installed.as_str(), &old)];
    let images = images.map(|(image, version)| (image.to_owned(), version.binary.clone()));
    let node = Node::start(scenario.cluster(), BTreeMap::from(images)).await.unwrap();
    old.install(&scenario).await;
    let (first, second) = (scenario.login("first"), scenario.login("second"));
    let parts: Vec<String> = (0..40).map(|number| format!("n{number}")).collect();
    let mut parts: Vec<&str> = parts.iter().map(String::as_str).collect();
    scenario.set_up(&parts, &first).await;
    scenario.says("Ready", "True", "Synced").await;
    let (uids, old_leader) = (scenario.uids().await, leader(&scenario).await);

    // Only the update happens.
    let mark = scenario.mark().await;
    let look = async || served(&scenario, &uids).await;
    without_a_gap(look, this().install(&scenario)).await;
    assert_ne!(leader(&scenario).await, old_leader);
    scenario
        .holds("and what is served is right", &scenario.expected(&parts, &first))
        .await;
    let written = scenario.writes_since(mark).await;
    assert!(written.is_empty(), "{written:#?}");

    // The rollback, with a new password as the first Pod ends, and a new namespace as the second does.
    let mark = scenario.mark().await;
    let look = async || served(&scenario, &uids).await;
    let before = pods(&scenario).await.unwrap();
    let back = async {
        let name = "deployment/pullsecrets";
        scenario
            .kubectl(&["rollout", "undo", name, "-n", SYSTEM_NAMESPACE])
            .await;
        ending(&scenario, &before, 1).await;
        scenario.source(&second).await;
        ending(&scenario, &before, 2).await;
        scenario.namespaces(&["late"]).await;
        rolled_out(&scenario).await;
    };
    without_a_gap(look, back).await;
    parts.push("late");
    scenario
        .holds("no event was missed", &scenario.expected(&parts, &second))
        .await;
    scenario.counts(parts.len()).await;
    each_is_written_once(&scenario.writes_since(mark).await, &uids);
    assert_eq!(node.troubles(), Vec::<String>::new());
}

/// Checks for one update of each copy, and the writes of a new namespace. A write that lost a race does not count. One that
/// a busy server did not answer in time (504) may have been carried out, so it counts where no other was.
fn each_is_written_once(writes: &[Record], uids: &BTreeMap<String, String>) {
    let mut counts: BTreeMap<(&str, &str), usize> = BTreeMap::new();
    for write in writes.iter().filter(|write| !write.namespace.is_empty()) {
        let key = (write.resource.as_str(), write.namespace.as_str());
        match write.code {
            ..300 => *counts.entry(key).or_default() += 1,
            504 => *counts.entry(key).or_default() += 0,
            _ => {}
        }
    }
    for count in counts.values_mut() {
        *count = (*count).max(1);
    }
    let copies = uids.keys().map(|namespace| ("secrets", namespace.as_str()));
    let late = ["secrets", "serviceaccounts"].map(|resource| (resource, "rolling-late"));
    let expected: BTreeMap<(&str, &str), usize> = copies.chain(late).map(|key| (key, 1)).collect();
    assert_eq!(counts, expected);
}
