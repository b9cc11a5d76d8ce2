//! A thousand namespaces, filled and rotated with the exact number of writes.

use std::collections::BTreeMap;
use std::time::{Duration, Instant};

use e2e::OPERATOR_USER;
use e2e::audit::{Mark, Record};
use e2e::oracle::{self, Expected};
use e2e::scenario::{LABEL, Scenario};
use e2e::wait::eventually;
use futures::{StreamExt, TryStreamExt, stream};
use k8s_openapi::ByteString;
use k8s_openapi::api::core::v1::{Secret, ServiceAccount};
use kube::Api;
use kube::api::{ObjectMeta, PostParams};
use serde_json::json;

use crate::MACHINE;

const NAMESPACES: usize = 1000;

/// Served accounts of each namespace.
const ACCOUNTS: [&str; 2] = ["default", "build"];

/// Finalizer, state, and status at most once a second for a run of a minute.
const CONSTANT: usize = 70;

/// Memory in tenths of what the same process needed in an empty cluster, most of which is its own code. It is 12 or 13.
const GROWS_TO: u64 = 15;

/// Peak memory in tenths of the final one.
const PEAK: u64 = 13;

/// The promise for a rotation of all copies.
const ROTATES_WITHIN: Duration = Duration::from_secs(5);

/// An unoptimised operator on a busy machine may take this many times as long as a client that writes as many Secrets. It
/// takes up to 4 times as long.
const SLOWER: u32 = 6;

/// Time limit of an unoptimised operator on a busy machine.
const PATIENCE: Duration = Duration::from_mins(2);

/// A thousand namespaces take one write for each copy and each reference. A rotation takes seconds.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn thousand_namespaces_take_one_write_each() {
    let _alone = MACHINE.write().await;
    let scenario = Scenario::own("many").await;
    let (empty, _) = scenario.memory_kib();
    let (first, second) = (scenario.login("first"), scenario.login("second"));
    let names: Vec<String> = (0..NAMESPACES).map(|number| format!("many-{number:04}")).collect();
    let labels = BTreeMap::from([(LABEL.to_owned(), "many".to_owned())]);
    scenario.make_namespaces(names.clone(), &labels).await;
    make_accounts(&scenario, &names, &ACCOUNTS[1..]).await;
    scenario.wait_for_accounts(&names).await;
    let mut object = scenario.object();
    object["spec"]["serviceAccounts"] = json!({"names": ACCOUNTS});
    let mut expected = scenario.expected(&[], &first);
    let accounts = ACCOUNTS.map(String::from);
    expected.holders = names
        .iter()
        .map(|name| (name.clone(), accounts.clone().into()))
        .collect();

    scenario.source(&first).await;
    let mark = scenario.mark().await;
    let start = Instant::now();
    scenario.apply(&object).await;
    come_true(&scenario, "all namespaces are served", &expected).await;
    println!(
        "filled {NAMESPACES} namespaces of {} accounts in {:?}",
        ACCOUNTS.len(),
        start.elapsed()
    );
    let secrets = NAMESPACES;
    check_calls(&scenario, mark, secrets, NAMESPACES * ACCOUNTS.len()).await;
    scenario.counts(NAMESPACES).await;

    let before = write_as_many(&scenario, "before").await;
    expected.logins = scenario.expected(&[], &second).logins;
    let mark = scenario.mark().await;
    scenario.source(&second).await;
    come_true(&scenario, "all copies have the new login", &expected).await;
    let rotated = check_calls(&scenario, mark, secrets, 0).await;
    let plain = before.max(write_as_many(&scenario, "after").await);
    println!("rotated {NAMESPACES} namespaces in {rotated:?}; a client wrote as many Secrets in {plain:?}");
    assert!(
        rotated <= ROTATES_WITHIN.max(plain * SLOWER),
        "{rotated:?}, a client {plain:?}"
    );
    let (now, peak) = scenario.memory_kib();
    println!("resident {empty} KiB in an empty cluster, {now} KiB now, at most {peak} KiB");
    assert!(
        now * 10 <= empty * GROWS_TO && peak * 10 <= now * PEAK,
        "resident {empty} KiB in an empty cluster, {now} KiB now, at most {peak} KiB"
    );
}

