//! The rules of `config/rbac` and `config/named` are sufficient and minimal.

use e2e::audit::{Mark, Record};
use e2e::cluster::{Cluster, Options};
use e2e::operator::{self, Operator};
use e2e::oracle::Login;
use e2e::scenario::{SOON, Scenario};
use e2e::wait::eventually;
use e2e::{OPERATOR_USER, SYSTEM_NAMESPACE};
use serde_json::{Value, json};

/// No request of the operator is refused for want of a right, and no right goes unused.
#[tokio::test]
async fn operator_has_exactly_the_rights_it_uses() {
    check(&Scenario::own("rights").await, None).await;
}

/// With fewer rights, no request of the operator is refused either, and no right goes unused.
#[tokio::test]
async fn named_operator_has_exactly_its_rights() {
    let names = ["rights", "adopted", "own"].map(str::to_owned);
    let scenario = Scenario::own_named("rights", &names, operator::Options::default()).await;
    check(&scenario, Some(&names)).await;
}

async fn check(scenario: &Scenario, named: Option<&[String]>) {
    everything_happens(scenario).await;
    let mut records = requests(scenario.cluster()).await;
    records.extend(requests_in_pages(named).await);

    let refused: Vec<String> = records
        .iter()
        .filter(|record| !record.authorized)
        .map(Record::summary)
        .collect();
    assert!(refused.is_empty(), "refused: {refused:#?}");

    let mut unused = Vec::new();
    for role in ["clusterrole", "role"] {
        let get = ["get", role, "pullsecrets", "-n", SYSTEM_NAMESPACE, "-o", "json"];
        let role: Value = serde_json::from_str(&scenario.kubectl(&get).await).unwrap();
        unused.extend(
            rights(&role)
                .into_iter()
                .filter(|right| !records.iter().any(|record| right.covers(record))),
        );
    }
    assert!(unused.is_empty(), "never used: {unused:#?}");
}

/// One verb of one rule on one resource.
#[derive(Debug)]
struct Right {
    verb: String,
    resource: String,
    group: String,
    /// The namespace of a Role. A `ClusterRole`'s right on Secrets must be used outside of that namespace.
    namespace: Option<String>,
}

fn rights(role: &Value) -> Vec<Right> {
    let texts = |list: &Value| -> Vec<String> {
        let list = list.as_array().into_iter().flatten().filter_map(Value::as_str);
        list.map(ToOwned::to_owned).collect()
    };
    let mut rights = Vec::new();
    for rule in role["rules"].as_array().unwrap() {
        for (group, resource) in texts(&rule["apiGroups"]).iter().flat_map(|group| {
            texts(&rule["resources"])
                .into_iter()
                .map(move |resource| (group.clone(), resource))
        }) {
            rights.extend(texts(&rule["verbs"]).into_iter().map(|verb| Right {
                verb,
                resource: resource.clone(),
                group: group.clone(),
                namespace: role["metadata"]["namespace"].as_str().map(ToOwned::to_owned),
            }));
        }
    }
    rights
}

impl Right {
    fn covers(&self, record: &Record) -> bool {
        // An apply that creates needs both verbs, and the log records a patch.
        let verb = match (record.verb.as_str(), record.code) {
            ("patch", 201) => "create",
            (verb, _) => verb,
        };
        let resource = [record.resource.as_str(), record.subresource.as_str()].join("/");
        let place = match &self.namespace {
            Some(namespace) => *namespace == record.namespace,
            None => self.resource != "secrets" || record.namespace != SYSTEM_NAMESPACE,
        };
        let group = self.group.is_empty() || record.request_uri.starts_with(&format!("/apis/{}/", self.group));
        verb == self.verb && resource.trim_end_matches('/') == self.resource && place && group
    }
}

/// Returns the operator's requests and their responses.
async fn requests(cluster: &Cluster) -> Vec<Record> {
    let audit = cluster.audit();
    audit.settle(&cluster.admin().await.unwrap()).await.unwrap();
    let records = audit.since(Mark::default()).unwrap();
    records
        .into_iter()
        .filter(|record| record.user == OPERATOR_USER)
        .collect()
}

/// Returns the requests of a start on a server without streamed lists, the default of Kubernetes 1.33.
async fn requests_in_pages(named: Option<&[String]>) -> Vec<Record> {
    let options = Options {
        apiserver_flags: vec!["--feature-gates=WatchList=false".to_owned()],
        ..Options::default()
    };
    let cluster = Cluster::start(options).await.unwrap();
    let mut options = operator::Options::default();
    match named {
        None => cluster.install().await.unwrap(),
        Some(of_copies) => options.flags = cluster.install_named(of_copies, &[]).await.unwrap(),
    }
    let operator = Operator::start(&cluster, &options).await.unwrap();
    let records = requests(&cluster).await;
    operator.stop().await.unwrap();
    records
}

/// Returns whether the operator has sent this request by now.
async fn asked(scenario: &Scenario, verb: &str, resource: &str, name: &str) -> bool {
    let records = requests(scenario.cluster()).await;
    records
        .iter()
        .any(|record| record.verb == verb && record.resource == resource && record.name == name)
}

