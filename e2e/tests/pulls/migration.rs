//! A company moves to a private registry, which is what this product is for.
//!
//! Thirty workloads of every kind run from a public registry. The login is tried, the object applied,
//! the registry closed, and then every node replaced by a new one that has no image.

mod workloads;

use std::collections::BTreeMap;

use e2e::binaries::runtime;
use e2e::cluster::Options;
use e2e::image::Image;
use e2e::kubelet::Node;
use e2e::registry::{OpenRegistry, Registry};
use e2e::scenario::Scenario;
use e2e::wait::{blocking, eventually};
use k8s_openapi::api::core::v1::Pod;
use kube::api::ListParams;
use kube::{Api, ResourceExt as _};
use serde_json::{Value, json};

use super::pods::statuses;
use super::story::{LATER, PULL, REFUSED, SOON, dozens, only, unread, with_secret};
use workloads::{OWN_LIST, Workload, all};

/// Namespaces of the company, by the last part of their names.
const TEAMS: [&str; 3] = ["payments", "search", "checkout"];

const OLD: &str = "127.0.0.1";
const NEW: &str = "127.0.0.2";

/// The company.
struct Company {
    scenario: Scenario,
    registry: Registry,
    open: OpenRegistry,
    workloads: Vec<Workload>,
}

/// With the operator no pull fails, and no Pod restarts before the nodes are replaced.
#[tokio::test]
#[cfg_attr(no_node, ignore = "needs a node")]
async fn a_company_moves_without_a_failed_pull() {
    let _dozens = dozens().await;
    let mut company = Company::found("moves", |_| true).await;
    let old = Node::start(company.scenario.cluster(), OLD).await.unwrap();
    company.deploy().await;
    let before = company.run_on(OLD).await;

    company.try_the_login().await;
    company.apply_the_object().await;
    // The one change that a person has to make: this list hides the reference of the account.
    assert_eq!(company.with_own_lists().await, [OWN_LIST]);
    company.mend_the_list().await;
    company.open.close();
    let after = company.run_on(OLD).await;
    for (name, uids) in &before {
        let same = after.get(name) == Some(uids);
        assert_eq!(
            same,
            name != OWN_LIST,
            "{name}: no other Pod is replaced before its node"
        );
    }

    let new = Node::start(company.scenario.cluster(), NEW).await.unwrap();
    company.replace(old).await;
    company.run_on(NEW).await;
    company.start_what_rested().await;
    assert_eq!(company.failed_pulls().await, Vec::<String>::new());
    for workload in &company.workloads {
        let requests = company.requests(workload).await;
        let private = requests
            .strip_prefix(&workload.before)
            .map(|rest| rest.trim_start_matches(", "));
        assert_eq!(private, Some(PULL), "{}", workload.name);
    }
    new.end().unwrap();
}

/// Without the operator the same steps leave every workload without an image on the new node. One of each kind shows it.
#[tokio::test]
#[cfg_attr(no_node, ignore = "needs a node")]
async fn without_the_operator_the_move_fails() {
    let _dozens = dozens().await;
    let mut company = Company::found("stays", |workload| workload.name.ends_with("-0")).await;
    let old = Node::start(company.scenario.cluster(), OLD).await.unwrap();
    company.deploy().await;
    company.run_on(OLD).await;
    company.try_the_login().await;
    company.open.close();
    let new = Node::start(company.scenario.cluster(), NEW).await.unwrap();
    company.replace(old).await;

    let running = company.workloads.iter().filter(|workload| workload.runs()).count();
    eventually("every workload waits for its image", LATER, async || {
        let failed = company.failed_pulls().await;
        if failed.len() == running {
            Ok(())
        } else {
            Err(format!("{} of {running}", failed.len()))
        }
    })
    .await;
    for workload in company.workloads.iter().filter(|workload| workload.runs()) {
        let requests = company.requests(workload).await;
        let refused = requests
            .strip_prefix(&workload.before)
            .map(|rest| rest.trim_start_matches(", "));
        assert!(
            refused.is_some_and(|refused| only(refused, REFUSED)),
            "{}: {refused:?}",
            workload.name
        );
    }
    new.end().unwrap();
}