/// Creates an account of each of these names in each namespace.
pub(crate) async fn make_accounts(scenario: &Scenario, namespaces: &[String], names: &[&str]) {
    let all = namespaces
        .iter()
        .flat_map(|namespace| names.iter().map(move |name| (namespace, *name)));
    let made = stream::iter(all).map(|(namespace, name)| {
        let accounts: Api<ServiceAccount> = Api::namespaced(scenario.client().clone(), namespace);
        let metadata = ObjectMeta {
            name: Some(name.to_owned()),
            ..ObjectMeta::default()
        };
        async move {
            let account = ServiceAccount {
                metadata,
                ..ServiceAccount::default()
            };
            accounts.create(&PostParams::default(), &account).await
        }
    });
    let made: Vec<_> = made.buffer_unordered(32).try_collect().await.unwrap();
    assert_eq!(made.len(), namespaces.len() * names.len());
}

/// Creates a Secret for each namespace, as many at a time as the operator writes. Returns how long that took.
async fn write_as_many(scenario: &Scenario, prefix: &str) -> Duration {
    let secrets: Api<Secret> = Api::namespaced(scenario.client().clone(), "default");
    let login = ByteString(vec![b'x'; 200]);
    let start = Instant::now();
    let made = stream::iter(0..NAMESPACES).map(|number| {
        let secret = Secret {
            metadata: ObjectMeta {
                name: Some(format!("{prefix}-{number}")),
                ..ObjectMeta::default()
            },
            data: Some(BTreeMap::from([("login".to_owned(), login.clone())])),
            ..Secret::default()
        };
        let secrets = secrets.clone();
        async move { secrets.create(&PostParams::default(), &secret).await }
    });
    let made: Vec<_> = made.buffer_unordered(32).try_collect().await.unwrap();
    assert_eq!(made.len(), NAMESPACES);
    start.elapsed()
}

async fn come_true(scenario: &Scenario, what: &str, expected: &Expected) {
    eventually(what, PATIENCE, async || {
        oracle::check(scenario.client(), expected).await
    })
    .await;
}

/// Checks for the exact number of successful writes to copies and accounts, few others, and no read of a single one.
/// Returns how long the writes to copies took.
async fn check_calls(scenario: &Scenario, mark: Mark, secrets: usize, accounts: usize) -> Duration {
    let audit = scenario.cluster().audit();
    audit.settle(scenario.client()).await.unwrap();
    let records = audit.since(mark).unwrap();
    let ours: Vec<&Record> = records.iter().filter(|record| record.user == OPERATOR_USER).collect();
    let (inside, outside): (Vec<&Record>, Vec<&Record>) = ours
        .into_iter()
        .partition(|record| record.namespace.starts_with("many-"));
    let to = |resource: &str| {
        inside
            .iter()
            .filter(|record| record.resource == resource && record.is_write())
            .count()
    };
    assert_eq!(
        (to("secrets"), to("serviceaccounts")),
        (secrets, accounts),
        "writes to copies and to accounts"
    );
    let others: Vec<String> = inside
        .iter()
        .filter(|record| !record.is_write())
        .map(|record| record.summary())
        .collect();
    assert!(others.is_empty(), "reads of single objects: {others:?}");
    let constant: Vec<String> = outside.iter().map(|record| record.summary()).collect();
    assert!(constant.len() <= CONSTANT, "{constant:#?}");
    let copies = || inside.iter().filter(|record| record.resource == "secrets");
    let began = copies().map(|record| record.timestamp).min().unwrap();
    let ended = copies().map(|record| record.answered).max().unwrap();
    ended.duration_since(began).unsigned_abs()
}