async fn everything_happens(scenario: &Scenario) {
    let (first, second) = (Login::new("robot", "first"), Login::new("robot", "second"));
    scenario.set_up(&["a", "b", "c"], &first).await;
    scenario.says("Ready", "True", "Synced").await;
    scenario.source(&second).await;
    scenario
        .holds(
            "the new password is everywhere",
            &scenario.expected(&["a", "b", "c"], &second),
        )
        .await;
    scenario.kubectl(&["label", "namespace", "rights-c", "scenario-"]).await;
    scenario
        .holds("one namespace is deselected", &scenario.expected(&["a", "b"], &second))
        .await;
    a_squatter_comes_and_goes(scenario).await;
    a_foreign_secret_is_adopted_and_left_again(scenario).await;
    somebody_takes_the_reference_away(scenario).await;
    somebody_changes_the_object_all_the_time(scenario).await;
    a_copy_in_the_operators_own_namespace_is_left_to_it(scenario).await;
    scenario.kubectl(&["delete", "cps", "--all"]).await;
    scenario.gone("the object has left no trace").await;
}

/// Makes the operator repeat an Event: the second `Synced`.
async fn a_squatter_comes_and_goes(scenario: &Scenario) {
    let squat = [
        "create",
        "secret",
        "generic",
        "rights",
        "-n",
        "rights-c",
        "--from-literal=theirs=kept",
    ];
    scenario.kubectl(&squat).await;
    scenario
        .kubectl(&["label", "namespace", "rights-c", "scenario=rights"])
        .await;
    scenario.says("Ready", "False", "NamespacesFailed").await;
    scenario
        .kubectl(&["delete", "secret", "rights", "-n", "rights-c"])
        .await;
    scenario.says("Ready", "True", "Synced").await;
}

async fn a_foreign_secret_is_adopted_and_left_again(scenario: &Scenario) {
    let place = ["adopted", "-n", "rights-a", "--docker-server=old.example.com"];
    let login = ["--docker-username=u", "--docker-password=p"];
    scenario
        .kubectl(&[&["create", "secret", "docker-registry"][..], &place[..], &login[..]].concat())
        .await;
    let mut object = scenario.object();
    object["metadata"]["name"] = json!("adopted");
    object["spec"]["secret"] = json!({"conflictPolicy": "Adopt"});
    object["spec"]["deletionPolicy"] = json!("Retain");
    scenario.apply(&object).await;
    scenario
        .kubectl(&["wait", "cps", "adopted", "--for=condition=Ready", "--timeout=120s"])
        .await;
    scenario.kubectl(&["delete", "cps", "adopted"]).await;
    let mark = "jsonpath={.metadata.annotations.pullsecrets\\.dev/retained}";
    let retained = scenario
        .kubectl(&["get", "secret", "adopted", "-n", "rights-a", "-o", mark])
        .await;
    assert_eq!(retained, "adopted");
}

/// Removes the reference until the operator reads the account to find the other writer.
async fn somebody_takes_the_reference_away(scenario: &Scenario) {
    let remove = [
        "patch",
        "serviceaccount",
        "default",
        "-n",
        "rights-a",
        "--type=merge",
        "-p",
        r#"{"imagePullSecrets":null}"#,
    ];
    eventually("the operator reads the account", SOON, async || {
        scenario.kubectl(&remove).await;
        asked(scenario, "get", "serviceaccounts", "default")
            .await
            .then_some(())
            .ok_or_else(|| "not yet".to_owned())
    })
    .await;
}

/// Changes the object until a write of the operator loses the race, and the operator reads the object.
async fn somebody_changes_the_object_all_the_time(scenario: &Scenario) {
    let api = e2e::oracle::objects(scenario.client());
    eventually("the operator reads the object", SOON, async || {
        for suspend in [true, false, true, false] {
            let patch = kube::api::Patch::Merge(json!({"spec": {"suspend": suspend}}));
            api.patch("rights", &kube::api::PatchParams::default(), &patch)
                .await
                .unwrap();
        }
        asked(scenario, "get", "clusterpullsecrets", "rights")
            .await
            .then_some(())
            .ok_or_else(|| "not yet".to_owned())
    })
    .await;
}

/// Retains a copy in the operator's own namespace, which the operator reads before it leaves it.
async fn a_copy_in_the_operators_own_namespace_is_left_to_it(scenario: &Scenario) {
    let mut object = scenario.object();
    object["metadata"]["name"] = json!("own");
    object["spec"]["namespaces"] = json!({"names": [SYSTEM_NAMESPACE]});
    object["spec"]["deletionPolicy"] = json!("Retain");
    scenario.apply(&object).await;
    scenario
        .kubectl(&["wait", "cps", "own", "--for=condition=Ready", "--timeout=120s"])
        .await;
    scenario.kubectl(&["delete", "cps", "own"]).await;
    assert!(asked(scenario, "get", "secrets", "own").await);
}
