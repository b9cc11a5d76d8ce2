//! A writer that merges lists: it writes the `imagePullSecrets` of its template together with those that it sees, as
//! Karmada does since 1.15 for the accounts of member clusters.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use e2e::audit::{Mark, Record};
use e2e::scenario::{LABEL, SOON, Scenario};
use e2e::wait::{eventually, quiet};
use k8s_openapi::api::core::v1::{LocalObjectReference, ServiceAccount};
use kube::Api;
use kube::api::PostParams;
use serde_json::{Value, json};
use tokio::task::JoinHandle;

/// The entry of the template.
const THEIRS: &str = "theirs";

/// How often the writer looks. Karmada also writes on each change of the account.
const LOOKS_EVERY: Duration = Duration::from_millis(100);

/// Long enough for fifty looks of the writer.
const A_WHILE: Duration = Duration::from_secs(5);

/// One removal, and another for each time that the writer wrote back what it saw before. A slow machine may show it that
/// several times. A loop would take fifty in [`A_WHILE`].
const REMOVALS: usize = 5;

/// How the writer names the version that it merges with.
#[derive(Debug, Clone, Copy)]
enum Version {
    /// By its resourceVersion, as Karmada does. The version may be an old one.
    Named,
    /// Not at all. It has just been read.
    Unnamed,
}

/// What takes the account from the object.
#[derive(Debug, Clone, Copy)]
enum Removal {
    ObjectDeleted,
    AccountDeselected,
    NamespaceDeselected,
}

/// The writer; see the module. It runs until stopped.
struct Merger {
    stop: Arc<AtomicBool>,
    task: JoinHandle<usize>,
}

impl Merger {
    fn start(scenario: &Scenario, version: Version, template: ServiceAccount) -> Self {
        let api: Api<ServiceAccount> = Api::namespaced(scenario.client().clone(), &namespace(scenario));
        let stop = Arc::new(AtomicBool::new(false));
        let stopped = Arc::clone(&stop);
        let task = tokio::spawn(async move {
            let params = PostParams {
                field_manager: Some("karmada".to_owned()),
                ..PostParams::default()
            };
            let mut writes = 0;
            let mut before = None;
            while !stopped.load(Ordering::Relaxed) {
                if let Ok(seen) = api.get("builder").await {
                    // A cache shows an old version every other time.
                    let known = before.replace(seen.clone()).filter(|_| writes % 2 == 1);
                    let mut merged = match version {
                        Version::Named => merge(&template, &known.unwrap_or(seen)),
                        Version::Unnamed => merge(&template, &seen),
                    };
                    if matches!(version, Version::Unnamed) {
                        merged.metadata.resource_version = None;
                    }
                    // One that names an old version fails, and the next look shows the new one.
                    let _ = api.replace("builder", &params, &merged).await;
                    writes += 1;
                }
                tokio::time::sleep(LOOKS_EVERY).await;
            }
            writes
        });
        Self { stop, task }
    }

    /// Stops it, and returns the number of its writes.
    async fn stop(self) -> usize {
        self.stop.store(true, Ordering::Relaxed);
        self.task.await.unwrap()
    }
}

/// Returns the template with what Karmada keeps of the object in the cluster: its version and owners, its labels and
/// annotations besides those of the template, and the entries of its lists that the template lacks.
fn merge(template: &ServiceAccount, seen: &ServiceAccount) -> ServiceAccount {
    let mut merged = template.clone();
    let metadata = &mut merged.metadata;
    metadata.resource_version.clone_from(&seen.metadata.resource_version);
    metadata.finalizers.clone_from(&seen.metadata.finalizers);
    metadata.owner_references.clone_from(&seen.metadata.owner_references);
    let keep = |ours: &mut Option<BTreeMap<String, String>>, theirs: &Option<BTreeMap<String, String>>| {
        let ours = ours.get_or_insert_default();
        for (key, value) in theirs.iter().flatten() {
            ours.entry(key.clone()).or_insert_with(|| value.clone());
        }
    };
    keep(&mut metadata.labels, &seen.metadata.labels);
    keep(&mut metadata.annotations, &seen.metadata.annotations);
    let entries = merged.image_pull_secrets.get_or_insert_default();
    for entry in seen.image_pull_secrets.iter().flatten() {
        if !entries.iter().any(|known| known.name == entry.name) {
            entries.push(entry.clone());
        }
    }
    merged
}

