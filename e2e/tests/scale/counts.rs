//! Exact numbers of calls. Counts do not depend on the speed of the machine.

use std::collections::BTreeSet;
use std::time::Duration;

use e2e::audit::{Mark, Record};
use e2e::oracle::Expected;
use e2e::scenario::{LABEL, Scenario};
use e2e::wait::quiet;
use e2e::{OPERATOR_USER, SYSTEM_NAMESPACE};
use serde_json::{Value, json};

use crate::MACHINE;
use crate::scale::fill::make_accounts;

const NAMESPACES: usize = 200;

/// Served accounts of each namespace; a new namespace has only the first.
const ACCOUNTS: [&str; 2] = ["default", "build"];

/// Superfluous writes are visible by then: longer than the second between two writes of a status.
const A_WHILE: Duration = Duration::from_secs(2);

/// Requests of the operator in a step, by subject.
#[derive(Debug, Default, PartialEq, Eq)]
struct Calls {
    copies: usize,
    accounts: usize,
    finalizers: usize,
    states: usize,
    /// All requests except writes and the Lease.
    reads: Vec<String>,
    /// Writes of any other kind. Status and Events do not count, because their times vary. The first status write
    /// records the installation, before the finalizer.
    others: Vec<String>,
}

impl Calls {
    fn count(&mut self, record: &Record) {
        let resource = (record.resource.as_str(), record.subresource.as_str());
        match resource {
            // The clock decides when a replica checks its Lease.
            ("leases", _) => {}
            _ if !record.is_write() => self.reads.push(read(record)),
            _ if !(200..300).contains(&record.code) => self.others.push(record.summary()),
            ("secrets", "") if record.namespace == SYSTEM_NAMESPACE => self.states += 1,
            ("secrets", "") => self.copies += 1,
            ("serviceaccounts", "") => self.accounts += 1,
            ("clusterpullsecrets", "") => self.finalizers += 1,
            ("clusterpullsecrets", "status") | ("events", "") => {}
            _ => self.others.push(record.summary()),
        }
    }
}

const SOURCES: &str = "sources";

/// Returns the entries of [`read`] for watches that begin with a list of these.
fn lists(kinds: &[&str]) -> Vec<String> {
    let read = |kind: &&str| match *kind {
        SOURCES => format!("watch secrets {SYSTEM_NAMESPACE}"),
        kind => format!("watch {kind} everywhere"),
    };
    kinds.iter().map(read).collect()
}

/// Describes a read. Its kind and parameters are the same in each run, but its version is not.
fn read(record: &Record) -> String {
    let place = if record.namespace.is_empty() {
        "everywhere"
    } else {
        &record.namespace
    };
    format!("{} {} {place}", record.verb, record.resource)
}

/// Creates namespaces with their accounts and the source. Returns the object and its expected effect.
async fn many_namespaces(scenario: &Scenario) -> (Value, Expected) {
    let first = scenario.login("first");
    let parts: Vec<String> = (0..NAMESPACES).map(|number| format!("{number:03}")).collect();
    let parts: Vec<&str> = parts.iter().map(String::as_str).collect();
    let names = scenario.in_scenario(&parts);
    scenario.namespaces(&parts).await;
    make_accounts(scenario, &names, &ACCOUNTS[1..]).await;
    scenario.wait_for_accounts(&names).await;
    scenario.source(&first).await;
    let mut object = scenario.object();
    object["spec"]["serviceAccounts"] = json!({"names": ACCOUNTS});
    let mut expected = scenario.expected(&parts, &first);
    let both: BTreeSet<String> = ACCOUNTS.map(String::from).into();
    expected
        .holders
        .values_mut()
        .for_each(|accounts| accounts.clone_from(&both));
    (object, expected)
}

/// Each step takes exactly the calls that it cannot do without.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn each_step_takes_the_least_calls() {
    let _alone = MACHINE.write().await;
    let scenario = Scenario::own("exact").await;
    let (object, mut expected) = many_namespaces(&scenario).await;

    let mark = scenario.mark().await;
    scenario.apply(&object).await;
    let converged = Calls {
        copies: NAMESPACES,
        accounts: NAMESPACES * ACCOUNTS.len(),
        finalizers: 1,
        states: 1,
        // The operator kept no data that no object needed, so the first object makes it list both again.
        reads: lists(&["namespaces", SOURCES]),
        ..Calls::default()
    };
    takes(&scenario, mark, "all namespaces are served", &expected, converged).await;

    let mark = scenario.mark().await;
    let second = scenario.login("second");
    scenario.source(&second).await;
    expected.logins = scenario.expected(&[], &second).logins;
    let rotated = Calls {
        copies: NAMESPACES,
        states: 1,
        ..Calls::default()
    };
    takes(&scenario, mark, "each copy has the new login", &expected, rotated).await;

    scenario.stop_operator().await;
    let mark = scenario.mark().await;
    scenario.start_operator().await;
    // One for each kind, one for the sources, and one that checks whether the server streams lists.
    let kinds = [
        "clusterpullsecrets",
        "namespaces",
        "namespaces",
        "secrets",
        SOURCES,
        "serviceaccounts",
    ];
    let restarted = Calls {
        reads: lists(&kinds),
        ..Calls::default()
    };
    takes(
        &scenario,
        mark,
        "it starts with everything in place",
        &expected,
        restarted,
    )
    .await;
    single_changes(&scenario, &mut expected).await;
}

/// Creates a namespace, edits a copy, and labels a namespace out.
async fn single_changes(scenario: &Scenario, expected: &mut Expected) {
    let mark = scenario.mark().await;
    scenario.namespaces(&["new"]).await;
    expected
        .holders
        .insert("exact-new".to_owned(), ["default".to_owned()].into());
    let came = Calls {
        copies: 1,
        accounts: 1,
        ..Calls::default()
    };
    takes(scenario, mark, "a new namespace is served", expected, came).await;

    let mark = scenario.mark().await;
    let edit = "label secret exact -n exact-007 app.kubernetes.io/managed-by=another --overwrite";
    scenario.kubectl(&edit.split(' ').collect::<Vec<_>>()).await;
    let mended = Calls {
        copies: 1,
        ..Calls::default()
    };
    takes(scenario, mark, "an edited copy is restored", expected, mended).await;

    let mark = scenario.mark().await;
    scenario
        .kubectl(&["label", "namespace", "exact-003", &format!("{LABEL}-")])
        .await;
    expected.holders.remove("exact-003");
    let went = Calls {
        copies: 1,
        accounts: ACCOUNTS.len(),
        ..Calls::default()
    };
    takes(
        scenario,
        mark,
        "a namespace that is labelled out is cleaned up",
        expected,
        went,
    )
    .await;
}

/// Waits until store and status are as expected, and checks the calls.
async fn takes(scenario: &Scenario, mark: Mark, what: &str, expected: &Expected, exactly: Calls) {
    scenario.holds(what, expected).await;
    scenario.counts(expected.holders.len()).await;
    let audit = scenario.cluster().audit();
    let calls = || {
        let mut calls = Calls::default();
        let records = audit.since(mark).unwrap();
        let ours = records.iter().filter(|record| record.user == OPERATOR_USER);
        ours.for_each(|record| calls.count(record));
        calls.reads.sort();
        calls
    };
    audit.settle(scenario.client()).await.unwrap();
    assert_eq!(calls(), exactly, "{what}");
    quiet(&format!("{what} and no further request follows"), A_WHILE, async || {
        let now = calls();
        (now == exactly).then_some(()).ok_or_else(|| format!("{now:?}"))
    })
    .await;
}