impl Company {
    /// Creates namespaces, the registry, and one image for each workload that is wanted. No Pod runs yet.
    async fn found(name: &str, is_wanted: impl Fn(&Workload) -> bool) -> Self {
        let options = Options {
            nodes: true,
            ..Options::default()
        };
        let scenario = Scenario::without_operator(name, options).await;
        let mut registry = Registry::start().await.unwrap();
        let open = OpenRegistry::before(&mut registry).await.unwrap();
        let program = blocking(|| Ok(std::fs::read(&runtime()?.container)?)).await.unwrap();
        let namespaces = scenario.in_scenario(&TEAMS);
        let mut workloads = all(&namespaces, open.address());
        workloads.retain(is_wanted);
        for workload in &workloads {
            let image = Image::of_container(&program, &workload.name);
            registry.push(&workload.name, "1", &image).await.unwrap();
        }
        Self {
            scenario,
            registry,
            open,
            workloads,
        }
    }

    /// Applies all manifests in labelled namespaces.
    async fn deploy(&self) {
        self.scenario.namespaces(&TEAMS).await;
        self.scenario
            .wait_for_accounts(&self.scenario.in_scenario(&TEAMS))
            .await;
        let manifests: Vec<&Value> = self.workloads.iter().map(|workload| &workload.manifest).collect();
        self.scenario
            .apply(&json!({"apiVersion": "v1", "kind": "List", "items": manifests}))
            .await;
    }

    async fn pods(&self) -> Vec<Pod> {
        let mut found = Vec::new();
        for namespace in self.scenario.in_scenario(&TEAMS) {
            let pods: Api<Pod> = Api::namespaced(self.scenario.client().clone(), &namespace);
            found.extend(pods.list(&ListParams::default()).await.unwrap());
        }
        found
    }

    /// Waits until each workload that has Pods runs them all on this node, never restarted. Returns their uids by workload,
    /// and remembers the requests so far.
    async fn run_on(&mut self, node: &str) -> BTreeMap<String, Vec<String>> {
        let expected = self.workloads.iter().filter(|workload| workload.runs()).count();
        let what = format!("all workloads run on {node}");
        let uids = eventually(&what, LATER, async || {
            let mut uids: BTreeMap<String, Vec<String>> = BTreeMap::new();
            for pod in self
                .pods()
                .await
                .iter()
                .filter(|pod| pod.metadata.deletion_timestamp.is_none())
            {
                let on = pod.spec.as_ref().and_then(|spec| spec.node_name.clone());
                let is_up = |seen: &k8s_openapi::api::core::v1::ContainerStatus| seen.ready && seen.restart_count == 0;
                if on.as_deref() != Some(node) || !statuses(pod).iter().any(is_up) {
                    return Err(format!("{} on {on:?}: {:?}", pod.name_any(), statuses(pod)));
                }
                uids.entry(pod.labels()["app"].clone())
                    .or_default()
                    .push(pod.uid().unwrap());
            }
            if uids.len() == expected {
                Ok(uids)
            } else {
                Err(format!("{} of {expected}", uids.len()))
            }
        })
        .await;
        if node == OLD {
            for at in 0..self.workloads.len() {
                self.workloads[at].before = self.requests(&self.workloads[at]).await;
            }
        }
        uids
    }

    /// The registry accepts the login before anything depends on it.
    async fn try_the_login(&mut self) {
        let login = self.scenario.login("right");
        self.registry.set_password(&login.username, &login.password).unwrap();
        let tried = self
            .registry
            .status_with(Some((&login.username, &login.password)))
            .await;
        assert_eq!(tried.unwrap(), 200);
    }

    async fn apply_the_object(&self) {
        self.scenario.start_operator().await;
        self.scenario.source(&self.scenario.login("right")).await;
        let mut object = self.scenario.object();
        object["spec"]["registries"][0]["server"] = self.open.address().into();
        self.scenario.apply(&object).await;
        self.scenario.counts(TEAMS.len()).await;
    }

    /// Returns the workloads whose template names Secrets, and not the copy.
    async fn with_own_lists(&self) -> Vec<String> {
        let mut found = Vec::new();
        for pod in self.pods().await {
            let list = pod
                .spec
                .as_ref()
                .and_then(|spec| spec.image_pull_secrets.clone())
                .unwrap_or_default();
            if !list.is_empty() && list.iter().all(|entry| entry.name != self.scenario.name()) {
                found.push(pod.labels()["app"].clone());
            }
        }
        found
    }