fn namespace(scenario: &Scenario) -> String {
    format!("{}-a", scenario.name())
}

fn template(scenario: &Scenario, entries: &[&str]) -> ServiceAccount {
    let template = json!({
        "apiVersion": "v1", "kind": "ServiceAccount",
        "metadata": {"name": "builder", "namespace": namespace(scenario), "labels": {"team": "x"}},
    });
    let mut template: ServiceAccount = serde_json::from_value(template).unwrap();
    let entry = |name: &&str| LocalObjectReference {
        name: (*name).to_owned(),
    };
    template.image_pull_secrets = Some(entries.iter().map(entry).collect());
    template
}

/// Returns the entries of the account, and the record of those that the operator added.
async fn account(scenario: &Scenario) -> (Vec<String>, String) {
    let api: Api<ServiceAccount> = Api::namespaced(scenario.client().clone(), &namespace(scenario));
    let account = api.get("builder").await.unwrap();
    let entries = account.image_pull_secrets.into_iter().flatten();
    let record = account.metadata.annotations.unwrap_or_default();
    let record = record.get("pullsecrets.dev/attached").cloned().unwrap_or_default();
    (entries.map(|entry| entry.name).collect(), record)
}

/// Waits until the account has these entries, and this record.
async fn has(scenario: &Scenario, what: &str, entries: &[&str], record: &str) {
    eventually(what, SOON, async || stands(scenario, entries, record).await).await;
}

async fn stands(scenario: &Scenario, entries: &[&str], record: &str) -> Result<(), String> {
    let found = account(scenario).await;
    if found.0 == entries && found.1 == record {
        Ok(())
    } else {
        Err(format!("{found:?}"))
    }
}

/// Creates an object for the account `builder` of the namespace `a`, which has the template's entry.
async fn set_up(name: &str) -> (Scenario, Value) {
    let scenario = Scenario::shared(name).await;
    scenario.namespaces(&["a"]).await;
    let account = serde_json::to_value(template(&scenario, &[THEIRS])).unwrap();
    scenario.apply(&account).await;
    scenario.source(&scenario.login("first")).await;
    let mut object = scenario.object();
    object["spec"]["serviceAccounts"] = json!({"names": ["builder"]});
    scenario.apply(&object).await;
    // A writer that looked before the operator's entry came, and writes later, would remove it.
    let both = [THEIRS, scenario.name()];
    has(&scenario, "the operator's entry comes", &both, scenario.name()).await;
    scenario.counts_accounts(1).await;
    scenario.says("Ready", "True", "Synced").await;
    (scenario, object)
}

/// Returns the operator's successful writes to accounts since `mark`.
async fn account_writes(scenario: &Scenario, mark: Mark) -> Vec<Record> {
    let writes = scenario.writes_since(mark).await;
    let of_accounts = |write: &Record| write.resource == "serviceaccounts" && write.code == 200;
    writes.into_iter().filter(of_accounts).collect()
}

async fn remove(scenario: &Scenario, object: &mut Value, removal: Removal) {
    match removal {
        Removal::ObjectDeleted => {
            scenario
                .kubectl(&["delete", "cps", scenario.name(), "--wait=false"])
                .await;
        }
        Removal::AccountDeselected => {
            object["spec"]["serviceAccounts"] = json!({"names": ["another"]});
            scenario.apply(object).await;
        }
        Removal::NamespaceDeselected => {
            let label = format!("{LABEL}-");
            scenario
                .kubectl(&["label", "namespace", &namespace(scenario), &label])
                .await;
        }
    }
}

/// Both writers keep the operator's entry while the account is selected. They do not bring it back after its removal.
async fn entry_stays_away(name: &str, removal: Removal) {
    tokio::join!(
        stays_away_from(name, removal, Version::Named),
        stays_away_from(name, removal, Version::Unnamed),
    );
}

