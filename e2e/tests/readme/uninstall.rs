//! Uninstalling, in order and out of order: no object of the product stays, and no foreign object changes.

use std::time::Duration;

use e2e::oracle::{self, ATTACHED, Foreign, LABEL, RETAINED};
use e2e::scenario::{SOON, Scenario};
use e2e::wait::{eventually, quiet};
use e2e::{SYSTEM_NAMESPACE, workspace};
use futures::future::join;
use k8s_openapi::api::core::v1::{Secret, ServiceAccount};
use kube::api::{Patch, PatchParams};
use kube::{Api, ResourceExt};
use serde_json::{Value, json};
use tokio::sync::oneshot::{self, error::TryRecvError};

use crate::readme::blocks::{attempt, run};
use crate::readme::left::nothing_is_left;

const DEFINITION: &str = "crd/clusterpullsecrets.pullsecrets.dev";

/// A company at work: two served namespaces, and a second object with `deletionPolicy: Retain`. Beside them are foreign
/// objects, some of which look like the operator's.
struct Company {
    scenario: Scenario,
    theirs: Foreign,
}

impl Company {
    async fn new(name: &str) -> Self {
        let scenario = Scenario::own(name).await;
        scenario.unselected_namespaces(&["a", "b"]).await;
        for namespace in scenario.in_scenario(&["a", "b"]) {
            beside_ours(&scenario, &namespace).await;
        }
        let names = scenario.in_scenario(&["a", "b"]);
        let ours = [scenario.name(), "kept"];
        let theirs = Foreign::in_namespaces(scenario.client(), &names, &ours).await.unwrap();
        let login = scenario.login("first");
        scenario.source(&login).await;
        let mut kept = scenario.object();
        kept["metadata"]["name"] = json!("kept");
        kept["spec"]["deletionPolicy"] = json!("Retain");
        for object in [scenario.object(), kept] {
            scenario.apply(&object).await;
        }
        for namespace in &names {
            let label = format!("scenario={name}");
            scenario.kubectl(&["label", "namespace", namespace, &label]).await;
        }
        scenario
            .holds("it is served", &scenario.expected(&["a", "b"], &login))
            .await;
        let wait = ["wait", "cps", "--all", "--for=condition=Ready", "--timeout=120s"];
        scenario.kubectl(&wait).await;
        Self { scenario, theirs }
    }

    /// Runs a block of README.
    async fn follow(&self, block: &str) {
        run(&self.scenario.cluster().kubectl(), &workspace(), block).await;
    }

    /// Repeats a block until it prints no line, as the README says.
    async fn until_it_prints_nothing(&self, block: &str) {
        let kubectl = self.scenario.cluster().kubectl();
        eventually("it prints no line", SOON * 2, async || {
            match attempt(&kubectl, &workspace(), block).await {
                Ok(printed) if printed.is_empty() => Ok(()),
                Ok(more) | Err(more) => Err(more),
            }
        })
        .await;
    }

    async fn nothing_is_left(&self) {
        let client = self.scenario.client();
        eventually("no trace of the product is left", SOON, async || {
            nothing_is_left(client).await
        })
        .await;
        self.nothing_of_others_changed().await;
    }

    async fn nothing_of_others_changed(&self) {
        let client = self.scenario.client();
        self.theirs.check_unchanged(client).await.unwrap();
        for namespace in self.scenario.in_scenario(&["a", "b"]) {
            let builder = self.account(&namespace, "builder").await;
            assert_eq!(entries(&builder), ["kept"], "unrecorded, so never removed");
        }
    }

    async fn account(&self, namespace: &str, name: &str) -> ServiceAccount {
        let accounts: Api<ServiceAccount> = Api::namespaced(self.scenario.client().clone(), namespace);
        accounts.get(name).await.unwrap()
    }

    async fn copies(&self) -> Vec<String> {
        let secrets: Api<Secret> = Api::all(self.scenario.client().clone());
        let ours =
            kube::api::ListParams::default().labels(&format!("{LABEL},app.kubernetes.io/managed-by=pullsecrets"));
        let copies = secrets.list(&ours).await.unwrap().into_iter();
        copies
            .map(|copy| format!("{}/{}", copy.namespace().unwrap(), copy.name_any()))
            .collect()
    }
}