    /// Adds the copy to the list of the one workload that has its own.
    async fn mend_the_list(&self) {
        let workload = self
            .workloads
            .iter()
            .find(|workload| workload.name == OWN_LIST)
            .unwrap();
        let mut manifest = workload.manifest.clone();
        let list = &mut manifest["spec"]["template"]["spec"]["imagePullSecrets"];
        list.as_array_mut().unwrap().push(json!({"name": self.scenario.name()}));
        self.scenario.apply(&manifest).await;
        let deployment = format!("deployment/{OWN_LIST}");
        let namespace = manifest["metadata"]["namespace"].as_str().unwrap();
        self.scenario
            .kubectl(&["rollout", "status", &deployment, "-n", namespace, "--timeout=240s"])
            .await;
        eventually("the old Pod is gone", SOON, async || {
            let pods = self.pods().await;
            let left = pods.iter().filter(|pod| pod.labels()["app"] == OWN_LIST).count();
            if left == 1 { Ok(()) } else { Err(format!("{left} Pods")) }
        })
        .await;
    }

    /// Takes the old node away: drained, switched off, deleted.
    async fn replace(&self, old: Node) {
        let drain = "drain 127.0.0.1 --ignore-daemonsets --force --grace-period=1 --timeout=240s";
        self.scenario.kubectl(&drain.split(' ').collect::<Vec<_>>()).await;
        old.end().unwrap();
        self.scenario.kubectl(&["delete", "node", OLD]).await;
        // As the garbage collector of Pods would, a minute later.
        let rest = "delete pods -A --field-selector=spec.nodeName=127.0.0.1 --force --grace-period=0";
        self.scenario.kubectl(&rest.split(' ').collect::<Vec<_>>()).await;
    }

    /// Starts the `CronJob`s and the workloads without replicas, and waits until they have run.
    async fn start_what_rested(&self) {
        for workload in self.workloads.iter().filter(|workload| !workload.runs()) {
            let (name, namespace) = (workload.name.as_str(), workload.namespace());
            if workload.manifest["kind"] == "CronJob" {
                let from = format!("--from=cronjob/{name}");
                self.scenario
                    .kubectl(&["create", "job", name, &from, "-n", namespace])
                    .await;
                let job = format!("job/{name}");
                let wait = [
                    "wait",
                    "--for=condition=Complete",
                    &job,
                    "-n",
                    namespace,
                    "--timeout=240s",
                ];
                self.scenario.kubectl(&wait).await;
            } else {
                let deployment = format!("deployment/{name}");
                self.scenario
                    .kubectl(&["scale", &deployment, "-n", namespace, "--replicas=1"])
                    .await;
                self.scenario
                    .kubectl(&["rollout", "status", &deployment, "-n", namespace, "--timeout=240s"])
                    .await;
            }
        }
    }

    /// Returns the workloads with a Pod whose pull failed, from the Events of the kubelets. Pulls without a login that is
    /// there, but that the kubelet could not read in time, are not counted.
    async fn failed_pulls(&self) -> Vec<String> {
        let unread = unread(&self.scenario).await;
        let mut failed = Vec::new();
        for namespace in self.scenario.in_scenario(&TEAMS) {
            let events: Api<k8s_openapi::api::core::v1::Event> =
                Api::namespaced(self.scenario.client().clone(), &namespace);
            for event in events
                .list(&ListParams::default().fields("reason=Failed"))
                .await
                .unwrap()
            {
                let uid = event.involved_object.uid.unwrap_or_default();
                if unread.contains_key(&uid) {
                    continue;
                }
                let message = event.message.unwrap_or_default();
                let pulled = self
                    .workloads
                    .iter()
                    .filter(|one| message.contains(&format!("/{}:1", one.name)));
                failed.extend(pulled.map(|workload| workload.name.clone()));
            }
        }
        failed.sort();
        failed.dedup();
        failed
    }

    async fn requests(&self, workload: &Workload) -> String {
        let requests = self.registry.requests(&workload.name).unwrap();
        with_secret(&requests, unread(&self.scenario).await.values().sum())
    }
}