async fn stays_away_from(name: &str, removal: Removal, version: Version) {
    let (scenario, mut object) = set_up(name).await;
    let merger = Merger::start(&scenario, version, template(&scenario, &[THEIRS]));
    let both = [THEIRS, scenario.name()];
    has(&scenario, "both entries are there", &both, scenario.name()).await;
    let mark = scenario.mark().await;
    quiet("both entries stay", A_WHILE / 2, async || {
        stands(&scenario, &both, scenario.name()).await
    })
    .await;
    let writes = account_writes(&scenario, mark).await;
    assert!(writes.is_empty(), "{version:?}: {writes:#?}");

    let mark = scenario.mark().await;
    remove(&scenario, &mut object, removal).await;
    // An unnamed version may bring the entry back once: the removal came between its look and its write.
    eventually("the operator's entry goes and stays away", SOON, async || {
        for _ in 0..10 {
            stands(&scenario, &[THEIRS], "").await?;
            tokio::time::sleep(LOOKS_EVERY).await;
        }
        Ok(())
    })
    .await;
    quiet("the entry of the operator stays away", A_WHILE, async || {
        stands(&scenario, &[THEIRS], "").await
    })
    .await;
    let writes = account_writes(&scenario, mark).await;
    assert!(
        (1..=REMOVALS).contains(&writes.len()),
        "{removal:?}, {version:?}: {writes:#?}"
    );
    let written = merger.stop().await;
    assert!(written > 20, "{written} writes of the writer");
    if matches!(removal, Removal::ObjectDeleted) {
        scenario.gone("the object has left no trace").await;
    } else {
        scenario
            .says(
                "Ready",
                "True",
                match removal {
                    Removal::NamespaceDeselected => "NoNamespaceSelected",
                    _ => "Synced",
                },
            )
            .await;
    }
}

#[tokio::test]
async fn merged_entry_goes_with_its_object() {
    entry_stays_away("merge-delete", Removal::ObjectDeleted).await;
}

#[tokio::test]
async fn merged_entry_goes_from_deselected_account() {
    entry_stays_away("merge-account", Removal::AccountDeselected).await;
}

#[tokio::test]
async fn merged_entry_goes_from_deselected_namespace() {
    entry_stays_away("merge-namespace", Removal::NamespaceDeselected).await;
}

/// A merge that was computed before the removal and names no version brings the entry and its record back. The operator
/// removes both again.
#[tokio::test]
async fn late_merge_is_removed_again() {
    tokio::join!(
        is_removed_again(Removal::ObjectDeleted),
        is_removed_again(Removal::AccountDeselected),
        is_removed_again(Removal::NamespaceDeselected),
    );
}

async fn is_removed_again(removal: Removal) {
    let (scenario, mut object) = set_up("merge-late").await;
    let api: Api<ServiceAccount> = Api::namespaced(scenario.client().clone(), &namespace(&scenario));
    let mut merged = merge(&template(&scenario, &[THEIRS]), &api.get("builder").await.unwrap());
    merged.metadata.resource_version = None;
    remove(&scenario, &mut object, removal).await;
    has(&scenario, "the operator's entry goes", &[THEIRS], "").await;
    let mark = scenario.mark().await;
    let written = api.replace("builder", &PostParams::default(), &merged).await.unwrap();
    assert_eq!(written.image_pull_secrets.unwrap().len(), 2, "it is back");
    has(&scenario, "the operator's entry goes again", &[THEIRS], "").await;
    let writes = account_writes(&scenario, mark).await;
    assert_eq!(writes.len(), 1, "{removal:?}: {writes:#?}");
}

/// The template itself names the copy, as after `karmadactl promote` of a served account. The entry is then the
/// writer's. It comes back, and the operator leaves it alone. No login stays.
#[tokio::test]
async fn promoted_entry_keeps_no_login() {
    let (scenario, _) = set_up("merge-promoted").await;
    let both = [THEIRS, scenario.name()];
    let merger = Merger::start(&scenario, Version::Named, template(&scenario, &both));
    quiet("both entries stay", A_WHILE / 2, async || {
        stands(&scenario, &both, scenario.name()).await
    })
    .await;
    let mark = scenario.mark().await;
    scenario
        .kubectl(&["delete", "cps", scenario.name(), "--wait=false"])
        .await;
    eventually("the copy is gone", SOON, async || {
        let copies = scenario.uids().await;
        if copies.is_empty() {
            Ok(())
        } else {
            Err(format!("{copies:?}"))
        }
    })
    .await;
    tokio::time::sleep(A_WHILE).await;
    assert!(
        stands(&scenario, &both, "").await.is_ok(),
        "{:?}",
        account(&scenario).await
    );
    let writes = account_writes(&scenario, mark).await;
    merger.stop().await;
    assert!(writes.len() <= REMOVALS, "{writes:#?}");
}
