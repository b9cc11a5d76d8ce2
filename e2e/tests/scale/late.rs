//! New namespaces during much other work.

use std::time::Duration;

use e2e::OPERATOR_USER;
use e2e::audit::Record;
use e2e::oracle::{Expected, Login};
use e2e::scenario::Scenario;
use e2e::wait::eventually;
use serde_json::{Value, json};

use crate::MACHINE;
use crate::scale::fill::make_accounts;

/// Number of namespaces, and of accounts in the large one.
const MANY: usize = 400;

/// Number of writes before the new namespace arrives.
const DONE: usize = 100;

/// Writes that may precede it: those in flight, as many that were scheduled, and some that end while the event arrives.
/// A namespace that waited for all had 678 before it, and 270 behind one with many accounts.
const BEFORE_IT: usize = 200;

const PATIENCE: Duration = Duration::from_mins(2);

/// A namespace that comes while many are filled does not wait for them.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn new_namespace_does_not_wait_for_fill() {
    let _alone = MACHINE.write().await;
    let scenario = Scenario::own("late").await;
    let login = scenario.login("first");
    let parts: Vec<String> = (0..MANY).map(|number| format!("{number:03}")).collect();
    let mut parts: Vec<&str> = parts.iter().map(String::as_str).collect();
    scenario.namespaces(&parts).await;
    scenario.wait_for_accounts(&scenario.in_scenario(&parts)).await;
    parts.push("new");
    let expected = scenario.expected(&parts, &login);
    is_served_meanwhile(&scenario, &scenario.object(), &login, &expected, BEFORE_IT).await;
}

/// A namespace that comes while another one has many accounts does not wait for them.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn new_namespace_does_not_wait_for_many_accounts() {
    let _alone = MACHINE.write().await;
    let scenario = Scenario::own("late").await;
    let login = scenario.login("first");
    scenario.namespaces(&["tenant"]).await;
    scenario.wait_for_accounts(&scenario.in_scenario(&["tenant"])).await;
    let tenant = scenario.in_scenario(&["tenant"]);
    let names: Vec<String> = (0..MANY).map(|number| format!("account-{number:03}")).collect();
    let accounts: Vec<&str> = names.iter().map(String::as_str).collect();
    make_accounts(&scenario, &tenant, &accounts).await;
    let mut object = scenario.object();
    object["spec"]["serviceAccounts"] = json!({"names": ["*"]});
    let mut expected = scenario.expected(&["tenant", "new"], &login);
    expected.holders.get_mut(&tenant[0]).unwrap().extend(names);
    is_served_meanwhile(&scenario, &object, &login, &expected, BEFORE_IT / 2).await;
}

/// Creates the namespace `new` while the object is being served. Few writes may precede it, and at least as many must
/// follow.
async fn is_served_meanwhile(scenario: &Scenario, object: &Value, login: &Login, expected: &Expected, most: usize) {
    scenario.source(login).await;
    let mark = scenario.mark().await;
    let audit = scenario.cluster().audit();
    scenario.apply(object).await;
    eventually("the filling has begun", PATIENCE, async || {
        let done = audit.since(mark).unwrap().into_iter().filter(is_filled).count();
        (done >= DONE).then_some(()).ok_or_else(|| format!("{done} writes"))
    })
    .await;
    scenario.namespaces(&["new"]).await;
    scenario.holds("all are served", expected).await;

    audit.settle(scenario.client()).await.unwrap();
    let records = audit.since(mark).unwrap();
    let is_new = |record: &&Record| record.verb == "create" && record.resource == "namespaces";
    let came = records.iter().find(is_new).unwrap().answered;
    let filled: Vec<&Record> = records.iter().filter(|record| is_filled(record)).collect();
    let is_its_copy = |record: &&&Record| record.namespace == "late-new" && record.resource == "secrets";
    let served = filled.iter().find(is_its_copy).unwrap().answered;
    let before = filled
        .iter()
        .filter(|record| came < record.answered && record.answered < served);
    let after = filled.iter().filter(|record| served < record.answered);
    let (before, after) = (before.count(), after.count());
    assert!(before <= most, "{before} writes before it, {after} after");
    assert!(
        after >= most,
        "the filling was over: {before} writes before it, {after} after"
    );
}

/// Returns whether it is a write to a copy or a reference.
fn is_filled(record: &Record) -> bool {
    record.user == OPERATOR_USER && record.is_write() && record.namespace.starts_with("late-")
}
