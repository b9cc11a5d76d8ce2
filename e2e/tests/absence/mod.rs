//! An absent API server and a silent watch, as a kubelet's probes see them. These tests wait for minutes, so they begin
//! first.
//!
//! A test from outside cannot make a watch hang for good, because the watch's timeout ends every hang. A test of
//! `operator/src/api/watch_health` covers that case.

use std::time::Duration;

use e2e::SYSTEM_NAMESPACE;
use e2e::cluster::{self, Cluster, Part};
use e2e::faults::plan::{Fault, Trigger};
use e2e::faults::proxy::Proxy;
use e2e::operator::{Operator, Options};
use e2e::scenario::{SOON, Scenario};
use e2e::wait::{blocking, eventually, quiet};
use serde_json::{Value, json};
use tokio::time::Instant;

/// The operator drops a connection after 90 s of silence, and reopens the watch 2 s later; the rest allows for a slow
/// machine. The last bookmark may come a minute before the lost event.
const NOT_BEFORE: Duration = Duration::from_secs(25);
const GOES_ON_WITHIN: Duration = Duration::from_secs(100);

/// Longer than the three minutes after which the liveness probe counts a stuck watch.
const LONG: Duration = Duration::from_secs(200);

/// Neither a silent watch nor a forbidden one fails the liveness probe. Both run on one cluster at the same time,
/// because each takes long.
#[tokio::test]
async fn silent_or_forbidden_watch_keeps_the_operator_alive() {
    let scenario = Scenario::own("silent").await;
    scenario.stop_operator().await;
    let (proxy, kubeconfig) = Proxy::for_operator(scenario.cluster()).await.unwrap();
    let options = Options::default();
    let operator = Operator::start_as(scenario.cluster(), &options, &kubeconfig)
        .await
        .unwrap();
    let login = scenario.login("first");
    scenario.set_up(&["a"], &login).await;
    let blind = blind(&scenario).await;

    let silence = async {
        let trigger = Trigger {
            what: "watch namespaces ADDED /silent-b".to_owned(),
            occurrence: 1,
        };
        proxy.arm(Some((trigger, Fault::Silence)));
        let began = Instant::now();
        scenario.namespaces(&["b"]).await;
        let expected = scenario.expected(&["a", "b"], &login);
        eventually("the namespace is served after all", GOES_ON_WITHIN, async || {
            operator.lives().await?;
            e2e::oracle::check(scenario.client(), &expected).await
        })
        .await;
        let after = began.elapsed();
        println!("served after {:.1} s of silence", after.as_secs_f64());
        assert!(proxy.record().fired);
        assert!(after > NOT_BEFORE, "{after:?}: it was not the end of the silence");
    };
    let forbidden = quiet("a forbidden watch causes no restart", LONG, async || {
        blind.lives().await
    });
    tokio::join!(silence, forbidden);
    blind.stop().await.unwrap();
    operator.stop().await.unwrap();
    scenario.start_operator().await;
}

/// Starts an operator that may not list accounts, and waits until it reports that.
async fn blind(scenario: &Scenario) -> Operator {
    let role = ["get", "clusterrole", "pullsecrets", "-o", "json"];
    let mut role: Value = serde_json::from_str(&scenario.kubectl(&role).await).unwrap();
    let mut rules = role["rules"].take();
    let accounts = json!(["serviceaccounts"]);
    rules
        .as_array_mut()
        .unwrap()
        .retain(|rule| rule["resources"] != accounts);
    let group = "rbac.authorization.k8s.io";
    let version = format!("{group}/v1");
    let subject = json!({"kind": "ServiceAccount", "name": "blind", "namespace": SYSTEM_NAMESPACE});
    let metadata = json!({"name": "blind", "namespace": SYSTEM_NAMESPACE});
    let binding = |kind: &str, of: &str, role: &str| {
        json!({"apiVersion": version, "kind": kind, "metadata": metadata, "subjects": [subject],
            "roleRef": {"apiGroup": group, "kind": of, "name": role}})
    };
    for object in [
        json!({"apiVersion": "v1", "kind": "ServiceAccount", "metadata": metadata}),
        json!({"apiVersion": version, "kind": "ClusterRole", "metadata": {"name": "blind"}, "rules": rules}),
        binding("ClusterRoleBinding", "ClusterRole", "blind"),
        binding("RoleBinding", "Role", "pullsecrets"),
    ] {
        scenario.apply(&object).await;
    }
    let options = Options {
        pod: "pullsecrets-blind".to_owned(),
        ..Options::default()
    };
    let kubeconfig = scenario.cluster().service_account_kubeconfig(SYSTEM_NAMESPACE, "blind");
    let kubeconfig = kubeconfig.await.unwrap();
    let binary = blocking(e2e::binaries::operator).await.unwrap();
    let blind = Operator::launch(scenario.cluster(), &options, &binary, &kubeconfig).unwrap();
    eventually("it says that it may not", SOON, async || {
        let refused = |line: &&str| line.contains("serviceaccounts") && line.contains("forbids");
        let log = blind.log();
        log.lines().find(refused).map(|_| ()).ok_or_else(|| blind.tail())
    })
    .await;
    blind
}

/// An outage of the server is no reason to restart the operator.
#[tokio::test]
async fn server_outage_keeps_the_operator_alive() {
    let mut cluster = Cluster::start(cluster::Options::default()).await.unwrap();
    cluster.install().await.unwrap();
    // A leader ends when it cannot renew the Lease, so this one has no leader election.
    let options = Options {
        flags: vec!["--leader-elect=false".to_owned()],
        ..Options::default()
    };
    let operator = Operator::start(&cluster, &options).await.unwrap();
    cluster.part(Part::ApiServer).unwrap().pause().unwrap();
    quiet("an outage causes no restart", LONG, async || operator.lives().await).await;
    cluster.part(Part::ApiServer).unwrap().resume().unwrap();
    quiet("nor does its end", Duration::from_secs(5), async || {
        operator.lives().await
    })
    .await;
    operator.stop().await.unwrap();
    cluster.stop().unwrap();
}