/// Creates a foreign Secret and entries, and an account that refers to a Secret with the copy's name on its own.
async fn beside_ours(scenario: &Scenario, namespace: &str) {
    let secret = [
        "create",
        "secret",
        "generic",
        "theirs",
        "-n",
        namespace,
        "--from-literal=a=b",
    ];
    scenario.kubectl(&secret).await;
    let account = |name: &str, entries: &[&str]| {
        let entries: Vec<Value> = entries.iter().map(|name| json!({"name": name})).collect();
        json!({"apiVersion": "v1", "kind": "ServiceAccount", "imagePullSecrets": entries,
            "metadata": {"name": name, "namespace": namespace, "annotations": {"example.com/theirs": "kept"}}})
    };
    for account in [account("default", &["first", "second"]), account("builder", &["kept"])] {
        scenario.apply(&account).await;
    }
}

/// Another writer adds entries to an account until `stop` resolves. The first ones go to the end and to the beginning in
/// turn, where each moves all others. The rest go to the end.
async fn add_entries(company: &Company, namespace: &str, mut stop: oneshot::Receiver<()>) -> Vec<String> {
    let accounts: Api<ServiceAccount> = Api::namespaced(company.scenario.client().clone(), namespace);
    let mut added = Vec::new();
    while stop.try_recv() == Err(TryRecvError::Empty) {
        let name = format!("late-{}", added.len());
        let place = if added.len() < 20 && added.len() % 2 == 0 {
            "0"
        } else {
            "-"
        };
        let path = format!("/imagePullSecrets/{place}");
        let add = json!([{"op": "add", "path": path, "value": {"name": name}}]);
        let add: Patch<Value> = Patch::Json(serde_json::from_value(add).unwrap());
        accounts.patch("default", &PatchParams::default(), &add).await.unwrap();
        added.push(name);
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
    added
}

fn entries(account: &ServiceAccount) -> Vec<String> {
    let entries = account.image_pull_secrets.iter().flatten();
    entries.map(|entry| entry.name.clone()).collect()
}

/// In order, the operator cleans up, and what Retain left is removed by its mark.
#[tokio::test]
async fn ordered_uninstall_leaves_only_retained_copies() {
    let company = Company::new("ordered").await;
    let scenario = &company.scenario;
    company.follow("uninstall").await;
    assert_eq!(company.copies().await, Vec::<String>::new());
    for namespace in scenario.in_scenario(&["a", "b"]) {
        let secrets: Api<Secret> = Api::namespaced(scenario.client().clone(), &namespace);
        let retained = secrets.get("kept").await.unwrap();
        assert_eq!(retained.annotations().get(RETAINED).map(String::as_str), Some("kept"));
        let account = company.account(&namespace, "default").await;
        assert_eq!(entries(&account), ["first", "second", "kept"]);
        assert_eq!(account.annotations().get(ATTACHED).map(String::as_str), Some("kept"));
    }
    company.nothing_of_others_changed().await;

    company.follow("retained-copies").await;
    company.follow("by-hand-references").await;
    company.nothing_is_left().await;
}

/// With the operator gone, a few commands take everything, and no entry of a busy writer.
#[tokio::test]
async fn commands_clean_up_without_the_operator() {
    let company = Company::new("gone").await;
    company.scenario.stop_operator().await;
    company.follow("by-hand-objects").await;
    // A copy of an object with `deletionPolicy: Delete` has an owner. The garbage collector looks for new kinds twice a
    // minute.
    eventually(
        "garbage collection takes the copies with an owner",
        SOON * 3,
        async || match company.copies().await {
            left if left == ["gone-a/kept", "gone-b/kept"] => Ok(()),
            left => Err(format!("{left:?}")),
        },
    )
    .await;
    company.follow("by-hand-copies").await;
    let (still, stop) = oneshot::channel();
    let references = async {
        company.until_it_prints_nothing("by-hand-references").await;
        drop(still);
    };
    let (added, ()) = join(add_entries(&company, "gone-a", stop), references).await;
    println!("{} entries were added during the cleanup", added.len());
    assert!(added.len() > 1);
    let left = entries(&company.account("gone-a", "default").await);
    let kept: Vec<&String> = left.iter().filter(|name| !name.starts_with("late-")).collect();
    assert_eq!(kept, ["first", "second"]);
    assert_eq!(left.len(), added.len() + 2, "each that was added is there");
    let undo = r#"{"imagePullSecrets":[{"name":"first"},{"name":"second"}]}"#;
    let arguments = [
        "patch",
        "serviceaccount",
        "default",
        "-n",
        "gone-a",
        "--type=merge",
        "-p",
        undo,
    ];
    company.scenario.kubectl(&arguments).await;
    company.follow("by-hand-rest").await;
    company.nothing_is_left().await;
}

/// Deleting everything at once waits for the finalizers, and the same commands get out of it.
#[tokio::test]
async fn deleting_everything_at_once_can_be_finished() {
    let company = Company::new("atonce").await;
    let scenario = &company.scenario;
    scenario.stop_operator().await;
    scenario
        .kubectl(&["delete", "-k", "config/default", "--wait=false"])
        .await;
    eventually("the namespace is gone, the definition is not", SOON, async || {
        let left = ["get", "namespace", SYSTEM_NAMESPACE, "--ignore-not-found", "-o", "name"];
        let left = scenario.kubectl(&left).await;
        left.is_empty().then_some(()).ok_or(left)
    })
    .await;
    let deleting = ["get", DEFINITION, "-o", "jsonpath={.metadata.deletionTimestamp}"];
    assert_ne!(scenario.kubectl(&deleting).await, "");
    for block in [
        "by-hand-objects",
        "by-hand-copies",
        "by-hand-references",
        "by-hand-rest",
    ] {
        company.follow(block).await;
    }
    company.nothing_is_left().await;
}

/// The definition first is as the objects first, and it can come back.
#[tokio::test]
async fn definition_may_be_deleted_first() {
    let company = Company::new("definition").await;
    let scenario = &company.scenario;
    scenario.kubectl(&["delete", DEFINITION, "--timeout=120s"]).await;
    assert_eq!(company.copies().await, Vec::<String>::new());
    for namespace in scenario.in_scenario(&["a", "b"]) {
        let account = company.account(&namespace, "default").await;
        assert_eq!(entries(&account), ["first", "second", "kept"], "what Retain left");
    }
    company.nothing_of_others_changed().await;

    // As after an accidental deletion: all manifests are applied again, and the operator still runs.
    scenario.kubectl(&["apply", "-k", "config/crd"]).await;
    let object = scenario.object();
    eventually("objects are taken again", SOON, async || {
        let applied = scenario.cluster().kubectl().apply(&object.to_string()).await;
        applied.map(drop).map_err(|error| format!("{error:#}"))
    })
    .await;
    let login = scenario.login("first");
    eventually("it is served again", SOON * 2, async || {
        oracle::check(scenario.client(), &scenario.expected(&["a", "b"], &login)).await
    })
    .await;
    scenario.says("Ready", "True", "Synced").await;
}

/// The operator's namespace first takes no copy; installed again, the operator needs its sources.
#[tokio::test]
async fn operators_namespace_deleted_first_takes_no_copy() {
    let company = Company::new("namespace").await;
    let scenario = &company.scenario;
    let (login, uids) = (scenario.login("first"), scenario.uids().await);
    // The operator sees its sources disappear one by one, as long as it has a token.
    scenario
        .kubectl(&["delete", "namespace", SYSTEM_NAMESPACE, "--timeout=120s"])
        .await;
    scenario.kill_operator();
    let served = scenario.expected(&["a", "b"], &login);
    oracle::check(scenario.client(), &served).await.unwrap();

    scenario.cluster().install().await.unwrap();
    scenario.start_operator().await;
    scenario.says("CredentialsReady", "False", "SourceNotFound").await;
    quiet("the copies stay", Duration::from_secs(2), async || {
        oracle::check(scenario.client(), &served).await
    })
    .await;
    let mark = scenario.mark().await;
    scenario.source(&login).await;
    scenario.says("Ready", "True", "Synced").await;
    let written = scenario.writes_since(mark).await;
    let elsewhere: Vec<_> = written.iter().filter(|write| write.name != scenario.name()).collect();
    assert!(elsewhere.is_empty(), "no write was expected: {elsewhere:#?}");
    assert_eq!(scenario.uids().await, uids);
    company.nothing_of_others_changed().await;
}
